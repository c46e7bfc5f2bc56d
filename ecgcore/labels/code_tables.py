"""The tables behind expert labels, read from the CSV files of this folder.

=================  ==============================================================================
statements.csv     which statement speaks for which class, and how (``tier``, see below)
stadium.csv        PTB-XL's infarction stadium → tier of an infarction statement
beside.csv         statements that mean something else beside another statement
benign.csv         statements that a normal ECG may carry, each with its reason
doubts.csv         codes that a source uses for something else, too
annotated.csv      what each source annotates, with evidence
=================  ==============================================================================

``tier`` of a statement: ``core`` and ``broad`` make the class present in that tier (broad holds
core); ``by_stadium`` asks stadium.csv; ``unclear`` leaves the class unknown (a "bundle branch
block" is left or right); ``none`` gives no class. Every statement that is not benign excludes NSR,
whether it stands in the table or not.

For NSR, ``normal`` states a normal ECG, ``normal_with_sinus`` does so together with a ``sinus``
statement, and ``sinus_alone`` is sinus rhythm in a system that files normal ECGs so.
"""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

TIERS = ("core", "broad")
ANNOTATED = ("annotated", "partly", "not")


class Line(NamedTuple):
    """One line of statements.csv: a source's statement and what it says of one class."""

    system: str
    code: str
    code_class: str
    tier: str
    words: str
    source: str


class Beside(NamedTuple):
    """One line of beside.csv: ``code`` beside the statement ``beside`` has another tier."""

    system: str
    code: str
    beside: str
    tier: str
    reason: str


class Annotation(NamedTuple):
    """Whether a source annotates a class: ``annotated``, ``partly`` or ``not``, and why we say so.

    Where a class is annotated, a record without a statement of it does not have it; where it is
    annotated partly or not, that is unknown.
    """

    level: str
    evidence: str


def canonical(system: str, code: str) -> str:
    """Return a code as the tables spell it.

    An AHA code may carry modifiers (``30+308``): those that the tables do not list are dropped,
    so that ``160+312+330`` (anterior infarction, possible, acute) is ``160+330``.
    LUDB's headers say ``Rhythm: Sinus rhythm.`` where its table says ``Sinus rhythm``.
    """
    code = code.strip()
    if system == "aha" and (system, code) not in lines():
        base, *modifiers = (part.strip() for part in code.split("+"))
        known = (f"{base}+{modifier}" for modifier in modifiers)
        return next((c for c in known if (system, c) in lines()), base)
    if system == "ludb_text":
        return " ".join(code.lower().removesuffix(".").removeprefix("rhythm:").split())
    return code


@cache
def lines() -> dict[tuple[str, str], tuple[Line, ...]]:
    """Return the lines of statements.csv by system and code."""
    found = defaultdict(list)
    for row in _rows("statements.csv"):
        line = Line(
            row["system"], row["code"], row["class"], row["tier"], row["words"], row["source"]
        )
        found[line.system, line.code].append(line)
    return {key: tuple(value) for key, value in found.items()}


@cache
def systems() -> frozenset[str]:
    """Return the systems of codes that the tables know; others (a machine's words) say nothing."""
    return frozenset(system for system, _ in lines())


def words(system: str, code: str) -> str:
    """Return the source's words for a canonical code, '' where the tables do not know it."""
    known = lines().get((system, code))
    return known[0].words if known else ""


@cache
def benign() -> dict[tuple[str, str], str]:
    """Return why a statement, by system and code, is compatible with a normal ECG."""
    return {(row["system"], row["code"]): row["reason"] for row in _rows("benign.csv")}


@cache
def stadiums() -> dict[str, str]:
    """Return the tier of an infarction statement by PTB-XL's stadium."""
    return {row["stadium"]: row["tier"] for row in _rows("stadium.csv")}


@cache
def beside() -> dict[tuple[str, str], tuple[Beside, ...]]:
    """Return the lines of beside.csv by system and code."""
    found = defaultdict(list)
    for row in _rows("beside.csv"):
        found[row["system"], row["code"]].append(Beside(**row))
    return {key: tuple(value) for key, value in found.items()}


@cache
def doubts() -> dict[tuple[str, str, str], str]:
    """Return what makes a code doubtful, by source, system and code."""
    return {
        (row["source"], row["system"], row["code"]): row["doubt"] for row in _rows("doubts.csv")
    }


@cache
def annotations(source: str, systems: frozenset[str], tier: str) -> dict[str, Annotation]:
    """Return what ``source`` annotates, by class.

    PTB-XL in SNOMED words annotates less than in its own: lines for one of ``systems`` stand
    before those for any. A source that the table does not know is treated as ``unknown``.
    """
    table = _annotated()
    name = source if any(key[0] == source for key in table) else "unknown"
    found: dict[str, Annotation] = {}
    for system in ("any", *sorted(systems)):
        for row_tier in ("any", tier):
            found |= table.get((name, system, row_tier), {})
    return found


@cache
def tables_hash() -> str:
    """Return a hash of all tables: runs record it, as another table may give other labels."""
    files = sorted(Path(__file__).parent.glob("*.csv"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


@cache
def _annotated() -> dict[tuple[str, str, str], dict[str, Annotation]]:
    found: dict[tuple[str, str, str], dict[str, Annotation]] = defaultdict(dict)
    for row in _rows("annotated.csv"):
        key = row["source"], row["system"], row["tier"]
        found[key][row["class"]] = Annotation(row["annotated"], row["evidence"])
    return dict(found)


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
