"""Explanations of a record's labels, in words, for both label sources.

A label comes from a statement (``expert``) or from a measurement against a threshold
(``criteria``); either is named with its source.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.labels import code_tables, criteria
from ecgcore.labels.classes import CODES, TIERS
from ecgcore.labels.contradictions import contradictions, describe_doubts
from ecgcore.labels.criteria import FALSE, TRUE, UNDECIDED, Criterion, CriterionRow, Term
from ecgcore.labels.expert import Labels, label_record, resolve_statements
from ecgcore.records.record import Record

_STATES = {1: "present", 0: "absent", -1: "unknown"}
_YES_NO = "yes"
"""Unit of a measure that is present or absent."""
_SIGNS = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}


def explain_labels(record: Record, measures: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return every label of a record with its reasons.

    Parameters
    ----------
    record
        Its statements, source, sex and age are used; the signal is not.
    measures
        A row of ``Measurements.as_row``, None where nothing was measured.

    Returns
    -------
    dict
        ``record``, ``source``, ``sex``, ``age``, ``statements`` (each with its words and its
        effect), ``expert`` (tier → class → ``state`` and ``why``), ``criteria`` (set of
        thresholds → class → the same), ``contradictions`` and ``doubts``.
    """
    row = pd.DataFrame([dict(measures or {})])
    statements = resolve_statements(record.statements, record.details)
    expert = {tier: label_record(record, tier) for tier in TIERS}
    index = pd.DataFrame({"sex": [record.sex], "age": [record.age_years]})
    return {
        "record": record.name,
        "source": record.source,
        "sex": record.sex,
        "age": None if record.age_years is None else float(record.age_years),
        "statements": [statement._asdict() for statement in statements],
        "expert": {tier: _by_class(labels) for tier, labels in expert.items()},
        "criteria": {
            name: _by_class(criteria_labels(row, index, name)) for name in criteria.THRESHOLD_SETS
        },
        "contradictions": list(contradictions(statements)),
        "doubts": [*_miscodings(record), *describe_doubts(expert["core"].states, row)],
    }


def criteria_labels(
    measures: pd.DataFrame, index: pd.DataFrame, thresholds: str = "paper", tier: str = "core"
) -> Labels:
    """Return the criteria labels of one record (one row each) with one or more reasons a class."""
    evaluated = criteria.evaluate_criteria(measures, index, thresholds, tier)
    states = criteria.criteria_states(measures, index, thresholds, tier)[0]
    sentences = [
        f"{code} {_STATES[state]}: {reason}."
        for code, state in zip(CODES, states.tolist(), strict=True)
        for reason in _reasons(evaluated[code], state, index)
    ]
    return Labels(states, tuple(sentences))


def _reasons(evaluated: tuple[Criterion, ...], state: int, index: pd.DataFrame) -> list[str]:
    """Return one reason for each criterion that decides the state."""
    truth = {1: TRUE, 0: FALSE, -1: UNDECIDED}[state]
    deciding = [criterion for criterion in evaluated if criterion.truth[0] == truth]
    return [
        f"{criterion.name}: {_deciding_terms(criterion, truth, index)}" for criterion in deciding
    ]


def _deciding_terms(criterion: Criterion, truth: float, index: pd.DataFrame) -> str:
    """Return the terms that made a criterion hold, fail or stay unknown."""
    terms = [term for term in criterion.terms if truth == TRUE or term.term_truth[0] == truth]
    return "; ".join(_describe_term(term, truth, index) for term in terms or criterion.terms)


def _describe_term(term: Term, truth: float, index: pd.DataFrame) -> str:
    row = term.row
    values = [_describe_value(term, i) for i in _deciding_leads(term, truth)]
    text = f"{row.term} {', '.join(values)}" if values else row.term
    if truth == FALSE and row.combine == "two contiguous":
        text = f"{row.term} not in two contiguous leads, nearest {', '.join(values)}"
    return f"{text} ({row.citation}{_stricter_note(term, index)})"


def _deciding_leads(term: Term, truth: float) -> list[int]:
    """Return the leads that decide a term, or the most extreme one where none decides alone."""
    deciding = np.flatnonzero(term.truth[0] == truth).tolist()
    if truth != FALSE or term.row.combine == "all" or not term.leads:
        return deciding
    sign = term.row.strictness_sign
    known = np.where(np.isnan(term.values[0]), -np.inf, sign * term.values[0])
    return [int(np.argmax(known - sign * term.thresholds[0]))]


def _describe_value(term: Term, lead: int) -> str:
    """Return one comparison: "in V2 0.24 mV ≥ 0.2 mV", "…, not …" or "not measured"."""
    row, value = term.row, term.values[0, lead]
    location = f"in {term.leads[lead]} " if term.leads else ""
    if row.unit == _YES_NO:
        return _describe_presence(value, is_required=row.comparison == ">=")
    limit = f"{_SIGNS[row.comparison]} {_number(term.thresholds[0, lead])} {row.unit}".strip()
    if np.isnan(value):
        return f"{location}not measured"
    measured = f"{location}{_number(value)} {row.unit}".strip()
    return f"{measured} {limit}" if term.truth[0, lead] == TRUE else f"{measured}, not {limit}"


def _describe_presence(value: float, is_required: bool) -> str:
    """Return whether a finding is present, and whether it must not be."""
    if np.isnan(value):
        return "not known"
    presence = "found" if value > 0 else "not found"
    return presence + ("" if is_required else ", must not be")


def _number(value: float) -> str:
    return "without S" if np.isinf(value) else f"{value:.3g}"


def _stricter_note(term: Term, index: pd.DataFrame) -> str:
    """Return a note where sex or age is unknown and the stricter threshold applies."""
    variants = [row for row in criteria.criteria_rows() if _is_same_term(row, term.row)]
    missing = []
    if any(row.sex != "any" for row in variants) and index["sex"].iloc[0] not in criteria.SEXES:
        missing.append("sex")
    if any(row.age != "any" for row in variants) and pd.isna(index["age"].iloc[0]):
        missing.append("age")
    return f"; {' and '.join(missing)} unknown: the stricter threshold" if missing else ""


def _is_same_term(one: CriterionRow, other: CriterionRow) -> bool:
    return one[:5] == other[:5]


def _by_class(labels: Labels) -> dict[str, dict[str, Any]]:
    """Return state and reasons by class; each reason begins with the class that it is about."""
    return {
        code: {
            "state": _STATES[int(state)],
            "why": [
                line for line in labels.reasons if line.startswith((f"{code} ", "Every class"))
            ],
        }
        for code, state in zip(CODES, labels.states, strict=True)
    }


def _miscodings(record: Record) -> list[str]:
    """Return the record's codes that its source is known to use for something else as well."""
    miscodings = []
    for statement in record.statements:
        code = code_tables.canonical_code(statement.system, statement.code)
        key = record.source, statement.system, code
        if miscoding := code_tables.known_miscodings().get(key):
            miscodings.append(f"{statement.system} {code}: {miscoding}")
    return miscodings
