"""The audit of a cohort's labels: what was stated, what became of it, and what was lost where.

Counts only: it names no record. Records with the same source, statements and details are judged
once, so a large cohort takes little longer than a small one.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.labels import code_tables
from ecgcore.labels.agreement import agreement
from ecgcore.labels.classes import CODES
from ecgcore.labels.contradictions import contradictions, doubts
from ecgcore.labels.criteria import SETS, criteria_states
from ecgcore.labels.expert import Became, became
from ecgcore.labels.targets import class_counts, rule_counts, targets_summary
from ecgcore.records.record import Statement

_BECAME = {
    "core": "makes {0} in both tiers",
    "broad": "makes {0} in the broad tier",
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
    lost: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Audit the labels of a cohort's records.

    Parameters
    ----------
    index
        One row a record: ``source``, ``statements`` and ``details`` (JSON), ``sex``, ``age``, and
        the states ``core_NSR`` … ``broad_ECT``.
    measures
        The same rows' measurements, None where nothing was measured.
    lost
        Why files that were found are no records of the cohort, with their number.

    Returns
    -------
    dict
        ``records``; ``statements`` (what was stated, how often, and what it became); ``classes``
        (tier → state → class → n); ``rules`` (records of each class after each rule of the target
        mode ``exclusive``); ``flow`` (found → readable → labelled → used, with reasons);
        ``criteria`` (set of thresholds → class → agreement with the core tier, empty where nothing
        was measured); ``contradictions`` and ``doubts`` with the records that have them.
    """
    states = {tier: _states(index, tier) for tier in code_tables.TIERS}
    groups = list(_groups(index))
    return {
        "records": len(index),
        "sources": dict(Counter(index["source"].tolist()).most_common()),
        "statements": _statements(groups),
        "classes": {tier: _state_counts(states[tier]) for tier in code_tables.TIERS},
        "rules": rule_counts(states["core"]),
        "flow": _flow(index, states["core"], lost or {}),
        "criteria": _criteria(index, measures, states["core"]),
        "contradictions": _contradictions(groups),
        "doubts": _doubts(groups, measures, states["core"]),
    }


class _Group:
    """Records of one source that state the same."""

    def __init__(self, source: str, statements: str, details: str, records: int):
        self.source, self.records = source, records
        said = [Statement(*parts) for parts in json.loads(statements)]
        self.became: list[Became] = became(said, json.loads(details))


def _groups(index: pd.DataFrame) -> Iterator[_Group]:
    keys = ["source", "statements", "details"]
    for _, same in index.groupby(keys, sort=False):
        first = same.iloc[0]
        yield _Group(first["source"], first["statements"], first["details"], len(same))


def _statements(groups: list[_Group]) -> list[dict[str, Any]]:
    """Return one entry a statement: code, words, records, and how many of them it became what."""
    records: Counter[tuple[str, str]] = Counter()
    fates: dict[tuple[str, str], Counter[str]] = {}
    words = {}
    for group in groups:
        for key in {(one.system, one.code) for one in group.became}:
            records[key] += group.records
        for one in group.became:
            key = one.system, one.code
            words[key] = one.words
            fates.setdefault(key, Counter())[_fate(one)] += group.records
    return [
        {
            "system": key[0],
            "code": key[1],
            "words": words[key],
            "records": n,
            "became": dict(fates[key].most_common()),
        }
        for key, n in sorted(records.items(), key=lambda item: (-item[1], item[0]))
    ]


def _fate(one: Became) -> str:
    if (one.system, one.code) in code_tables.benign():
        return "benign: no class, does not exclude NSR"
    if one.system not in code_tables.systems():
        return "free words: not read as a label"
    if one.tier == "none":
        known = (one.system, one.code) in code_tables.lines()
        return f"{'' if known else 'in no table: '}no class, excludes NSR"
    return _BECAME[one.tier].format(one.code_class)


def _state_counts(states: np.ndarray) -> dict[str, dict[str, int]]:
    return {
        name: dict(zip(CODES, (states == value).sum(axis=0).tolist(), strict=True))
        for name, value in (("present", 1), ("absent", 0), ("unknown", -1))
    }


def _flow(index: pd.DataFrame, core: np.ndarray, lost: Mapping[str, int]) -> dict[str, Any]:
    """Return the CONSORT-style flow: each step's records, and why records were lost before it."""
    known = (core >= 0).any(axis=1)
    silent = index["statements"].map(lambda text: not json.loads(text)).to_numpy(bool)
    unlabelled = {
        "the source states nothing about it": int((~known & silent).sum()),
        "nothing that it states says anything of the ten classes": int((~known & ~silent).sum()),
    }
    return {
        "found": len(index) + sum(lost.values()),
        "not_readable": dict(lost),
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
    found = {}
    for thresholds in SETS:
        states = criteria_states(measures, index, thresholds)
        compared = agreement(core, states)
        found[thresholds] = {
            code: {"criteria": n} | compared[code].as_json()
            for code, n in class_counts(states).items()
        }
    return found


def _contradictions(groups: list[_Group]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for group in groups:
        for words in contradictions(group.became):
            counts[words] += group.records
    return dict(counts.most_common())


def _doubts(
    groups: list[_Group], measures: pd.DataFrame | None, core: np.ndarray
) -> dict[str, int]:
    """Return doubts about a source's use of a code, and stated classes that a measure doubts."""
    counts: Counter[str] = Counter()
    for group in groups:
        for one in group.became:
            if doubt := code_tables.doubts().get((group.source, one.system, one.code)):
                counts[f"{group.source} {one.system} {one.code}: {doubt}"] += group.records
    for i, code in enumerate(CODES if measures is not None else ()):
        for check, beyond in doubts(code, measures):
            if n := int((beyond & (core[:, i] == 1)).sum()):
                counts[check.heading] += n
    return dict(counts.most_common())


def _states(index: pd.DataFrame, tier: str) -> np.ndarray:
    return index[[f"{tier}_{code}" for code in CODES]].to_numpy(np.int8)
