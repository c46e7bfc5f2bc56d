"""Audit of a cohort's labels: its statements, the labels they gave, and the records that were lost.

It holds counts only and names no record. Records with the same source, statements and details are
resolved once, so a large cohort takes little longer than a small one.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.labels import code_tables
from ecgcore.labels.agreement import agreement
from ecgcore.labels.classes import CODES, TIERS
from ecgcore.labels.contradictions import contradictions, measurement_doubts
from ecgcore.labels.criteria import THRESHOLD_SETS, criteria_states
from ecgcore.labels.expert import ResolvedStatement, resolve_statements
from ecgcore.labels.targets import class_counts, rule_counts, targets_summary
from ecgcore.records.record import Statement

_EFFECTS = {
    "core": "makes {0} in both tiers",
    "broad": "makes {0} in the broad tier",
    "possible": "makes {0} in the broad tier, leaves it unknown in the core tier",
    "unclear": "leaves {0} unknown",
    "unsure": "likelihood of 1 to 49: makes nothing, excludes NSR",
    "never": "would be {0}, but never here (old, or another cause is stated): excludes NSR",
    "normal": "states a normal ECG",
    "normal_with_sinus": "states a normal ECG, with sinus rhythm",
    "sinus": "sinus rhythm, for a stated normal ECG",
    "sinus_alone": "normal where it stands alone",
}


def audit(
    index: pd.DataFrame,
    measures: pd.DataFrame | None = None,
    unreadable: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Audit the labels of a cohort's records.

    Parameters
    ----------
    index
        One row a record: ``source``, ``statements`` and ``details`` (JSON), ``sex``, ``age``, and
        the states ``core_NSR`` … ``broad_ECT``.
    measures
        The same rows' measurements, None where nothing was measured.
    unreadable
        Number of files that are not records of the cohort, by reason.

    Returns
    -------
    dict
        ``records``; ``statements`` (each with its frequency and its effects); ``classes``
        (tier → state → class → n); ``rules`` (records of each class after each rule of the target
        mode ``exclusive``); ``flow`` (found → readable → labelled → used, with reasons);
        ``criteria`` (set of thresholds → class → agreement with the core tier, empty where nothing
        was measured); ``contradictions`` and ``doubts`` with their number of records.
    """
    states = {tier: _states(index, tier) for tier in TIERS}
    groups = list(_groups(index))
    return {
        "records": len(index),
        "sources": dict(Counter(index["source"].tolist()).most_common()),
        "statements": _statements(groups),
        "classes": {tier: _state_counts(states[tier]) for tier in TIERS},
        "rules": rule_counts(states["core"]),
        "flow": _flow(index, states["core"], unreadable or {}),
        "criteria": _criteria(index, measures, states["core"]),
        "contradictions": _contradictions(groups),
        "doubts": _doubts(groups, measures, states["core"]),
    }


class _Group:
    """Records of one source with the same statements."""

    def __init__(self, source: str, statements: str, details: str, records: int):
        self.source, self.records = source, records
        parsed = [Statement(*fields) for fields in json.loads(statements)]
        self.statements: list[ResolvedStatement] = resolve_statements(parsed, json.loads(details))


def _groups(index: pd.DataFrame) -> Iterator[_Group]:
    keys = ["source", "statements", "details"]
    for _, rows in index.groupby(keys, sort=False):
        first = rows.iloc[0]
        yield _Group(first["source"], first["statements"], first["details"], len(rows))


def _statements(groups: list[_Group]) -> list[dict[str, Any]]:
    """Return one entry a statement: code, words, records, and the records of each effect."""
    records: Counter[tuple[str, str]] = Counter()
    effects: dict[tuple[str, str], Counter[str]] = {}
    words = {}
    for group in groups:
        for key in {(statement.system, statement.code) for statement in group.statements}:
            records[key] += group.records
        for statement in group.statements:
            key = statement.system, statement.code
            words[key] = statement.words
            effects.setdefault(key, Counter())[_effect(statement)] += group.records
    return [
        {
            "system": key[0],
            "code": key[1],
            "words": words[key],
            "records": n,
            "became": dict(effects[key].most_common()),
        }
        for key, n in sorted(records.items(), key=lambda item: (-item[1], item[0]))
    ]


def _effect(statement: ResolvedStatement) -> str:
    key = statement.system, statement.code
    if key in code_tables.benign_statements():
        return "benign: no class, does not exclude NSR"
    if statement.system not in code_tables.coding_systems():
        return "free words: not read as a label"
    if statement.tier == "none":
        is_listed = key in code_tables.statement_rules()
        return f"{'' if is_listed else 'in no table: '}no class, excludes NSR"
    return _EFFECTS[statement.tier].format(statement.code_class)


def _state_counts(states: np.ndarray) -> dict[str, dict[str, int]]:
    return {
        name: dict(zip(CODES, (states == value).sum(axis=0).tolist(), strict=True))
        for name, value in (("present", 1), ("absent", 0), ("unknown", -1))
    }


def _flow(index: pd.DataFrame, core: np.ndarray, unreadable: Mapping[str, int]) -> dict[str, Any]:
    """Return a CONSORT-style flow: the records of each step, and the losses before it by reason."""
    known = (core >= 0).any(axis=1)
    is_silent = index["statements"].map(lambda text: not json.loads(text)).to_numpy(bool)
    unlabelled = {
        "the source states nothing about it": int((~known & is_silent).sum()),
        "nothing that it states says anything of the ten classes": int((~known & ~is_silent).sum()),
    }
    return {
        "found": len(index) + sum(unreadable.values()),
        "not_readable": dict(unreadable),
        "readable": len(index),
        "not_labelled": {reason: n for reason, n in unlabelled.items() if n},
        "labelled": int(known.sum()),
        "used": targets_summary(core),
    }


def _criteria(
    index: pd.DataFrame, measures: pd.DataFrame | None, core: np.ndarray
) -> dict[str, dict[str, Any]]:
    if measures is None or not len(measures):
        return {}
    agreements = {}
    for thresholds in THRESHOLD_SETS:
        states = criteria_states(measures, index, thresholds)
        by_class = agreement(core, states)
        agreements[thresholds] = {
            code: {"criteria": n} | by_class[code].as_json()
            for code, n in class_counts(states).items()
        }
    return agreements


def _contradictions(groups: list[_Group]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for group in groups:
        for words in contradictions(group.statements):
            counts[words] += group.records
    return dict(counts.most_common())


def _doubts(
    groups: list[_Group], measures: pd.DataFrame | None, core: np.ndarray
) -> dict[str, int]:
    """Return known miscodings of a source, and stated classes that a measurement contradicts."""
    counts: Counter[str] = Counter()
    for group in groups:
        for statement in group.statements:
            key = group.source, statement.system, statement.code
            if miscoding := code_tables.known_miscodings().get(key):
                counts[f"{' '.join(key)}: {miscoding}"] += group.records
    for i, code in enumerate(CODES if measures is not None else ()):
        for check, is_contradicted in measurement_doubts(code, measures):
            if n := int((is_contradicted & (core[:, i] == 1)).sum()):
                counts[check.heading] += n
    return dict(counts.most_common())


def _states(index: pd.DataFrame, tier: str) -> np.ndarray:
    return index[[f"{tier}_{code}" for code in CODES]].to_numpy(np.int8)
