"""What stands in words on the human page: whose ECG, measured how, drawn how."""

import textwrap
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.paper import display_filter
from ecgcore.paper.layout import Sheet
from ecgcore.records.record import LEADS, Record

TEXT_MM = 2.6
_CHARACTER_MM = 0.58 * TEXT_MM  # a cautious mean width of a sans-serif letter
_LABEL_MM, _CELL_MM = 46.0, 27.0
_OURS = (  # name on paper, key, unit
    ("Rate", "rate_bpm", "/min"),
    ("PR", "pr_ms", " ms"),
    ("QRS", "qrs_ms", " ms"),
    ("QT", "qt_ms", " ms"),
    ("QTc Bazett", "qtc_bazett_ms", " ms"),
    ("QTc Frid.", "qtc_fridericia_ms", " ms"),
    ("Axis", "axis_deg", "°"),
)
_DEVICE = (*_OURS[:4], ("QTc", "qtc_ms", " ms"), ("", "", ""), _OURS[6])
"""A device does not say by whose formula it corrects QT."""
_LAYOUTS = {"3x4": "in four columns", "6x2": "in two columns", "12x1": "in twelve rows"}


class Line(NamedTuple):
    """A line of text: cells that begin at their own distance from the left, in mm."""

    cells: tuple[tuple[float, str], ...]
    strong: bool = False

    @property
    def text(self) -> str:
        """The line as one string."""
        return "  ".join(text for _, text in self.cells)


def head(
    record: Record, paper: Sheet, title: str | None, measured: Mapping[str, Any] | None
) -> list[Line]:
    """Return what there is to know before reading: who, what was measured, what was done."""
    lines = [Line(((0.0, _who(record, title)),), strong=True)]
    if measured is not None:
        lines += _cells("Automatic, unconfirmed:", _values(measured, _OURS), paper)
    if any(isinstance(value, (int, float)) for value in record.machine.values()):
        lines += _cells("Device's own, unconfirmed:", _values(record.machine, _DEVICE), paper)
    lines += wrapped(" · ".join(record.notes), paper)
    if leaving := paper.leaving(record):
        said = f"Out of range, leaves the paper: {', '.join(leaving)}"
        lines += [line._replace(strong=True) for line in wrapped(said, paper)]
    return lines


def foot(record: Record, paper: Sheet, band: str, since_s: float = 0.0) -> list[Line]:
    """Return scale, rate, filter state, stretch and the disclaimer.

    ``since_s`` seconds of the recording lie before the record's first sample.
    """
    first, last = paper.segments[0].start_s, paper.segments[-1].end_s
    whole = f" of {record.duration_s:g} s" if not since_s and last < record.duration_s else ""
    facts = [
        f"{paper.speed_mm_s:g} mm/s",
        f"{paper.gain_mm_mv:g} mm/mV",
        f"{record.fs_hz:g} Hz",
        display_filter.told(band, record.fs_hz),
        f"{first + since_s:g} to {last + since_s:g} s{whole}",
        RESEARCH_USE_ONLY,
    ]
    return wrapped(" · ".join(facts), paper)


def in_words(record: Record, paper: Sheet, layout: str, head: list[Line], foot: list[Line]) -> str:
    """Return the page in words, for those who cannot see it."""
    rhythm = [s.name for s in paper.segments if layout != "12x1" and _is_alone(s.row, paper)]
    below = f" above rhythm strips of {', '.join(rhythm)}" if rhythm else ""
    silent = [lead for lead, row in zip(LEADS, record.signal_mv, strict=True) if is_silent(row)]
    missing = f" Not recorded: {', '.join(silent)}." if silent else ""
    said = " ".join(line.text for line in [*head[1:], *foot])
    return f"Twelve-lead electrocardiogram {_LAYOUTS[layout]}{below}. {said}{missing}"


def is_silent(row_mv: np.ndarray) -> bool:
    """Return whether nothing was recorded."""
    return not bool(np.isfinite(row_mv).any())


def wrapped(text: str, paper: Sheet) -> list[Line]:
    """Return text in lines as long as the paper is wide."""
    width = max(20, int(paper.width_mm / _CHARACTER_MM))
    return [Line(((0.0, line),)) for line in textwrap.wrap(text, width)]


def _who(record: Record, title: str | None) -> str:
    who = [title or f"Record {record.name}"]
    if record.age_years is not None:
        who.append("90 years or older" if record.age_years >= 90 else f"{record.age_years:g} years")
    if record.sex:
        who.append(record.sex)
    return " · ".join(who)


def _values(found: Mapping[str, Any], rows: tuple[tuple[str, str, str], ...]) -> list[str]:
    """Return measurements as they are read: a number with its unit, or that there is none."""
    told = []
    for name, key, unit in rows:
        value = found.get(key)
        there = isinstance(value, (int, float)) and np.isfinite(value)
        said = f"{value:.0f}{unit}".replace("-", "−") if there else "n/a"
        told.append(f"{name} {said}" if name else "")
    return told


def _cells(label: str, values: list[str], paper: Sheet) -> list[Line]:
    """Return values in columns behind a label, in as many lines as the width asks for."""
    many = max(1, int((paper.width_mm - _LABEL_MM) / _CELL_MM))
    lines = []
    for start in range(0, len(values), many):
        cells = [(0.0, label if start == 0 else "")]
        cells += [(_LABEL_MM + i * _CELL_MM, v) for i, v in enumerate(values[start : start + many])]
        lines.append(Line(tuple(cell for cell in cells if cell[1])))
    return lines


def _is_alone(row: int, paper: Sheet) -> bool:
    return sum(segment.row == row for segment in paper.segments) == 1
