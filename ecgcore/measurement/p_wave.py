"""P wave of a median beat: its onset and offset, and the decision whether it is one.

Fibrillation leaves ripples before the QRS complex even in a median beat. A P wave differs from them
in three ways: the beats are alike there, it stands out from the segment before it, and it begins at
rest or on the end of the preceding T wave.
"""

import numpy as np

from ecgcore.measurement.median_beat import MedianBeat
from ecgcore.measurement.spatial_velocity import find_rest, noise_level

ONSET_REST, OFFSET_REST, NOISE, HIGHEST_REST = 0.15, 0.4, 0.7, 0.25
"""Shares of its largest velocity, and of the noise, below which P has not begun, or has ended."""
ALIKE, DOUBTFUL_ALIKE, FEW_BEATS = 0.5, 0.75, 6
"""Correlation between beats from which there is a P wave; fibrillation gives about 0.1. The second
counts in an irregular rhythm, and for up to so many beats: in complete block a few may agree by
chance."""
IRREGULAR = 0.1
"""Median change from one RR interval to the next, as a share; above, DOUBTFUL_ALIKE counts."""
STANDS_OUT = 0.4
"""Largest median velocity of the segment before P, as a share of P's largest velocity."""
REST_S, FAST_RR_S = 0.08, 0.48
"""Above 125 beats per minute a P wave needs this long a rest after T: without it a regular rhythm
may as well be flutter or another tachycardia, whose atrial waves precede QRS as steadily."""
ON_T_ALIKE, ON_T_VALLEY = 0.8, 0.6
"""Correlation, and velocity between the waves, required of a P wave that begins before T ends."""
_LONGEST_PR_S, _SHORTEST_PR_S = 0.37, 0.03
_OVERLAP_S, _NEAR_T_S = 0.04, 0.06


def find_p_wave(
    beat: MedianBeat,
    velocity: np.ndarray,
    qrs_onset: float,
    t_before: float,
    irregularity: float = 0.0,
    rr_s: float = 1.0,
) -> tuple[float, float] | None:
    """Return onset and offset of the P wave in samples, or None without one.

    Parameters
    ----------
    beat
        The median beat.
    velocity
        (n,) spatial velocity in mV/s, low-passed for P.
    qrs_onset
        Sample.
    t_before
        End of the preceding beat's T wave, in samples of this beat (may be negative).
    irregularity
        Median change from one RR interval to the next, as a share of the RR interval.
    rr_s
        Median RR interval.
    """
    candidate = _find_candidate(velocity, qrs_onset, t_before, beat.fs_hz)
    if candidate is None:
        return None
    onset, offset, top, is_on_t = candidate
    before = velocity[max(0, round(t_before)) : max(0, round(onset) - 5)]
    if len(before) > REST_S * beat.fs_hz:
        if np.median(before) > STANDS_OUT * velocity[top]:
            return None
    elif rr_s < FAST_RR_S:
        return None
    is_doubtful = irregularity > IRREGULAR or len(beat.beats_mv) <= FEW_BEATS
    required = DOUBTFUL_ALIKE if is_doubtful else ALIKE
    required = max(required, ON_T_ALIKE * is_on_t)
    return (onset, offset) if beat_similarity(beat, onset, offset) >= required else None


def _find_candidate(
    velocity: np.ndarray, qrs_onset: float, t_before: float, fs_hz: float
) -> tuple[float, float, int, bool] | None:
    """Return onset, offset, fastest sample, and whether P begins on T; None without a candidate."""
    high = round(qrs_onset - _SHORTEST_PR_S * fs_hz)
    low = round(max(qrs_onset - _LONGEST_PR_S * fs_hz, 4, t_before - _OVERLAP_S / 2 * fs_hz))
    rising = np.flatnonzero(np.diff(velocity[low : max(high, low)]) > 0)
    if not len(rising) or high - low - rising[0] < 0.04 * fs_hz:
        return None
    low += int(rising[0])
    top = low + int(np.argmax(velocity[low:high]))
    fast = low + np.flatnonzero(velocity[low:high] > 0.5 * velocity[top])
    fast = fast[np.abs(fast - top) < 0.12 * fs_hz]
    level = ONSET_REST * velocity[top] + NOISE * noise_level(velocity)
    level = min(level, HIGHEST_REST * velocity[top])
    onset = find_rest(velocity, int(fast[0]), 0, level, 3)
    offset = find_rest(velocity, int(fast[-1]), round(qrs_onset), OFFSET_REST * velocity[top], 3)
    offset = qrs_onset if offset is None else offset
    if onset is not None and onset >= t_before - _OVERLAP_S * fs_hz:
        return onset, offset, top, False
    valley = low + int(np.argmin(velocity[low : fast[0] + 1]))
    is_near_t = valley < t_before + _NEAR_T_S * fs_hz
    if not is_near_t or velocity[valley] > ON_T_VALLEY * velocity[top]:
        return None
    return float(valley), offset, top, True


def beat_similarity(beat: MedianBeat, start: float, stop: float) -> float:
    """Return the median correlation of a beat with the others between two samples.

    Over all leads at once, each without its mean and slope; 1 where there is only one beat.
    """
    step, margin = round(0.016 * beat.fs_hz), 0.02 * beat.fs_hz
    known = ~np.isnan(beat.beats_mv).any(axis=(0, 2))
    segment = beat.beats_mv[:, known, max(0, round(start - margin)) : round(stop + margin)]
    n = segment.shape[2] // step
    if len(segment) < 2 or n < 3 or not known.any():
        return 1.0
    coarse = segment[:, :, : n * step].reshape(*segment.shape[:2], n, step).mean(axis=3)
    ramp = np.linspace(-1, 1, n) / np.linalg.norm(np.linspace(-1, 1, n))
    coarse = coarse - coarse.mean(axis=2, keepdims=True)
    coarse = (coarse - (coarse @ ramp)[..., None] * ramp).reshape(len(segment), -1)
    others = coarse.sum(axis=0) - coarse
    size = np.linalg.norm(coarse, axis=1) * np.linalg.norm(others, axis=1)
    return float(np.median((coarse * others).sum(axis=1) / np.maximum(size, 1e-12)))
