"""A sheet of ECG paper: which lead stands where, in millimetres. Knows nothing of SVG."""

import math
from dataclasses import dataclass

import numpy as np

from ecgcore.errors import NotFound, RequestError
from ecgcore.records.record import LEADS, Record

SPEEDS_MM_S = (12.5, 25.0, 50.0)
GAINS_MM_MV = (5.0, 10.0, 20.0)
TRACE_MM = 250.0  # 10 s at 25 mm/s
CALIBRATION_MM = 10.0
MOST_MV = 5.0  # the paper grows with a trace up to here
_SIDE_MM = 5.0
_GRID = {
    "3x4": [
        ["I", "aVR", "V1", "V4"],
        ["II", "aVL", "V2", "V5"],
        ["III", "aVF", "V3", "V6"],
        ["II"],
    ],
    "12x1": [[lead] for lead in LEADS],
}
PAPER_LAYOUTS = tuple(_GRID)
_PITCH_MM = {
    "3x4": {5.0: 20.0, 10.0: 30.0, 20.0: 50.0},
    "12x1": {5.0: 10.0, 10.0: 20.0, 20.0: 40.0},
}


@dataclass(frozen=True)
class Segment:
    """A stretch of one lead: from ``start_s`` to ``end_s``, in row ``row`` from ``left_mm`` on."""

    lead: int
    row: int
    left_mm: float
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Sheet:
    """Measures of the gridded paper, in mm from its upper left corner, y downwards.

    ``above_mm`` and ``below_mm`` are what the paper grew to hold traces that leave their rows.
    """

    segments: tuple[Segment, ...]
    speed_mm_s: float
    gain_mm_mv: float
    pitch_mm: float
    width_mm: float
    above_mm: float
    below_mm: float

    @property
    def rows(self) -> int:
        """How many rows of traces there are."""
        return self.segments[-1].row + 1

    @property
    def height_mm(self) -> float:
        """Height of the grid."""
        return self.above_mm + self.rows * self.pitch_mm + self.below_mm

    def baseline_mm(self, row: int) -> float:
        """Return the y of 0 mV of a row, on a millimetre line."""
        return self.above_mm + (row + 0.5) * self.pitch_mm

    def leaving(self, record: Record) -> list[str]:
        """Return which leads, with their range in mV, leave the paper."""
        told = {}
        for segment in self.segments:
            up_mv, down_mv = _range_mv(record, segment)
            baseline_mm = self.baseline_mm(segment.row)
            room_mm = self.height_mm - baseline_mm
            if up_mv * self.gain_mm_mv > baseline_mm or -down_mv * self.gain_mm_mv > room_mm:
                told[LEADS[segment.lead]] = f"{down_mv:.1f} to {up_mv:.1f} mV".replace("-", "−")
        return [f"{lead} ({span})" for lead, span in told.items()]


def sheet(
    record: Record,
    layout: str,
    speed_mm_s: float,
    gain_mm_mv: float,
    start_s: float,
    seconds: float | None,
) -> Sheet:
    """Lay a record out on paper; see ``paper.page_svg`` for what the parameters mean."""
    if layout not in _GRID:
        raise NotFound.among("page layout", layout, PAPER_LAYOUTS)
    _one_of(speed_mm_s, SPEEDS_MM_S, "Paper speed", "mm/s")
    _one_of(gain_mm_mv, GAINS_MM_MV, "Gain", "mm/mV")
    if not 0 <= start_s < record.duration_s or (seconds is not None and not seconds > 0):
        raise RequestError(
            f"Record {record.name} lasts {record.duration_s:g} s; it cannot be shown from "
            f"{start_s:g} s on for {'its rest' if seconds is None else f'{seconds:g} s'}."
        )
    shown_s = min(record.duration_s - start_s, seconds or TRACE_MM / speed_mm_s)
    segments = _segments(_GRID[layout], start_s, shown_s, speed_mm_s)
    pitch_mm = _PITCH_MM[layout][gain_mm_mv]
    above_mm, below_mm = _growth_mm(record, segments, gain_mm_mv, pitch_mm)
    width_mm = 5 * math.ceil((CALIBRATION_MM + shown_s * speed_mm_s + _SIDE_MM) / 5 - 1e-9)
    return Sheet(segments, speed_mm_s, gain_mm_mv, pitch_mm, width_mm, above_mm, below_mm)


def _one_of(value: float, accepted: tuple[float, ...], what: str, unit: str) -> None:
    if value not in accepted:
        known = ", ".join(f"{v:g}" for v in accepted)
        raise RequestError(f"{what} {value:g} {unit} is not on ECG paper; take {known} {unit}.")


def _segments(
    grid: list[list[str]], start_s: float, shown_s: float, speed_mm_s: float
) -> tuple[Segment, ...]:
    """Return the stretches, leads of one row one after another in time."""
    made = []
    for row, leads in enumerate(grid):
        each_s = shown_s / len(leads)
        for column, lead in enumerate(leads):
            left_mm = CALIBRATION_MM + column * each_s * speed_mm_s
            from_s = start_s + column * each_s
            made.append(Segment(LEADS.index(lead), row, left_mm, from_s, from_s + each_s))
    return tuple(made)


def _growth_mm(
    record: Record, segments: tuple[Segment, ...], gain_mm_mv: float, pitch_mm: float
) -> tuple[float, float]:
    """Return by how many whole 5 mm the paper grows above and below.

    It holds the first calibration pulse, and traces up to MOST_MV.
    """
    last_row = segments[-1].row
    above_mm, below_mm = max(0.0, gain_mm_mv + 1 - pitch_mm / 2), 0.0
    for segment in segments:
        up_mv, down_mv = _range_mv(record, segment)
        up_mm, down_mm = min(up_mv, MOST_MV) * gain_mm_mv, min(-down_mv, MOST_MV) * gain_mm_mv
        above_mm = max(above_mm, up_mm + 1 - (segment.row + 0.5) * pitch_mm)
        below_mm = max(below_mm, down_mm + 1 - (last_row - segment.row + 0.5) * pitch_mm)
    return 5.0 * math.ceil(above_mm / 5), 5.0 * math.ceil(below_mm / 5)


def _range_mv(record: Record, segment: Segment) -> tuple[float, float]:
    """Return the highest and lowest voltage of a stretch, (0, 0) where nothing was recorded."""
    samples = slice(
        math.ceil(segment.start_s * record.fs_hz), math.floor(segment.end_s * record.fs_hz) + 1
    )
    there = record.signal_mv[segment.lead, samples]
    there = there[np.isfinite(there)]
    return (float(there.max()), float(there.min())) if there.size else (0.0, 0.0)
