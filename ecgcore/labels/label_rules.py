"""Rules of a label set: the statements, columns of tables and thresholds that make a class present.

A term is one line of text:

====================================  ==========================================================
``scp AFIB``                          a statement, by coding system and code
``scp AFIB >= 80``                    the same from this likelihood (percent) up
``column afib``                       a column of an imported table: yes is present, no is absent
``column ef < 35``                    a number of an imported table against a threshold
``measure qrs_ms >= 120``             an automatic measurement against a threshold
``paper10 LBBB``                      a class of the paper's ten, in the run's tier
====================================  ==========================================================

A class is present where any of its terms holds and none of its exclusions does. It is absent where
all terms that can be answered are answered with no; a kind of evidence that a record has none of
(no row in a table, no statement, no measurement) takes no part. Otherwise it is unknown.
"""

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ecgcore.errors import NotFound, RequestError
from ecgcore.labels import code_tables
from ecgcore.labels.classes import CODES
from ecgcore.labels.expert import ABSENT, PRESENT, UNKNOWN

LEAST_LIKELIHOOD = 50.0
"""Percent from which a statement counts, as in ``paper10``; one without a likelihood counts."""
_COMPARE: dict[str, Callable] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}
_TERM = re.compile(
    r"(?P<kind>[\w.-]+)\s+(?P<name>\S+|'[^']+')"
    r"(?:\s+(?P<op><=|>=|<|>|=)\s*(?P<value>-?\d+(?:\.\d+)?))?"
)
COLUMN, MEASURE, PAPER10 = "column", "measure", "paper10"


@dataclass(frozen=True)
class Term:
    """One term: ``kind`` is column, measure, paper10, or the coding system of a statement."""

    kind: str
    name: str
    op: str = ""
    value: float = 0.0

    def __str__(self) -> str:
        limit = f" {self.op} {self.value:g}" if self.op else ""
        name = f"'{self.name}'" if " " in self.name else self.name
        return f"{self.kind} {name}{limit}"

    @property
    def is_statement(self) -> bool:
        """Tell whether the term is about a statement."""
        return self.kind not in (COLUMN, MEASURE, PAPER10)


@dataclass(frozen=True)
class ClassRule:
    """Rule of one class.

    Attributes
    ----------
    any_of
        Terms of which one suffices.
    none_of
        Exclusions: where one holds the class is absent.
    otherwise
        True for the class of all records that have none of the others.
    """

    any_of: tuple[Term, ...] = ()
    none_of: tuple[Term, ...] = ()
    otherwise: bool = False


