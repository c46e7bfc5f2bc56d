"""What a vendor's file holds, and the Record that is made of it: no name passes here.

Every reader of a vendor's format hands over ``Contents``; what may identify someone serves to drop
the sentences that quote it, and goes no further.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.leads import standard_lead, twelve_leads
from ecgcore.records.record import MACHINE, Record, Statement
from ecgcore.records.sources import origin

SHORTEST_S = 1.0
"""Shorter than this, no recording holds a beat for certain (12-lead ECGs take 5 s and more)."""
LARGEST_SAMPLES = 2_000_000
"""Samples a lead: half an hour at 1000 Hz, the longest recording that is read whole."""
MV_PER_UNIT = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}
_SEXES = {"m": "male", "male": "male", "f": "female", "female": "female"}
_YEARS = {"y": 1.0, "a": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25, "h": 1 / 8766}
_LONGEST_SENTENCE = 200
_MOST_SENTENCES = 60
# A line about people and days, not about the heart: who signed, who sent, when it was compared.
_ABOUT_PEOPLE = re.compile(
    r"confirmed|signed|review(?:ed|er)|refer(?:red|ring)|edited|over-?read|interpreted by|\bby:"
    r"|\bdr\b|\bm\.?d\b|physician|technician|compared (?:with|to)|\bid\b"
    r"|\d{1,2}[-./]\w{2,9}[-./]\d{2,4}|\d{4}-\d\d-\d\d|\b(?:19|20)\d\d\b|\d{6,}",
    re.IGNORECASE,
)
_COMMON = frozenset({"ecg", "ekg", "the", "and", "none", "unknown", "normal", "test"})


@dataclass(frozen=True)
class Contents:
    """What a file of one recording holds.

    Attributes
    ----------
    columns
        What the file calls each lead.
    signal_mv
        (len(columns), T), mV, NaN where missing.
    fs_hz
        Sampling rate, unrounded.
    age_years
        As stated, or by ``age_on``; None where the file shows neither.
    sex
        As the file spells it.
    sentences
        The machine's statements in its own words.
    machine
        The machine's own measurements by the names in MACHINE; None where it made none.
    private
        Names and numbers of people in the file. They go no further than this object.
    notes
        What the reader did or met.
    """

    columns: list[str]
    signal_mv: np.ndarray
    fs_hz: float
    age_years: float | None = None
    sex: str = ""
    sentences: Iterable[str] = ()
    machine: Mapping[str, float | None] = field(default_factory=dict)
    private: Iterable[str | None] = ()
    notes: tuple[str, ...] = ()


def record_of(path: Path, found: Contents, *, start_s: float = 0.0) -> Record:
    """Return the Record of what a file holds, from ``start_s`` on.

    Raises
    ------
    UnreadableRecord
        Not twelve leads, no rate, nothing left after ``start_s``, too short or too long.
    """
    if not (np.isfinite(found.fs_hz) and found.fs_hz > 0):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} states no usable sampling rate ({found.fs_hz:g} Hz)."
        )
    columns, upright_mv = _upright(found.columns, found.signal_mv)
    window_mv, windowed = _from(path, upright_mv, found.fs_hz, start_s)
    refuse_length(path, window_mv.shape[1], found.fs_hz)
    signal_mv, notes = twelve_leads(path.stem, columns, window_mv)
    known = origin(path.stem)
    return Record(
        signal_mv=signal_mv,
        fs_hz=float(found.fs_hz),
        name=path.stem,
        source=known.source if known else "unknown",
        age_years=_age_of_a_human(found.age_years),
        sex=_SEXES.get(found.sex.strip().lower()),
        statements=tuple(
            Statement("text", sentence)
            for sentence in impersonal(found.sentences, [p for p in found.private if p])
        ),
        notes=found.notes + windowed + notes,
        machine=measured(found.machine),
    )


def impersonal(sentences: Iterable[str], private: Iterable[str]) -> list[str]:
    """Return the sentences that speak of the heart: none of people, days or words in ``private``.

    Each once, without blanks around, cut at 200 characters; at most 60.
    """
    secret = {word for text in private for word in _words(text)} - _COMMON
    kept: dict[str, None] = {}
    for sentence in sentences:
        text = " ".join(sentence.split())[:_LONGEST_SENTENCE].strip(" ,;-")
        if re.search(r"[^\W\d_]", text) and not _ABOUT_PEOPLE.search(text):
            if not secret.intersection(_words(text)):
                kept.setdefault(text)
    return list(kept)[:_MOST_SENTENCES]


def measured(machine: Mapping[str, float | None]) -> dict[str, float | str]:
    """Return the measurements that were made: no zero interval or rate, nothing that is no number.

    An axis may be 0°; an interval or rate of 0 is how machines write "not measured".
    """
    there: dict[str, float | str] = {}
    for name in MACHINE:
        value = machine.get(name)
        if value is None or not np.isfinite(value) or abs(value) > 10_000:
            continue
        if value > 0 if not name.endswith("_deg") else -360 <= value <= 360:
            there[name] = float(value)
    return there


def age_on(born: date | None, day: date | None) -> float | None:
    """Return full years from a birth date to the day of recording, None where one is missing."""
    if born is None or day is None or day < born:
        return None
    return float(day.year - born.year - ((day.month, day.day) < (born.month, born.day)))


def years(value: float | None, unit: str = "y") -> float | None:
    """Return an age in years from a number and a unit (years, months, weeks, days, hours)."""
    factor = _YEARS.get(unit.strip().lower()[:1] or "y")
    return None if value is None or factor is None else value * factor


def number(text: str | None) -> float | None:
    """Return a finite number from a text, None where it is none."""
    try:
        value = float((text or "").strip())
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def day(year: float | None, month: float | None, day: float | None) -> date | None:
    """Return a date from its three numbers, None where they make none."""
    if year is None or month is None or day is None:
        return None
    try:
        return date(int(year), int(month), int(day))
    except (ValueError, OverflowError):
        return None


def in_mv(path: Path, lead: str, unit: str) -> float:
    """Return what one of a unit is in mV.

    Raises
    ------
    UnreadableRecord
        The unit is none of voltage.
    """
    factor = MV_PER_UNIT.get(unit.strip().lower())
    if factor is None:
        told = "in a unit that is no voltage" if unit.strip() else "without a unit"
        raise UnreadableRecord(
            f"Record {path.stem}: {called(lead)} is {told}; accepted are mV, µV, nV and V."
        )
    return factor


def called(lead: str) -> str:
    """Return how a message speaks of a lead: by its name only where it is one."""
    known = standard_lead(lead)
    return f"lead {known}" if known else "one lead"


def _upright(columns: list[str], signal_mv: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Turn leads that stand inverted (``-aVR``, as Cabrera's order has it) round."""
    if not any(column.startswith("-") for column in columns):
        return columns, signal_mv
    signs = np.array([-1.0 if column.startswith("-") else 1.0 for column in columns])
    return [column.removeprefix("-") for column in columns], signal_mv * signs[:, None]


