"""Layouts: row, columns, colour channel and time span of each lead's strip.

``stacked``   twelve rows, I at the top, over the full time
``clinical``  three rows of four leads, a quarter of the time each, above a rhythm strip
``panels``    four rows of three median beats around their R peak, above a rhythm strip
"""

import math
from dataclasses import dataclass

from ecgcore.records.record import LEADS

RANGE_MV = 5.0  # traces within ±5 mV are never cut, in whichever row they stand
BEFORE_R_S, AFTER_R_S = 0.27, 0.47  # of a panel: 74 px are 100 px/s
_CHANNELS = 3

GRIDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "stacked": tuple((lead,) for lead in LEADS),
    "clinical": (
        ("I", "aVR", "V1", "V4"),
        ("II", "aVL", "V2", "V5"),
        ("III", "aVF", "V3", "V6"),
    ),
    "panels": (
        ("I", "II", "III"),
        ("aVR", "aVL", "aVF"),
        ("V1", "V2", "V3"),
        ("V4", "V5", "V6"),
    ),
}
# Voltage spanned by the image height: 8, 14 and 12 px/mV at 224 px.
_HEIGHT_MV = {"stacked": 28.0, "clinical": 16.0, "panels": 56 / 3}


@dataclass(frozen=True)
class Strip:
    """Position of one lead in the image.

    Attributes
    ----------
    lead
        Index in LEADS.
    channel
        0–2; neighbouring rows differ.
    baseline_px
        The y of 0 mV.
    left_px, width_px
        First column and number of columns.
    start_s, duration_s
        Time span shown, from ``left_px`` on.
    px_per_s
        Pixels a second.
    around_r
        True for a median beat, whose time counts from the R peak and not from the record's start.
    """

    lead: int
    channel: int
    baseline_px: float
    left_px: int
    width_px: int
    start_s: float
    duration_s: float
    px_per_s: float
    around_r: bool = False

    @property
    def columns(self) -> slice:
        """Image columns of the strip."""
        return slice(self.left_px, self.left_px + self.width_px)

    def shows(self, second: float) -> bool:
        """Return True if a time lies within the strip's columns."""
        return 0 <= second - self.start_s < self.duration_s

    def x_px(self, second: float) -> float:
        """Return the x of a time."""
        return self.left_px + (second - self.start_s) * self.px_per_s

    def second(self, x_px: float) -> float:
        """Return the time at ``x_px``."""
        return self.start_s + (x_px - self.left_px) / self.px_per_s


def make_strips(
    layout: str, height: int, width: int, duration_s: float, rhythm: str, pen_px: float
) -> tuple[Strip, ...]:
    """Return a layout's strips, row by row from the top, each row from the left.

    The first and last row keep a margin of 5 mV, so that no lead is cut; zero lines lie on the
    centres of pixel rows. A width that the leads of a row do not divide leaves one or two columns
    empty at the right.
    """
    grid = GRIDS[layout]
    rows = grid if layout == "stacked" else (*grid, (rhythm,))
    baselines_px = _baselines_px(len(rows), height, height / _HEIGHT_MV[layout], pen_px)
    strips = []
    for row, leads in enumerate(rows):
        strip_px = width // len(leads)
        for column, lead in enumerate(leads):
            is_beat = layout == "panels" and row < len(grid)
            strip_s = BEFORE_R_S + AFTER_R_S if is_beat else duration_s / len(leads)
            strips.append(
                Strip(
                    lead=LEADS.index(lead),
                    channel=row % _CHANNELS,
                    baseline_px=baselines_px[row],
                    left_px=column * strip_px,
                    width_px=strip_px,
                    start_s=-BEFORE_R_S if is_beat else column * strip_s,
                    duration_s=strip_s,
                    px_per_s=strip_px / strip_s,
                    around_r=is_beat,
                )
            )
    return tuple(strips)


def px_per_mv(layout: str, height: int) -> float:
    """Return the pixels a millivolt."""
    return height / _HEIGHT_MV[layout]


def _baselines_px(rows: int, height: int, px_per_mv: float, pen_px: float) -> list[float]:
    first_px = math.ceil(RANGE_MV * px_per_mv + pen_px / 2 - 0.5) + 0.5
    step_px = (height - 2 * first_px) / (rows - 1)
    return [math.floor(first_px + row * step_px) + 0.5 for row in range(rows)]
