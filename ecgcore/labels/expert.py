"""Expert labels: the ten classes from a source's statements, decision by decision.

The rules stand in the tables of this folder (see ``code_tables``) and are only applied here. This
module does not use signals or measurements.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ecgcore.errors import NotFound
from ecgcore.labels import code_tables
from ecgcore.labels.classes import CODES, TIERS
from ecgcore.labels.code_tables import AnnotationCoverage, StatementRule
from ecgcore.records.record import Record, Statement

PRESENT, ABSENT, UNKNOWN = 1, 0, -1
SURE_FROM = 50
"""Likelihood from which a statement counts; PTB-XL's 0 means unknown, and counts too."""


@dataclass(frozen=True)
class Labels:
    """Labels of one record.

    Attributes
    ----------
    states
        (10,) int8 in the order of CODES: 1 present, 0 absent, -1 unknown.
    reasons
        One sentence or more per class, naming the statement that made it present or excluded it.
    """

    states: np.ndarray
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _CodedStatement:
    """A statement in the spelling of the tables."""

    system: str
    code: str
    likelihood: float | None
    words: str

    @property
    def key(self) -> tuple[str, str]:
        return self.system, self.code

    @property
    def is_sure(self) -> bool:
        """True if it may make a class present: a likelihood of 1–49 may not."""
        return not self.likelihood or self.likelihood >= SURE_FROM

    def __str__(self) -> str:
        return f"{self.system} {self.code}" + (f" ({self.words})" if self.words else "")


def label_record(record: Record, tier: str = "core") -> Labels:
    """Return the expert labels of ``record`` in ``tier`` (``core`` or ``broad``)."""
    return label(record.statements, record.source, record.details, tier)


def label(
    statements: Iterable[Statement],
    source: str = "unknown",
    details: Mapping[str, str] | None = None,
    tier: str = "core",
) -> Labels:
    """Return the labels that ``statements`` of ``source`` give for the ten classes.

    ``details`` may hold PTB-XL's ``infarction_stadium1`` and ``infarction_stadium2``. All classes
    of a record without statements are unknown.
    """
    if tier not in TIERS:
        raise NotFound.among("tier", tier, TIERS)
    coded = _encode(statements)
    if not coded:
        sentence = "Every class is unknown: the source states nothing about this record."
        return Labels(np.full(len(CODES), UNKNOWN, np.int8), (sentence,))
    coverage = code_tables.annotation_coverage(source, frozenset(s.system for s in coded), tier)
    decisions = [_decide_nsr(coded, source, coverage["NSR"])]
    for code in CODES[1:]:
        decisions.append(_decide(code, coded, source, coverage[code], details or {}, tier))
    states = np.array([state for state, _ in decisions], np.int8)
    return Labels(states, tuple(reason for _, reasons in decisions for reason in reasons))


class ResolvedStatement(NamedTuple):
    """One statement of a record, and the tier in which it counts for one class.

    ``tier`` is ``core`` or ``broad`` where it makes ``code_class`` present, ``possible`` where it
    does so in the broad tier and leaves it unknown in the core tier, ``unclear`` where it leaves it
    unknown in both, ``unsure`` where its likelihood is too low, ``never`` or ``none`` where it
    makes no class (and excludes NSR), and for NSR one of its own tiers (see ``code_tables``).
    ``code`` is spelt as in the tables; ``words`` are empty for a code that is in no table.
    """

    system: str
    code: str
    words: str
    code_class: str
    tier: str


def resolve_statements(
    statements: Iterable[Statement], details: Mapping[str, str] | None = None
) -> list[ResolvedStatement]:
    """Return the statements of a record with their tiers, one entry a class they speak for."""
    coded = _encode(statements)
    resolved = []
    for statement in coded:
        for rule in code_tables.statement_rules().get(statement.key, (None,)):
            tier, code_class = ("none", "") if rule is None else (rule.tier, rule.code_class)
            if rule is not None and tier != "none":
                tier = _tier(rule, coded, details or {})[0] if statement.is_sure else "unsure"
            resolved.append(ResolvedStatement(*statement.key, statement.words, code_class, tier))
    return resolved


def _encode(statements: Iterable[Statement]) -> list[_CodedStatement]:
    """Translate statements to the tables' spelling, without unknown ones (``#Dx: Unknown``)."""
    coded = []
    for statement in statements:
        code = code_tables.canonical_code(statement.system, statement.code)
        if code.lower() in ("", "unknown", "nan"):
            continue
        words = code_tables.statement_words(statement.system, code)
        coded.append(_CodedStatement(statement.system, code, statement.likelihood, words))
    return coded


