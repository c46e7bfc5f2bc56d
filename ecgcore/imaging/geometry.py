"""Where things stand in a network image: pixel ↔ (lead, second, mV).

Pixel coordinates are continuous: column c covers x from c to c + 1, row r covers y from r to r + 1,
y grows downwards. This module knows nothing of signals or torch.
"""

from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ecgcore.errors import NotFound, RequestError
from ecgcore.imaging.layouts import GRIDS, RANGE_MV, Strip, px_per_mv, strips
from ecgcore.records.record import LEADS

__all__ = [
    "LAYOUTS",
    "PEN",
    "PENS",
    "RANGE_MV",
    "Geometry",
    "Strip",
    "geometry",
    "geometry_of",
    "square_or_sides",
]

LAYOUTS = tuple(GRIDS)
SMALLEST_PX = 32


@dataclass(frozen=True)
class Pen:
    """How a trace becomes columns.

    Its extent is found in ``parts`` equal parts of each column, as what a pen ``breadth_parts``
    of them wide reaches there, and averaged over the column.
    """

    parts: int
    breadth_parts: int

    @property
    def breadth_px(self) -> float:
        """How wide an upright stroke is."""
        return self.breadth_parts / self.parts


PENS = {1: Pen(1, 1), 2: Pen(4, 7)}
"""By version. 1: what a column's width of trace reaches; its ink varies by 3 % as a record moves
by parts of a pixel. 2: seven quarters of a pixel wide, so that an upright stroke, which lies
anywhere, fills one column whole; averaged over quarters, so that ink hardly varies."""
PEN = 2
"""The version that new pictures are drawn with; a run keeps its own."""


@dataclass(frozen=True)
class Geometry:
    """A picture's measures; equal measures are equal objects.

    Attributes
    ----------
    duration_s
        The seconds of a record that are drawn, whatever its own length.
    px_per_mv
        Fixed, like ``px_per_s``: they follow from size and duration, never from the signal.
    px_per_s
        Of the twelve leads; a rhythm strip may have its own.
    pen_px
        Thickness of a level trace.
    rhythm
        The lead of the rhythm strip, in layouts that have one.
    pen
        Version of the pen, one of PENS.
    strips
        Where each lead stands; the rhythm strip last.
    """

    layout: str
    height: int
    width: int
    duration_s: float
    px_per_mv: float
    px_per_s: float
    pen_px: float
    rhythm: str
    pen: int
    strips: tuple[Strip, ...]

    def strip(self, lead: str, second: float | None = None) -> Strip:
        """Return the first strip that shows ``lead``, of those that show ``second`` if any does."""
        if lead not in LEADS:
            raise NotFound.among("lead", lead, LEADS)
        strips = [s for s in self.strips if LEADS[s.lead] == lead]
        return next((s for s in strips if second is not None and s.shows(second)), strips[0])

    def pixel(self, lead: str, second: float, mv: float) -> tuple[float, float]:
        """Return (x, y) in pixels of a lead's voltage at a time.

        The time counts from the record's start; in a panel from the R peak. Where no strip of the
        lead shows it, the place lies outside the lead's columns.
        """
        strip = self.strip(lead, second)
        return strip.x_px(second), strip.baseline_px - mv * self.px_per_mv

    def at(self, x_px: float, y_px: float) -> tuple[str, float, float]:
        """Return (lead, second, mV) of a place, read on the nearest zero line in that column.

        The time is as in ``pixel``; which it is says ``strip_at(x_px, y_px).around_r``.
        """
        strip = self.strip_at(x_px, y_px)
        mv = (strip.baseline_px - y_px) / self.px_per_mv
        return LEADS[strip.lead], strip.second(x_px), mv

    def strip_at(self, x_px: float, y_px: float) -> Strip:
        """Return the strip whose zero line is nearest in that column."""
        here = [s for s in self.strips if s.left_px <= x_px < s.left_px + s.width_px]
        return min(here or self.strips, key=lambda s: abs(s.baseline_px - y_px))

    @cached_property
    def rows(self) -> tuple[tuple[Strip, ...], ...]:
        """The strips of each row, from the top."""
        baselines_px = sorted({s.baseline_px for s in self.strips})
        return tuple(tuple(s for s in self.strips if s.baseline_px == y) for y in baselines_px)

    @property
    def shows_beats(self) -> bool:
        """Whether median beats are drawn, so that R peaks are needed."""
        return any(s.around_r for s in self.strips)

    def time_steps(self) -> int:
        """Return into how many steps the record's time is divided at the leads' resolution."""
        return round(self.duration_s * self.px_per_s)

    def column_seconds(self) -> np.ndarray:
        """Return the record's time in the middle of each step, (time_steps,) in seconds.

        In ``stacked`` and ``clinical`` a step is a column of the picture.
        """
        return (np.arange(self.time_steps()) + 0.5) / self.px_per_s

    def lead_weights(self) -> np.ndarray:
        """Return how much each pixel belongs to each lead, (12, height, width), summing to 1.

        1 on a lead's zero line, falling to 0 at the zero lines above and below; 0 in columns that
        no lead has. A trace that overruns its neighbours is better told apart by ``lead_ink``.
        """
        middle_px = np.arange(self.height) + 0.5
        baselines_px = np.array([row[0].baseline_px for row in self.rows])
        by_row = [np.interp(middle_px, baselines_px, row) for row in np.eye(len(self.rows))]
        weights = np.zeros((len(LEADS), self.height, self.width), np.float32)
        for share, row in zip(by_row, self.rows, strict=True):
            for strip in row:
                weights[strip.lead, :, strip.columns] += share[:, None]
        return weights

    def as_json(self) -> dict[str, Any]:
        """Return every measure in plain types, for run.json and pictures."""
        told = asdict(self)
        told["strips"] = [asdict(s) | {"lead": LEADS[s.lead]} for s in self.strips]
        return told


