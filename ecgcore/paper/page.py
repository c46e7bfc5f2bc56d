"""Contents of a page as shapes and text in millimetres, for ``render_svg`` and ``render_mpl``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ecgcore.paper.layout import CALIBRATION_MM, PageLayout, Segment
from ecgcore.paper.strokes import Band, relevance_bands, trace_lines
from ecgcore.paper.text import TEXT_MM, TextLine, is_missing
from ecgcore.records.record import Record

MARGIN_MM = 2.5
LINE_MM = 3.75
_NAME_RIGHT_MM = (1.0, 4.0, 8.0, 12.0)  # from the start of the trace
TRACE_WIDTH_MM, SEPARATOR_WIDTH_MM, GRID_WIDTH_MM = 0.35, 0.2, 0.25
"""Line widths of the traces, of the separators between leads, and of the grid."""


class Theme(NamedTuple):
    """Colours of the paper."""

    background: str
    fine: str
    coarse: str
    trace: str
    text: str


THEMES = {
    "light": Theme("#FFFBFA", "#F6D5D2", "#EBAFA9", "#111827", "#4B5563"),
    "dark": Theme("#14161A", "#2A2326", "#43343A", "#E5E7EB", "#9CA3AF"),
}


class Text(NamedTuple):
    """A text that starts at (x, y) in mm, y being its baseline."""

    x_mm: float
    y_mm: float
    text: str
    bold: bool = False


@dataclass(frozen=True)
class Page:
    """All that is drawn, in mm from the upper left corner, y downwards.

    ``bands``, ``lead_names``, ``traces`` and ``separators`` are relative to the grid's own corner
    (``left_mm``, ``top_mm``) and clipped to it; lines are (n, 2) arrays of whole 0.01 mm.
    """

    title: str
    description: str
    theme: Theme
    width_mm: float
    height_mm: float
    left_mm: float
    top_mm: float
    grid_width_mm: int
    grid_height_mm: int
    texts: tuple[Text, ...]
    lead_names: tuple[Text, ...]
    bands: tuple[Band, ...]
    traces: tuple[np.ndarray, ...]
    separators: tuple[np.ndarray, ...]

    def __repr__(self) -> str:
        """Return one line without the shapes."""
        return f"Page({self.title!r}, {self.width_mm:g} × {self.height_mm:g} mm)"


def grid_lines(page: Page, coarse: bool) -> list[tuple[int, int, int, int]]:
    """Return the grid's lines as (x, y, right, down) in mm: each fifth, or the others."""
    width, height = page.grid_width_mm, page.grid_height_mm
    columns = [x for x in range(width + 1) if (x % 5 == 0) == coarse]
    rows = [y for y in range(height + 1) if (y % 5 == 0) == coarse]
    return [(x, 0, 0, height) for x in columns] + [(0, y, width, 0) for y in rows]


def place_text(lines: list[TextLine], left_mm: float, first_mm: float) -> list[Text]:
    """Return lines of text one below the other, the first on the baseline ``first_mm``."""
    return [
        Text(left_mm + x_mm, first_mm + i * LINE_MM, text, line.bold)
        for i, line in enumerate(lines)
        for x_mm, text in line.cells
    ]


def place_lead_names(
    record: Record, layout: PageLayout, traces: Sequence[np.ndarray]
) -> list[Text]:
    """Return the leads' names near the start of their traces, where no trace crosses them.

    If every position is crossed, a name takes its usual one, behind the traces.
    """
    boxes = _line_boxes(traces)
    names = []
    for segment in layout.segments:
        missing = " not recorded" if is_missing(record.signal_mv[segment.lead]) else ""
        name = segment.name + missing
        usual_mm = min(9.0, 0.36 * layout.pitch_mm)
        positions = [
            (segment.left_mm + right_mm, layout.baseline_mm(segment.row) - up_mm)
            for right_mm in _NAME_RIGHT_MM
            for up_mm in (usual_mm, usual_mm + 2.5, usual_mm - 2.5, usual_mm + 5)
            if layout.baseline_mm(segment.row) - up_mm > TEXT_MM  # else the paper's edge cuts it
        ]
        free = (position for position in positions if not _is_crossed(boxes, *position, len(name)))
        names.append(Text(*next(free, positions[0]), name, True))
    return names


