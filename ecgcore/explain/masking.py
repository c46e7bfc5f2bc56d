"""Signals with parts taken out: straight lines in their place, so that nothing new is drawn."""

import numpy as np
import torch
from torch import Tensor


def joined(signal_mv: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return a signal (12, T) of which only the samples ``kept`` (12, T) are left.

    What is taken out becomes a straight line between its edges, at the ends a level one. What is
    missing stays missing. A lead of which nothing is left rests at its median: most of an ECG is
    rest, so that this is the level between the waves, where the zero line would count an offset of
    the recording as evidence.
    """
    left = signal_mv.copy()
    at, known = np.arange(signal_mv.shape[1]), ~np.isnan(signal_mv)
    for row in np.flatnonzero(~kept.all(axis=1) & known.any(axis=1)):
        use = kept[row] & known[row]
        line = np.interp(at, at[use], left[row, use]) if use.any() else np.nanmedian(left[row])
        left[row] = np.where(known[row], line, np.nan)
    return left


def without(signal: Tensor, taken: np.ndarray) -> Tensor:
    """Return signals (B, 12, T), of each of which the samples ``taken`` (B, 12, T) are gone.

    Parameters
    ----------
    signal
        (1, 12, T) in mV.
    """
    signal_mv = signal[0].double().numpy()
    return torch.from_numpy(np.stack([joined(signal_mv, ~part) for part in taken])).to(signal)


def flat(signal: Tensor) -> Tensor:
    """Return the signal (1, 12, T) of the same leads at rest all the time: what says nothing."""
    return without(signal, np.ones((1, *signal.shape[1:]), bool))
