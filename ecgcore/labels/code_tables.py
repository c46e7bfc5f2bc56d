"""Code tables: the rules behind expert labels, read from the CSV files of this folder.

=======================  ========================================================================
statements.csv           the class that a statement speaks for, and how (``tier``, see below)
stadium.csv              PTB-XL's infarction stadium → tier of an infarction statement
combination_rules.csv    statements whose meaning changes together with another statement
benign.csv               statements that a normal ECG may carry, each with its reason
known_miscodings.csv     codes that a source also uses for something else
annotation_coverage.csv  the classes that each source annotates, with evidence
=======================  ========================================================================

``tier`` of a statement: ``core`` and ``broad`` make the class present in that tier (broad includes
core). A ``broad`` statement says that the core class is absent (an incomplete block is no complete
one); a ``possible`` one does not, and leaves the class unknown in the core tier (an infarction of
unknown age may be acute). ``by_stadium`` looks it up in stadium.csv; ``unclear`` leaves the class
unknown in both tiers (a "bundle branch block" is left or right); ``none`` gives no class. Every
statement that is not benign excludes NSR, whether or not it stands in the table.

For NSR, ``normal`` states a normal ECG, ``normal_with_sinus`` does so together with a ``sinus``
statement, and ``sinus_alone`` is sinus rhythm in a system that files normal ECGs under it.
"""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

COVERAGE_LEVELS = ("annotated", "partly", "not")
_FOLDER = Path(__file__).parent
HASHED_TABLES = (
    "annotation_coverage.csv",
    "benign.csv",
    "combination_rules.csv",
    "checks.csv",
    "contiguous.csv",
    "contradictions.csv",
    "criteria.csv",
    "known_miscodings.csv",
    "label_sets.csv",
    "stadium.csv",
    "statements.csv",
)
"""All tables of this folder in the order of ``tables_hash``, which every stored run records."""


class StatementRule(NamedTuple):
    """One row of statements.csv: a source's statement and its meaning for one class."""

    system: str
    code: str
    code_class: str
    tier: str
    words: str
    source: str


class CombinationRule(NamedTuple):
    """One row of combination_rules.csv: the tier of ``code`` together with ``other_code``."""

    system: str
    code: str
    other_code: str
    tier: str
    reason: str


class AnnotationCoverage(NamedTuple):
    """Coverage of a class by a source (``annotated``, ``partly`` or ``not``) and its evidence.

    A record without a statement of an annotated class does not have it; for a class that is
    annotated partly or not at all, this is unknown.
    """

    level: str
    evidence: str


def table_rows(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV table of this folder."""
    with (_FOLDER / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def canonical_code(system: str, code: str) -> str:
    """Return a code as the tables spell it.

    Modifiers of an AHA code (``30+308``) that the tables do not list are dropped, so that
    ``160+312+330`` (anterior infarction, possible, acute) is ``160+330``. LUDB's headers have
    ``Rhythm: Sinus rhythm.`` where its table has ``Sinus rhythm``.
    """
    code = code.strip()
    if system == "aha" and (system, code) not in statement_rules():
        base, *modifiers = (part.strip() for part in code.split("+"))
        candidates = (f"{base}+{modifier}" for modifier in modifiers)
        return next((c for c in candidates if (system, c) in statement_rules()), base)
    if system == "ludb_text":
        return " ".join(code.lower().removesuffix(".").removeprefix("rhythm:").split())
    return code


@cache
def statement_rules() -> dict[tuple[str, str], tuple[StatementRule, ...]]:
    """Return the rows of statements.csv by system and code."""
    rules = defaultdict(list)
    for row in table_rows("statements.csv"):
        rule = StatementRule(
            row["system"], row["code"], row["class"], row["tier"], row["words"], row["source"]
        )
        rules[rule.system, rule.code].append(rule)
    return {key: tuple(value) for key, value in rules.items()}


@cache
def coding_systems() -> frozenset[str]:
    """Return the coding systems of the tables; statements in others (free text) give no label."""
    return frozenset(system for system, _ in statement_rules())


def statement_words(system: str, code: str) -> str:
    """Return the source's words for a canonical code, or '' for a code that is in no table."""
    rules = statement_rules().get((system, code))
    return rules[0].words if rules else ""


@cache
def benign_statements() -> dict[tuple[str, str], str]:
    """Return why a statement, by system and code, is compatible with a normal ECG."""
    return {(row["system"], row["code"]): row["reason"] for row in table_rows("benign.csv")}


@cache
def stadium_tiers() -> dict[str, str]:
    """Return the tier of an infarction statement by PTB-XL's stadium."""
    return {row["stadium"]: row["tier"] for row in table_rows("stadium.csv")}


@cache
def combination_rules() -> dict[tuple[str, str], tuple[CombinationRule, ...]]:
    """Return the rows of combination_rules.csv by system and code."""
    rules = defaultdict(list)
    for row in table_rows("combination_rules.csv"):
        rule = CombinationRule(
            row["system"], row["code"], row["beside"], row["tier"], row["reason"]
        )
        rules[rule.system, rule.code].append(rule)
    return {key: tuple(value) for key, value in rules.items()}


@cache
def known_miscodings() -> dict[tuple[str, str, str], str]:
    """Return what else a source uses a code for, by source, system and code."""
    return {
        (row["source"], row["system"], row["code"]): row["doubt"]
        for row in table_rows("known_miscodings.csv")
    }


@cache
def annotation_coverage(
    source: str, systems: frozenset[str], tier: str
) -> dict[str, AnnotationCoverage]:
    """Return the coverage of each class by ``source``.

    PTB-XL in SNOMED codes annotates less than in its own: rows for one of ``systems`` take
    precedence over those for any. A source that is not in the table is treated as ``unknown``.
    """
    table = _coverage_table()
    name = source if any(key[0] == source for key in table) else "unknown"
    coverage: dict[str, AnnotationCoverage] = {}
    for system in ("any", *sorted(systems)):
        for row_tier in ("any", tier):
            coverage |= table.get((name, system, row_tier), {})
    return coverage


@cache
def tables_hash() -> str:
    """Return a hash of all tables, which runs record because other tables may give other labels."""
    content = b"".join((_FOLDER / name).read_bytes() for name in HASHED_TABLES)
    return hashlib.sha256(content).hexdigest()[:16]


@cache
def _coverage_table() -> dict[tuple[str, str, str], dict[str, AnnotationCoverage]]:
    table: dict[tuple[str, str, str], dict[str, AnnotationCoverage]] = defaultdict(dict)
    for row in table_rows("annotation_coverage.csv"):
        key = row["source"], row["system"], row["tier"]
        table[key][row["class"]] = AnnotationCoverage(row["annotated"], row["evidence"])
    return dict(table)
