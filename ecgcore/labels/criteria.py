"""Criteria labels: the ten classes from measurements, against published thresholds.

The thresholds stand in criteria.csv, one comparison a row. The rows of one ``criterion`` (its
``term``s) must all hold; a class is present if one of its criteria holds. A term may have a
threshold for each sex and age: where these are unknown, the stricter one applies. Terms
``two contiguous`` must hold together in two neighbouring leads of contiguous.csv.

A missing measurement is unknown, and so is what depends on it (Kleene's three-valued logic: 1 true,
½ unknown, 0 false; "and" is the smallest, "or" the largest).

Measurements are automatic and unconfirmed, and so are these labels.
"""

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pandas as pd

from ecgcore.errors import NotFound
from ecgcore.labels.classes import CODES, TIERS
from ecgcore.labels.code_tables import table_rows
from ecgcore.labels.criteria_measures import measure_values

THRESHOLD_SETS = ("paper", "aha2009", "udmi2018")
"""Thresholds of paper 001, of AHA/ACCF/HRS 2009, and of the Fourth Universal Definition 2018.

For a class that a set does not define, the paper's thresholds apply; the reasons name the source.
"""
TRUE, UNDECIDED, FALSE = 1.0, 0.5, 0.0
_EVALUATION_ORDER = (*CODES[1:], "NSR")
"""NSR comes last because it requires the absence of the others."""
SEXES = ("female", "male")
_COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}


