"""Median beat: the median over the beats of the dominant shape, in all leads at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ecgcore.measurement.gaps import Gap, rr_intervals_s
from ecgcore.measurement.rpeaks import INDEPENDENT_LEADS, r_peaks
from ecgcore.records.resample import bridge_gaps, resample_signal

WORK_HZ = 500.0
"""Beats are compared and averaged at this rate; others are resampled first, without aliasing."""
BEFORE_S, AFTER_S = 0.45, 0.75
"""Span of a median beat before and after its R peak."""
SAME_SHAPE = 0.85
"""Correlation over the QRS complex in all leads from which two beats have the same shape."""
MAX_REFERENCES = 60
"""Beats of one record that every beat is compared with, at most."""
AS_FREQUENT = 0.6
"""Beats of a second shape for each of the first, from which both shapes are considered."""
_QRS_S = (-0.10, 0.14)
_MAX_SHIFT_S = 0.04
"""Largest shift of a beat's R peak to where its QRS complex fits the others best."""
_COARSE_S = 0.008
_BASELINE_HZ = 0.5
"""AHA 2007 (DOI 10.1161/CIRCULATIONAHA.106.180200) allows 0.67 Hz for zero-phase filters."""
_BASELINE_RATE_HZ = 50.0
COARSE_HZ = 100.0
"""Sampling rate of the coarse median beat, which the quality checks use."""
COARSE_BEFORE, COARSE_AFTER = 35, 45
"""Samples of the coarse median beat before its R peak, and from it on."""
_COARSE_MIN_BEATS = 3
_PARTLY_S = 2.0


@dataclass(frozen=True)
class MedianBeat:
    """One beat in twelve leads, and the beats that it was computed from.

    Attributes
    ----------
    signal_mv
        (12, n) float64 in mV at WORK_HZ; NaN in leads without a signal, and where no beat has
        samples.
    r_at
        Sample of the R peak.
    beats_mv
        (m, 12, n) the aligned beats that the median was taken over.
    beats_at_s
        (m,) times of their R peaks after alignment, in s.
    until_next_s
        Seconds from an R peak to the next beat of any shape; the 25th percentile.
    dominant, aberrant
        (B,) bool over all beats of the record: those of the dominant shape, and those that are
        complete but of another shape.
    """

    signal_mv: np.ndarray
    r_sample: int
    beats_mv: np.ndarray
    beat_times_s: np.ndarray
    next_beat_after_s: float
    dominant: np.ndarray
    aberrant: np.ndarray

    @property
    def fs_hz(self) -> float:
        """Sampling rate of the median beat in Hz."""
        return WORK_HZ


def median_beat(
    signal_mv: np.ndarray,
    fs_hz: float,
    peaks_s: np.ndarray | None = None,
    gaps: Sequence[Gap] = (),
) -> MedianBeat | None:
    """Return the median over the beats of the dominant shape, or None without any beat.

    Beats are cut out around their R peaks; those of the dominant shape are aligned, and their
    median is taken sample by sample.

    Parameters
    ----------
    signal_mv
        (12, T) in mV, NaN where missing.
    fs_hz
        Hz.
    peaks_s
        R peaks in seconds; detected if not given.
    gaps
        Gaps of the record: no interval across one counts.
    """
    peaks_s = r_peaks(signal_mv, fs_hz) if peaks_s is None else np.asarray(peaks_s, dtype=float)
    has_signal, partly = _leads_with_signal(signal_mv, fs_hz)
    if not len(peaks_s) or not has_signal.any():
        return None
    signal = _without_wander(signal_mv[has_signal], fs_hz)  # (leads, T')
    peaks = np.clip(np.rint(peaks_s * WORK_HZ).astype(int), 0, signal.shape[1] - 1)
    dominant, complete, typical = _dominant_shape(signal, has_signal, peaks)
    if not complete.any():
        return None
    peaks = _align(signal, peaks[dominant], int(dominant[:typical].sum()))
    beats = np.full((len(peaks), len(signal_mv), round((BEFORE_S + AFTER_S) * WORK_HZ)), np.nan)
    beats[:, has_signal] = _cut_out(
        signal, peaks, round(BEFORE_S * WORK_HZ), round(AFTER_S * WORK_HZ)
    )
    if partly.any():
        beats[:, partly] = _cut_out(
            _without_wander(signal_mv[partly], fs_hz),
            peaks,
            round(BEFORE_S * WORK_HZ),
            round(AFTER_S * WORK_HZ),
        )
    median, used = _median(beats, has_signal)
    return MedianBeat(
        signal_mv=median,
        r_sample=round(BEFORE_S * WORK_HZ),
        beats_mv=beats[used],
        beat_times_s=peaks[used] / WORK_HZ,
        next_beat_after_s=_next_beat_after_s(peaks_s, gaps, dominant),
        dominant=dominant,
        aberrant=complete & ~dominant,
    )


