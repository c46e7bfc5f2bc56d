"""Where P, QRS and T begin and end in a median beat, over all leads together.

The spatial velocity (root mean square over leads of their slopes) is one curve for all leads. A
wave is where it moves, and ends where it has come to rest: below a share of the wave's own fastest
movement. Thresholds on the spatial velocity of an averaged beat are the method of Pipberger's
(DOI 10.1016/0002-8703(64)90123-6) and later programs; AHA/ACC/HRS 2007 (DOI
10.1161/CIRCULATIONAHA.106.180200) asks for intervals from the earliest onset to the latest end
over simultaneous leads. The shares were chosen on 60 records of LUDB (docs/measurements.md).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ecgcore.measure.median_beat import MedianBeat

QRS_HZ, P_HZ, T_HZ = 22.0, 15.0, 12.0
"""Each wave is followed on the beat low-passed here (−6 dB), so that the rate has no say."""
QRS_REST, QRS_END_REST, P_REST, P_END_REST, T_REST = 0.02, 0.04, 0.2, 0.4, 0.18
"""Shares of a wave's fastest movement below which it has not begun, or has ended."""
QRS_NOISE = 1.0
"""What is added for noise, as a share of the velocity in the quietest fifth of the beat."""
P_ALIKE = 0.35
"""Correlation between beats from which there is a P wave; fibrillation gives about 0."""


@dataclass(frozen=True)
class Marks:
    """Beginnings and ends of the waves, in samples of the median beat (None: not found).

    ``p_onset`` and ``p_offset`` are None together where there is no P wave.
    """

    p_onset: float | None = None
    p_offset: float | None = None
    qrs_onset: float | None = None
    qrs_offset: float | None = None
    t_offset: float | None = None


def delineate(beat: MedianBeat, rr_s: float | None = None) -> Marks:
    """Return the marks of a median beat.

    Parameters
    ----------
    beat
        The median beat.
    rr_s
        Usual RR interval: T is not looked for beyond the next beat's P wave.
    """
    leads = _whole_leads(beat)
    if not len(leads):
        return Marks()
    qrs_v, p_v, t_v = velocities(leads, beat.fs_hz)
    rr_s = rr_s or 1.0
    on, off = _qrs(qrs_v, beat.r_at, beat.fs_hz)
    t_off = _t_end(t_v, on, off, rr_s, beat.fs_hz)
    p = _p(p_v, on, t_off, rr_s, beat.fs_hz)
    if p is not None and p_likeness(beat, *p) < P_ALIKE:
        p = None
    p_on, p_off = p or (None, None)
    return Marks(p_on, p_off, on, off, t_off)


def _whole_leads(beat: MedianBeat) -> np.ndarray:
    return beat.signal_mv[~np.isnan(beat.signal_mv).any(axis=1)]


def velocities(leads: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return (3, n) spatial velocity in mV/s for QRS, P and T, each low-passed for its wave."""
    n = leads.shape[1]
    edge = round(0.1 * fs_hz)
    ends = (
        2 * leads[:, :1] - leads[:, edge:0:-1],
        2 * leads[:, -1:] - leads[:, -2 : -edge - 2 : -1],
    )
    spectrum = np.fft.rfft(np.concatenate([ends[0], leads, ends[1]], axis=1))  # (leads, f)
    slopes = np.fft.irfft(spectrum * _responses(n + 2 * edge, fs_hz)[:, None], n + 2 * edge)
    return np.sqrt(np.mean(slopes[:, :, edge : edge + n] ** 2, axis=1))


@lru_cache(maxsize=8)
def _responses(n: int, fs_hz: float) -> np.ndarray:
    """Return (3, f): differentiation and a Gaussian low-pass for QRS, P and T."""
    f_hz = np.fft.rfftfreq(n, 1 / fs_hz)
    low = [0.5 ** ((f_hz / hz) ** 2) for hz in (QRS_HZ, P_HZ, T_HZ)]
    return 2j * np.pi * f_hz * np.stack(low)


def _rest(velocity: np.ndarray, start: int, stop: int, level: float, quiet: int) -> float | None:
    """Return where, from start towards stop, the velocity first stays below level."""
    step = 1 if stop > start else -1
    below = velocity[start:stop:step] <= level
    run = np.convolve(below, np.ones(quiet), "valid") > quiet - 0.5
    return start + step * (float(run.argmax()) - 0.5) if run.any() else None


def _qrs(velocity, r, fs):
    near = r - round(0.08 * fs)
    top = near + int(np.argmax(velocity[near : r + round(0.08 * fs)]))
    noise = QRS_NOISE * np.percentile(velocity, 20)
    lo, hi = r - round(0.16 * fs), r + round(0.24 * fs)
    on = _rest(velocity, top, lo, QRS_REST * velocity[top] + noise, 4)
    off = _rest(velocity, top, hi, QRS_END_REST * velocity[top] + noise, 5)
    if on is None:
        on = float(lo + np.argmin(velocity[lo:top]))
    if off is None:
        off = float(top + np.argmin(velocity[top:hi]))
    return on, off


def _t_end(velocity, on, off, rr, fs):
    low = round(off + 0.04 * fs)
    high = round(min(on + 0.62 * np.sqrt(rr) * fs, on + (rr - 0.15) * fs, len(velocity) - 5))
    if high - low < 0.06 * fs:
        return None
    top = low + int(np.argmax(velocity[low:high]))
    end = _rest(velocity, top, high, T_REST * velocity[top], 5)
    return end if end is not None else float(top + np.argmin(velocity[top:high]))


def _p(velocity, on, t_off, rr, fs):
    high = round(on - 0.03 * fs)
    low = round(max(on - 0.32 * fs, 5, (t_off or 0) - rr * fs))
    if high - low < 0.04 * fs:
        return None
    part = velocity[low:high]
    top = low + int(np.argmax(part))
    fast = low + np.flatnonzero(part > 0.5 * velocity[top])
    fast = fast[np.abs(fast - top) < 0.12 * fs]
    start = _rest(velocity, int(fast[0]), 0, P_REST * velocity[top], 3)
    stop = _rest(velocity, int(fast[-1]), round(on), P_END_REST * velocity[top], 3)
    if start is None:
        return None
    return start, stop if stop is not None else on


def p_likeness(beat, start, stop):
    """Return how alike beats are where P is: the median correlation with the others."""
    fs = beat.fs_hz
    lo, hi = max(0, round(start - 0.02 * fs)), round(stop + 0.02 * fs)
    ok = ~np.isnan(beat.beats_mv).any(axis=(0, 2))
    b = beat.beats_mv[:, ok, lo:hi]
    if len(b) < 2:
        return 1.0
    k = round(0.016 * fs)
    n = b.shape[2] // k
    b = b[:, :, : n * k].reshape(*b.shape[:2], n, k).mean(3)
    ramp = np.linspace(-1, 1, n)
    ramp /= np.linalg.norm(ramp)
    b = b - b.mean(2, keepdims=True)
    b = b - (b @ ramp)[..., None] * ramp
    b = b.reshape(len(b), -1)
    others = b.sum(0) - b
    r = (b * others).sum(1) / (np.linalg.norm(b, axis=1) * np.linalg.norm(others, axis=1) + 1e-12)
    return float(np.median(r))
