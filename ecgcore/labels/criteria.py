"""Criteria labels: the ten classes from measurements, against published thresholds.

The thresholds stand in criteria.csv, one comparison a line. Lines of one ``criterion`` must all
hold (its ``term``s); a class is present where one of its criteria is. A term may have a threshold
for each sex and age: where these are not known, the stricter one counts. Terms ``two contiguous``
must hold together in two leads that contiguous.csv calls neighbours.

What is not measured is unknown, and so is what hangs on it (Kleene's three-valued logic: 1 true,
½ unknown, 0 false; "and" is the smallest, "or" the largest).

Measurements are automatic and unconfirmed, and so are these labels.
"""

import csv
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ecgcore.errors import NotFound
from ecgcore.labels import code_tables, criteria_measures
from ecgcore.labels.classes import CODES

SETS = ("paper", "aha2009", "udmi2018")
"""Thresholds of paper 001, of AHA/ACCF/HRS 2009, and of the Fourth Universal Definition 2018.

For a class that a set does not define the paper's thresholds are used: the trace names the source.
"""
TRUE, UNSURE, FALSE = 1.0, 0.5, 0.0
ORDER = (*CODES[1:], "NSR")
"""NSR comes last, as it asks for the absence of the others."""
SEXES = ("female", "male")
_COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}


class Line(NamedTuple):
    """One line of criteria.csv.

    ``sex`` is male, female or any; ``age`` any, ``40-`` (from 40 years on) or ``-40`` (below).
    """

    set: str
    tier: str
    code_class: str
    criterion: str
    term: str
    measure: str
    leads: tuple[str, ...]
    combine: str
    comparison: str
    threshold: float
    unit: str
    sex: str
    age: str
    source: str
    year: str

    @property
    def cited(self) -> str:
        """The source as a trace names it."""
        return f"{self.source}, {self.year}" if self.year else self.source

    @property
    def demanding(self) -> float:
        """The sign by which a larger threshold is harder to meet."""
        return 1.0 if self.comparison.startswith(">") else -1.0


@dataclass(frozen=True)
class Term:
    """One comparison, made for N records: value against threshold, by lead.

    ``values``, ``thresholds`` and ``truth`` are (N, leads); one column where it asks no lead.
    """

    line: Line
    leads: tuple[str, ...]
    values: np.ndarray
    thresholds: np.ndarray
    truth: np.ndarray

    @property
    def held(self) -> np.ndarray:
        """(N,): whether the term holds, all or any of its leads as the line says."""
        if self.line.combine == "two contiguous":
            return two_contiguous(self.leads, self.truth)
        return self.truth.max(axis=1) if self.line.combine == "any" else self.truth.min(axis=1)


@dataclass(frozen=True)
class Criterion:
    """One criterion, made for N records: ``truth`` (N,) is whether all its terms hold."""

    name: str
    terms: tuple[Term, ...]
    truth: np.ndarray


def criteria_states(
    measures: pd.DataFrame, index: pd.DataFrame, thresholds: str = "paper", tier: str = "core"
) -> np.ndarray:
    """Return what measurements say of the ten classes.

    Parameters
    ----------
    measures
        One row a record, the columns of ``measure.MEASURE_SCHEMA``.
    index
        Its rows' ``sex`` (``female``, ``male`` or missing) and ``age`` (years).
    thresholds
        One of SETS.
    tier
        ``core``, or ``broad`` (incomplete bundle branch blocks, too).

    Returns
    -------
    np.ndarray
        (N, 10) int8 in the order of CODES: 1 present, 0 absent, −1 unknown.
    """
    judged = judge(measures, index, thresholds, tier)
    states = np.stack([_state(judged[code]) for code in CODES], axis=1)
    return np.select([states == TRUE, states == FALSE], [1, 0], -1).astype(np.int8)


def judge(
    measures: pd.DataFrame, index: pd.DataFrame, thresholds: str = "paper", tier: str = "core"
) -> dict[str, tuple[Criterion, ...]]:
    """Return every criterion of every class as it turned out, for traces; parameters as above."""
    if thresholds not in SETS:
        raise NotFound.among("set of thresholds", thresholds, SETS)
    if tier not in code_tables.TIERS:
        raise NotFound.among("tier", tier, code_tables.TIERS)
    found: dict[str, np.ndarray] = {}
    judged = {}
    for code in ORDER:
        judged[code] = tuple(
            _criterion(name, list(lines), measures, index, found)
            for name, lines in groupby(lines_of(code, thresholds, tier), lambda x: x.criterion)
        )
        found[code] = _state(judged[code])
    return judged


