"""Where things stand in a network image: pixel ↔ (lead, second, mV).

Pixel coordinates are continuous: column c covers x from c to c + 1, row r covers y from r to r + 1,
y grows downwards. This module knows nothing of signals or torch.
"""

import math
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ecgcore.errors import NotFound, RequestError
from ecgcore.records.record import LEADS

LAYOUTS = ("stacked",)
RANGE_MV = 5.0  # a trace is drawn whole within ±5 mV, wherever its row stands
SMALLEST_PX = 32


@dataclass(frozen=True)
class Strip:
    """One lead's place in the picture.

    ``lead`` counts in the order of LEADS; ``channel`` is 0–2. ``baseline_px`` is the y of 0 mV,
    ``left_px`` the x of ``start_s``, from which ``duration_s`` seconds are drawn.
    """

    lead: int
    channel: int
    baseline_px: float
    left_px: float
    start_s: float
    duration_s: float


@dataclass(frozen=True)
class Geometry:
    """A picture's measures; equal measures are equal objects.

    Attributes
    ----------
    duration_s
        The seconds that the width stands for, whatever a record's own length.
    px_per_mv, px_per_s
        Fixed: they follow from the size and the duration, never from the signal.
    pen_px
        Thickness of a level trace.
    strips
        Where each lead stands.
    """

    layout: str
    height: int
    width: int
    duration_s: float
    px_per_mv: float
    px_per_s: float
    pen_px: float
    strips: tuple[Strip, ...]

    def strip(self, lead: str) -> Strip:
        """Return the first strip that shows ``lead``."""
        if lead not in LEADS:
            raise NotFound.among("lead", lead, LEADS)
        return next(s for s in self.strips if LEADS[s.lead] == lead)

    def pixel(self, lead: str, second: float, mv: float) -> tuple[float, float]:
        """Return (x, y) in pixels of a lead's voltage at a time."""
        strip = self.strip(lead)
        x_px = strip.left_px + (second - strip.start_s) * self.px_per_s
        return x_px, strip.baseline_px - mv * self.px_per_mv

    def at(self, x_px: float, y_px: float) -> tuple[str, float, float]:
        """Return (lead, second, mV) of a place, read on the strip whose zero line is nearest."""
        strip = min(self.strips, key=lambda s: abs(s.baseline_px - y_px))
        second = strip.start_s + (x_px - strip.left_px) / self.px_per_s
        return LEADS[strip.lead], second, (strip.baseline_px - y_px) / self.px_per_mv

    def column_seconds(self) -> np.ndarray:
        """Return the time of each column's middle, (width,) in seconds."""
        return (np.arange(self.width) + 0.5) / self.px_per_s

    def lead_weights(self) -> np.ndarray:
        """Return how much each pixel belongs to each lead, (12, height, width), summing to 1.

        1 on a lead's zero line, falling to 0 at the zero lines above and below. A trace that
        overruns its neighbours is better told apart by ``drawing.lead_ink``.
        """
        middle_px = np.arange(self.height) + 0.5
        baselines_px = np.array([s.baseline_px for s in self.strips])
        by_row = np.stack(
            [np.interp(middle_px, baselines_px, row) for row in np.eye(len(self.strips))]
        )
        weights = np.zeros((len(LEADS), self.height, self.width), np.float32)
        for strip, row in zip(self.strips, by_row, strict=True):
            weights[strip.lead] += row[:, None]
        return weights

    def as_json(self) -> dict[str, Any]:
        """Return every measure in plain types, for run.json and pictures."""
        told = asdict(self)
        told["strips"] = [asdict(s) | {"lead": LEADS[s.lead]} for s in self.strips]
        return told


def geometry(
    layout: str = "stacked", size: int | tuple[int, int] = 224, duration_s: float = 10.0
) -> Geometry:
    """Return the measures of a layout at a size.

    Parameters
    ----------
    layout
        One of LAYOUTS.
    size
        Side of a square picture, or (height, width), in pixels; at least 32.
    duration_s
        The seconds that the width stands for.

    Raises
    ------
    NotFound
        No such layout.
    RequestError
        A size or duration that cannot be drawn.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if layout not in LAYOUTS:
        raise NotFound.among("layout", layout, LAYOUTS)
    if min(height, width) < SMALLEST_PX:
        raise RequestError(
            f"A picture of {width} × {height} px is too small for twelve leads: "
            f"take at least {SMALLEST_PX} × {SMALLEST_PX}."
        )
    if not duration_s > 0:
        raise RequestError(f"A picture shows some seconds, not {duration_s}: give more than 0.")
    return _stacked(height, width, float(duration_s))


@lru_cache(maxsize=64)
def _stacked(height: int, width: int, duration_s: float) -> Geometry:
    """Return twelve rows, I at the top, neighbours in different channels.

    The first and last row keep 5 mV of room, so that no lead is cut: at 224 px, 8 px/mV, zero
    lines on the middle of pixel rows 40, 53, … 183, and 39 px (4.9 mV) between two rows of one
    channel.
    """
    px_per_mv = height / 28
    pen_px = max(1.0, height / 224)
    first_px = math.ceil(RANGE_MV * px_per_mv + pen_px / 2 - 0.5) + 0.5
    step_px = (height - 2 * first_px) / (len(LEADS) - 1)
    strips = tuple(
        Strip(
            lead=row,
            channel=row % 3,
            baseline_px=math.floor(first_px + row * step_px) + 0.5,
            left_px=0.0,
            start_s=0.0,
            duration_s=duration_s,
        )
        for row in range(len(LEADS))
    )
    return Geometry(
        "stacked", height, width, duration_s, px_per_mv, width / duration_s, pen_px, strips
    )
