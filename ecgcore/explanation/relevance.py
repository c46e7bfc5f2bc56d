"""Relevance of image cells or signal samples, and its shares by lead and wave."""

from dataclasses import dataclass

import numpy as np

from ecgcore.explanation.explanation import Resolution
from ecgcore.explanation.layer_grid import interpolate_cells
from ecgcore.explanation.waves import WAVES, Waves
from ecgcore.imaging.geometry import Geometry
from ecgcore.records.record import LEADS

REGION_S = 0.1
MAP_HEIGHT_PX = 7
"""Height of a map around the ink: behind the ink alone it would be invisible."""


@dataclass(frozen=True)
class ImageRelevance:
    """Relevance of the cells of an image.

    Attributes
    ----------
    cells
        (h, w), signed, in the logit's unit.
    rows_px, columns_px
        Positions of their centres.
    detail
        (H, W) ≥ 0 or None: factor of the map, pixel by pixel.
    """

    cells: np.ndarray
    rows_px: np.ndarray
    columns_px: np.ndarray
    detail: np.ndarray | None = None

    def to_image(self, signed: bool, size: tuple[int, int]) -> np.ndarray:
        """Return (H, W): positive or signed relevance, interpolated over an image of that size."""
        cells = self.cells if signed else self.cells.clip(min=0)
        image = interpolate_cells(cells, self.rows_px, self.columns_px, size)
        return image if self.detail is None else image * self.detail

    def cell_px(self, geometry: Geometry) -> tuple[float, float]:
        """Return the height and width of a cell in px."""
        return geometry.height / self.cells.shape[0], geometry.width / self.cells.shape[1]

    def comparable(self, _fs_hz: float) -> np.ndarray:
        """Return the positive relevance of cells or pixels, flat, for comparing two maps."""
        if self.detail is None:
            return self.cells.clip(min=0).ravel()
        return self.to_image(False, self.detail.shape).ravel()


@dataclass(frozen=True)
class SignalRelevance:
    """Relevance of the samples of a signal.

    Attributes
    ----------
    relevance
        (12, T), signed; its sum is in the logit's unit.
    resolution
        Smallest distance in time and leads that the method resolves.
    grain
        Samples over which relevance is summed before its sign is considered.
    covered
        (T,) bool, the times that the method covers; None: all.
    beats
        Relevance of each beat, (B,), of a method that resolves them.
    regions
        (12, T), number of the region of each sample, −1 for none: samples that the method masks
        together. None: REGION_S of a lead each.
    """

    relevance: np.ndarray
    resolution: Resolution
    grain: int = 1
    covered: np.ndarray | None = None
    beats: np.ndarray | None = None
    regions: np.ndarray | None = None

    def comparable(self, fs_hz: float) -> np.ndarray:
        """Return the signed relevance of each region, flat, for comparing two maps."""
        regions = self.region_numbers(fs_hz) + 1
        return np.bincount(regions.ravel(), self.relevance.ravel())[1:]

    def region_numbers(self, fs_hz: float) -> np.ndarray:
        """Return the number of the region of each sample, (12, T), −1 for none."""
        if self.regions is not None:
            return self.regions
        leads, length = self.relevance.shape
        in_lead = np.arange(length) // max(1, round(REGION_S * fs_hz))
        return in_lead + np.arange(leads)[:, None] * (in_lead[-1] + 1)

    def per_sample(self, signed: bool) -> np.ndarray:
        """Return (12, T): positive or signed relevance, each grain's spread over its samples."""
        length = self.relevance.shape[1]
        grains = np.add.reduceat(self.relevance, np.arange(0, length, self.grain), axis=1)
        grains = grains if signed else grains.clip(min=0)
        sizes = np.diff([*range(0, length, self.grain), length])  # the last may be shorter
        return np.repeat(grains / sizes, sizes, axis=1)


def lead_shares(relevance: np.ndarray) -> dict[str, float | None]:
    """Return each lead's share of relevance (12, T); the sizes of signed shares sum to 1."""
    by_lead = relevance.sum(axis=1)
    total = np.abs(by_lead).sum()
    return {
        lead: float(v / total) if total else None for lead, v in zip(LEADS, by_lead, strict=True)
    }


def wave_shares(relevance: np.ndarray, waves: Waves) -> dict[str, float]:
    """Return each wave's share of relevance (12, T); signed: of the sum of its sizes.

    The remainder lies between the waves.
    """
    total = np.abs(relevance).sum()
    by_wave = waves.masks() @ relevance.sum(axis=0)
    return {wave: float(v / total) for wave, v in zip(WAVES, by_wave, strict=True)}


def sum_by_step(relevance: np.ndarray, fs_hz: float, geometry: Geometry) -> np.ndarray:
    """Return relevance (12, T) summed over the time steps of a geometry, (12, n)."""
    total = np.concatenate([np.zeros((len(relevance), 1)), relevance.cumsum(axis=1)], axis=1)
    ends_s = np.arange(geometry.time_steps() + 1) / geometry.px_per_s
    samples = np.arange(total.shape[1])
    return np.diff(np.stack([np.interp(ends_s * fs_hz, samples, lead) for lead in total]), axis=1)


def steps_to_samples(steps: np.ndarray, samples: int) -> np.ndarray:
    """Return relevance by time step, (12, n), spread evenly over the samples, (12, T)."""
    at = (np.arange(samples) + 0.5) * steps.shape[1] / samples
    return steps[:, at.astype(int).clip(max=steps.shape[1] - 1)]


def paint_map(
    steps: np.ndarray, ink: np.ndarray, geometry: Geometry, beats_s: np.ndarray
) -> np.ndarray:
    """Return (H, W): relevance by lead and time (12, n) behind the ink of each lead.

    A median beat shows the mean over the beats.
    """
    from scipy.ndimage import maximum_filter

    painted = np.zeros(ink.shape[1:])
    for strip, strip_ink in zip(geometry.strips, ink, strict=True):
        columns_s = np.array([strip.second(x + 0.5) for x in range(*strip.columns.indices(10**6))])
        origins_s = beats_s if strip.around_r else np.zeros(1)
        at = ((columns_s[:, None] + origins_s) * geometry.px_per_s).astype(int)
        inside = (at >= 0) & (at < steps.shape[1])
        values = np.where(inside, steps[strip.lead, at.clip(0, steps.shape[1] - 1)], 0)
        mean = values.sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
        new = (strip_ink[:, strip.columns] > 0) * mean
        columns = painted[:, strip.columns]
        columns[:] = np.where(np.abs(new) > np.abs(columns), new, columns)
    size = (MAP_HEIGHT_PX, 3)
    positive, negative = painted.clip(min=0), -painted.clip(max=0)
    wide = maximum_filter(positive, size) - maximum_filter(negative, size)
    return np.where(painted != 0, painted, wide)