def lines_of(code: str, thresholds: str, tier: str) -> list[Line]:
    """Return a class's lines in a set, or the paper's where the set has none."""
    tiers = code_tables.TIERS[: code_tables.TIERS.index(tier) + 1]
    for chosen in (thresholds, "paper"):
        if any(line.set == chosen and line.code_class == code for line in lines()):
            return [
                line
                for line in lines()
                if line.set == chosen and line.code_class == code and line.tier in tiers
            ]
    return []


@cache
def lines() -> tuple[Line, ...]:
    """Return the lines of criteria.csv."""
    return tuple(
        Line(
            set=row["set"],
            tier=row["tier"],
            code_class=row["class"],
            criterion=row["criterion"],
            term=row["term"],
            measure=row["measure"],
            leads=tuple(row["leads"].split()),
            combine=row["combine"],
            comparison=row["comparison"],
            threshold=float(row["threshold"]),
            unit=row["unit"],
            sex=row["sex"],
            age=row["age"],
            source=row["source"],
            year=row["year"],
        )
        for row in _rows("criteria.csv")
    )


@cache
def neighbours() -> tuple[tuple[str, str], ...]:
    """Return the pairs of leads that contiguous.csv calls neighbours."""
    return tuple((row["lead"], row["neighbour"]) for row in _rows("contiguous.csv"))


def two_contiguous(leads: tuple[str, ...], truth: np.ndarray) -> np.ndarray:
    """Return (N,) whether ``truth`` (N, leads) holds in two neighbouring leads."""
    pairs = [(leads.index(a), leads.index(b)) for a, b in neighbours() if {a, b} <= {*leads}]
    return np.stack([np.minimum(truth[:, a], truth[:, b]) for a, b in pairs]).max(axis=0)


def _criterion(
    name: str,
    lines: list[Line],
    measures: pd.DataFrame,
    index: pd.DataFrame,
    found: dict[str, np.ndarray],
) -> Criterion:
    terms = tuple(
        _term(list(variants), measures, index, found)
        for _, variants in groupby(lines, lambda line: line.term)
    )
    together = [term for term in terms if term.line.combine == "two contiguous"]
    alone = [term.held for term in terms if term.line.combine != "two contiguous"]
    if together:
        both = np.min([term.truth for term in together], axis=0)
        alone.append(two_contiguous(together[0].leads, both))
    return Criterion(name, terms, np.min(alone, axis=0))


def _term(
    variants: list[Line],
    measures: pd.DataFrame,
    index: pd.DataFrame,
    found: dict[str, np.ndarray],
) -> Term:
    """Compare one measure; ``variants`` are its lines by lead, sex and age."""
    first = variants[0]
    leads = tuple(dict.fromkeys(lead for line in variants for lead in line.leads))
    values = _values(first.measure, leads, measures, found)
    asked = [[line for line in variants if lead in (None, *line.leads)] for lead in leads or [None]]
    thresholds = np.stack([_thresholds(lines, index) for lines in asked], axis=1)
    holds = _COMPARE[first.comparison](values, thresholds)
    truth = np.where(np.isnan(values), UNSURE, holds.astype(float))
    return Term(first, leads, values, thresholds, truth)


def _values(
    measure: str, leads: tuple[str, ...], measures: pd.DataFrame, found: dict[str, np.ndarray]
) -> np.ndarray:
    """Return a measure, or what was found of a class (1, 0, NaN for unknown), or of all classes."""
    if measure == "findings":
        state = np.max(list(found.values()), axis=0)
    elif measure in found:
        state = found[measure]
    else:
        return criteria_measures.values(measures, measure, leads)
    return np.where(state == UNSURE, np.nan, state)[:, None]


def _thresholds(variants: list[Line], index: pd.DataFrame) -> np.ndarray:
    """Return (N,) the strictest threshold among those that a record's sex and age allow."""
    sign = variants[0].demanding
    allowed = [
        np.where(_may_apply(line, index), sign * line.threshold, -np.inf) for line in variants
    ]
    return sign * np.max(allowed, axis=0)


def _may_apply(line: Line, index: pd.DataFrame) -> np.ndarray:
    """Return (N,) bool: whether sex and age agree with a line, or are not known."""
    sex = index["sex"].astype(object)
    age = pd.to_numeric(index["age"]).to_numpy(np.float64, na_value=np.nan)
    fits = np.ones(len(index), bool)
    if line.sex != "any":
        fits &= (~sex.isin(SEXES) | (sex == line.sex)).to_numpy(bool)
    if line.age.endswith("-"):
        fits &= np.isnan(age) | (age >= float(line.age[:-1]))
    elif line.age.startswith("-"):
        fits &= np.isnan(age) | (age < float(line.age[1:]))
    return fits


def _state(criteria: Iterable[Criterion]) -> np.ndarray:
    return np.max([criterion.truth for criterion in criteria], axis=0)


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
