"""A sheet of ECG paper: which lead stands where, in millimetres. Knows nothing of SVG or PDF."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecgcore.errors import NotFound, RequestError
from ecgcore.records.record import LEADS, Record

SPEEDS_MM_S = (12.5, 25.0, 50.0)
GAINS_MM_MV = (5.0, 10.0, 20.0)
TRACE_MM = 250.0  # 10 s at 25 mm/s
CALIBRATION_MM = 10.0
MOST_MV = 5.0  # the paper grows with a trace up to here
LONGEST_MM = 3000.0  # 2 min at 25 mm/s: longer than any printer's roll, and still opened at once
MOST_RHYTHM = 3
_SIDE_MM = 5.0
_TIGHTEST_MM = 10.0
_COLUMNS = {"3x4": 4, "6x2": 2, "12x1": 1}
PAPER_LAYOUTS = tuple(_COLUMNS)
_LIMB = {
    "standard": ("I", "II", "III", "aVR", "aVL", "aVF"),
    "cabrera": ("aVL", "I", "-aVR", "II", "aVF", "III"),
}
LEAD_ORDERS = tuple(_LIMB)
"""``cabrera`` shows the frontal plane in steps of 30° from aVL to III, with aVR upside down."""
_CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
_PITCH_MM = {
    "3x4": {5.0: 20.0, 10.0: 30.0, 20.0: 50.0},
    "6x2": {5.0: 15.0, 10.0: 25.0, 20.0: 45.0},
    "12x1": {5.0: 10.0, 10.0: 20.0, 20.0: 40.0},
}


@dataclass(frozen=True)
class Segment:
    """A stretch of one lead: from ``start_s`` to ``end_s``, in row ``row`` from ``left_mm`` on.

    ``sign`` is −1 where the lead is shown upside down (−aVR in Cabrera's order).
    """

    lead: int
    row: int
    left_mm: float
    start_s: float
    end_s: float
    sign: int = 1

    @property
    def name(self) -> str:
        """The lead's name as it stands on the paper."""
        return ("−" if self.sign < 0 else "") + LEADS[self.lead]

    def samples(self, record: Record) -> tuple[int, np.ndarray]:
        """Return the first sample of the stretch and its voltages in mV, as they are shown."""
        first = math.ceil(self.start_s * record.fs_hz - 1e-9)
        last = math.floor(self.end_s * record.fs_hz + 1e-9)
        return first, self.sign * record.signal_mv[self.lead, first : last + 1]

    def range_mv(self, record: Record) -> tuple[float, float]:
        """Return the highest and lowest voltage shown, (0, 0) where nothing was recorded."""
        _, there = self.samples(record)
        there = there[np.isfinite(there)]
        return (float(there.max()), float(there.min())) if there.size else (0.0, 0.0)


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
        return self.above_mm + row * self.pitch_mm + math.ceil(self.pitch_mm / 2)

    def leaving(self, record: Record) -> list[str]:
        """Return which leads, with their range in mV, leave the paper."""
        told = {}
        for segment in self.segments:
            up_mv, down_mv = segment.range_mv(record)
            baseline_mm = self.baseline_mm(segment.row)
            room_mm = self.height_mm - baseline_mm
            if up_mv * self.gain_mm_mv > baseline_mm or -down_mv * self.gain_mm_mv > room_mm:
                told[segment.name] = f"{down_mv:.1f} to {up_mv:.1f} mV".replace("-", "−")
        return [f"{lead} ({span})" for lead, span in told.items()]


def sheet(
    record: Record,
    layout: str,
    speed_mm_s: float,
    gain_mm_mv: float,
    start_s: float,
    seconds: float | None,
    order: str = "standard",
    rhythm: Sequence[str] | None = None,
    room_mm: float | None = None,
) -> Sheet:
    """Lay a record out on paper; see ``paper.page`` for what the parameters mean.

    ``room_mm`` is the height that there is for the grid: rows move together to fit it, until they
    are 1 mV (and 10 mm) apart.
    """
    if layout not in _COLUMNS:
        raise NotFound.among("page layout", layout, PAPER_LAYOUTS)
    _one_of(speed_mm_s, SPEEDS_MM_S, "Paper speed", "mm/s")
    _one_of(gain_mm_mv, GAINS_MM_MV, "Gain", "mm/mV")
    shown_s = _shown_s(record, start_s, seconds, speed_mm_s)
    grid = _grid(layout, order, _rhythm(layout, rhythm))
    segments = _segments(grid, start_s, shown_s, speed_mm_s)
    pitch_mm, least_mm = _PITCH_MM[layout][gain_mm_mv], max(_TIGHTEST_MM, gain_mm_mv)
    width_mm = 5 * math.ceil((CALIBRATION_MM + shown_s * speed_mm_s + _SIDE_MM) / 5 - 1e-9)
    while True:
        grown_mm = _growth_mm(record, segments, gain_mm_mv, pitch_mm)
        laid = Sheet(segments, speed_mm_s, gain_mm_mv, pitch_mm, width_mm, *grown_mm)
        if room_mm is None or laid.height_mm <= room_mm or pitch_mm <= least_mm:
            return laid
        pitch_mm -= 5


def _one_of(value: float, accepted: tuple[float, ...], what: str, unit: str) -> None:
    if value not in accepted:
        known = ", ".join(f"{v:g}" for v in accepted)
        raise RequestError(f"{what} {value:g} {unit} is not on ECG paper; take {known} {unit}.")


def _shown_s(record: Record, start_s: float, seconds: float | None, speed_mm_s: float) -> float:
    """Return how many seconds are shown, or say why they cannot be."""
    if not 0 <= start_s < record.duration_s or (seconds is not None and not seconds > 0):
        raise RequestError(
            f"Record {record.name} lasts {record.duration_s:g} s; it cannot be shown from "
            f"{start_s:g} s on for {'its rest' if seconds is None else f'{seconds:g} s'}."
        )
    shown_s = min(record.duration_s - start_s, seconds or TRACE_MM / speed_mm_s)
    if shown_s * speed_mm_s > LONGEST_MM:
        raise RequestError(
            f"{shown_s:g} s at {speed_mm_s:g} mm/s are {shown_s * speed_mm_s / 1000:.1f} m of "
            f"paper; take at most {LONGEST_MM / speed_mm_s:g} s on one page, from where you like."
        )
    return shown_s


def _rhythm(layout: str, leads: Sequence[str] | None) -> tuple[str, ...]:
    """Return the leads shown at full length below the others: II below 3x4 unless asked."""
    if leads is None:
        return ("II",) if layout == "3x4" else ()
    if leads and layout == "12x1":
        raise RequestError("12x1 shows each lead at full length; rhythm leads go with 3x4 and 6x2.")
    if len(leads) > MOST_RHYTHM:
        raise RequestError(f"A page has at most {MOST_RHYTHM} rhythm leads, not {len(leads)}.")
    for lead in leads:
        if lead not in LEADS:
            raise NotFound.among("lead", lead, LEADS)
    return tuple(leads)


def _grid(layout: str, order: str, rhythm: tuple[str, ...]) -> list[list[str]]:
    """Return the leads of each row; columns are read downwards, then to the right."""
    if order not in _LIMB:
        raise NotFound.among("lead order", order, LEAD_ORDERS)
    leads = (*_LIMB[order], *_CHEST)
    rows = len(leads) // _COLUMNS[layout]
    return [*(list(leads[row::rows]) for row in range(rows)), *([lead] for lead in rhythm)]


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
            sign = -1 if lead.startswith("-") else 1
            which = LEADS.index(lead.removeprefix("-"))
            made.append(Segment(which, row, left_mm, from_s, from_s + each_s, sign))
    return tuple(made)


def _growth_mm(
    record: Record, segments: tuple[Segment, ...], gain_mm_mv: float, pitch_mm: float
) -> tuple[float, float]:
    """Return by how many whole 5 mm the paper grows above and below.

    It holds the first calibration pulse, and traces up to MOST_MV.
    """
    last_row, half_mm = segments[-1].row, math.ceil(pitch_mm / 2)
    above_mm, below_mm = max(0.0, gain_mm_mv + 1 - half_mm), 0.0
    for segment in segments:
        up_mv, down_mv = segment.range_mv(record)
        up_mm, down_mm = min(up_mv, MOST_MV) * gain_mm_mv, min(-down_mv, MOST_MV) * gain_mm_mv
        above_mm = max(above_mm, up_mm + 1 - segment.row * pitch_mm - half_mm)
        below = down_mm + 1 - (last_row - segment.row + 1) * pitch_mm + half_mm
        below_mm = max(below_mm, below)
    return 5.0 * math.ceil(above_mm / 5), 5.0 * math.ceil(below_mm / 5)