class Evidence(Protocol):
    """Evidence of N records."""

    n_records: int

    @property
    def statements(self) -> Sequence[str]:
        """Return the statements of each record, JSON lists of [system, code, likelihood]."""

    @property
    def sources(self) -> Sequence[str]:
        """Return the source of each record."""

    def paper10(self) -> np.ndarray:
        """Return (N, 10) int8 states of the paper's classes."""

    def column(self, code: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a column's values, NaN unknown, and whether a table states it, (N,) each."""

    def measure(self, name: str) -> np.ndarray:
        """Return (N,) float of a measurement, NaN where not measured."""


def parse_term(text: str) -> Term:
    """Return the term of a text, or refuse it in one line."""
    matched = _TERM.fullmatch(text.strip())
    if matched is None:
        raise RequestError(
            f"'{text:.60}' is no term; 'SYSTEM CODE', 'column NAME', 'column NAME < 35', "
            "'measure NAME >= 120' and 'paper10 CLASS' are accepted."
        )
    term = Term(
        matched["kind"],
        matched["name"].strip("'"),
        matched["op"] or "",
        float(matched["value"] or 0),
    )
    if term.kind == PAPER10 and term.name not in CODES:
        raise NotFound.among("class of paper10", term.name, CODES)
    if term.kind == MEASURE and not term.op:
        raise RequestError(f"'{text:.60}' needs a threshold, such as '{term} >= 120'.")
    if term.is_statement and term.kind not in (known := code_tables.coding_systems()):
        raise NotFound.among("kind of term", term.kind, [COLUMN, MEASURE, PAPER10, *sorted(known)])
    return term


def states_by_rules(
    rules: Mapping[str, ClassRule],
    evidence: Evidence,
    annotated: Mapping[str, Sequence[str]],
    exclude: Sequence[Term] = (),
    least_likelihood: float = LEAST_LIKELIHOOD,
) -> np.ndarray:
    """Return (N, C) int8 of N records: 1 present, 0 absent, −1 unknown.

    Parameters
    ----------
    annotated
        Source → codes of the classes that it annotates: there a class that is not stated is absent.
        ``all`` stands for every source, and for every class.
    exclude
        Terms; a record for which one holds is left out: all its classes are unknown.
    least_likelihood
        Percent from which a statement counts.
    """
    answers = _Answers(evidence, least_likelihood)
    states = np.full((evidence.n_records, len(rules)), UNKNOWN, np.int8)
    for i, (code, rule) in enumerate(rules.items()):
        if not rule.otherwise:
            is_annotated = _annotated(evidence.sources, annotated, code)
            states[:, i] = _state(answers, rule, is_annotated)
    others = [i for i, rule in enumerate(rules.values()) if not rule.otherwise]
    for i, rule in enumerate(rules.values()):
        if rule.otherwise:
            states[:, i] = _none_of(states[:, others])
    for term in exclude:
        states[answers.of(term, np.zeros(evidence.n_records, bool))[0] == 1] = UNKNOWN
    return states


def _state(answers: "_Answers", rule: ClassRule, is_annotated: np.ndarray) -> np.ndarray:
    """Return (N,) the state of one class."""
    present, open_, answered = (np.zeros(answers.n, bool) for _ in range(3))
    for term in rule.any_of:
        answer, takes_part = answers.of(term, is_annotated)
        present |= answer == 1
        open_ |= takes_part & np.isnan(answer)
        answered |= answer == 0
    state = np.where(present, PRESENT, np.where(answered & ~open_, ABSENT, UNKNOWN))
    for term in rule.none_of:
        state[answers.of(term, is_annotated)[0] == 1] = ABSENT
    return state.astype(np.int8)


def _none_of(states: np.ndarray) -> np.ndarray:
    """Return (N,) the state of the class of all records that have none of the others."""
    has_any, has_unknown = (states == PRESENT).any(axis=1), (states == UNKNOWN).any(axis=1)
    return np.where(has_any, ABSENT, np.where(has_unknown, UNKNOWN, PRESENT)).astype(np.int8)


def _annotated(
    sources: Sequence[str], annotated: Mapping[str, Sequence[str]], code: str
) -> np.ndarray:
    """Return (N,) bool: whether a record's source annotates a class."""

    def has(source: str) -> bool:
        return any(
            code in annotated.get(key, ()) or "all" in annotated.get(key, ())
            for key in (source, "all")
        )

    known = {source: has(source) for source in set(sources)}
    return np.array([known[source] for source in sources], bool)


class _Answers:
    """Answers of terms: (N,) 1 yes, 0 no, NaN open; and whether the evidence takes part."""

    def __init__(self, evidence: Evidence, least_likelihood: float):
        self._evidence, self._least = evidence, least_likelihood
        self.n = evidence.n_records
        texts: dict[str, int] = {}
        self._text_of = np.array(
            [texts.setdefault(t, len(texts)) for t in evidence.statements], int
        )
        self._stated = [_likelihoods(text) for text in texts]
        self._known: dict[Term, tuple[np.ndarray, np.ndarray]] = {}

    def of(self, term: Term, is_annotated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the answers of a term; a statement's absence counts where it is annotated."""
        if term.is_statement:
            return self._statement(term, is_annotated)
        if term not in self._known:
            self._known[term] = self._of_values(term)
        return self._known[term]

    def _of_values(self, term: Term) -> tuple[np.ndarray, np.ndarray]:
        if term.kind == PAPER10:
            states = self._evidence.paper10()[:, CODES.index(term.name)]
            return np.where(states == UNKNOWN, np.nan, states), np.ones(self.n, bool)
        if term.kind == MEASURE:
            values = self._evidence.measure(term.name)
            return _compared(values, term), ~np.isnan(values)
        values, is_stated = self._evidence.column(term.name)
        return (_compared(values, term) if term.op else values), is_stated

    def _statement(self, term: Term, is_annotated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        least = term.value if term.op else self._least
        by_text = np.full(len(self._stated), np.nan)
        unsure = np.zeros(len(self._stated), bool)
        for i, stated in enumerate(self._stated):
            if (key := (term.kind, term.name)) in stated:
                likelihood = stated[key]
                counts = not likelihood or likelihood >= least
                by_text[i], unsure[i] = (1.0 if counts else np.nan), not counts
        answer, is_unsure = by_text[self._text_of], unsure[self._text_of]
        answer = np.where(np.isnan(answer) & ~is_unsure & is_annotated, 0.0, answer)
        return answer, is_annotated | is_unsure


def _compared(values: np.ndarray, term: Term) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        holds = _COMPARE[term.op](values, term.value).astype(float)
    return np.where(np.isnan(values), np.nan, holds)


def _likelihoods(text: str) -> dict[tuple[str, str], float]:
    """Return (system, code) → likelihood of a record's statements, 0 where it is not known."""
    return {
        (system, code_tables.canonical_code(system, code)): float(likelihood or 0)
        for system, code, likelihood in json.loads(text)
    }
