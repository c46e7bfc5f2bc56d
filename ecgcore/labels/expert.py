"""Expert labels: what a source's statements say of each of the ten classes, decision by decision.

The rules stand in the tables of this folder (see ``tables``); here they are only applied. This
module knows nothing of signals or measurements.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ecgcore.errors import NotFound
from ecgcore.labels import code_tables
from ecgcore.labels.classes import CODES
from ecgcore.records.record import Record, Statement

PRESENT, ABSENT, UNKNOWN = 1, 0, -1
SURE_FROM = 50
"""Likelihood from which a statement makes a class; 0 means not known and counts too (PTB-XL)."""


@dataclass(frozen=True)
class Labels:
    """The labels of one record.

    Attributes
    ----------
    states
        (10,) int8 in the order of CODES: 1 present, 0 absent, -1 unknown.
    trace
        One sentence or more per class: which statement made or blocked it.
    """

    states: np.ndarray
    trace: tuple[str, ...]


@dataclass(frozen=True)
class _Said:
    """A statement as the tables know it."""

    system: str
    code: str
    likelihood: float | None
    words: str

    @property
    def key(self) -> tuple[str, str]:
        return self.system, self.code

    @property
    def sure(self) -> bool:
        """Whether it may make a class: a likelihood of 1–49 does not."""
        return not self.likelihood or self.likelihood >= SURE_FROM

    def __str__(self) -> str:
        return f"{self.system} {self.code}" + (f" ({self.words})" if self.words else "")


def label_record(record: Record, tier: str = "core") -> Labels:
    """Return the labels of ``record`` in ``tier`` (``core`` or ``broad``)."""
    return label(record.statements, record.source, record.details, tier)


def label(
    statements: Iterable[Statement],
    source: str = "unknown",
    details: Mapping[str, str] | None = None,
    tier: str = "core",
) -> Labels:
    """Return what ``statements`` of ``source`` say of the ten classes.

    ``details`` may hold PTB-XL's ``infarction_stadium1`` and ``infarction_stadium2``. A record
    without statements has every class unknown.
    """
    if tier not in code_tables.TIERS:
        raise NotFound.among("tier", tier, code_tables.TIERS)
    said = _said(statements)
    if not said:
        sentence = "Every class is unknown: the source states nothing about this record."
        return Labels(np.full(len(CODES), UNKNOWN, np.int8), (sentence,))
    annotations = code_tables.annotations(source, frozenset(s.system for s in said), tier)
    decisions = [_normal(said, source, annotations["NSR"])]
    for code in CODES[1:]:
        decisions.append(_decide(code, said, source, annotations[code], details or {}, tier))
    states = np.array([state for state, _ in decisions], np.int8)
    return Labels(states, tuple(why for _, reasons in decisions for why in reasons))


class Became(NamedTuple):
    """What one statement of a record became.

    ``tier`` is ``core`` or ``broad`` where it makes ``code_class`` present, ``unclear`` where it
    leaves it unknown, ``unsure`` where its likelihood is too low, ``never`` or ``none`` where it
    makes no class (and excludes NSR), and for NSR one of its own tiers (see ``tables``).
    ``code`` is spelt as in the tables; ``words`` are empty where they do not know it.
    """

    system: str
    code: str
    words: str
    code_class: str
    tier: str


def became(
    statements: Iterable[Statement], details: Mapping[str, str] | None = None
) -> list[Became]:
    """Return what each statement of a record became, one entry a class that it speaks for."""
    said = _said(statements)
    found = []
    for one in said:
        for line in code_tables.lines().get(one.key, (None,)):
            tier, code = ("none", "") if line is None else (line.tier, line.code_class)
            if line is not None and tier != "none":
                tier = _tier(line, said, details or {})[0] if one.sure else "unsure"
            found.append(Became(*one.key, one.words, code, tier))
    return found


def _said(statements: Iterable[Statement]) -> list[_Said]:
    """Translate statements to the tables' spelling; ``#Dx: Unknown`` is none."""
    said = []
    for statement in statements:
        code = code_tables.canonical(statement.system, statement.code)
        if code.lower() in ("", "unknown", "nan"):
            continue
        words = code_tables.words(statement.system, code)
        said.append(_Said(statement.system, code, statement.likelihood, words))
    return said


