"""The content of a vendor's file, and the Record made of it without names.

Every reader of a vendor's format returns a ``VendorRecording``; its private texts serve to drop the
sentences that quote them, and go no further.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.demographics import parse_age_years, parse_sex
from ecgcore.records.lead_names import inverted_lead, standard_lead, standard_leads
from ecgcore.records.leads import twelve_leads
from ecgcore.records.record import LEADS, MACHINE_MEASUREMENTS, Record, Statement
from ecgcore.records.sources import identify_origin, source_name
from ecgcore.records.units import MV_PER_UNIT

SHORTEST_S = 1.0
"""A shorter recording may hold no beat (12-lead ECGs take 5 s and more)."""
LARGEST_SAMPLES = 2_000_000
"""Samples a lead: half an hour at 1000 Hz, the longest recording that is read whole."""
MOST_LEADS_OFF = 4
"""Leads whose electrode may have been off; the quality gate refuses to classify some of these."""
HIGH_PASS_HZ, LOW_PASS_HZ = 0.5, 40.0
"""Filters from here on are noted; diagnostic ECGs need 0.05 to 150 Hz (Kligfield et al. 2007,
Circulation 115:1306–1324)."""
_LONGEST_SENTENCE = 200
_MOST_SENTENCES = 60
# Sentences about people and days, not about the heart: signature, sender, day of comparison.
_ABOUT_PEOPLE = re.compile(
    r"confirmed|signed|review(?:ed|er)|refer(?:red|ring)|edited|over-?read|interpreted by|\bby:"
    r"|\bdr\b|\bm\.?d\b|physician|technician|compared (?:with|to)|\bid\b"
    r"|\d{1,2}[-./]\w{2,9}[-./]\d{2,4}|\d{4}-\d\d-\d\d|\b(?:19|20)\d\d\b|\d{6,}",
    re.IGNORECASE,
)
_COMMON_WORDS = frozenset({"ecg", "ekg", "the", "and", "none", "unknown", "normal", "test"})


@dataclass(frozen=True)
class VendorRecording:
    """The content of a file of one recording.

    Attributes
    ----------
    columns
        The file's name of each lead.
    signal_mv
        (len(columns), T), mV, NaN where missing.
    fs_hz
        Sampling rate in Hz, unrounded.
    age_years
        As stated, or by ``age_at_recording``; None where the file shows neither.
    sex
        As the file spells it.
    sentences
        The machine's statements in its own words.
    machine
        The machine's own measurements by the names in MACHINE_MEASUREMENTS; None where it made
        none.
    private
        Names and numbers of people in the file. They go no further than this object.
    notes
        Steps taken and irregularities met by the reader.
    band_hz
        Corner frequencies of the device's high-pass and low-pass, None where none is stated.
    off
        Columns whose electrode was off, as the device states. Their samples are no ECG.
    evidence
        As of a Record: what the reader took ``rate``, ``leads`` and ``unit`` from.
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
    band_hz: tuple[float | None, float | None] = (None, None)
    off: Collection[str] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)


def make_record(path: Path, recording: VendorRecording, *, start_s: float = 0.0) -> Record:
    """Return the Record of a file's content, from ``start_s`` on.

    Raises
    ------
    UnreadableRecord
        Not twelve leads, no rate, nothing left after ``start_s``, too short or too long.
    """
    fs_hz = recording.fs_hz
    if not (np.isfinite(fs_hz) and fs_hz > 0):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} states no usable sampling rate ({fs_hz:g} Hz)."
        )
    recorded_mv, off_notes = _without_off(path, recording)
    window_mv, window_notes = _skip_start(path, recorded_mv, fs_hz, start_s)
    refuse_length(path, window_mv.shape[1], fs_hz)
    signal_mv, lead_notes = twelve_leads(
        path.stem, recording.columns, window_mv, may_be_empty=bool(off_notes)
    )
    sentences = impersonal_sentences(recording.sentences, [p for p in recording.private if p])
    return Record(
        signal_mv=signal_mv,
        fs_hz=float(fs_hz),
        name=path.stem,
        source=source_name(identify_origin(path.stem)),
        age_years=parse_age_years(recording.age_years),
        sex=parse_sex(recording.sex),
        statements=tuple(Statement("text", sentence) for sentence in sentences),
        notes=(
            *recording.notes,
            *_filter_notes(*recording.band_hz),
            *off_notes,
            *window_notes,
            *lead_notes,
        ),
        machine=valid_measurements(recording.machine),
        evidence=dict(recording.evidence),
    )


