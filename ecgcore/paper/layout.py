"""Layout of the paper grid: position of each lead in millimetres, whatever the file format."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecgcore.errors import NotFound, RequestError
from ecgcore.records.record import LEADS, Record

SPEEDS_MM_S = (12.5, 25.0, 50.0)
GAINS_MM_MV = (5.0, 10.0, 20.0)
TRACE_LENGTH_MM = 250.0  # 10 s at 25 mm/s
CALIBRATION_MM = 10.0
MAX_MV = 5.0  # the paper grows with a trace up to here
MAX_LENGTH_MM = 3000.0  # 2 min at 25 mm/s: longer than any printer's roll, still opened at once
MAX_RHYTHM_LEADS = 3
_SIDE_MM = 5.0
_MIN_PITCH_MM = 10.0
_COLUMNS = {"3x4": 4, "6x2": 2, "12x1": 1}
PAPER_LAYOUTS = tuple(_COLUMNS)
_LIMB_LEADS = {
    "standard": ("I", "II", "III", "aVR", "aVL", "aVF"),
    "cabrera": ("aVL", "I", "-aVR", "II", "aVF", "III"),
}
LEAD_ORDERS = tuple(_LIMB_LEADS)
"""``cabrera`` shows the frontal plane in steps of 30° from aVL to III, with aVR inverted."""
_CHEST_LEADS = ("V1", "V2", "V3", "V4", "V5", "V6")
_PITCH_MM = {
    "3x4": {5.0: 20.0, 10.0: 30.0, 20.0: 50.0},
    "6x2": {5.0: 15.0, 10.0: 25.0, 20.0: 45.0},
    "12x1": {5.0: 10.0, 10.0: 20.0, 20.0: 40.0},
}


@dataclass(frozen=True)
class Segment:
    """A stretch of one lead: from ``start_s`` to ``end_s``, in row ``row`` from ``left_mm`` on.

    ``sign`` is −1 where the lead is inverted (−aVR in Cabrera's order).
    """

    lead: int
    row: int
    left_mm: float
    start_s: float
    end_s: float
    sign: int = 1

    @property
    def name(self) -> str:
        """Name of the lead as printed on the paper."""
        return ("−" if self.sign < 0 else "") + LEADS[self.lead]

    def samples(self, record: Record) -> tuple[int, np.ndarray]:
        """Return the first sample of the stretch and its voltages in mV, as they are shown."""
        first = math.ceil(self.start_s * record.fs_hz - 1e-9)
        last = math.floor(self.end_s * record.fs_hz + 1e-9)
        return first, self.sign * record.signal_mv[self.lead, first : last + 1]

    def range_mv(self, record: Record) -> tuple[float, float]:
        """Return the highest and lowest voltage shown, (0, 0) where nothing was recorded."""
        _, signal_mv = self.samples(record)
        known_mv = signal_mv[np.isfinite(signal_mv)]
        return (float(known_mv.max()), float(known_mv.min())) if known_mv.size else (0.0, 0.0)


@dataclass(frozen=True)
class PageLayout:
    """Dimensions of the gridded paper, in mm from its upper left corner, y downwards.

    ``above_mm`` and ``below_mm`` are added for traces that leave their rows.
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
        """Number of rows of traces."""
        return self.segments[-1].row + 1

    @property
    def height_mm(self) -> float:
        """Height of the grid."""
        return self.above_mm + self.rows * self.pitch_mm + self.below_mm

    def baseline_mm(self, row: int) -> float:
        """Return the y of 0 mV of a row, on a millimetre line."""
        return self.above_mm + row * self.pitch_mm + math.ceil(self.pitch_mm / 2)

    def leads_out_of_range(self, record: Record) -> list[str]:
        """Return the leads that leave the paper, with their range in mV."""
        ranges = {}
        for segment in self.segments:
            up_mv, down_mv = segment.range_mv(record)
            baseline_mm = self.baseline_mm(segment.row)
            below_mm = self.height_mm - baseline_mm
            if up_mv * self.gain_mm_mv > baseline_mm or -down_mv * self.gain_mm_mv > below_mm:
                ranges[segment.name] = f"{down_mv:.1f} to {up_mv:.1f} mV".replace("-", "−")
        return [f"{lead} ({range_mv})" for lead, range_mv in ranges.items()]


def make_page_layout(
    record: Record,
    layout: str,
    speed_mm_s: float,
    gain_mm_mv: float,
    start_s: float,
    duration_s: float | None,
    lead_order: str = "standard",
    rhythm_leads: Sequence[str] | None = None,
    max_height_mm: float | None = None,
) -> PageLayout:
    """Return the layout of a record on paper; see ``draw.make_page`` for the parameters.

    ``max_height_mm`` is the height available for the grid: rows move together to fit it, until they
    are 1 mV (and 10 mm) apart.
    """
    if layout not in _COLUMNS:
        raise NotFound.among("page layout", layout, PAPER_LAYOUTS)
    _check_scale(speed_mm_s, SPEEDS_MM_S, "Paper speed", "mm/s")
    _check_scale(gain_mm_mv, GAINS_MM_MV, "Gain", "mm/mV")
    shown_s = _shown_s(record, start_s, duration_s, speed_mm_s)
    grid = _lead_grid(layout, lead_order, _check_rhythm_leads(layout, rhythm_leads))
    segments = _segments(grid, start_s, shown_s, speed_mm_s)
    pitch_mm, min_pitch_mm = _PITCH_MM[layout][gain_mm_mv], max(_MIN_PITCH_MM, gain_mm_mv)
    width_mm = 5 * math.ceil((CALIBRATION_MM + shown_s * speed_mm_s + _SIDE_MM) / 5 - 1e-9)
    while True:
        extra_mm = _extra_height_mm(record, segments, gain_mm_mv, pitch_mm)
        result = PageLayout(segments, speed_mm_s, gain_mm_mv, pitch_mm, width_mm, *extra_mm)
        fits = max_height_mm is None or result.height_mm <= max_height_mm
        if fits or pitch_mm <= min_pitch_mm:
            return result
        pitch_mm -= 5


def _check_scale(value: float, accepted: tuple[float, ...], name: str, unit: str) -> None:
    if value not in accepted:
        known = ", ".join(f"{v:g}" for v in accepted)
        raise RequestError(f"{name} {value:g} {unit} is not on ECG paper; take {known} {unit}.")


def _shown_s(record: Record, start_s: float, duration_s: float | None, speed_mm_s: float) -> float:
    """Return the seconds that are shown; raise RequestError if they cannot be."""
    if not 0 <= start_s < record.duration_s or (duration_s is not None and not duration_s > 0):
        raise RequestError(
            f"Record {record.name} lasts {record.duration_s:g} s; it cannot be shown from "
            f"{start_s:g} s on for {'its rest' if duration_s is None else f'{duration_s:g} s'}."
        )
    shown_s = min(record.duration_s - start_s, duration_s or TRACE_LENGTH_MM / speed_mm_s)
    if shown_s * speed_mm_s > MAX_LENGTH_MM:
        raise RequestError(
            f"{shown_s:g} s at {speed_mm_s:g} mm/s are {shown_s * speed_mm_s / 1000:.1f} m of "
            f"paper; take at most {MAX_LENGTH_MM / speed_mm_s:g} s on one page, from any start."
        )
    return shown_s


def _check_rhythm_leads(layout: str, leads: Sequence[str] | None) -> tuple[str, ...]:
    """Return the leads shown at full length below the others, by default II below 3x4."""
    if leads is None:
        return ("II",) if layout == "3x4" else ()
    if leads and layout == "12x1":
        raise RequestError("12x1 shows each lead at full length; rhythm leads go with 3x4 and 6x2.")
    if len(leads) > MAX_RHYTHM_LEADS:
        raise RequestError(f"A page has at most {MAX_RHYTHM_LEADS} rhythm leads, not {len(leads)}.")
    for lead in leads:
        if lead not in LEADS:
            raise NotFound.among("lead", lead, LEADS)
    return tuple(leads)


def _lead_grid(layout: str, lead_order: str, rhythm_leads: tuple[str, ...]) -> list[list[str]]:
    """Return the leads of each row; columns are read downwards, then to the right."""
    if lead_order not in _LIMB_LEADS:
        raise NotFound.among("lead order", lead_order, LEAD_ORDERS)
    leads = (*_LIMB_LEADS[lead_order], *_CHEST_LEADS)
    rows = len(leads) // _COLUMNS[layout]
    return [*(list(leads[row::rows]) for row in range(rows)), *([lead] for lead in rhythm_leads)]


def _segments(
    grid: list[list[str]], start_s: float, shown_s: float, speed_mm_s: float
) -> tuple[Segment, ...]:
    """Return the stretches; leads of one row are consecutive in time."""
    segments = []
    for row, leads in enumerate(grid):
        segment_s = shown_s / len(leads)
        for column, name in enumerate(leads):
            left_mm = CALIBRATION_MM + column * segment_s * speed_mm_s
            from_s = start_s + column * segment_s
            sign = -1 if name.startswith("-") else 1
            lead = LEADS.index(name.removeprefix("-"))
            segments.append(Segment(lead, row, left_mm, from_s, from_s + segment_s, sign))
    return tuple(segments)


def _extra_height_mm(
    record: Record, segments: tuple[Segment, ...], gain_mm_mv: float, pitch_mm: float
) -> tuple[float, float]:
    """Return the height added above and below, in whole 5 mm.

    It holds the first calibration pulse, and traces up to MAX_MV.
    """
    last_row, half_mm = segments[-1].row, math.ceil(pitch_mm / 2)
    above_mm, below_mm = max(0.0, gain_mm_mv + 1 - half_mm), 0.0
    for segment in segments:
        up_mv, down_mv = segment.range_mv(record)
        up_mm, down_mm = min(up_mv, MAX_MV) * gain_mm_mv, min(-down_mv, MAX_MV) * gain_mm_mv
        above_mm = max(above_mm, up_mm + 1 - segment.row * pitch_mm - half_mm)
        below = down_mm + 1 - (last_row - segment.row + 1) * pitch_mm + half_mm
        below_mm = max(below_mm, below)
    return 5.0 * math.ceil(above_mm / 5), 5.0 * math.ceil(below_mm / 5)
