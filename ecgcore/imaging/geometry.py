"""Geometry of a network image: pixel ↔ (lead, second, mV).

Pixel coordinates are continuous: column c covers x from c to c + 1, row r covers y from r to r + 1,
and y grows downwards. This module does not know signals or torch.
"""

import math
import re
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ecgcore.errors import NotFound, RequestError
from ecgcore.imaging.layouts import GRIDS, RANGE_MV, Strip, make_strips, px_per_mv
from ecgcore.records.record import LEADS

__all__ = [
    "LAYOUTS",
    "RANGE_MV",
    "STROKES",
    "STROKE_VERSION",
    "Geometry",
    "Strip",
    "geometry_from_json",
    "make_geometry",
    "parse_size",
]

LAYOUTS = tuple(GRIDS)
SMALLEST_PX, LARGEST_PX = 32, 4096
_LENGTH = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Stroke:
    """Horizontal sampling and width of a trace.

    Each column is divided into ``parts`` equal parts. The extent of a part covers the trace within
    ``width_parts`` neighbouring parts; the extent of a column is the mean over its parts.
    """

    parts: int
    width_parts: int

    @property
    def width_px(self) -> float:
        """Width of a vertical stroke in pixels."""
        return self.width_parts / self.parts


STROKES = {1: Stroke(1, 1), 2: Stroke(4, 7)}
"""Stroke by version. Version 1: the extent of the trace within one column; its ink varies by 3 % as
a record moves by fractions of a pixel. Version 2: seven quarters of a pixel wide, so that a
vertical stroke at any position fills one column completely, averaged over quarters, so that ink
hardly varies."""
STROKE_VERSION = 2
"""Stroke version of new images; a run keeps its own."""


@dataclass(frozen=True)
class Geometry:
    """Layout and scale of an image; equal values are equal objects.

    Attributes
    ----------
    duration_s
        Seconds of a record that are drawn, whatever the record's length.
    px_per_mv
        Fixed, like ``px_per_s``: both follow from size and duration, never from the signal.
    px_per_s
        Time scale of the twelve leads; a rhythm strip may have its own.
    pen_px
        Thickness of a horizontal trace.
    rhythm
        Lead of the rhythm strip, in layouts that have one.
    stroke_version
        One of STROKES; stored as ``pen`` in run.json and PNG files.
    strips
        Position of each lead; the rhythm strip is last.
    """

    layout: str
    height: int
    width: int
    duration_s: float
    px_per_mv: float
    px_per_s: float
    pen_px: float
    rhythm: str
    stroke_version: int
    strips: tuple[Strip, ...]

    def strip(self, lead: str, second: float | None = None) -> Strip:
        """Return the first strip of ``lead``, preferring one that shows ``second``."""
        if lead not in LEADS:
            raise NotFound.among("lead", lead, LEADS)
        strips = [s for s in self.strips if LEADS[s.lead] == lead]
        return next((s for s in strips if second is not None and s.shows(second)), strips[0])

    def pixel(self, lead: str, second: float, mv: float) -> tuple[float, float]:
        """Return (x, y) in pixels of a lead's voltage at a time.

        The time counts from the start of the record; in a panel, from the R peak. If no strip of
        the lead shows it, the position lies outside the lead's columns.
        """
        strip = self.strip(lead, second)
        return strip.x_px(second), strip.baseline_px - mv * self.px_per_mv

    def at(self, x_px: float, y_px: float) -> tuple[str, float, float]:
        """Return (lead, second, mV) of a position, relative to the nearest zero line.

        The time is defined as in ``pixel``; ``strip_at(x_px, y_px).around_r`` tells the origin.
        """
        strip = self.strip_at(x_px, y_px)
        mv = (strip.baseline_px - y_px) / self.px_per_mv
        return LEADS[strip.lead], strip.second(x_px), mv

    def strip_at(self, x_px: float, y_px: float) -> Strip:
        """Return the strip whose zero line is nearest in that column."""
        in_column = [s for s in self.strips if s.left_px <= x_px < s.left_px + s.width_px]
        return min(in_column or self.strips, key=lambda s: abs(s.baseline_px - y_px))

    @cached_property
    def rows(self) -> tuple[tuple[Strip, ...], ...]:
        """Strips of each row, from the top."""
        baselines_px = sorted({s.baseline_px for s in self.strips})
        return tuple(tuple(s for s in self.strips if s.baseline_px == y) for y in baselines_px)

    @property
    def shows_beats(self) -> bool:
        """True if median beats are drawn, which needs R peaks."""
        return any(s.around_r for s in self.strips)

    def time_steps(self) -> int:
        """Return the number of time steps in a record at the leads' resolution."""
        return round(self.duration_s * self.px_per_s)

    def step_times_s(self) -> np.ndarray:
        """Return the record's time at the centre of each step, (time_steps,) in seconds.

        In ``stacked`` and ``clinical`` a step is one column of a lead.
        """
        return (np.arange(self.time_steps()) + 0.5) / self.px_per_s

    def lead_weights(self) -> np.ndarray:
        """Return the share of each lead in each pixel, (12, height, width), summing to 1.

        1 on a lead's zero line, falling to 0 at the zero lines above and below; 0 in columns that
        no lead uses. ``lead_ink`` separates traces that overlap their neighbours better.
        """
        row_centres_px = np.arange(self.height) + 0.5
        baselines_px = np.array([row[0].baseline_px for row in self.rows])
        by_row = [np.interp(row_centres_px, baselines_px, row) for row in np.eye(len(self.rows))]
        weights = np.zeros((len(LEADS), self.height, self.width), np.float32)
        for row_weights, row in zip(by_row, self.rows, strict=True):
            for strip in row:
                weights[strip.lead, :, strip.columns] += row_weights[:, None]
        return weights

    def as_json(self) -> dict[str, Any]:
        """Return all values in plain types."""
        values = {"pen" if k == "stroke_version" else k: v for k, v in asdict(self).items()}
        return values | {"strips": [asdict(s) | {"lead": LEADS[s.lead]} for s in self.strips]}