def coarse_median_beat(leads_mv: np.ndarray, band_mv: np.ndarray) -> np.ndarray | None:
    """Return a median beat that is quick to compute: (8, 80) mV at 100 Hz, R peak at sample 35.

    All beats count, whatever their shape; None from fewer than three of them.

    Parameters
    ----------
    leads_mv, band_mv
        (8, T) at COARSE_HZ: I, II, V1–V6, and their 5–20 Hz band.
    """
    peaks = _coarse_r_peaks(band_mv)
    if len(peaks) < _COARSE_MIN_BEATS:
        return None
    return np.median(leads_mv[:, peaks[:, None] + np.arange(-COARSE_BEFORE, COARSE_AFTER)], axis=1)


def _coarse_r_peaks(band_mv: np.ndarray) -> np.ndarray:
    """Return the samples at which the leads together change fastest, away from both ends."""
    energy = np.sqrt((band_mv**2).mean(axis=0))
    energy = np.convolve(energy, np.full(5, 0.2), "same")
    local_max = np.lib.stride_tricks.sliding_window_view(np.pad(energy, 20), 41).max(axis=1)
    blocks = energy[: len(energy) // 150 * 150].reshape(-1, 150)
    typical = np.median(blocks.max(axis=1)) if len(blocks) else energy.max()
    peaks = np.flatnonzero((energy == local_max) & (energy > 0.4 * typical))
    return peaks[(peaks >= COARSE_BEFORE) & (peaks < band_mv.shape[1] - COARSE_AFTER)]


def _leads_with_signal(signal_mv: np.ndarray, fs_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (leads,) bool twice: leads recorded for most of the time, and those for less.

    The second are recorded for 2 s at least (leads of 2.5 s beside a rhythm strip). Neither are
    flat.
    """
    known = np.isfinite(signal_mv)
    high = np.where(known, signal_mv, -np.inf).max(axis=1)
    low = np.where(known, signal_mv, np.inf).min(axis=1)
    share = known.mean(axis=1)
    partly = (share <= 0.5) & (known.sum(axis=1) >= _PARTLY_S * fs_hz)
    return (share > 0.5) & (high > low), partly & (high > low)


def _without_wander(signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return (leads, T') at WORK_HZ without baseline wander, NaN where missing."""
    signal = np.asarray(signal_mv, dtype=np.float64)
    if fs_hz != WORK_HZ:
        signal = resample_signal(signal, fs_hz, WORK_HZ).astype(np.float64)
    signal, gaps = bridge_gaps(signal)
    corrected = signal - _baseline(signal)
    corrected[gaps] = np.nan
    return corrected


def _baseline(signal: np.ndarray) -> np.ndarray:
    """Return the signal below 0.5 Hz, filtered in both directions at a tenth of the rate."""
    from scipy.signal import sosfiltfilt

    step = round(WORK_HZ / _BASELINE_RATE_HZ)
    stop = signal.shape[1] // step * step
    coarse = signal[:, :stop].reshape(len(signal), -1, step).mean(axis=2)
    coarse = sosfiltfilt(_baseline_filter(), coarse, axis=1)
    samples = np.arange(signal.shape[1])
    knots = np.arange(coarse.shape[1]) * step + (step - 1) / 2
    return np.stack([np.interp(samples, knots, lead) for lead in coarse])


@cache
def _baseline_filter() -> np.ndarray:
    from scipy.signal import butter

    return butter(1, _BASELINE_HZ, fs=_BASELINE_RATE_HZ, output="sos")


def _cut_out(signal: np.ndarray, peaks: np.ndarray, before: int, after: int) -> np.ndarray:
    """Return (B, leads, before + after), NaN beyond the ends of the record."""
    width = before + after
    padded = np.pad(signal, ((0, 0), (width, width)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
    return windows[:, peaks + width - before].transpose(1, 0, 2)


def _dominant_shape(
    signal: np.ndarray, has_signal: np.ndarray, peaks: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return (B,) bool, the beats of the dominant shape; the complete beats; and a typical one.

    Where two shapes are about equally frequent (bigeminy, intermittent pacing), the narrower one is
    the dominant one.
    """
    rows = [i for i, lead in enumerate(np.flatnonzero(has_signal)) if lead in INDEPENDENT_LEADS]
    leads = signal[rows] if len(rows) > 2 else signal
    references = np.unique(np.linspace(0, len(peaks) - 1, MAX_REFERENCES).astype(int))
    similar, complete = _similar_beats(leads, peaks, references)
    first, typical = _largest_group(similar, complete, references)
    second, other = _largest_group(similar, complete & ~first, references)
    if second.sum() < max(2, AS_FREQUENT * first.sum()):
        return first, complete, typical
    width, other_width = _qrs_widths(leads, peaks[[typical, other]])
    if other_width < 0.9 * width:
        return second, complete, other
    return first, complete, typical


def _qrs_widths(signal: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Return each beat's spread of QRS power in time, in samples (standard deviation)."""
    low, high = (round(s * WORK_HZ) for s in _QRS_S)
    beats = _cut_out(signal, peaks, -low, high)
    power = np.sum((beats - np.median(beats, axis=2, keepdims=True)) ** 2, axis=1)  # (B, samples)
    weight = power / power.sum(axis=1, keepdims=True)
    time = np.arange(high - low)
    centre = weight @ time
    return np.sqrt(np.sum(weight * (time - centre[:, None]) ** 2, axis=1))


def _similar_beats(
    signal: np.ndarray, peaks: np.ndarray, references: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (B, S) bool, which beats have the shape of each reference, and (B,) the complete ones.

    Two beats are compared at their best fit, without the two leads that fit worst: an electrode
    that is loose during some beats does not change their shape.
    """
    step = round(_COARSE_S * WORK_HZ)
    low, high, shift = (round(s * WORK_HZ) for s in (*_QRS_S, _MAX_SHIFT_S))
    beats = _cut_out(signal, peaks, shift - low, high + shift)[:, :, ::step]  # (B, leads, samples)
    complete = ~np.isnan(beats).any(axis=(1, 2))
    beats[~complete] = 0
    windows = np.lib.stride_tricks.sliding_window_view(beats, (high - low) // step, axis=2)
    shifted = (windows - windows.mean(axis=3, keepdims=True)).transpose(2, 1, 0, 3)
    fixed = shifted[len(shifted) // 2][:, references]  # (leads, S, samples)
    common = shifted @ fixed.transpose(0, 2, 1)  # (shifts, leads, B, S)
    power = (np.sum(shifted**2, axis=3)[..., None] + np.sum(fixed**2, axis=2)[:, None, :]) / 2
    if len(signal) > 4:
        worst = np.argpartition(power - common, -2, axis=1)[:, -2:]
        for terms in (common, power):
            np.put_along_axis(terms, worst, 0, axis=1)
    correlation = (common.sum(axis=1) / np.maximum(power.sum(axis=1), 1e-12)).max(axis=0)
    return correlation >= SAME_SHAPE, complete


def _largest_group(
    similar: np.ndarray, eligible: np.ndarray, references: np.ndarray
) -> tuple[np.ndarray, int]:
    """Return (B,) bool, the largest group of beats similar to a reference, and that reference."""
    count = np.where(eligible[references], (similar & eligible[:, None]).sum(axis=0), -1)
    best = int(count.argmax())
    return similar[:, best] & eligible, int(references[best])


def _align(signal: np.ndarray, peaks: np.ndarray, typical: int) -> np.ndarray:
    """Return R peaks shifted so that each QRS fits first the typical one, then the median, best."""
    low, high, shift = (round(s * WORK_HZ) for s in (*_QRS_S, _MAX_SHIFT_S))
    for template_of in (lambda beats: beats[typical], lambda beats: np.median(beats, axis=0)):
        around = np.nan_to_num(_cut_out(signal, peaks, shift - low, high + shift))
        template = template_of(around[:, :, shift : shift + high - low : 2])  # (leads, samples)
        template = template - template.mean(axis=1, keepdims=True)
        windows = np.lib.stride_tricks.sliding_window_view(around, high - low, axis=2)[..., ::2]
        fits = np.einsum("blsw,lw->bs", windows, template)  # (beats, shifts)
        peaks = peaks + fits.argmax(axis=1) - shift
    return peaks


def _next_beat_after_s(peaks_s: np.ndarray, gaps: Sequence[Gap], dominant: np.ndarray) -> float:
    intervals_s = rr_intervals_s(peaks_s, gaps)[dominant[:-1]]
    intervals_s = intervals_s[np.isfinite(intervals_s)]
    return float(np.percentile(intervals_s, 25)) if len(intervals_s) else np.inf


def _median(beats: np.ndarray, has_signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the median over complete beats, or over all where few are complete, and its beats.

    Leads recorded for less than most of the time have fewer beats: a median over those they have.
    """
    complete = ~np.isnan(beats[:, has_signal]).any(axis=(1, 2))
    if complete.sum() < len(beats) / 2:
        complete = np.ones(len(beats), dtype=bool)
    used = beats[complete]
    if not np.isnan(used[:, has_signal]).any() and np.isnan(used[:, ~has_signal]).all():
        return np.median(used, axis=0), complete
    median = np.full(beats.shape[1:], np.nan)
    known = np.isfinite(used).any(axis=0)
    median[known] = np.nanmedian(used[:, known], axis=0)
    return median, complete