def _decide(
    code: str,
    said: list[_Said],
    source: str,
    annotation: code_tables.Annotation,
    details: Mapping[str, str],
    tier: str,
) -> tuple[int, list[str]]:
    """Return the state of one class other than NSR, and why."""
    counted, unclear, reasons = [], [], []
    for statement in said:
        for line in code_tables.lines().get(statement.key, ()):
            if line.code_class != code:
                continue
            line_tier, because = _tier(line, said, details)
            if not statement.sure:
                reasons.append(f"{statement} does not count: {_unsure(statement)}")
            elif line_tier == "unclear":
                unclear.append(f"{statement} does not say which class it is")
            elif line_tier == "core" or line_tier == tier:
                counted.append(f"{statement} states it{because}{_doubt(source, statement)}")
            else:
                reasons.append(f"{statement} does not count in the {tier} tier{because}")
    if counted:
        return PRESENT, [f"{code} present: {why}." for why in counted]
    if unclear:
        return UNKNOWN, [f"{code} unknown: {why}." for why in unclear]
    return _unstated(code, source, annotation, reasons)


def _unstated(
    code: str, source: str, annotation: code_tables.Annotation, reasons: list[str]
) -> tuple[int, list[str]]:
    """Return what a class without a statement of it is: absent only where it is annotated."""
    if annotation.level == "annotated":
        reasons = reasons or [f"no statement of it, and {source} annotates it"]
        return ABSENT, [f"{code} absent: {why}." for why in reasons]
    extent = "does not annotate it" if annotation.level == "not" else "annotates it only partly"
    reasons = [*reasons, f"{source} {extent} ({annotation.evidence})"]
    return UNKNOWN, [f"{code} unknown: {why}." for why in reasons]


def _tier(line: code_tables.Line, said: list[_Said], details: Mapping[str, str]) -> tuple[str, str]:
    """Return the tier in which a line counts for this record, and the words that explain it."""
    tier, because = line.tier, ""
    if tier == "by_stadium":
        tier, because = _tier_by_stadium(details)
    for rule in code_tables.beside().get((line.system, line.code), ()):
        other = [s for s in said if s.key == (rule.system, rule.beside)]
        if tier != "never" and any(s.sure or rule.tier == "never" for s in other):
            tier, because = rule.tier, f", beside {other[0]}: {rule.reason}"
    return tier, because


def _tier_by_stadium(details: Mapping[str, str]) -> tuple[str, str]:
    """Return the tier of an infarction by the stadium columns: never, then core, then broad."""
    given = [details.get(f"infarction_stadium{n}", "") for n in (1, 2)]
    known = [stadium for stadium in given if stadium in code_tables.stadiums()] or ["unknown"]
    tiers = [code_tables.stadiums()[stadium] for stadium in known]
    tier = next(t for t in ("never", "core", "broad") if t in tiers)
    return tier, f", infarction stadium: {' and '.join(known)}"


def _unsure(statement: _Said) -> str:
    return f"its likelihood is {statement.likelihood:.0f}, below {SURE_FROM}"


def _doubt(source: str, statement: _Said) -> str:
    doubt = code_tables.doubts().get((source, *statement.key))
    return f"; doubtful, as {doubt}" if doubt else ""


def _normal(
    said: list[_Said], source: str, annotation: code_tables.Annotation
) -> tuple[int, list[str]]:
    """Return the state of NSR, and why: a normal ECG stated, and nothing but benign beside it."""
    tiers = {
        s: line.tier for s in said for line in code_tables.lines().get(s.key, ()) if _is_nsr(line)
    }
    understood = [s for s in said if s.system in code_tables.systems()]
    against = [s for s in understood if s not in tiers and s.key not in code_tables.benign()]
    if against:
        return ABSENT, [f"NSR absent: {statement} excludes it." for statement in against]
    if len(understood) < len(said):
        return UNKNOWN, ["NSR unknown: what is stated in free words is not read as a label."]
    unsure = [s for s in tiers if not s.sure]
    if unsure:
        return ABSENT, [f"NSR absent: {unsure[0]} does not count: {_unsure(unsure[0])}."]
    kinds = {kind: statement for statement, kind in tiers.items()}
    if "normal" in kinds:
        return PRESENT, [f"NSR present: {kinds['normal']} states a normal ECG."]
    if "normal_with_sinus" in kinds and "sinus" in kinds:
        both = f"{kinds['normal_with_sinus']} with {kinds['sinus']}"
        return PRESENT, [f"NSR present: {both} states a normal ECG in sinus rhythm."]
    if "sinus_alone" in kinds and annotation.level == "annotated":
        return PRESENT, [f"NSR present: {kinds['sinus_alone']} and no finding beside it."]
    if "sinus_alone" in kinds:
        return UNKNOWN, [
            f"NSR unknown: {kinds['sinus_alone']} stands alone, but {source} does not state that "
            f"nothing else was found ({annotation.evidence})."
        ]
    return UNKNOWN, ["NSR unknown: nothing excludes it, but no normal sinus rhythm is stated."]


def _is_nsr(line: code_tables.Line) -> bool:
    return line.code_class == "NSR"
