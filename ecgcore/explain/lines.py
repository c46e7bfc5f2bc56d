"""Signals with parts taken out: straight lines in their place, so that nothing new is drawn."""

import numpy as np
import torch
from torch import Tensor


def resting(signal_mv: np.ndarray) -> np.ndarray:
    """Return each lead's resting level, (12, 1) in mV: its median; NaN without any signal.

    Most of an ECG is rest, so that the median is the level between the waves. The zero line would
    count an offset of the recording as evidence.
    """
    there = ~np.isnan(signal_mv).all(axis=1)
    level = np.full((len(signal_mv), 1), np.nan)
    level[there] = np.nanmedian(signal_mv[there], axis=1, keepdims=True)
    return level


def joined(signal_mv: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return a signal (12, T) of which only the samples ``kept`` (12, T) are left.

    What is taken out becomes a straight line between its edges, at the ends a level one; of a lead
    of which nothing is left, its resting level. What is missing stays missing.
    """
    lines = np.repeat(resting(signal_mv), signal_mv.shape[1], axis=1)
    at = np.arange(signal_mv.shape[1])
    known = ~np.isnan(signal_mv)
    for lead, line, use in zip(signal_mv, lines, kept & known, strict=True):
        if use.any():
            line[:] = np.interp(at, at[use], lead[use])
    return np.where(known, lines, np.nan)


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
