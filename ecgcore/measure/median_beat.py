"""The median beat: what the beats of the dominant shape have in common, in all leads at once."""

from dataclasses import dataclass

import numpy as np

from ecgcore.measure.rpeaks import r_peaks
from ecgcore.records.record import LEADS
from ecgcore.records.resampling import resampled

WORK_HZ = 500.0
"""Beats are compared and averaged at this rate; slower recordings are interpolated first."""
BEFORE_S, AFTER_S = 0.45, 0.75
"""What a median beat holds before and after its R peak."""
ALIKE = 0.85
"""Correlation over the QRS complex in all leads from which two beats have one shape."""
_QRS_S = (-0.10, 0.14)
_BASELINE_HZ = 0.5


@dataclass(frozen=True)
class MedianBeat:
    """One beat in twelve leads, and the beats it was made of.

    Attributes
    ----------
    signal_mv
        (12, n) float64 in mV at WORK_HZ; leads without a signal are NaN.
    r_at
        Sample of the R peak.
    peaks_s
        (B,) seconds: all ventricular beats of the record.
    members
        (B,) bool: which of them went into the median.
    aberrant
        (B,) bool: which are whole and of another shape.
    """

    signal_mv: np.ndarray
    r_at: int
    peaks_s: np.ndarray
    members: np.ndarray
    aberrant: np.ndarray

    @property
    def fs_hz(self) -> float:
        """Samples a second."""
        return WORK_HZ


def median_beat(
    signal_mv: np.ndarray, fs_hz: float, peaks_s: np.ndarray | None = None
) -> MedianBeat | None:
    """Return the median over the beats of the dominant shape, or None where there is no beat.

    Beats are cut at their R peaks, those unlike the dominant one are left out, the others moved
    to where they fit it best, and the median over them is taken sample by sample.

    Parameters
    ----------
    signal_mv
        (12, T) in mV, NaN where missing.
    fs_hz
        Hz.
    peaks_s
        R peaks in seconds, found if not given.
    """
    peaks_s = r_peaks(signal_mv, fs_hz) if peaks_s is None else np.asarray(peaks_s, dtype=float)
    if not len(peaks_s):
        return None
    there = np.isfinite(signal_mv).mean(axis=1) > 0.5
    there &= np.nanmax(np.where(np.isfinite(signal_mv), signal_mv, np.nan), axis=1) > np.nanmin(
        np.where(np.isfinite(signal_mv), signal_mv, np.nan), axis=1
    )
    level = _levelled(signal_mv, fs_hz)
    at = np.rint(peaks_s * WORK_HZ).astype(int)
    before, after = round(BEFORE_S * WORK_HZ), round(AFTER_S * WORK_HZ)
    beats = _cut(level, at, before, after)  # (B, 12, n)
    shape = _qrs(beats, before, there)
    alike = _correlation(shape) >= ALIKE
    whole = ~np.isnan(shape).any(axis=1)
    if not whole.any():
        return None
    members = _dominant(alike, whole)
    chosen = _aligned(level, at[members], before, after, there)
    signal = np.nanmedian(chosen, axis=0) if len(chosen) > 1 else chosen[0]
    signal[~there] = np.nan
    return MedianBeat(signal, before, peaks_s, members, whole & ~members)


def _levelled(signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return (12, T') at WORK_HZ without baseline wander, padded gaps as zeros."""
    from scipy.signal import butter, sosfiltfilt

    signal = np.nan_to_num(np.asarray(signal_mv, dtype=np.float64))
    if fs_hz != WORK_HZ:
        signal = resampled(signal, fs_hz, WORK_HZ).astype(np.float64)
    signal = signal - np.median(signal, axis=1, keepdims=True)
    return sosfiltfilt(butter(1, _BASELINE_HZ, "highpass", fs=WORK_HZ, output="sos"), signal)


def _cut(level: np.ndarray, at: np.ndarray, before: int, after: int) -> np.ndarray:
    """Return (B, 12, before + after), NaN beyond the ends of the record."""
    padded = np.pad(level, ((0, 0), (before, after)), constant_values=np.nan)
    return np.stack([padded[:, i : i + before + after] for i in at])


def _qrs(beats: np.ndarray, before: int, there: np.ndarray) -> np.ndarray:
    """Return (B, leads × samples) around the QRS complexes."""
    low, high = (before + round(s * WORK_HZ) for s in _QRS_S)
    part = beats[:, there, low:high:2]
    part = part - part.mean(axis=2, keepdims=True)
    return part.reshape(len(beats), -1)


def _correlation(shape: np.ndarray) -> np.ndarray:
    """Return (B, B) correlations; a beat that is cut off is like none."""
    filled = np.nan_to_num(shape)
    size = np.linalg.norm(filled, axis=1)
    unit = filled / np.where(size > 0, size, 1)[:, None]
    like = unit @ unit.T
    cut_off = np.isnan(shape).any(axis=1)
    like[cut_off] = like[:, cut_off] = 0
    return like


def _dominant(alike: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return (B,) bool: the beats like that beat which most others are like."""
    best = int(np.argmax(np.where(whole, alike.sum(axis=1), -1)))
    members = alike[best].copy()
    members[best] = True
    return members


def _aligned(
    level: np.ndarray, at: np.ndarray, before: int, after: int, there: np.ndarray
) -> np.ndarray:
    """Return (B, 12, n) cut where each beat's QRS fits the median of all best."""
    low, high = (round(s * WORK_HZ) for s in _QRS_S)
    reach = 12
    template = np.nanmedian(_cut(level, at, before, after), axis=0)[
        there, before + low : before + high
    ]
    template = template - template.mean(axis=1, keepdims=True)
    moved = []
    for i in at:
        shifts = [
            i + s
            for s in range(-reach, reach + 1)
            if 0 <= i + s + low and i + s + high < level.shape[1]
        ]
        fits = [float(np.sum(template * level[there, s + low : s + high])) for s in shifts]
        moved.append(shifts[int(np.argmax(fits))] if fits else i)
    return _cut(level, np.array(moved), before, after)


def lead_names(there: np.ndarray) -> list[str]:
    """Return the names of the leads marked."""
    return [lead for lead, ok in zip(LEADS, there, strict=True) if ok]