class CriterionRow(NamedTuple):
    """One row of criteria.csv.

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
    def citation(self) -> str:
        """The source as the reasons name it."""
        return f"{self.source}, {self.year}" if self.year else self.source

    @property
    def strictness_sign(self) -> float:
        """1 where a larger threshold is stricter, −1 where a smaller one is."""
        return 1.0 if self.comparison.startswith(">") else -1.0


@dataclass(frozen=True)
class Term:
    """One comparison for N records: value against threshold, by lead.

    ``values``, ``thresholds`` and ``truth`` are (N, leads); one column for a measure of no lead.
    """

    row: CriterionRow
    leads: tuple[str, ...]
    values: np.ndarray
    thresholds: np.ndarray
    truth: np.ndarray

    @property
    def term_truth(self) -> np.ndarray:
        """(N,) truth of the term over its leads, combined as the row requires."""
        if self.row.combine == "two contiguous":
            return two_contiguous(self.leads, self.truth)
        return self.truth.max(axis=1) if self.row.combine == "any" else self.truth.min(axis=1)


@dataclass(frozen=True)
class Criterion:
    """One criterion for N records: ``truth`` (N,) is that of all its terms together."""

    name: str
    terms: tuple[Term, ...]
    truth: np.ndarray


def criteria_states(
    measures: pd.DataFrame, index: pd.DataFrame, thresholds: str = "paper", tier: str = "core"
) -> np.ndarray:
    """Return the states of the ten classes by measurements.

    Parameters
    ----------
    measures
        One row a record, the columns of ``measure.MEASURE_SCHEMA``.
    index
        Its rows' ``sex`` (``female``, ``male`` or missing) and ``age`` (years).
    thresholds
        One of THRESHOLD_SETS.
    tier
        ``core``, or ``broad`` (also incomplete bundle branch blocks).

    Returns
    -------
    np.ndarray
        (N, 10) int8 in the order of CODES: 1 present, 0 absent, −1 unknown.
    """
    criteria = evaluate_criteria(measures, index, thresholds, tier)
    truth = np.stack([_any_truth(criteria[code]) for code in CODES], axis=1)
    return np.select([truth == TRUE, truth == FALSE], [1, 0], -1).astype(np.int8)


def evaluate_criteria(
    measures: pd.DataFrame, index: pd.DataFrame, thresholds: str = "paper", tier: str = "core"
) -> dict[str, tuple[Criterion, ...]]:
    """Return the evaluated criteria of every class; parameters as in ``criteria_states``."""
    if thresholds not in THRESHOLD_SETS:
        raise NotFound.among("set of thresholds", thresholds, THRESHOLD_SETS)
    if tier not in TIERS:
        raise NotFound.among("tier", tier, TIERS)
    truths: dict[str, np.ndarray] = {}
    criteria = {}
    for code in _EVALUATION_ORDER:
        criteria[code] = tuple(
            _criterion(name, list(rows), measures, index, truths)
            for name, rows in groupby(rows_of(code, thresholds, tier), lambda row: row.criterion)
        )
        truths[code] = _any_truth(criteria[code])
    return criteria


def rows_of(code: str, thresholds: str, tier: str) -> list[CriterionRow]:
    """Return a class's rows in a set, or the paper's where the set does not define the class."""
    tiers = TIERS[: TIERS.index(tier) + 1]
    for name in (thresholds, "paper"):
        rows = [row for row in criteria_rows() if row.set == name and row.code_class == code]
        if rows:
            return [row for row in rows if row.tier in tiers]
    return []


@cache
def criteria_rows() -> tuple[CriterionRow, ...]:
    """Return the rows of criteria.csv."""
    return tuple(
        CriterionRow(
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
        for row in table_rows("criteria.csv")
    )


@cache
def contiguous_leads() -> tuple[tuple[str, str], ...]:
    """Return the pairs of neighbouring leads of contiguous.csv."""
    return tuple((row["lead"], row["neighbour"]) for row in table_rows("contiguous.csv"))


def two_contiguous(leads: tuple[str, ...], truth: np.ndarray) -> np.ndarray:
    """Return (N,) the truth that ``truth`` (N, leads) holds in two neighbouring leads."""
    pairs = [(leads.index(a), leads.index(b)) for a, b in contiguous_leads() if {a, b} <= {*leads}]
    return np.stack([np.minimum(truth[:, a], truth[:, b]) for a, b in pairs]).max(axis=0)


def _criterion(
    name: str,
    rows: list[CriterionRow],
    measures: pd.DataFrame,
    index: pd.DataFrame,
    truths: dict[str, np.ndarray],
) -> Criterion:
    terms = tuple(
        _term(list(variants), measures, index, truths)
        for _, variants in groupby(rows, lambda row: row.term)
    )
    contiguous = [term for term in terms if term.row.combine == "two contiguous"]
    truth = [term.term_truth for term in terms if term.row.combine != "two contiguous"]
    if contiguous:
        by_lead = np.min([term.truth for term in contiguous], axis=0)
        truth.append(two_contiguous(contiguous[0].leads, by_lead))
    return Criterion(name, terms, np.min(truth, axis=0))


def _term(
    variants: list[CriterionRow],
    measures: pd.DataFrame,
    index: pd.DataFrame,
    truths: dict[str, np.ndarray],
) -> Term:
    """Compare one measure; ``variants`` are its rows by lead, sex and age."""
    first = variants[0]
    leads = tuple(dict.fromkeys(lead for row in variants for lead in row.leads))
    values = _values(first.measure, leads, measures, truths)
    by_lead = [[row for row in variants if lead in (None, *row.leads)] for lead in leads or [None]]
    thresholds = np.stack([_thresholds(rows, index) for rows in by_lead], axis=1)
    holds = _COMPARE[first.comparison](values, thresholds)
    truth = np.where(np.isnan(values), UNDECIDED, holds.astype(float))
    return Term(first, leads, values, thresholds, truth)


def _values(
    measure: str, leads: tuple[str, ...], measures: pd.DataFrame, truths: dict[str, np.ndarray]
) -> np.ndarray:
    """Return a measure, or the truth (1, 0, NaN for unknown) of one class or of any class."""
    if measure == "findings":
        truth = np.max(list(truths.values()), axis=0)
    elif measure in truths:
        truth = truths[measure]
    else:
        return measure_values(measures, measure, leads)
    return np.where(truth == UNDECIDED, np.nan, truth)[:, None]


def _thresholds(variants: list[CriterionRow], index: pd.DataFrame) -> np.ndarray:
    """Return (N,) the strictest of the thresholds that apply to a record's sex and age."""
    sign = variants[0].strictness_sign
    applicable = [
        np.where(_may_apply(row, index), sign * row.threshold, -np.inf) for row in variants
    ]
    return sign * np.max(applicable, axis=0)


def _may_apply(row: CriterionRow, index: pd.DataFrame) -> np.ndarray:
    """Return (N,) bool: whether sex and age fit a row or are unknown."""
    sex = index["sex"].astype(object)
    age = pd.to_numeric(index["age"]).to_numpy(np.float64, na_value=np.nan)
    fits = np.ones(len(index), bool)
    if row.sex != "any":
        fits &= (~sex.isin(SEXES) | (sex == row.sex)).to_numpy(bool)
    if row.age.endswith("-"):
        fits &= np.isnan(age) | (age >= float(row.age[:-1]))
    elif row.age.startswith("-"):
        fits &= np.isnan(age) | (age < float(row.age[1:]))
    return fits


def _any_truth(criteria: Iterable[Criterion]) -> np.ndarray:
    return np.max([criterion.truth for criterion in criteria], axis=0)
