"""The median beat: what the beats of the dominant shape have in common, in all leads at once."""

from dataclasses import dataclass

import numpy as np

from ecgcore.measure.rpeaks import INDEPENDENT, r_peaks
from ecgcore.records.resample import resampled

WORK_HZ = 500.0
"""Beats are compared and averaged at this rate; others are resampled first, without aliasing."""
BEFORE_S, AFTER_S = 0.45, 0.75
"""What a median beat holds before and after its R peak."""
ALIKE = 0.85
"""Correlation over the QRS complex in all leads from which two beats have one shape."""
MOST_COMPARED = 60
"""Beats of one record that every beat is compared with."""
AS_FREQUENT = 0.6
"""Beats of a second shape for each of the first, from which both are looked at."""
_QRS_S = (-0.10, 0.14)
_REACH_S = 0.04
"""How far the R peak of a beat may lie from where its QRS complex fits the others' best."""
_COARSE_S = 0.008
_BASELINE_HZ = 0.5
"""AHA 2007 (DOI 10.1161/CIRCULATIONAHA.106.180200) allows 0.67 Hz for filters without phase."""
_BASELINE_RATE_HZ = 50.0


@dataclass(frozen=True)
class MedianBeat:
    """One beat in twelve leads, and the beats it was made of.

    Attributes
    ----------
    signal_mv
        (12, n) float64 in mV at WORK_HZ; leads without a signal are NaN, and so is every lead
        where no beat reaches.
    r_at
        Sample of the R peak.
    beats_mv
        (m, 12, n) the beats that the median was taken over, aligned.
    beats_at_s
        (m,) where their R peaks lie after alignment, in s.
    until_next_s
        Seconds from R until the next beat, of whatever shape, in the quickest quarter of them.
    members, aberrant
        (B,) bool over all beats of the record: which are of the dominant shape, which are whole
        and of another.
    """

    signal_mv: np.ndarray
    r_at: int
    beats_mv: np.ndarray
    beats_at_s: np.ndarray
    until_next_s: float
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

    Beats are cut at their R peaks, those unlike the dominant one are left out, the others are
    moved to where they fit it best, and the median over them is taken sample by sample.

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
    there = _with_signal(signal_mv)
    if not len(peaks_s) or not there.any():
        return None
    level = _levelled(signal_mv[there], fs_hz)  # (leads, T')
    at = np.clip(np.rint(peaks_s * WORK_HZ).astype(int), 0, level.shape[1] - 1)
    members, whole, typical = _of_one_shape(level, there, at)
    if not whole.any():
        return None
    at = _aligned(level, at[members], int(members[:typical].sum()))
    beats = np.full((len(at), len(signal_mv), round((BEFORE_S + AFTER_S) * WORK_HZ)), np.nan)
    beats[:, there] = _cut(level, at, round(BEFORE_S * WORK_HZ), round(AFTER_S * WORK_HZ))
    signal, used = _median(beats, there)
    return MedianBeat(
        signal_mv=signal,
        r_at=round(BEFORE_S * WORK_HZ),
        beats_mv=beats[used],
        beats_at_s=at[used] / WORK_HZ,
        until_next_s=_until_next_s(peaks_s, members),
        members=members,
        aberrant=whole & ~members,
    )


def _with_signal(signal_mv: np.ndarray) -> np.ndarray:
    """Return (leads,) bool: which leads are there for half of the time, and not flat."""
    there = np.isfinite(signal_mv)
    high = np.where(there, signal_mv, -np.inf).max(axis=1)
    low = np.where(there, signal_mv, np.inf).min(axis=1)
    return (there.mean(axis=1) > 0.5) & (high > low)


