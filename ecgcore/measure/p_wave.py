"""The P wave of a median beat: where it is, and whether it is one.

Fibrillation leaves ripples before the QRS complex of a median beat too. A P wave is told from them
by three things: the beats are alike there, it stands out from what lies before it, and it begins
from rest, or on the end of the T wave before it.
"""

import numpy as np

from ecgcore.measure.median_beat import MedianBeat
from ecgcore.measure.spatial_velocity import noise_of, rest

ONSET_REST, OFFSET_REST, NOISE, HIGHEST_REST = 0.15, 0.4, 0.7, 0.25
"""Shares of its fastest movement, and of the noise, below which P has not begun, or has ended."""
ALIKE, IRREGULAR_ALIKE = 0.5, 0.75
"""Correlation between beats from which there is a P wave; fibrillation gives about 0.1."""
IRREGULAR = 0.1
"""Median change from one RR interval to the next, as a share, above which more is asked."""
STANDS_OUT = 0.4
"""Share of its fastest movement that what lies before it may reach, in the median."""
ON_T_ALIKE, ON_T_VALLEY = 0.8, 0.6
"""What is asked of a P wave that begins before T has ended: likeness, and a valley between."""
_LONGEST_PR_S, _SHORTEST_PR_S = 0.37, 0.03
_OVERLAP_S, _NEAR_T_S = 0.04, 0.06


def p_wave(
    beat: MedianBeat,
    velocity: np.ndarray,
    qrs_onset: float,
    t_before: float,
    irregularity: float = 0.0,
) -> tuple[float, float] | None:
    """Return onset and offset of the P wave in samples, or None where there is none.

    Parameters
    ----------
    beat
        The median beat.
    velocity
        (n,) spatial velocity in mV/s, low-passed for P.
    qrs_onset
        Sample.
    t_before
        Where the T wave of the beat before ends, in samples of this one (may be negative).
    irregularity
        Median change from one RR interval to the next, as a share of the RR interval.
    """
    found = _where(velocity, qrs_onset, t_before, beat.fs_hz)
    if found is None:
        return None
    onset, offset, top, on_t = found
    before = velocity[max(0, round(t_before)) : max(0, round(onset) - 5)]
    if len(before) > 0.08 * beat.fs_hz and np.median(before) > STANDS_OUT * velocity[top]:
        return None
    asked = IRREGULAR_ALIKE if irregularity > IRREGULAR else ALIKE
    alike = likeness(beat, onset, offset)
    return (onset, offset) if alike >= max(asked, ON_T_ALIKE * on_t) else None


def _where(
    velocity: np.ndarray, qrs_onset: float, t_before: float, fs_hz: float
) -> tuple[float, float, int, bool] | None:
    """Return onset, offset, fastest sample, and whether P begins on T; None where none can be."""
    high = round(qrs_onset - _SHORTEST_PR_S * fs_hz)
    low = round(max(qrs_onset - _LONGEST_PR_S * fs_hz, 4, t_before - _OVERLAP_S / 2 * fs_hz))
    rising = np.flatnonzero(np.diff(velocity[low : max(high, low)]) > 0)
    if not len(rising) or high - low - rising[0] < 0.04 * fs_hz:
        return None
    low += int(rising[0])
    top = low + int(np.argmax(velocity[low:high]))
    fast = low + np.flatnonzero(velocity[low:high] > 0.5 * velocity[top])
    fast = fast[np.abs(fast - top) < 0.12 * fs_hz]
    level = ONSET_REST * velocity[top] + NOISE * noise_of(velocity)
    level = min(level, HIGHEST_REST * velocity[top])
    onset = rest(velocity, int(fast[0]), 0, level, 3)
    offset = rest(velocity, int(fast[-1]), round(qrs_onset), OFFSET_REST * velocity[top], 3)
    offset = qrs_onset if offset is None else offset
    if onset is not None and onset >= t_before - _OVERLAP_S * fs_hz:
        return onset, offset, top, False
    valley = low + int(np.argmin(velocity[low : fast[0] + 1]))
    near_t = valley < t_before + _NEAR_T_S * fs_hz
    if not near_t or velocity[valley] > ON_T_VALLEY * velocity[top]:
        return None
    return float(valley), offset, top, True


def likeness(beat: MedianBeat, start: float, stop: float) -> float:
    """Return how alike the beats are between two samples: the median correlation with the others.

    Over all leads at once, each without its mean and slope; 1 where there is but one beat.
    """
    step, margin = round(0.016 * beat.fs_hz), 0.02 * beat.fs_hz
    there = ~np.isnan(beat.beats_mv).any(axis=(0, 2))
    part = beat.beats_mv[:, there, max(0, round(start - margin)) : round(stop + margin)]
    n = part.shape[2] // step
    if len(part) < 2 or n < 3 or not there.any():
        return 1.0
    coarse = part[:, :, : n * step].reshape(*part.shape[:2], n, step).mean(axis=3)
    ramp = np.linspace(-1, 1, n) / np.linalg.norm(np.linspace(-1, 1, n))
    coarse = coarse - coarse.mean(axis=2, keepdims=True)
    coarse = (coarse - (coarse @ ramp)[..., None] * ramp).reshape(len(part), -1)
    others = coarse.sum(axis=0) - coarse
    size = np.linalg.norm(coarse, axis=1) * np.linalg.norm(others, axis=1)
    return float(np.median((coarse * others).sum(axis=1) / np.maximum(size, 1e-12)))
