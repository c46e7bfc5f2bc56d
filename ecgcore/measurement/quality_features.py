"""Quality features of a recording: level, span, flat seconds, spectrum, beats."""

import numpy as np

from ecgcore.measurement.gaps import find_gaps, recorded_s
from ecgcore.measurement.median_beat import COARSE_HZ
from ecgcore.measurement.quality_thresholds import thresholds
from ecgcore.measurement.rpeaks import is_too_short
from ecgcore.measurement.spectrum import Spectrum
from ecgcore.records.record import ALTERED, Record

MAX_JUDGED_S = 60.0
_BLOCK_S = 1.5
"""Long enough for a beat at 40 a minute and above."""


class QualityFeatures:
    """Features that the quality checks share, each computed once.

    Attributes
    ----------
    alterations
        Notes of the reader that a file's own checks deny its content.
    signal_mv
        (12, T) mV around each lead's median ``level_mv``, 0 where missing.
    missing, flat
        (12,) share of samples missing, share of seconds without any change.
    gaps, gap_share
        Gaps of the recording, and their share of it.
    duration_s, recorded_s, has_two_beats
        Length in s, the time in s in which any lead was recorded, and whether there are two beats
        in it (not sought, but True, where ``too_short`` or more is recorded).
    limb_leads_present
        (T,) bool: samples that all six limb leads have.
    usable
        (12,) bool: neither flat nor mostly missing.
    high, low, swing_mv
        (12,) mV: largest and smallest value, and the usual span of a beat.
    spectrum
        Of ``signal_mv``.
    beats_mv
        (12, T') mV: 0.5 to 45 Hz at 100 Hz.
    """

    def __init__(self, record: Record):
        self.fs_hz = record.fs_hz
        self.alterations = [
            note.removeprefix(ALTERED) for note in record.notes if note.startswith(ALTERED)
        ]
        raw_mv, self.gaps = find_gaps(record, MAX_JUDGED_S)
        gaps = ~np.isfinite(raw_mv)
        self.missing = gaps.mean(axis=1)  # (12,)
        self.duration_s = raw_mv.shape[1] / record.fs_hz
        self.gap_share = sum(gap.duration_s for gap in self.gaps) / self.duration_s
        self.recorded_s = recorded_s(raw_mv, record.fs_hz)
        self.has_two_beats = not is_too_short(raw_mv, record.fs_hz)
        level = _levels_mv(raw_mv, gaps)  # (12,)
        self.signal_mv = raw_mv - level[:, None].astype(np.float32)  # (12, T)
        self.signal_mv[gaps] = 0
        self.level_mv = level
        self.limb_leads_present = ~gaps[:6].any(axis=0)  # (T,)
        self.high, self.low = self.signal_mv.max(axis=1), self.signal_mv.min(axis=1)
        self.flat = _flat_share(self.signal_mv, gaps, round(record.fs_hz))
        self.usable = (self.flat < thresholds()["flat_share"]) & (self.missing < 0.5)
        self.spectrum = Spectrum(self.signal_mv, record.fs_hz)
        self.beats_mv = self.spectrum.band(0.5, 45, COARSE_HZ)  # (12, T' at 100 Hz)
        self.swing_mv = _usual_swing(self.beats_mv, round(_BLOCK_S * COARSE_HZ))  # (12,)


def _levels_mv(raw_mv: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Return (12,) the median of about a thousand samples of each lead: enough for its level."""
    if not gaps.any():  # all leads at once, four times as fast
        step = max(1, raw_mv.shape[1] // 1000)
        return np.median(raw_mv[:, ::step], axis=1).astype(float)
    return np.array([_median_mv(lead[~gap]) for lead, gap in zip(raw_mv, gaps, strict=True)])


def _median_mv(values_mv: np.ndarray) -> float:
    if not len(values_mv):
        return 0.0
    return float(np.median(values_mv[:: max(1, len(values_mv) // 1000)]))


def _flat_share(signal_mv: np.ndarray, gaps: np.ndarray, second: int) -> np.ndarray:
    """Return (12,) the share of complete seconds in which a lead is constant, without gaps."""
    stop = signal_mv.shape[1] // second * second
    if not stop:
        return (np.ptp(signal_mv, axis=1) <= thresholds()["flat_mv"]).astype(float)
    blocks = signal_mv[:, :stop].reshape(len(signal_mv), -1, second)
    is_flat = blocks.max(axis=2) - blocks.min(axis=2) <= thresholds()["flat_mv"]
    is_complete = ~gaps[:, :stop].reshape(blocks.shape).any(axis=2)
    return (is_flat & is_complete).sum(axis=1) / np.maximum(is_complete.sum(axis=1), 1)


def _usual_swing(signal_mv: np.ndarray, block: int) -> np.ndarray:
    """Return (12,) the span of a lead in a block of time, median over the blocks."""
    block = min(block, signal_mv.shape[1])
    stop = signal_mv.shape[1] // block * block
    blocks = signal_mv[:, :stop].reshape(len(signal_mv), -1, block)
    return np.median(blocks.max(axis=2) - blocks.min(axis=2), axis=1)
