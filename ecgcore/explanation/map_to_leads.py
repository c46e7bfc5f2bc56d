"""Relevance by lead and time, and off the traces, of a map on the image."""

import math

import numpy as np
from scipy.ndimage import binary_dilation

from ecgcore.imaging.geometry import Geometry
from ecgcore.records.record import LEADS

MIN_REACH_PX = 2  # a convolution of 3 or 5 px responds to ink next to it, not only on it


def by_strip(relevance: np.ndarray, ink: np.ndarray) -> np.ndarray:
    """Return (S, W): in each column, the mean relevance on the ink of each strip.

    0 where a strip is not drawn. A mean and not a sum, so that a tall QRS counts no more for its
    ink, and a uniform map gives every lead the same.

    Parameters
    ----------
    relevance
        (H, W) ≥ 0.
    ink
        (S, H, W) in 0..1, each strip's own ink.
    """
    amount = ink.sum(axis=1)  # (S, W)
    along = np.einsum("hw,shw->sw", relevance, ink)
    return np.divide(along, amount, out=np.zeros_like(along), where=amount > 0)


def by_lead(along: np.ndarray, ink: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Return (12,): the mean of ``by_strip`` over the columns in which each lead is drawn.

    A lead with an additional rhythm strip counts no more for being drawn twice.
    """
    is_drawn = ink.any(axis=1)  # (S, W)
    total, columns = np.zeros(len(LEADS)), np.zeros(len(LEADS))
    lead = [strip.lead for strip in geometry.strips]
    np.add.at(total, lead, (along * is_drawn).sum(axis=1))
    np.add.at(columns, lead, is_drawn.sum(axis=1))
    return np.divide(total, columns, out=total, where=columns > 0)


def by_lead_time(along: np.ndarray, geometry: Geometry, beats_s: np.ndarray) -> np.ndarray:
    """Return ``by_strip`` along the record's time, (12, time steps).

    The relevance of a median beat counts at each of its beats; where a lead is drawn twice, the
    larger value counts; 0 at times that are not drawn.

    Parameters
    ----------
    beats_s
        R peaks in seconds.
    """
    times_s = geometry.step_times_s()
    steps = np.zeros((len(LEADS), len(times_s)))
    for strip, values in zip(geometry.strips, along, strict=True):
        for origin_s in beats_s if strip.around_r else (0.0,):
            since_s = times_s - origin_s - strip.start_s
            columns = np.floor(since_s * strip.px_per_s).astype(int)
            inside = (columns >= 0) & (columns < strip.width_px)
            shown = values[strip.columns][columns[inside]]
            steps[strip.lead, inside] = np.maximum(steps[strip.lead, inside], shown)
    return steps


def off_trace(relevance: np.ndarray, ink: np.ndarray, cell_px: tuple[float, float]) -> float:
    """Return the share of a map farther from all ink than half a cell (height, width)."""
    reach = [max(MIN_REACH_PX, math.ceil(side / 2)) for side in cell_px]
    near = binary_dilation(ink.any(axis=0), np.ones([2 * r + 1 for r in reach], bool))
    return float(relevance[~near].sum() / relevance.sum())


def assign_ink(image: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Return each strip's ink as far as an image alone identifies it, (S, H, W) in 0..1.

    Neighbouring rows use different channels: a strip's ink is that of its channel and columns which
    is nearer to its zero line than to the next row's of that channel; at 224 px in ``stacked`` half
    the distance is 2.4 mV. A QRS complex beyond it is assigned to that row.

    Parameters
    ----------
    image
        (3, H, W), 0 (background) to 1 (ink).
    geometry
        Geometry that it was drawn with.
    """
    strips = geometry.strips
    centre_px = np.arange(geometry.height) + 0.5
    distance_px = np.full((len(strips), geometry.height, geometry.width), np.inf, np.float32)
    for number, strip in enumerate(strips):
        distance_px[number][:, strip.columns] = np.abs(centre_px - strip.baseline_px)[:, None]
    channels = np.array([strip.channel for strip in strips])
    ink = np.zeros_like(distance_px)
    for channel, channel_ink in enumerate(image):
        candidates = np.flatnonzero(channels == channel)
        nearest = candidates[distance_px[candidates].argmin(axis=0)]  # (H, W)
        for candidate in candidates:
            is_own = (nearest == candidate) & np.isfinite(distance_px[candidate])
            ink[candidate] = np.where(is_own, channel_ink, 0)
    return ink