def _levelled(signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return (leads, T') at WORK_HZ without baseline wander, NaN where missing."""
    signal = np.asarray(signal_mv, dtype=np.float64)
    if fs_hz != WORK_HZ:
        signal = resampled(signal, fs_hz, WORK_HZ).astype(np.float64)
    gaps = np.isnan(signal)
    if gaps.any():
        at = np.arange(signal.shape[1])
        for lead, gap in zip(signal, gaps, strict=True):
            lead[gap] = np.interp(at[gap], at[~gap], lead[~gap])
    level = signal - _baseline(signal)
    level[gaps] = np.nan
    return level


def _baseline(signal: np.ndarray) -> np.ndarray:
    """Return what moves slower than 0.5 Hz, filtered both ways at a tenth of the rate."""
    from scipy.signal import butter, sosfiltfilt

    step = round(WORK_HZ / _BASELINE_RATE_HZ)
    whole = signal.shape[1] // step * step
    coarse = signal[:, :whole].reshape(len(signal), -1, step).mean(axis=2)
    slow = butter(1, _BASELINE_HZ, fs=_BASELINE_RATE_HZ, output="sos")
    coarse = sosfiltfilt(slow, coarse, axis=1)
    at, knots = np.arange(signal.shape[1]), np.arange(coarse.shape[1]) * step + (step - 1) / 2
    return np.stack([np.interp(at, knots, lead) for lead in coarse])


def _cut(level: np.ndarray, at: np.ndarray, before: int, after: int) -> np.ndarray:
    """Return (B, leads, before + after), NaN beyond the ends of the record."""
    width = before + after
    padded = np.pad(level, ((0, 0), (width, width)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
    return windows[:, at + width - before].transpose(1, 0, 2)


def _of_one_shape(
    level: np.ndarray, there: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return (B,) bool, which beats have the dominant shape; which are whole; and a typical one.

    Where two shapes are about as frequent (bigeminy, pacing now and then) the narrower one counts.
    """
    single = [row for row, lead in enumerate(np.flatnonzero(there)) if lead in INDEPENDENT]
    rows = level[single] if len(single) > 2 else level
    some = np.unique(np.linspace(0, len(at) - 1, MOST_COMPARED).astype(int))
    alike, whole = _likeness(rows, at, some)
    first, typical = _like_most(alike, whole, some)
    second, other = _like_most(alike, whole & ~first, some)
    if second.sum() < max(2, AS_FREQUENT * first.sum()):
        return first, whole, typical
    width, other_width = _width(rows, at[[typical, other]])
    return (second, whole, other) if other_width < 0.9 * width else (first, whole, typical)


def _width(level: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return how far each beat's QRS complex spreads in time, in samples (standard deviation)."""
    low, high = (round(s * WORK_HZ) for s in _QRS_S)
    beats = _cut(level, at, -low, high)
    power = np.sum((beats - np.median(beats, axis=2, keepdims=True)) ** 2, axis=1)  # (B, samples)
    share = power / power.sum(axis=1, keepdims=True)
    when = np.arange(high - low)
    centre = share @ when
    return np.sqrt(np.sum(share * (when - centre[:, None]) ** 2, axis=1))


def _likeness(level: np.ndarray, at: np.ndarray, some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (B, S) bool, which beats have the shape of ``some`` of them, and (B,) which are whole.

    Two beats are compared where they fit each other best, without the two leads that fit worst:
    an electrode that comes loose for some beats makes them no other beats.
    """
    step = round(_COARSE_S * WORK_HZ)
    low, high, reach = (round(s * WORK_HZ) for s in (*_QRS_S, _REACH_S))
    beats = _cut(level, at, reach - low, high + reach)[:, :, ::step]  # (B, leads, samples)
    whole = ~np.isnan(beats).any(axis=(1, 2))
    beats[~whole] = 0
    windows = np.lib.stride_tricks.sliding_window_view(beats, (high - low) // step, axis=2)
    moved = (windows - windows.mean(axis=3, keepdims=True)).transpose(2, 1, 0, 3)
    still = moved[len(moved) // 2][:, some]  # (leads, S, samples)
    common = moved @ still.transpose(0, 2, 1)  # (shifts, leads, B, S)
    both = (np.sum(moved**2, axis=3)[..., None] + np.sum(still**2, axis=2)[:, None, :]) / 2
    if len(level) > 4:
        worst = np.argpartition(both - common, -2, axis=1)[:, -2:]
        for part in (common, both):
            np.put_along_axis(part, worst, 0, axis=1)
    alike = (common.sum(axis=1) / np.maximum(both.sum(axis=1), 1e-12)).max(axis=0)
    return alike >= ALIKE, whole


def _like_most(alike: np.ndarray, among: np.ndarray, some: np.ndarray) -> tuple[np.ndarray, int]:
    """Return (B,) bool, the beats like that of ``some`` which most are like, and which it is."""
    count = np.where(among[some], (alike & among[:, None]).sum(axis=0), -1)
    best = int(count.argmax())
    return alike[:, best] & among, int(some[best])


def _aligned(level: np.ndarray, at: np.ndarray, typical: int) -> np.ndarray:
    """Return where R peaks lie so that each QRS fits the typical one, then the median, best."""
    low, high, reach = (round(s * WORK_HZ) for s in (*_QRS_S, _REACH_S))
    for template_of in (lambda beats: beats[typical], lambda beats: np.median(beats, axis=0)):
        near = np.nan_to_num(_cut(level, at, reach - low, high + reach))
        template = template_of(near[:, :, reach : reach + high - low : 2])  # (leads, samples)
        template = template - template.mean(axis=1, keepdims=True)
        windows = np.lib.stride_tricks.sliding_window_view(near, high - low, axis=2)[..., ::2]
        fits = np.einsum("blsw,lw->bs", windows, template)  # (beats, shifts)
        at = at + fits.argmax(axis=1) - reach
    return at


def _until_next_s(peaks_s: np.ndarray, members: np.ndarray) -> float:
    waits_s = np.diff(peaks_s)[members[:-1]]
    return float(np.percentile(waits_s, 25)) if len(waits_s) else np.inf


def _median(beats: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the median over whole beats, and which they are; over all where few are whole."""
    whole = ~np.isnan(beats[:, there]).any(axis=(1, 2))
    if whole.sum() >= len(beats) / 2:
        return np.median(beats[whole], axis=0), whole
    signal = np.full(beats.shape[1:], np.nan)
    some = np.isfinite(beats).any(axis=0)
    signal[some] = np.nanmedian(beats[:, some], axis=0)
    return signal, np.ones(len(beats), dtype=bool)