def impersonal_sentences(sentences: Iterable[str], private: Iterable[str]) -> list[str]:
    """Return the sentences about the heart, without those on people or days or with private words.

    Each once, trimmed, cut at 200 characters; at most 60.
    """
    private_words = {word for text in private for word in _words(text)} - _COMMON_WORDS
    unique: dict[str, None] = {}
    for sentence in sentences:
        text = " ".join(sentence.split())[:_LONGEST_SENTENCE].strip(" ,;-")
        if re.search(r"[^\W\d_]", text) and not _ABOUT_PEOPLE.search(text):
            if not private_words.intersection(_words(text)):
                unique.setdefault(text)
    return list(unique)[:_MOST_SENTENCES]


def valid_measurements(machine: Mapping[str, float | None]) -> dict[str, float | str]:
    """Return the measurements that were made, without zero intervals and rates or absurd numbers.

    An axis may be 0°; an interval or rate of 0 is how machines write "not measured".
    """
    valid: dict[str, float | str] = {}
    for name in MACHINE_MEASUREMENTS:
        value = machine.get(name)
        if value is None or not np.isfinite(value) or abs(value) > 10_000:
            continue
        if value > 0 if not name.endswith("_deg") else -360 <= value <= 360:
            valid[name] = float(value)
    return valid


def parse_number(text: str | None) -> float | None:
    """Return the finite number in a text, None where it holds none."""
    try:
        value = float((text or "").strip())
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def mv_per_unit(path: Path, lead: str, unit: str) -> float:
    """Return the millivolts in one of a lead's units.

    Raises
    ------
    UnreadableRecord
        The unit is none of voltage.
    """
    factor = MV_PER_UNIT.get(unit.strip().lower())
    if factor is None:
        finding = "in a unit that is no voltage" if unit.strip() else "without a unit"
        raise UnreadableRecord(
            f"Record {path.stem}: {lead_label(lead)} is {finding}; accepted are mV, µV, nV and V."
        )
    return factor


def lead_label(lead: str) -> str:
    """Return a lead's label for a message: its name only where it is a standard one."""
    standard = standard_lead(lead)
    return f"lead {standard}" if standard else "one lead"


def refuse_start(path: Path, duration_s: float, start_s: float) -> None:
    """Refuse a window that starts after the end of a recording."""
    raise UnreadableRecord(
        f"Record {path.stem} lasts {duration_s:.1f} s; a window from {start_s:g} s on is not in it."
    )


def refuse_length(path: Path, n_samples: int, fs_hz: float) -> None:
    """Refuse a recording too short to hold a beat, or longer than any that is read whole."""
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


def refuse_median_beat(path: Path) -> NoReturn:
    """Refuse a file that holds a median or representative beat and no rhythm."""
    raise UnreadableRecord(
        f"Record {path.stem}: {path.name} holds only a median beat, no rhythm; a recording of "
        "several beats is needed. Export the ECG with its waveform."
    )


def _filter_notes(high_pass_hz: float | None, low_pass_hz: float | None) -> tuple[str, ...]:
    """Return a note of a device's filters that change an ECG's shape."""
    notes = []
    if high_pass_hz is not None and high_pass_hz >= HIGH_PASS_HZ:
        notes.append(f"high-pass of {high_pass_hz:g} Hz in the device: ST segments may be changed")
    if low_pass_hz and low_pass_hz <= LOW_PASS_HZ:
        notes.append(f"low-pass of {low_pass_hz:g} Hz in the device: small waves may be missing")
    return tuple(notes)


def _without_off(path: Path, recording: VendorRecording) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the signal, NaN for leads whose electrode was off, and a note of them."""
    rows = [row for row, column in enumerate(recording.columns) if column in recording.off]
    names = standard_leads([inverted_lead(column) or column for column in recording.columns])
    listed = ", ".join(lead for lead in LEADS if lead in {names[row] for row in rows})
    if not listed:
        return recording.signal_mv, ()
    if len(rows) > MOST_LEADS_OFF:
        raise UnreadableRecord(
            f"Record {path.stem}: the device states that the electrodes of {listed} were off; at "
            f"most {MOST_LEADS_OFF} leads may be."
        )
    signal_mv = recording.signal_mv.astype(np.float64)
    signal_mv[rows] = np.nan
    return signal_mv, (f"{listed}: electrode off, as the device states",)


def _skip_start(
    path: Path, signal_mv: np.ndarray, fs_hz: float, start_s: float
) -> tuple[np.ndarray, tuple[str, ...]]:
    if start_s <= 0:
        return signal_mv, ()
    first = round(start_s * fs_hz)
    if first >= signal_mv.shape[1]:
        refuse_start(path, signal_mv.shape[1] / fs_hz, start_s)
    return signal_mv[:, first:], (f"windowed: from {start_s:g} s on",)


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w{3,}", text.casefold())}
