"""Delineation: onsets and offsets of P, QRS and T in a median beat, over all leads together.

The spatial velocity (root mean square over leads of their slopes) is one curve for all leads. A
wave begins and ends at rest: below a share of its own largest velocity. Thresholds on the spatial
velocity of an averaged beat are the method of Pipberger's (DOI 10.1016/0002-8703(64)90123-6) and
later programs; AHA/ACC/HRS 2007 (DOI 10.1161/CIRCULATIONAHA.106.180200) asks for intervals from the
earliest onset to the latest end over simultaneous leads. The shares were chosen on 60 records of
LUDB (docs/measurements.md).
"""

from dataclasses import dataclass

import numpy as np

from ecgcore.measurement.median_beat import MedianBeat
from ecgcore.measurement.p_wave import find_p_wave
from ecgcore.measurement.spatial_velocity import (
    fast_segment,
    find_rest,
    find_valley,
    noise_level,
    spatial_velocities,
)

QRS_ONSET_REST, QRS_OFFSET_REST, T_REST = 0.0225, 0.05, 0.15
QRS_NOISE, T_NOISE = 1.0, 0.3
"""Shares of a wave's largest velocity, and of the noise, that add up to the level of rest."""
QRS_FAST, _QRS_FAST_S, T_FAST, _T_FAST_S = 0.3, 0.1, 0.6, 0.16
"""Shares of the largest velocity, and distances from it, that bound the fast part of a wave: rests
are sought outside it only, as the leads also rest at a peak that they share."""
VALLEY, _VALLEY_S = 0.06, 0.016
"""The QRS complex also begins at a minimum below this share, the lowest within 16 ms either way: P
or a slope before it may not come to rest."""
WIDEST_S, _NARROWEST_WIDE_S = 0.2, 0.14
"""A QRS complex that seems wider is examined again: a steep ST may hide its end."""
_R_S, _BEFORE_R_S, _AFTER_R_S = 0.08, 0.16, 0.24
_SPIKE_SHARPNESS = 3.0
_LONGEST_QT, _LONGEST_QT_SHARE = 0.62, 0.72
"""QT is sought up to 0.62 times the square root of RR in s, and up to 72 % of RR."""


@dataclass(frozen=True)
class Fiducials:
    """Onsets and offsets of the waves, in samples of the median beat (None: not found).

    ``p_onset`` and ``p_offset`` are None together where there is no P wave.
    """

    p_onset: float | None = None
    p_offset: float | None = None
    qrs_onset: float | None = None
    qrs_offset: float | None = None
    t_offset: float | None = None


def delineate(beat: MedianBeat, rr_s: float | None = None, irregularity: float = 0.0) -> Fiducials:
    """Return the onsets and offsets of the waves of a median beat.

    Parameters
    ----------
    beat
        The median beat.
    rr_s
        Median RR interval, which limits the search for T to before the next beat's P wave; 1 s if
        not given.
    irregularity
        Median change from one RR interval to the next, as a share of it: the larger, the clearer a
        P wave must be.
    """
    leads = beat.signal_mv[~np.isnan(beat.signal_mv).any(axis=1)]
    if not len(leads):
        return Fiducials()
    rr_s = rr_s or 1.0
    qrs_v, p_v, t_v, spike_v = spatial_velocities(leads, beat.fs_hz)
    onset, offset = _qrs(qrs_v, beat.r_sample, beat.fs_hz)
    spike = _spike(onset, qrs_v, spike_v, beat.r_sample)
    onset = onset if spike is None else spike
    longest_s = min(_LONGEST_QT * np.sqrt(rr_s), _LONGEST_QT_SHARE * rr_s)
    next_beat = beat.r_sample + (beat.next_beat_after_s - _R_S) * beat.fs_hz
    last = min(onset + longest_s * beat.fs_hz, next_beat)
    t_offset = _t_offset(t_v, offset, last, beat.fs_hz)
    t_before = (t_offset or offset + 0.2 * beat.fs_hz) - rr_s * beat.fs_hz
    p = None
    if spike is None:  # else the pacemaker decides when the ventricles follow the atria
        p = find_p_wave(beat, p_v, onset, t_before, irregularity, rr_s)
    p_onset, p_offset = p or (None, None)
    return Fiducials(p_onset, p_offset, onset, offset, t_offset)


def _qrs(velocity: np.ndarray, r_sample: int, fs_hz: float) -> tuple[float, float]:
    """Return onset and offset of the QRS complex: at rest, else at the lowest velocity."""
    near = r_sample - round(_R_S * fs_hz)
    top = near + int(np.argmax(velocity[near : r_sample + round(_R_S * fs_hz)]))
    first, last = fast_segment(velocity, top, QRS_FAST, round(_QRS_FAST_S * fs_hz))
    low, high = r_sample - round(_BEFORE_R_S * fs_hz), r_sample + round(_AFTER_R_S * fs_hz)
    noise = QRS_NOISE * noise_level(velocity)
    onset = find_rest(velocity, first, low, QRS_ONSET_REST * velocity[top] + noise, 4)
    offset = find_rest(velocity, last, high, QRS_OFFSET_REST * velocity[top] + noise, 5)
    valley = find_valley(velocity, first, low, VALLEY * velocity[top], round(_VALLEY_S * fs_hz))
    onset = max((sample for sample in (onset, valley) if sample is not None), default=None)
    if onset is None:
        onset = float(low + np.argmin(velocity[low:first])) if first > low else float(first)
    if offset is None:
        offset = float(last + np.argmin(velocity[last:high])) if high > last else float(last)
    return onset, _before_steep_st(onset, offset, velocity, high, fs_hz)


def _before_steep_st(
    onset: float, offset: float, velocity: np.ndarray, high: int, fs_hz: float
) -> float:
    """Return the offset, moved to a minimum before a steep ST if the complex is implausibly wide.

    In bundle branch block and pacing the leads may pass from J into T without coming to rest.
    """
    if offset - onset <= WIDEST_S * fs_hz:
        return offset
    narrowest = round(onset + _NARROWEST_WIDE_S * fs_hz)
    valley = find_valley(velocity, narrowest, high, np.inf, round(_VALLEY_S * fs_hz))
    return offset if valley is None else valley


def _spike(onset: float, qrs_v: np.ndarray, spike_v: np.ndarray, r_sample: int) -> float | None:
    """Return the sample of a pacing spike between the onset and the R peak, None without one.

    The low-pass smears a spike over the 20 ms before it; the nearly unfiltered velocity does not.
    """
    segment = slice(round(onset), max(r_sample, round(onset) + 1))
    is_spike = spike_v[segment] > _SPIKE_SHARPNESS * qrs_v[segment].max()
    return segment.start + float(is_spike.argmax()) - 2.5 if is_spike.any() else None


def _t_offset(velocity: np.ndarray, offset: float, last: float, fs_hz: float) -> float | None:
    """Return the end of T: at rest after its largest velocity, else at the lowest after it."""
    low = round(offset + 0.04 * fs_hz)
    high = min(round(last), len(velocity) - 5)
    if high - low < 0.06 * fs_hz:
        return None
    top = low + int(np.argmax(velocity[low:high]))
    level = T_REST * velocity[top] + T_NOISE * noise_level(velocity)
    _, last_fast = fast_segment(velocity[:high], top, T_FAST, round(_T_FAST_S * fs_hz))
    end = find_rest(velocity, last_fast, high, level, 5)
    return float(last_fast + np.argmin(velocity[last_fast:high])) if end is None else end