def _from(
    path: Path, signal_mv: np.ndarray, fs_hz: float, start_s: float
) -> tuple[np.ndarray, tuple[str, ...]]:
    if start_s <= 0:
        return signal_mv, ()
    first = round(start_s * fs_hz)
    if first >= signal_mv.shape[1]:
        refuse_start(path, signal_mv.shape[1] / fs_hz, start_s)
    return signal_mv[:, first:], (f"windowed: from {start_s:g} s on",)


def refuse_start(path: Path, duration_s: float, start_s: float) -> None:
    """Say that a window starts after the end of a recording."""
    raise UnreadableRecord(
        f"Record {path.stem} lasts {duration_s:.1f} s; a window from {start_s:g} s on is not in it."
    )


def refuse_length(path: Path, n_samples: int, fs_hz: float) -> None:
    """Refuse what is too short to hold a beat, or longer than any recording that is read whole."""
    if n_samples < SHORTEST_S * fs_hz:
        raise UnreadableRecord(
            f"Record {path.stem} lasts {n_samples / fs_hz:.2f} s ({n_samples} samples); "
            "an ECG of at least 1 s is needed, 10 s are usual."
        )
    if n_samples > LARGEST_SAMPLES:
        raise UnreadableRecord(
            f"Record {path.stem} has {n_samples:,} samples a lead; at most {LARGEST_SAMPLES:,} are "
            "read. Cut out the part that is meant."
        )


def _age_of_a_human(age_years: float | None) -> float | None:
    there = age_years is not None and 0 <= age_years <= 130
    return float(age_years) if there and age_years is not None else None


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w{3,}", text.casefold())}
