"""Contradictions between the statements of a record, and labels that a measurement contradicts.

The pairs stand in contradictions.csv, the measured checks in checks.csv. They change no label; they
are shown so that a reader can review the record.
"""

import operator
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from ecgcore.labels.classes import CODES, TIERS
from ecgcore.labels.code_tables import table_rows
from ecgcore.labels.expert import ResolvedStatement

_NORMAL = ("normal", "normal_with_sinus")
_PATHOLOGY = CODES[3:9]
_COUNTED = (*TIERS, "possible", "never", "unclear", *_NORMAL, "sinus", "sinus_alone", "none")
"""Every tier but ``unsure``: an unsure statement contradicts nothing."""
_COMPARE = {"<": operator.lt, ">": operator.gt}


class ContradictoryPair(NamedTuple):
    """Two codes of one system that exclude each other; system ``class`` means our classes."""

    system: str
    code: str
    other_code: str
    words: str


class MeasurementCheck(NamedTuple):
    """A stated class (in ``words``) and the limit beyond which a measurement contradicts it."""

    code_class: str
    measure: str
    comparison: str
    threshold: float
    unit: str
    words: str
    reason: str

    def contradicted_by(self, values: np.ndarray) -> np.ndarray:
        """Return (N,) bool: values that contradict the class; missing ones do not."""
        return np.asarray(_COMPARE[self.comparison](values, self.threshold))

    @property
    def measure_name(self) -> str:
        """The measure without its unit."""
        return self.measure.rpartition("_")[0]

    @property
    def heading(self) -> str:
        """The heading under which an audit counts it."""
        limit = f"{self.comparison} {self.threshold:g} {self.unit}"
        return f"{self.words}, but {self.measure_name} measured {limit}"


def contradictions(statements: Iterable[ResolvedStatement]) -> tuple[str, ...]:
    """Return the contradictions between the statements of one record, in words."""
    sure = [statement for statement in statements if statement.tier in _COUNTED]
    stated = {(statement.system, statement.code) for statement in sure}
    stated |= {("class", s.code_class) for s in sure if s.tier in (*TIERS, *_NORMAL)}
    pairs = [
        pair.words
        for pair in contradictory_pairs()
        if {(pair.system, pair.code), (pair.system, pair.other_code)} <= stated
        and not (pair.code == "NSR" and _is_normal_but_for_rate(sure))
    ]
    return tuple(dict.fromkeys([*pairs, *_normal_with_pathology(sure)]))


def measurement_doubts(
    code_class: str, measures: pd.DataFrame
) -> Iterator[tuple[MeasurementCheck, np.ndarray]]:
    """Yield each check of a class, and (N,) bool where the measurements contradict it."""
    for check in measurement_checks():
        if check.code_class == code_class and check.measure in measures:
            values = measures[check.measure].to_numpy(np.float64, na_value=np.nan)
            yield check, check.contradicted_by(values)


def describe_doubts(states: np.ndarray, measures: pd.DataFrame) -> tuple[str, ...]:
    """Return in words how one record's measurements (one row) contradict its stated classes."""
    return tuple(
        f"{check.words}, but {check.measure_name} was measured as "
        f"{measures[check.measure].iloc[0]:.0f} {check.unit}: {check.reason}"
        for code, state in zip(CODES, states, strict=True)
        if state == 1
        for check, is_contradicted in measurement_doubts(code, measures)
        if is_contradicted[0]
    )


def _is_normal_but_for_rate(sure: list[ResolvedStatement]) -> bool:
    """Return whether the source has one code for a rate in an otherwise normal ECG."""
    return any(statement.tier == "normal_with_sinus" for statement in sure)


def _normal_with_pathology(sure: list[ResolvedStatement]) -> list[str]:
    normal = [s for s in sure if s.tier in _NORMAL]
    others = [s for s in sure if s.code_class in _PATHOLOGY and s not in normal]
    return [f"a normal ECG and {s.words or s.code}" for s in others] if normal else []


@cache
def contradictory_pairs() -> tuple[ContradictoryPair, ...]:
    """Return the rows of contradictions.csv."""
    return tuple(
        ContradictoryPair(row["system"], row["code"], row["beside"], row["words"])
        for row in table_rows("contradictions.csv")
    )


@cache
def measurement_checks() -> tuple[MeasurementCheck, ...]:
    """Return the rows of checks.csv."""
    return tuple(
        MeasurementCheck(
            row["class"],
            row["measure"],
            row["comparison"],
            float(row["threshold"]),
            row["unit"],
            row["words"],
            row["reason"],
        )
        for row in table_rows("checks.csv")
    )
