"""Attributes of records that imported tables state, put into a cohort's index."""

import json
from collections.abc import Mapping

import numpy as np
import pandas as pd

_COLUMNS = ("patient", "age", "sex", "fold")
"""Attributes with a column in the index; the others become details of the record."""


def with_attributes(index: pd.DataFrame, attributes: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return an index in which stated attributes replace those of the sources.

    ``attributes`` is name → (N,) object, None where nothing is stated. ``site``, ``device`` and
    ``order`` become details, so that filters and subgroups find them.
    """
    if not attributes:
        return index
    index = index.copy()
    for name in _COLUMNS:
        if name in attributes:
            stated = pd.Series(attributes[name], index.index)
            is_stated = stated.notna()
            column = index[name].astype(object).where(~is_stated, stated)
            index[name] = column.astype(index[name].dtype)
    details = {name: column for name, column in attributes.items() if name not in _COLUMNS}
    if details:
        index["details"] = _with_details(index["details"].tolist(), details)
    return index


def _with_details(texts: list[str], stated: Mapping[str, np.ndarray]) -> list[str]:
    """Return details (JSON) with the stated ones."""
    rows = zip(*stated.values(), strict=True)
    return [
        json.dumps(json.loads(text) | _known(stated, values))
        if any(v is not None for v in values)
        else text
        for text, values in zip(texts, rows, strict=True)
    ]


def _known(names: Mapping[str, np.ndarray], values: tuple) -> dict[str, str]:
    return {
        name: f"{value:g}" if isinstance(value, float) else value
        for name, value in zip(names, values, strict=True)
        if value is not None
    }