def make_geometry(
    layout: str = "stacked",
    size: int | tuple[int, int] = 224,
    duration_s: float = 10.0,
    rhythm: str = "II",
    stroke_version: int = STROKE_VERSION,
) -> Geometry:
    """Return the geometry of a layout at a size.

    Parameters
    ----------
    layout
        One of LAYOUTS.
    size
        Side of a square image, or (height, width), in pixels; at least 32.
    duration_s
        Seconds of a record that are drawn.
    rhythm
        Lead of the rhythm strip.
    stroke_version
        One of STROKES.

    Raises
    ------
    NotFound
        Unknown layout, lead or stroke version.
    RequestError
        A size or duration that cannot be drawn.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if layout not in LAYOUTS:
        raise NotFound.among("layout", layout, LAYOUTS)
    if rhythm not in LEADS:
        raise NotFound.among("lead", rhythm, LEADS)
    if stroke_version not in STROKES:
        raise NotFound.among("stroke version", str(stroke_version), map(str, STROKES))
    if min(height, width) < SMALLEST_PX:
        raise RequestError(
            f"An image of {width} × {height} px is too small for twelve leads: "
            f"take at least {SMALLEST_PX} × {SMALLEST_PX}."
        )
    if max(height, width) > LARGEST_PX:
        raise RequestError(
            f"An image of {width} × {height} px is not drawn; take at most {LARGEST_PX:,} × "
            f"{LARGEST_PX:,}."
        )
    if not 0 < duration_s < math.inf:
        raise RequestError(f"An image cannot show {duration_s} s: give more than 0.")
    return _cached_geometry(layout, height, width, float(duration_s), rhythm, stroke_version)


def parse_size(text: str) -> int | tuple[int, int]:
    """Return the side of "224", or (height, width) of "224x448", in pixels.

    Raises
    ------
    RequestError
        Neither form.
    """
    sides = text.lower().replace("×", "x").split("x")
    if len(sides) > 2 or not all(_LENGTH.fullmatch(side.strip()) for side in sides):
        raise RequestError(
            f"'{text:.40}' is no size of an image: give its side in pixels, such as 224, or "
            "height x width, such as 224x448."
        )
    return int(text) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def geometry_from_json(values: dict[str, Any]) -> Geometry:
    """Return the geometry of a run's ``input`` or of an image's metadata.

    Metadata without ``pen`` predates the choice and means stroke version 1.
    """
    height, width = values["size"]
    return make_geometry(
        values["layout"],
        (height, width),
        values["duration_s"],
        values.get("rhythm", "II"),
        values.get("pen", 1),
    )


@lru_cache(maxsize=64)
def _cached_geometry(
    layout: str, height: int, width: int, duration_s: float, rhythm: str, stroke_version: int
) -> Geometry:
    pen_px = max(1.0, height / 224)
    strips = make_strips(layout, height, width, duration_s, rhythm, pen_px)
    return Geometry(
        layout,
        height,
        width,
        duration_s,
        px_per_mv(layout, height),
        strips[0].px_per_s,
        pen_px,
        rhythm,
        stroke_version,
        strips,
    )