def _decide(
    code: str,
    statements: list[_CodedStatement],
    source: str,
    coverage: AnnotationCoverage,
    details: Mapping[str, str],
    tier: str,
) -> tuple[int, list[str]]:
    """Return the state of one class other than NSR, and why."""
    counted, unclear, reasons = [], [], []
    for statement in statements:
        for rule in code_tables.statement_rules().get(statement.key, ()):
            if rule.code_class != code:
                continue
            rule_tier, because = _tier(rule, statements, details)
            if not statement.is_sure:
                reasons.append(f"{statement} does not count: {_low_likelihood(statement)}")
            elif rule_tier == "unclear":
                unclear.append(f"{statement} does not say which class it is")
            elif rule_tier == "possible" and tier == "core":
                unclear.append(f"{statement} neither states it nor rules it out{because}")
            elif rule_tier in ("core", "possible", tier):
                counted.append(f"{statement} states it{because}{_miscoding(source, statement)}")
            else:
                reasons.append(f"{statement} does not count in the {tier} tier{because}")
    if counted:
        return PRESENT, [f"{code} present: {reason}." for reason in counted]
    if unclear:
        return UNKNOWN, [f"{code} unknown: {reason}." for reason in unclear]
    return _unstated(code, source, coverage, reasons)


def _unstated(
    code: str, source: str, coverage: AnnotationCoverage, reasons: list[str]
) -> tuple[int, list[str]]:
    """Return the state of a class without a statement: absent only where it is annotated."""
    if coverage.level == "annotated":
        reasons = reasons or [f"no statement of it, and {source} annotates it"]
        return ABSENT, [f"{code} absent: {reason}." for reason in reasons]
    extent = "does not annotate it" if coverage.level == "not" else "annotates it only partly"
    reasons = [*reasons, f"{source} {extent} ({coverage.evidence})"]
    return UNKNOWN, [f"{code} unknown: {reason}." for reason in reasons]


def _tier(
    rule: StatementRule, statements: list[_CodedStatement], details: Mapping[str, str]
) -> tuple[str, str]:
    """Return the tier in which a rule counts for this record, and the words that explain it."""
    tier, because = rule.tier, ""
    if tier == "by_stadium":
        tier, because = _tier_by_stadium(details)
    for combination in code_tables.combination_rules().get((rule.system, rule.code), ()):
        others = [s for s in statements if s.key == (combination.system, combination.other_code)]
        if tier != "never" and any(s.is_sure or combination.tier == "never" for s in others):
            tier, because = combination.tier, f", beside {others[0]}: {combination.reason}"
    return tier, because


def _tier_by_stadium(details: Mapping[str, str]) -> tuple[str, str]:
    """Return the tier of an infarction by the stadium columns: never, then core, then possible."""
    columns = [details.get(f"infarction_stadium{n}", "") for n in (1, 2)]
    stadiums = [s for s in columns if s in code_tables.stadium_tiers()] or ["unknown"]
    tiers = [code_tables.stadium_tiers()[stadium] for stadium in stadiums]
    tier = next(t for t in ("never", "core", "possible") if t in tiers)
    return tier, f", infarction stadium: {' and '.join(stadiums)}"


def _low_likelihood(statement: _CodedStatement) -> str:
    return f"its likelihood is {statement.likelihood:.0f}, below {SURE_FROM}"


def _miscoding(source: str, statement: _CodedStatement) -> str:
    miscoding = code_tables.known_miscodings().get((source, *statement.key))
    return f"; doubtful, as {miscoding}" if miscoding else ""


def _decide_nsr(
    statements: list[_CodedStatement], source: str, coverage: AnnotationCoverage
) -> tuple[int, list[str]]:
    """Return the state of NSR, and why: a normal ECG stated, and only benign statements else."""
    tiers = {
        statement: rule.tier
        for statement in statements
        for rule in code_tables.statement_rules().get(statement.key, ())
        if rule.code_class == "NSR"
    }
    readable = [s for s in statements if s.system in code_tables.coding_systems()]
    benign = code_tables.benign_statements()
    excluding = [s for s in readable if s not in tiers and s.key not in benign]
    if excluding:
        return ABSENT, [f"NSR absent: {statement} excludes it." for statement in excluding]
    if len(readable) < len(statements):
        return UNKNOWN, ["NSR unknown: what is stated in free words is not read as a label."]
    unsure = [s for s in tiers if not s.is_sure]
    if unsure:
        return ABSENT, [f"NSR absent: {unsure[0]} does not count: {_low_likelihood(unsure[0])}."]
    by_tier = {tier: statement for statement, tier in tiers.items()}
    if "normal" in by_tier:
        return PRESENT, [f"NSR present: {by_tier['normal']} states a normal ECG."]
    if "normal_with_sinus" in by_tier and "sinus" in by_tier:
        both = f"{by_tier['normal_with_sinus']} with {by_tier['sinus']}"
        return PRESENT, [f"NSR present: {both} states a normal ECG in sinus rhythm."]
    if "sinus_alone" in by_tier and coverage.level == "annotated":
        return PRESENT, [f"NSR present: {by_tier['sinus_alone']} and no finding beside it."]
    if "sinus_alone" in by_tier:
        return UNKNOWN, [
            f"NSR unknown: {by_tier['sinus_alone']} stands alone, but {source} does not state that "
            f"nothing else was found ({coverage.evidence})."
        ]
    return UNKNOWN, ["NSR unknown: nothing excludes it, but no normal sinus rhythm is stated."]
