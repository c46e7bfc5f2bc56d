"""The human page as shapes and words in millimetres; ``svg`` and ``prints`` make files of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ecgcore.paper.layout import CALIBRATION_MM, Segment, Sheet
from ecgcore.paper.strokes import Band, relevance_bands, trace_lines
from ecgcore.paper.text import TEXT_MM, Line, is_silent
from ecgcore.records.record import Record

MARGIN_MM = 2.5
LINE_MM = 3.75
_NAME_RIGHT_MM = (1.0, 4.0, 8.0, 12.0)  # from where the trace begins
TRACE_MM, MARK_MM, GRID_MM = 0.35, 0.2, 0.25
"""Thickness of the traces, of the marks between leads, and of the grid's lines."""


class Theme(NamedTuple):
    """Colours of the paper."""

    ground: str
    fine: str
    coarse: str
    trace: str
    text: str


THEMES = {
    "light": Theme("#FFFBFA", "#F6D5D2", "#EBAFA9", "#111827", "#4B5563"),
    "dark": Theme("#14161A", "#2A2326", "#43343A", "#E5E7EB", "#9CA3AF"),
}


class Words(NamedTuple):
    """A text that begins at (x, y), y being its base line, in mm."""

    x_mm: float
    y_mm: float
    text: str
    strong: bool = False


@dataclass(frozen=True)
class Page:
    """All that is drawn, in mm from the upper left corner, y downwards.

    ``bands``, ``names``, ``traces`` and ``marks`` count from the grid's own corner (``left_mm``,
    ``top_mm``) and end at its edge; lines are (n, 2) arrays of whole 0.01 mm.
    """

    title: str
    told: str
    theme: Theme
    width_mm: float
    height_mm: float
    left_mm: float
    top_mm: float
    grid_width_mm: int
    grid_height_mm: int
    words: tuple[Words, ...]
    names: tuple[Words, ...]
    bands: tuple[Band, ...]
    traces: tuple[np.ndarray, ...]
    marks: tuple[np.ndarray, ...]


def grid_lines(page: Page, coarse: bool) -> list[tuple[int, int, int, int]]:
    """Return the grid's lines as (x, y, right, down) in mm: each fifth, or those between."""
    width, height = page.grid_width_mm, page.grid_height_mm
    across = [x for x in range(width + 1) if (x % 5 == 0) == coarse]
    downwards = [y for y in range(height + 1) if (y % 5 == 0) == coarse]
    return [(x, 0, 0, height) for x in across] + [(0, y, width, 0) for y in downwards]


def words_of(lines: list[Line], left_mm: float, first_mm: float) -> list[Words]:
    """Return lines of text one below the other, the first on the base line ``first_mm``."""
    return [
        Words(left_mm + x_mm, first_mm + i * LINE_MM, text, line.strong)
        for i, line in enumerate(lines)
        for x_mm, text in line.cells
    ]


def names_of(record: Record, paper: Sheet, traces: Sequence[np.ndarray]) -> list[Words]:
    """Return the leads' names near the beginning of their traces, where no trace crosses them.

    Where there is no such place, a name stands in its usual one, behind the traces.
    """
    strokes = _strokes(traces)
    names = []
    for segment in paper.segments:
        missing = " not recorded" if is_silent(record.signal_mv[segment.lead]) else ""
        name = segment.name + missing
        usual_mm = min(9.0, 0.36 * paper.pitch_mm)
        places = [
            (segment.left_mm + right_mm, paper.baseline_mm(segment.row) - up_mm)
            for right_mm in _NAME_RIGHT_MM
            for up_mm in (usual_mm, usual_mm + 2.5, usual_mm - 2.5, usual_mm + 5)
            if paper.baseline_mm(segment.row) - up_mm > TEXT_MM  # else the paper's edge cuts it
        ]
        free = (place for place in places if not _crossed(strokes, *place, len(name)))
        names.append(Words(*next(free, places[0]), name, True))
    return names


def _strokes(traces: Sequence[np.ndarray]) -> np.ndarray:
    """Return left, right, top and bottom in mm, (4, n), of all straight parts of traces."""
    ends = [np.stack([line[:-1], line[1:]]) for line in traces]  # (2, n, 2)
    both = np.concatenate(ends, axis=1) / 100
    low, high = both.min(axis=0), both.max(axis=0)
    return np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]])


def _crossed(strokes: np.ndarray, x_mm: float, y_mm: float, letters: int) -> bool:
    """Return whether a trace comes near words of so many letters whose base line is at (x, y)."""
    left, right, top, bottom = strokes
    across = (right > x_mm - 0.5) & (left < x_mm + 0.75 * TEXT_MM * letters + 0.5)
    return bool((across & (bottom > y_mm - TEXT_MM) & (top < y_mm + 0.5)).any())


def traces_of(record: Record, paper: Sheet) -> list[np.ndarray]:
    """Return the calibration pulse of each row and the traces."""
    lines = [_calibration(paper, row) for row in range(paper.rows)]
    for segment in paper.segments:
        first, signal_mv = segment.samples(record)
        times_s = (first + np.arange(len(signal_mv))) / record.fs_hz - segment.start_s
        lines += trace_lines(
            signal_mv,
            times_s,
            paper.speed_mm_s,
            paper.gain_mm_mv,
            segment.left_mm,
            paper.baseline_mm(segment.row),
        )
    return lines


def marks_of(paper: Sheet) -> list[np.ndarray]:
    """Return the marks where one lead follows another: short strokes above and below."""
    marks = []
    for segment in paper.segments:
        if segment.left_mm > CALIBRATION_MM:
            x, y = round(100 * segment.left_mm), round(100 * paper.baseline_mm(segment.row))
            marks += [np.array([[x, y + d], [x, y + d + 250]]) for d in (-600, 350)]
    return marks


def bands_of(paper: Sheet, relevance: np.ndarray, relevance_s: float) -> list[Band]:
    """Return the bands of relevance (12, n) in 0..1 behind all stretches."""
    return [b for s in paper.segments for b in _bands(paper, s, relevance, relevance_s)]


def _bands(paper: Sheet, segment: Segment, relevance: np.ndarray, relevance_s: float) -> list[Band]:
    """Return the bands behind one stretch, sampled each half millimetre."""
    length_mm = (segment.end_s - segment.start_s) * paper.speed_mm_s
    count = max(1, round(length_mm / 0.5))
    step_mm = length_mm / count
    times_s = segment.start_s + (np.arange(count) + 0.5) * step_mm / paper.speed_mm_s
    columns = np.floor(times_s / relevance_s * relevance.shape[1]).astype(int)
    inside = columns < relevance.shape[1]
    row = relevance[segment.lead]
    shares = np.where(inside, row[np.minimum(columns, len(row) - 1)], 0.0)
    height_mm = 0.8 * paper.pitch_mm
    top_mm = paper.baseline_mm(segment.row) - height_mm / 2
    return relevance_bands(shares, step_mm, segment.left_mm, top_mm, height_mm)


def _calibration(paper: Sheet, row: int) -> np.ndarray:
    """Return the pulse of 1 mV, 5 mm wide, before a row."""
    zero = round(100 * paper.baseline_mm(row))
    top = zero - round(100 * paper.gain_mm_mv)
    return np.array([[150, zero], [250, zero], [250, top], [750, top], [750, zero], [850, zero]])
