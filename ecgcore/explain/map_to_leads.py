"""From a map on the image to the traces drawn there: relevance by lead and time, and off them."""

import math

import numpy as np
from scipy.ndimage import binary_dilation

from ecgcore.imaging.geometry import Geometry
from ecgcore.records.record import LEADS

LEAST_REACH_PX = 2  # a convolution of 3 or 5 px answers to ink beside it, not on it


def by_strip(relevance: np.ndarray, ink: np.ndarray) -> np.ndarray:
    """Return (S, W): in each column, the mean relevance on what is drawn of each strip.

    0 where a strip is not drawn. A mean and not a sum: a tall QRS counts no more for its ink, and
    a map that is the same everywhere gives every lead the same.

    Parameters
    ----------
    relevance
        (H, W) ≥ 0.
    ink
        (S, H, W) in 0..1, each strip's own ink.
    """
    drawn = ink.sum(axis=1)  # (S, W)
    along = np.einsum("hw,shw->sw", relevance, ink)
    return np.divide(along, drawn, out=np.zeros_like(along), where=drawn > 0)


def by_lead(along: np.ndarray, ink: np.ndarray, measures: Geometry) -> np.ndarray:
    """Return (12,): the mean of ``by_strip`` over the columns where each lead is drawn.

    So a lead that has a rhythm strip beside its own counts no more for being drawn twice.
    """
    drawn = ink.any(axis=1)  # (S, W)
    total, columns = np.zeros(len(LEADS)), np.zeros(len(LEADS))
    lead = [strip.lead for strip in measures.strips]
    np.add.at(total, lead, (along * drawn).sum(axis=1))
    np.add.at(columns, lead, drawn.sum(axis=1))
    return np.divide(total, columns, out=total, where=columns > 0)


def by_lead_time(along: np.ndarray, measures: Geometry, beats_s: np.ndarray) -> np.ndarray:
    """Return ``by_strip`` along the record's time, (12, time steps).

    What a median beat shows counts at each of its beats; where a lead is drawn twice, the larger
    counts; 0 at times that are not drawn.

    Parameters
    ----------
    beats_s
        R peaks in seconds.
    """
    seconds = measures.column_seconds()
    told = np.zeros((len(LEADS), len(seconds)))
    for strip, values in zip(measures.strips, along, strict=True):
        for origin_s in beats_s if strip.around_r else (0.0,):
            since_s = seconds - origin_s - strip.start_s
            columns = np.floor(since_s * strip.px_per_s).astype(int)
            inside = (columns >= 0) & (columns < strip.width_px)
            here = values[strip.columns][columns[inside]]
            told[strip.lead, inside] = np.maximum(told[strip.lead, inside], here)
    return told


def off_trace(relevance: np.ndarray, ink: np.ndarray, cell_px: tuple[float, float]) -> float:
    """Return the share of a map that lies farther from all ink than half a cell (height, width)."""
    reach = [max(LEAST_REACH_PX, math.ceil(side / 2)) for side in cell_px]
    near = binary_dilation(ink.any(axis=0), np.ones([2 * r + 1 for r in reach], bool))
    return float(relevance[~near].sum() / relevance.sum())
