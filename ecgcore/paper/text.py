"""Header, footer and description of a page: whose ECG, its measurements, how it was drawn."""

import textwrap
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ecgcore.paper.display_filter import describe_filter
from ecgcore.paper.layout import PageLayout
from ecgcore.records.record import LEADS, Record
from ecgcore.version import RESEARCH_USE_ONLY

TEXT_MM = 2.6
_CHARACTER_MM = 0.58 * TEXT_MM  # a cautious mean width of a sans-serif letter
_LABEL_MM, _CELL_MM = 46.0, 27.0
_MEASUREMENTS = (  # name on paper, key, unit
    ("Rate", "rate_bpm", "/min"),
    ("PR", "pr_ms", " ms"),
    ("QRS", "qrs_ms", " ms"),
    ("QT", "qt_ms", " ms"),
    ("QTc Bazett", "qtc_bazett_ms", " ms"),
    ("QTc Frid.", "qtc_fridericia_ms", " ms"),
    ("Axis", "axis_deg", "°"),
)
_DEVICE_MEASUREMENTS = (
    *_MEASUREMENTS[:4],
    ("QTc", "qtc_ms", " ms"),
    ("", "", ""),
    _MEASUREMENTS[6],
)
"""A device does not state its formula for QTc."""
_LAYOUT_WORDS = {"3x4": "in four columns", "6x2": "in two columns", "12x1": "in twelve rows"}


class TextLine(NamedTuple):
    """A line of text: cells, each at its own distance from the left in mm."""

    cells: tuple[tuple[float, str], ...]
    bold: bool = False

    @property
    def text(self) -> str:
        """The line as one string."""
        return "  ".join(text for _, text in self.cells)


def header_lines(
    record: Record,
    layout: PageLayout,
    title: str | None,
    measurements: Mapping[str, Any] | None,
) -> list[TextLine]:
    """Return title, age and sex, measurements, notes, and leads that leave the paper."""
    lines = [TextLine(((0.0, _headline(record, title)),), bold=True)]
    if measurements is not None:
        values = _format_measurements(measurements, _MEASUREMENTS)
        lines += _table_lines("Automatic, unconfirmed:", values, layout)
    if any(isinstance(value, (int, float)) for value in record.machine.values()):
        values = _format_measurements(record.machine, _DEVICE_MEASUREMENTS)
        lines += _table_lines("Device's own, unconfirmed:", values, layout)
    lines += wrap(" · ".join(record.notes), layout)
    if leads := layout.leads_out_of_range(record):
        warning = f"Out of range, leaves the paper: {', '.join(leads)}"
        lines += [line._replace(bold=True) for line in wrap(warning, layout)]
    return lines


def footer_lines(
    record: Record, layout: PageLayout, display_filter: str, recording_offset_s: float = 0.0
) -> list[TextLine]:
    """Return scale, sampling rate, filter, time window and the disclaimer.

    ``recording_offset_s`` seconds of the recording precede the record's first sample.
    """
    first, last = layout.segments[0].start_s, layout.segments[-1].end_s
    is_cut = not recording_offset_s and last < record.duration_s
    total = f" of {record.duration_s:g} s" if is_cut else ""
    facts = [
        f"{layout.speed_mm_s:g} mm/s",
        f"{layout.gain_mm_mv:g} mm/mV",
        f"{record.fs_hz:g} Hz",
        describe_filter(display_filter, record.fs_hz),
        f"{first + recording_offset_s:g} to {last + recording_offset_s:g} s{total}",
        RESEARCH_USE_ONLY,
    ]
    return wrap(" · ".join(facts), layout)


def describe_page(
    record: Record,
    layout: PageLayout,
    layout_name: str,
    header: list[TextLine],
    footer: list[TextLine],
) -> str:
    """Return the page in words, for screen readers."""
    rhythm = [s.name for s in layout.segments if layout_name != "12x1" and _is_alone(s.row, layout)]
    below = f" above rhythm strips of {', '.join(rhythm)}" if rhythm else ""
    missing = [lead for lead, row in zip(LEADS, record.signal_mv, strict=True) if is_missing(row)]
    not_recorded = f" Not recorded: {', '.join(missing)}." if missing else ""
    text = " ".join(line.text for line in [*header[1:], *footer])
    words = _LAYOUT_WORDS[layout_name]
    return f"Twelve-lead electrocardiogram {words}{below}. {text}{not_recorded}"


def is_missing(row_mv: np.ndarray) -> bool:
    """Return True if nothing was recorded."""
    return not bool(np.isfinite(row_mv).any())


def wrap(text: str, layout: PageLayout) -> list[TextLine]:
    """Return text in lines as long as the paper is wide."""
    width = max(20, int(layout.width_mm / _CHARACTER_MM))
    return [TextLine(((0.0, line),)) for line in textwrap.wrap(text, width)]


def _headline(record: Record, title: str | None) -> str:
    parts = [title or f"Record {record.name}"]
    if record.age_years is not None:
        is_oldest = record.age_years >= 90
        parts.append("90 years or older" if is_oldest else f"{record.age_years:g} years")
    if record.sex:
        parts.append(record.sex)
    return " · ".join(parts)


def _format_measurements(
    measurements: Mapping[str, Any], rows: tuple[tuple[str, str, str], ...]
) -> list[str]:
    """Return each measurement with name and unit, ``n/a`` where there is none."""
    texts = []
    for name, key, unit in rows:
        value = measurements.get(key)
        is_known = isinstance(value, (int, float)) and np.isfinite(value)
        text = f"{value:.0f}{unit}".replace("-", "−") if is_known else "n/a"
        texts.append(f"{name} {text}" if name else "")
    return texts


def _table_lines(label: str, values: list[str], layout: PageLayout) -> list[TextLine]:
    """Return values in columns after a label, in as many lines as the width requires."""
    columns = max(1, int((layout.width_mm - _LABEL_MM) / _CELL_MM))
    lines = []
    for start in range(0, len(values), columns):
        row = values[start : start + columns]
        cells = [(0.0, label if start == 0 else "")]
        cells += [(_LABEL_MM + i * _CELL_MM, value) for i, value in enumerate(row)]
        lines.append(TextLine(tuple(cell for cell in cells if cell[1])))
    return lines


def _is_alone(row: int, layout: PageLayout) -> bool:
    return sum(segment.row == row for segment in layout.segments) == 1
