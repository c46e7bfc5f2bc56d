"""Which records of a cohort take part: those of a source, a device or a site, or all but those.

Conditions stand side by side, separated by commas, and all must hold: ``device=AT-60 3``,
``site=0,site!=2``. NAME is ``source`` or a detail that the source tells of its records, such as
PTB-XL's ``device`` and ``site``. With ``=`` a record must have the value. With ``!=`` its whole
group must be without it: no patient of those left out stays in with another recording.
"""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecgcore.errors import NotFound, RequestError

ACCEPTED = "NAME=VALUE or NAME!=VALUE, several separated by commas"


@dataclass(frozen=True)
class Condition:
    """One condition: the attribute, whether it must be so or not, and the value."""

    name: str
    is_so: bool
    value: str


def conditions(text: str) -> list[Condition]:
    """Return the conditions of a text, or say what is accepted."""
    found = []
    for piece in text.split(","):
        name, equals, value = piece.partition("=")
        is_so = not name.endswith("!")
        name, value = name.removesuffix("!").strip(), value.strip()
        if not (name and equals and value):
            raise RequestError(f"'{piece.strip()}' is no condition; accepted: {ACCEPTED}.")
        found.append(Condition(name, is_so, value))
    return found


def chosen(index: pd.DataFrame, group: np.ndarray, text: str) -> np.ndarray:
    """Return (N,) bool: the records that meet all conditions.

    Parameters
    ----------
    index
        A cohort's index: ``source`` and ``details`` are looked at.
    group
        (N,) int, of :func:`ecgcore.cohort.splits.groups`.

    Raises
    ------
    NotFound
        No record has such an attribute, or no record has the value.
    """
    kept = np.ones(len(index), bool)
    for asked in conditions(text):
        values = _values(index, asked.name)
        has = values == asked.value
        if not has.any():
            raise NotFound.among(asked.name, asked.value, sorted(set(values) - {""}))
        kept &= has if asked.is_so else ~np.isin(group, group[has])
    return kept


def _values(index: pd.DataFrame, name: str) -> np.ndarray:
    """Return (N,) what each record says of an attribute, '' where nothing."""
    if name == "source":
        return index["source"].to_numpy(object)
    texts, inverse = np.unique(index["details"].to_numpy(str), return_inverse=True)
    details = [json.loads(text) for text in texts]
    if not any(name in told for told in details):
        known = sorted({"source", *(key for told in details for key in told)})
        raise NotFound.among("attribute", name, known)
    return np.array([told.get(name, "") for told in details], object)[inverse]
