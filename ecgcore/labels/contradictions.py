"""Contradictions: what cannot hold together in one record, and labels that a measurement doubts.

The pairs stand in contradictions.csv, the measured checks in checks.csv. Nothing is changed by
them: they are shown, so that a reader can look at the record.
"""

import csv
import operator
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ecgcore.labels import code_tables
from ecgcore.labels.classes import CODES
from ecgcore.labels.expert import Became

_NORMAL = ("normal", "normal_with_sinus")
_PATHOLOGY = CODES[3:9]
_COUNTED = (*code_tables.TIERS, "never", "unclear", *_NORMAL, "sinus", "sinus_alone", "none")
"""Every tier but ``unsure``: a statement that is not sure contradicts nothing."""
_COMPARE = {"<": operator.lt, ">": operator.gt}


class Pair(NamedTuple):
    """Two codes of one system that do not go together; system ``class`` means our classes."""

    system: str
    code: str
    beside: str
    words: str


class Check(NamedTuple):
    """A stated class that a measurement doubts: ``words``, but the measure is beyond this."""

    code_class: str
    measure: str
    comparison: str
    threshold: float
    unit: str
    words: str
    reason: str

    def beyond(self, values: np.ndarray) -> np.ndarray:
        """Return (N,) bool: where a measure speaks against the class; missing ones do not."""
        return np.asarray(_COMPARE[self.comparison](values, self.threshold))

    @property
    def heading(self) -> str:
        """What is counted in an audit."""
        name = self.measure.rpartition("_")[0]
        return f"{self.words}, but {name} measured {self.comparison} {self.threshold:g} {self.unit}"


def contradictions(said: Iterable[Became]) -> tuple[str, ...]:
    """Return what the statements of one record say against each other, in words."""
    sure = [one for one in said if one.tier in _COUNTED]
    stated = {(one.system, one.code) for one in sure}
    stated |= {
        ("class", one.code_class) for one in sure if one.tier in (*code_tables.TIERS, *_NORMAL)
    }
    found = [
        pair.words
        for pair in pairs()
        if {(pair.system, pair.code), (pair.system, pair.beside)} <= stated
        and not (pair.code == "NSR" and _normal_but_for_rate(sure))
    ]
    return tuple(dict.fromkeys([*found, *_normal_with_pathology(sure)]))


def doubts(code_class: str, measures: pd.DataFrame) -> Iterator[tuple[Check, np.ndarray]]:
    """Yield each check of a class, and (N,) bool where a measurement of N records doubts it."""
    for check in checks():
        if check.code_class == code_class and check.measure in measures:
            values = measures[check.measure].to_numpy(np.float64, na_value=np.nan)
            yield check, check.beyond(values)


def doubts_of(states: np.ndarray, measures: pd.DataFrame) -> tuple[str, ...]:
    """Return what one record's measurements (one row) say against its stated classes, in words."""
    return tuple(
        f"{check.words}, but {check.measure.rpartition('_')[0]} was measured as "
        f"{measures[check.measure].iloc[0]:.0f} {check.unit}: {check.reason}"
        for code, state in zip(CODES, states, strict=True)
        if state == 1
        for check, beyond in doubts(code, measures)
        if beyond[0]
    )


def _normal_but_for_rate(sure: list[Became]) -> bool:
    """Whether the source has one word for normal beside a rate ("otherwise normal ECG")."""
    return any(one.tier == "normal_with_sinus" for one in sure)


def _normal_with_pathology(sure: list[Became]) -> list[str]:
    normal = [one for one in sure if one.tier in _NORMAL]
    other = [one for one in sure if one.code_class in _PATHOLOGY and one not in normal]
    return [f"a normal ECG and {one.words or one.code}" for one in other] if normal else []


@cache
def pairs() -> tuple[Pair, ...]:
    """Return the lines of contradictions.csv."""
    return tuple(Pair(**row) for row in _rows("contradictions.csv"))


@cache
def checks() -> tuple[Check, ...]:
    """Return the lines of checks.csv."""
    return tuple(
        Check(
            row["class"],
            row["measure"],
            row["comparison"],
            float(row["threshold"]),
            row["unit"],
            row["words"],
            row["reason"],
        )
        for row in _rows("checks.csv")
    )


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
