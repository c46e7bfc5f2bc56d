"""What a method found: relevance in the picture, or in the signal; and its shares by lead, wave."""

from dataclasses import dataclass

import numpy as np

from ecgcore.explain.explanation import Resolution
from ecgcore.explain.layer_grid import spread
from ecgcore.explain.waves import WAVES, Waves
from ecgcore.imaging.geometry import Geometry
from ecgcore.records.record import LEADS

PART_S = 0.1


@dataclass(frozen=True)
class InPicture:
    """Relevance of the cells of a picture.

    Attributes
    ----------
    cells
        (h, w), signed, in the logit's unit.
    rows_px, columns_px
        Where their middles stand.
    detail
        (H, W) ≥ 0 or None: what the map is multiplied with, pixel by pixel.
    """

    cells: np.ndarray
    rows_px: np.ndarray
    columns_px: np.ndarray
    detail: np.ndarray | None = None

    def told(self, signed: bool, size: tuple[int, int]) -> np.ndarray:
        """Return (H, W): positive relevance, or signed, spread over a picture of that size."""
        cells = self.cells if signed else self.cells.clip(min=0)
        picture = spread(cells, self.rows_px, self.columns_px, size)
        return picture if self.detail is None else picture * self.detail

    def cell_px(self, measures: Geometry) -> tuple[float, float]:
        """Return the height and width of a cell in px."""
        return measures.height / self.cells.shape[0], measures.width / self.cells.shape[1]

    def shown(self, _fs_hz: float) -> np.ndarray:
        """Return what two maps are compared by, flat: positive relevance of cells, or of pixels."""
        if self.detail is None:
            return self.cells.clip(min=0).ravel()
        return self.told(False, self.detail.shape).ravel()


@dataclass(frozen=True)
class InSignal:
    """Relevance of the samples of a signal.

    Attributes
    ----------
    relevance
        (12, T), signed; its sum is in the logit's unit.
    resolution
        What can be told apart.
    grain
        Samples over which relevance is summed before its sign is looked at.
    looked_at
        (T,) bool, the times that the method can answer for; None: all.
    beats
        Relevance of each beat, (B,), of a method that resolves them.
    parts
        (12, T), the number of the part that each sample belongs to, −1 of none: what the method
        answers for as a whole. None: PART_S of a lead each.
    """

    relevance: np.ndarray
    resolution: Resolution
    grain: int = 1
    looked_at: np.ndarray | None = None
    beats: np.ndarray | None = None
    parts: np.ndarray | None = None

    def shown(self, fs_hz: float) -> np.ndarray:
        """Return what two maps are compared by: the signed relevance of each part, flat."""
        part_of = self.part_of(fs_hz) + 1
        return np.bincount(part_of.ravel(), self.relevance.ravel())[1:]

    def part_of(self, fs_hz: float) -> np.ndarray:
        """Return the number of the part that each sample belongs to, (12, T), −1 of none."""
        if self.parts is not None:
            return self.parts
        leads, length = self.relevance.shape
        in_lead = np.arange(length) // max(1, round(PART_S * fs_hz))
        return in_lead + np.arange(leads)[:, None] * (in_lead[-1] + 1)

    def told(self, signed: bool) -> np.ndarray:
        """Return (12, T): positive relevance, or signed, each grain's spread over its samples."""
        grains = summed(self.relevance, self.grain)
        told = grains if signed else grains.clip(min=0)
        length = self.relevance.shape[1]
        sizes = np.diff([*range(0, length, self.grain), length])
        return np.repeat(told / sizes, sizes, axis=1)


def summed(relevance: np.ndarray, samples: int) -> np.ndarray:
    """Return (12, n): sums over that many samples; the last part may be shorter."""
    return np.add.reduceat(relevance, np.arange(0, relevance.shape[1], samples), axis=1)


def lead_shares(told: np.ndarray) -> dict[str, float | None]:
    """Return each lead's share of told relevance (12, T); signed ones' sizes sum to 1."""
    by_lead = told.sum(axis=1)
    whole = np.abs(by_lead).sum()
    return {
        lead: float(v / whole) if whole else None for lead, v in zip(LEADS, by_lead, strict=True)
    }


def wave_shares(told: np.ndarray, found: Waves) -> dict[str, float]:
    """Return each wave's share of told relevance (12, T); signed: of the sum of its sizes.

    What lies between the waves has the rest.
    """
    whole = np.abs(told).sum()
    by_wave = found.masks() @ told.sum(axis=0)
    return {wave: float(v / whole) for wave, v in zip(WAVES, by_wave, strict=True)}


def by_time(told: np.ndarray, fs_hz: float, measures: Geometry) -> np.ndarray:
    """Return told relevance (12, T) summed over the time steps of a geometry, (12, n)."""
    until = np.concatenate([np.zeros((len(told), 1)), told.cumsum(axis=1)], axis=1)
    ends_s = np.arange(measures.time_steps() + 1) / measures.px_per_s
    samples = np.arange(until.shape[1])
    return np.diff(np.stack([np.interp(ends_s * fs_hz, samples, lead) for lead in until]), axis=1)


def by_sample(steps: np.ndarray, samples: int) -> np.ndarray:
    """Return relevance by time step, (12, n), spread evenly over the samples, (12, T)."""
    at = (np.arange(samples) + 0.5) * steps.shape[1] / samples
    return steps[:, at.astype(int).clip(max=steps.shape[1] - 1)]


def painted(
    steps: np.ndarray, ink: np.ndarray, measures: Geometry, beats_s: np.ndarray
) -> np.ndarray:
    """Return (H, W): relevance by lead and time (12, n) behind the ink that shows it.

    What a median beat shows is the mean over the beats.
    """
    from scipy.ndimage import maximum_filter

    picture = np.zeros(ink.shape[1:])
    for strip, drawn in zip(measures.strips, ink, strict=True):
        columns_s = np.array([strip.second(x + 0.5) for x in range(*strip.columns.indices(10**6))])
        origins_s = beats_s if strip.around_r else np.zeros(1)
        at = ((columns_s[:, None] + origins_s) * measures.px_per_s).astype(int)
        inside = (at >= 0) & (at < steps.shape[1])
        values = np.where(inside, steps[strip.lead, at.clip(0, steps.shape[1] - 1)], 0)
        shown = values.sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
        here = (drawn[:, strip.columns] > 0) * shown
        part = picture[:, strip.columns]
        part[:] = np.where(np.abs(here) > np.abs(part), here, part)
    reach = (BEHIND_PX, 3)
    wide = maximum_filter(picture.clip(min=0), reach) - maximum_filter(-picture.clip(max=0), reach)
    return np.where(picture != 0, picture, wide)


BEHIND_PX = 7
"""How far a map is shown above and below the ink: behind the ink alone nobody would see it."""
