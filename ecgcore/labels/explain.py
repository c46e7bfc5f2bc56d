"""Traces: why a record has each of its labels, under every policy, in words.

A label comes from a statement (``expert``), or from a measurement against a threshold
(``criteria``); either is named with its source.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.labels import code_tables, criteria
from ecgcore.labels.classes import CODES
from ecgcore.labels.contradictions import contradictions, doubts_of
from ecgcore.labels.criteria import FALSE, TRUE, UNSURE, Criterion, Term
from ecgcore.labels.expert import Labels, became, label_record
from ecgcore.records.record import Record

_STATES = {1: "present", 0: "absent", -1: "unknown"}
_YES_NO = "yes"
"""The unit of what is there or not."""
_SIGNS = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}


def explain_labels(record: Record, measures: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return every label of a record with what made it.

    Parameters
    ----------
    record
        Its statements, source, sex and age are used; the signal is not.
    measures
        A row of ``Measurements.as_row``, None where nothing was measured.

    Returns
    -------
    dict
        ``record``, ``source``, ``sex``, ``age``, ``statements`` (each with its words and what it
        became), ``expert`` (tier → class → ``state`` and ``why``), ``criteria`` (set of
        thresholds → class → the same), ``contradictions`` and ``doubts``.
    """
    row = pd.DataFrame([dict(measures or {})])
    said = became(record.statements, record.details)
    expert = {tier: label_record(record, tier) for tier in code_tables.TIERS}
    index = pd.DataFrame({"sex": [record.sex], "age": [record.age_years]})
    return {
        "record": record.name,
        "source": record.source,
        "sex": record.sex,
        "age": None if record.age_years is None else float(record.age_years),
        "statements": [one._asdict() for one in said],
        "expert": {tier: _by_class(labels) for tier, labels in expert.items()},
        "criteria": {name: _by_class(criteria_labels(row, index, name)) for name in criteria.SETS},
        "contradictions": list(contradictions(said)),
        "doubts": [*_source_doubts(record), *doubts_of(expert["core"].states, row)],
    }


def criteria_labels(
    measures: pd.DataFrame, index: pd.DataFrame, thresholds: str = "paper", tier: str = "core"
) -> Labels:
    """Return the criteria labels of one record (one row each) with a sentence or more a class."""
    judged = criteria.judge(measures, index, thresholds, tier)
    states = criteria.criteria_states(measures, index, thresholds, tier)[0]
    sentences = []
    for code, state in zip(CODES, states.tolist(), strict=True):
        for told in _told(judged[code], state, code, index):
            sentences.append(f"{code} {_STATES[state]}: {told}.")
    return Labels(states, tuple(sentences))


def _told(judged: tuple[Criterion, ...], state: int, code: str, index: pd.DataFrame) -> list[str]:
    """Say of each criterion that decides what decides it."""
    wanted = {1: TRUE, 0: FALSE, -1: UNSURE}[state]
    deciding = [criterion for criterion in judged if criterion.truth[0] == wanted]
    return [f"{criterion.name}: {_because(criterion, wanted, index)}" for criterion in deciding]


def _because(criterion: Criterion, wanted: float, index: pd.DataFrame) -> str:
    """Say which terms made a criterion hold, fail or stay unknown."""
    terms = [term for term in criterion.terms if wanted == TRUE or term.held[0] == wanted]
    return "; ".join(_comparison(term, wanted, index) for term in terms or criterion.terms)


def _comparison(term: Term, wanted: float, index: pd.DataFrame) -> str:
    line = term.line
    values = [_place(term, i, wanted) for i in _shown(term, wanted)]
    told = f"{line.term} {', '.join(values)}" if values else line.term
    if wanted == FALSE and line.combine == "two contiguous":
        told = f"{line.term} not in two contiguous leads, nearest {', '.join(values)}"
    strict = _stricter(term, index)
    return f"{told} ({line.cited}{strict})"


def _shown(term: Term, wanted: float) -> list[int]:
    """Return which leads to tell of: those that decide, the extreme one where none alone does."""
    deciding = np.flatnonzero(term.truth[0] == wanted).tolist()
    if wanted != FALSE or term.line.combine == "all" or not term.leads:
        return deciding
    known = np.where(np.isnan(term.values[0]), -np.inf, term.line.demanding * term.values[0])
    return [int(np.argmax(known - term.line.demanding * term.thresholds[0]))]


def _place(term: Term, lead: int, wanted: float) -> str:
    """Return one comparison: "in V2 0.24 mV ≥ 0.2 mV", "… is not …", "… was not measured"."""
    line, value = term.line, term.values[0, lead]
    where = f"in {term.leads[lead]} " if term.leads else ""
    if line.unit == _YES_NO:
        return _yes_no(value, wished=line.comparison == ">=")
    limit = f"{_SIGNS[line.comparison]} {_number(term.thresholds[0, lead])} {line.unit}".strip()
    if np.isnan(value):
        return f"{where}not measured"
    shown = f"{_number(value)} {line.unit}".strip()
    return (
        f"{where}{shown} {limit}" if term.truth[0, lead] == TRUE else f"{where}{shown}, not {limit}"
    )


def _yes_no(value: float, wished: bool) -> str:
    """Return what is said of something that is there or not: as asked, or not."""
    if np.isnan(value):
        return "not known"
    return {1.0: "found", 0.0: "not found"}[float(value > 0)] + ("" if wished else ", must not be")


def _number(value: float) -> str:
    return "without S" if np.isinf(value) else f"{value:.3g}"


def _stricter(term: Term, index: pd.DataFrame) -> str:
    """Say where sex or age are not known and the stricter threshold was taken."""
    variants = [v for v in criteria.lines() if _same_term(v, term.line)]
    missing = []
    if any(v.sex != "any" for v in variants) and index["sex"].iloc[0] not in criteria.SEXES:
        missing.append("sex")
    if any(v.age != "any" for v in variants) and pd.isna(index["age"].iloc[0]):
        missing.append("age")
    return f"; {' and '.join(missing)} unknown: the stricter threshold" if missing else ""


def _same_term(one: criteria.Line, other: criteria.Line) -> bool:
    return one[:5] == other[:5]


def _by_class(labels: Labels) -> dict[str, dict[str, Any]]:
    """Return state and sentences by class; sentences open with the class they are about."""
    return {
        code: {
            "state": _STATES[int(state)],
            "why": [told for told in labels.trace if told.startswith((f"{code} ", "Every class"))],
        }
        for code, state in zip(CODES, labels.states, strict=True)
    }


def _source_doubts(record: Record) -> list[str]:
    """Return what is doubtful about the source's use of its own codes."""
    found = []
    for said in record.statements:
        code = code_tables.canonical(said.system, said.code)
        if doubt := code_tables.doubts().get((record.source, said.system, code)):
            found.append(f"{said.system} {code}: {doubt}")
    return found
