"""Record filter: select the records of a source, a device or a site, or all except those.

Conditions are separated by commas, and all must hold: ``device=AT-60 3``, ``site=0,site!=2``. NAME
is ``source`` or a detail that the source states of its records, such as PTB-XL's ``device`` and
``site``. With ``=`` a record must have the value. With ``!=`` its whole group must lack it: no
patient who is excluded remains with another recording.
"""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecgcore.errors import NotFound, RequestError

ACCEPTED = "NAME=VALUE or NAME!=VALUE, several separated by commas"


@dataclass(frozen=True)
class Condition:
    """One condition: an attribute, whether it must or must not have the value, and the value."""

    name: str
    is_equal: bool
    value: str


def parse_conditions(text: str) -> list[Condition]:
    """Return the conditions of a text.

    Raises
    ------
    RequestError
        A part of the text is no condition; the message names the accepted form.
    """
    conditions = []
    for part in text.split(","):
        name, equals, value = part.partition("=")
        is_equal = not name.endswith("!")
        name, value = name.removesuffix("!").strip(), value.strip()
        if not (name and equals and value):
            raise RequestError(f"'{part.strip()}' is no condition; accepted: {ACCEPTED}.")
        conditions.append(Condition(name, is_equal, value))
    return conditions


def select_records(index: pd.DataFrame, group: np.ndarray, text: str) -> np.ndarray:
    """Return (N,) bool: the records that meet all conditions.

    Parameters
    ----------
    index
        A cohort's index, with ``source`` and ``details``.
    group
        (N,) int, of :func:`ecgcore.cohort.splits.groups`.

    Raises
    ------
    NotFound
        No record has such an attribute, or no record has the value.
    """
    is_selected = np.ones(len(index), bool)
    for condition in parse_conditions(text):
        values = _attribute_values(index, condition.name)
        has_value = values == condition.value
        if not has_value.any():
            known = sorted(set(values) - {""})
            raise NotFound.among(condition.name, condition.value, known)
        is_selected &= has_value if condition.is_equal else ~np.isin(group, group[has_value])
    return is_selected


def _attribute_values(index: pd.DataFrame, name: str) -> np.ndarray:
    """Return (N,) values of an attribute, '' where a record has none."""
    if name == "source":
        return index["source"].to_numpy(object)
    texts, inverse = np.unique(index["details"].to_numpy(str), return_inverse=True)
    details = [json.loads(text) for text in texts]
    if not any(name in record_details for record_details in details):
        known = sorted({"source", *(key for record_details in details for key in record_details)})
        raise NotFound.among("attribute", name, known)
    return np.array([record_details.get(name, "") for record_details in details], object)[inverse]
