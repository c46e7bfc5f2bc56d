"""A recording as the quality checks look at it: level, span, flat seconds, spectrum, beats."""

import numpy as np

from ecgcore.measure import lead_reversal
from ecgcore.measure.quality_thresholds import thresholds
from ecgcore.measure.spectrum import Spectrum
from ecgcore.records.record import Record

RATE_HZ = lead_reversal.RATE_HZ
LONGEST_S = 60.0
_BLOCK_S = 1.5
"""Holds a beat at 40 a minute and above."""


class View:
    """What the checks ask of a recording, each part made once.

    Attributes
    ----------
    signal_mv
        (12, T) mV around each lead's median ``level_mv``, 0 where missing.
    missing, flat
        (12,) share of samples missing, share of seconds without any movement.
    limbs_there
        (T,) bool: where all six limb leads have a sample.
    usable
        (12,) bool: neither flat nor mostly missing.
    high, low, swing_mv
        (12,) mV: largest, smallest, and what a beat usually spans.
    spectrum
        Of ``signal_mv``.
    beats_mv
        (12, T') mV: 0.5 to 45 Hz at 100 Hz.
    """

    def __init__(self, record: Record):
        self.fs_hz = record.fs_hz
        raw_mv = record.signal_mv[:, : round(LONGEST_S * record.fs_hz)]
        gaps = ~np.isfinite(raw_mv)
        self.missing = gaps.mean(axis=1)  # (12,)
        level = np.array([_median(lead[~gap]) for lead, gap in zip(raw_mv, gaps, strict=True)])
        self.signal_mv = raw_mv - level[:, None].astype(np.float32)  # (12, T)
        self.signal_mv[gaps] = 0
        self.level_mv = level
        self.limbs_there = ~gaps[:6].any(axis=0)  # (T,)
        self.high, self.low = self.signal_mv.max(axis=1), self.signal_mv.min(axis=1)
        self.flat = _flat_share(self.signal_mv, gaps, round(record.fs_hz))
        self.usable = (self.flat < thresholds()["flat_share"]) & (self.missing < 0.5)
        self.spectrum = Spectrum(self.signal_mv, record.fs_hz)
        self.beats_mv = self.spectrum.band(0.5, 45, RATE_HZ)  # (12, T' at 100 Hz)
        self.swing_mv = _usual_swing(self.beats_mv, round(_BLOCK_S * RATE_HZ))  # (12,)


def _median(values: np.ndarray) -> float:
    """Return the median of some thousand of the values: a lead's level needs no more."""
    return float(np.median(values[:: max(1, len(values) // 1000)])) if len(values) else 0.0


def _flat_share(signal_mv: np.ndarray, gaps: np.ndarray, second: int) -> np.ndarray:
    """Return (12,) the share of whole seconds in which a lead does not move, gaps aside."""
    whole = signal_mv.shape[1] // second * second
    if not whole:
        return (np.ptp(signal_mv, axis=1) <= thresholds()["flat_mv"]).astype(float)
    blocks = signal_mv[:, :whole].reshape(len(signal_mv), -1, second)
    still = blocks.max(axis=2) - blocks.min(axis=2) <= thresholds()["flat_mv"]
    there = ~gaps[:, :whole].reshape(blocks.shape).any(axis=2)
    return (still & there).sum(axis=1) / np.maximum(there.sum(axis=1), 1)


def _usual_swing(signal_mv: np.ndarray, block: int) -> np.ndarray:
    """Return (12,) what a lead spans in a block of time, median over the blocks."""
    block = min(block, signal_mv.shape[1])
    whole = signal_mv.shape[1] // block * block
    blocks = signal_mv[:, :whole].reshape(len(signal_mv), -1, block)
    return np.median(blocks.max(axis=2) - blocks.min(axis=2), axis=1)