def _line_boxes(traces: Sequence[np.ndarray]) -> np.ndarray:
    """Return left, right, top and bottom in mm, (4, n), of all line segments of traces."""
    ends = [np.stack([line[:-1], line[1:]]) for line in traces]  # (2, n, 2)
    ends_mm = np.concatenate(ends, axis=1) / 100
    low, high = ends_mm.min(axis=0), ends_mm.max(axis=0)
    return np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]])


def _is_crossed(boxes: np.ndarray, x_mm: float, y_mm: float, letters: int) -> bool:
    """Return True if a trace comes near a text of that length with its baseline at (x, y)."""
    left, right, top, bottom = boxes
    overlaps = (right > x_mm - 0.5) & (left < x_mm + 0.75 * TEXT_MM * letters + 0.5)
    return bool((overlaps & (bottom > y_mm - TEXT_MM) & (top < y_mm + 0.5)).any())


def place_traces(record: Record, layout: PageLayout) -> list[np.ndarray]:
    """Return the calibration pulse of each row and the traces."""
    lines = [_calibration_pulse(layout, row) for row in range(layout.rows)]
    for segment in layout.segments:
        first, signal_mv = segment.samples(record)
        times_s = (first + np.arange(len(signal_mv))) / record.fs_hz - segment.start_s
        lines += trace_lines(
            signal_mv,
            times_s,
            layout.speed_mm_s,
            layout.gain_mm_mv,
            segment.left_mm,
            layout.baseline_mm(segment.row),
        )
    return lines


def place_separators(layout: PageLayout) -> list[np.ndarray]:
    """Return short strokes above and below the point at which one lead follows another."""
    lines = []
    for segment in layout.segments:
        if segment.left_mm > CALIBRATION_MM:
            x, y = round(100 * segment.left_mm), round(100 * layout.baseline_mm(segment.row))
            lines += [np.array([[x, y + d], [x, y + d + 250]]) for d in (-600, 350)]
    return lines


def place_relevance(layout: PageLayout, relevance: np.ndarray, duration_s: float) -> list[Band]:
    """Return the bands of relevance (12, n) in 0..1 behind all segments."""
    return [
        band
        for segment in layout.segments
        for band in _segment_bands(layout, segment, relevance, duration_s)
    ]


def _segment_bands(
    layout: PageLayout, segment: Segment, relevance: np.ndarray, duration_s: float
) -> list[Band]:
    """Return the bands behind one segment, sampled each half millimetre."""
    length_mm = (segment.end_s - segment.start_s) * layout.speed_mm_s
    count = max(1, round(length_mm / 0.5))
    step_mm = length_mm / count
    times_s = segment.start_s + (np.arange(count) + 0.5) * step_mm / layout.speed_mm_s
    columns = np.floor(times_s / duration_s * relevance.shape[1]).astype(int)
    inside = columns < relevance.shape[1]
    row = relevance[segment.lead]
    values = np.where(inside, row[np.minimum(columns, len(row) - 1)], 0.0)
    height_mm = 0.8 * layout.pitch_mm
    top_mm = layout.baseline_mm(segment.row) - height_mm / 2
    return relevance_bands(values, step_mm, segment.left_mm, top_mm, height_mm)


def _calibration_pulse(layout: PageLayout, row: int) -> np.ndarray:
    """Return the pulse of 1 mV, 5 mm wide, before a row."""
    zero = round(100 * layout.baseline_mm(row))
    top = zero - round(100 * layout.gain_mm_mv)
    return np.array([[150, zero], [250, zero], [250, top], [750, top], [750, zero], [850, zero]])
