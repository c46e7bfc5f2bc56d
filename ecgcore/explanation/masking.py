"""Signals with samples removed, replaced by straight lines so that no new shape is drawn."""

import numpy as np
import torch
from torch import Tensor

from ecgcore.records.resample import bridge_gaps


def interpolate_removed(signal_mv: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Return a signal (12, T) with only the samples ``keep`` (12, T) unchanged.

    Removed samples become a straight line between their neighbours, at the ends a level one.
    Missing samples stay missing. A lead that is removed completely rests at its median: most of an
    ECG is rest, so the median is the level between the waves, whereas 0 mV would count an offset of
    the recording as evidence.
    """
    result = signal_mv.copy()
    known = ~np.isnan(signal_mv)
    for row in np.flatnonzero(~keep.all(axis=1) & known.any(axis=1)):
        use = keep[row] & known[row]
        line = np.nanmedian(result[row])
        if use.any():
            line = bridge_gaps(np.where(use, result[row], np.nan)[None])[0][0]
        result[row] = np.where(known[row], line, np.nan)
    return result


def remove_samples(signal: Tensor, removed: np.ndarray) -> Tensor:
    """Return signals (B, 12, T), each without its samples ``removed`` (B, 12, T).

    Parameters
    ----------
    signal
        (1, 12, T) in mV.
    """
    signal_mv = signal[0].double().numpy()
    masked = [interpolate_removed(signal_mv, ~mask) for mask in removed]
    return torch.from_numpy(np.stack(masked)).to(signal)


def resting_signal(signal: Tensor) -> Tensor:
    """Return the signal (1, 12, T) with every lead at its median: an ECG without evidence."""
    return remove_samples(signal, np.ones((1, *signal.shape[1:]), bool))