def geometry(
    layout: str = "stacked",
    size: int | tuple[int, int] = 224,
    duration_s: float = 10.0,
    rhythm: str = "II",
    pen: int = PEN,
) -> Geometry:
    """Return the measures of a layout at a size.

    Parameters
    ----------
    layout
        One of LAYOUTS.
    size
        Side of a square picture, or (height, width), in pixels; at least 32.
    duration_s
        The seconds of a record that are drawn.
    rhythm
        The lead of the rhythm strip.
    pen
        Version of the pen, one of PENS.

    Raises
    ------
    NotFound
        No such layout, lead or pen.
    RequestError
        A size or duration that cannot be drawn.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if layout not in LAYOUTS:
        raise NotFound.among("layout", layout, LAYOUTS)
    if rhythm not in LEADS:
        raise NotFound.among("lead", rhythm, LEADS)
    if pen not in PENS:
        raise NotFound.among("pen", str(pen), [str(known) for known in PENS])
    if min(height, width) < SMALLEST_PX:
        raise RequestError(
            f"A picture of {width} × {height} px is too small for twelve leads: "
            f"take at least {SMALLEST_PX} × {SMALLEST_PX}."
        )
    if not duration_s > 0:
        raise RequestError(f"A picture shows some seconds, not {duration_s}: give more than 0.")
    return _measured(layout, height, width, float(duration_s), rhythm, pen)


def square_or_sides(text: str) -> int | tuple[int, int]:
    """Return the side of "224", or (height, width) of "224x448", in pixels.

    Raises
    ------
    RequestError
        Neither of these.
    """
    sides = text.lower().replace("×", "x").split("x")
    if len(sides) > 2 or not all(side.strip().isdecimal() for side in sides):
        raise RequestError(
            f"'{text}' is no size of an image: give its side in pixels, such as 224, or height x "
            "width, such as 224x448."
        )
    return int(text) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def geometry_of(given: dict[str, Any]) -> Geometry:
    """Return the measures of a run's ``input`` or of a picture's own text.

    What was written before there was a choice of pen was drawn with the first.
    """
    height, width = given["size"]
    return geometry(
        given["layout"],
        (height, width),
        given["duration_s"],
        given.get("rhythm", "II"),
        given.get("pen", 1),
    )


@lru_cache(maxsize=64)
def _measured(
    layout: str, height: int, width: int, duration_s: float, rhythm: str, pen: int
) -> Geometry:
    pen_px = max(1.0, height / 224)
    placed = strips(layout, height, width, duration_s, rhythm, pen_px)
    return Geometry(
        layout,
        height,
        width,
        duration_s,
        px_per_mv(layout, height),
        placed[0].px_per_s,
        pen_px,
        rhythm,
        pen,
        placed,
    )
