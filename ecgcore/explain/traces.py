"""From a map on the image to the traces drawn there: relevance by lead and time, and off them."""

import math

import numpy as np
from scipy.ndimage import binary_dilation

LEAST_REACH_PX = 2  # a convolution of 3 or 5 px answers to ink beside it, not on it


def by_lead_time(relevance: np.ndarray, ink: np.ndarray) -> np.ndarray:
    """Return (12, W): in each column, the mean relevance on what is drawn of each lead.

    0 where a lead is not drawn. A mean and not a sum: a tall QRS counts no more for its ink, and
    a map that is the same everywhere gives every lead the same.

    Parameters
    ----------
    relevance
        (H, W) ≥ 0.
    ink
        (12, H, W) in 0..1, each lead's own ink.
    """
    drawn = ink.sum(axis=1)  # (12, W)
    along = np.einsum("hw,lhw->lw", relevance, ink)
    return np.divide(along, drawn, out=np.zeros_like(along), where=drawn > 0)


def off_trace(relevance: np.ndarray, ink: np.ndarray, cell_px: tuple[float, float]) -> float:
    """Return the share of a map that lies farther from all ink than half a cell (height, width)."""
    reach = [max(LEAST_REACH_PX, math.ceil(side / 2)) for side in cell_px]
    near = binary_dilation(ink.any(axis=0), np.ones([2 * r + 1 for r in reach], bool))
    return float(relevance[~near].sum() / relevance.sum())
