"""Where P, QRS and T begin and end in a median beat, over all leads together.

The spatial velocity (root mean square over leads of their slopes) is one curve for all leads. A
wave is where it moves, and ends where it has come to rest: below a share of the wave's own fastest
movement. Thresholds on the spatial velocity of an averaged beat are the method of Pipberger's
(DOI 10.1016/0002-8703(64)90123-6) and later programs; AHA/ACC/HRS 2007 (DOI
10.1161/CIRCULATIONAHA.106.180200) asks for intervals from the earliest onset to the latest end
over simultaneous leads. The shares were chosen on 60 records of LUDB (docs/measurements.md).
"""

from dataclasses import dataclass

import numpy as np

from ecgcore.measure.median_beat import MedianBeat
from ecgcore.measure.p_wave import p_wave
from ecgcore.measure.spatial_velocity import fast_part, noise_of, rest, valley, velocities

QRS_ONSET_REST, QRS_OFFSET_REST, T_REST = 0.0225, 0.05, 0.15
QRS_NOISE, T_NOISE = 1.0, 0.3
"""Shares of a wave's fastest movement, and of the noise, below which it rests; the two add up."""
QRS_FAST, _QRS_FAST_S, T_FAST, _T_FAST_S = 0.3, 0.1, 0.6, 0.16
"""A wave is entered from outside its first and last movement of this share, this near its fastest:
at the top of a wave that all leads share, they rest."""
VALLEY, _VALLEY_S = 0.06, 0.016
"""Below this share the QRS complex also begins where it is slowest within 16 ms either way: before
it, P or a slope may not rest."""
WIDEST_S, _NARROWEST_WIDE_S = 0.2, 0.14
"""A QRS complex that seems wider is looked at again: its end may be hidden by a steep ST."""
_R_S, _BEFORE_R_S, _AFTER_R_S = 0.08, 0.16, 0.24
_SPIKE_SHARPNESS = 3.0
_LONGEST_QT, _LONGEST_QT_SHARE = 0.62, 0.72
"""QT is sought up to 0.62 times the square root of RR in s, and up to 72 % of RR."""


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


def delineate(beat: MedianBeat, rr_s: float | None = None, irregularity: float = 0.0) -> Marks:
    """Return the marks of a median beat.

    Parameters
    ----------
    beat
        The median beat.
    rr_s
        Usual RR interval: T is not looked for beyond the next beat's P wave. 1 s if not given.
    irregularity
        Median change from one RR interval to the next, as a share of it: where it is large, P
        waves have to be plainer.
    """
    leads = beat.signal_mv[~np.isnan(beat.signal_mv).any(axis=1)]
    if not len(leads):
        return Marks()
    rr_s = rr_s or 1.0
    qrs_v, p_v, t_v, spike_v = velocities(leads, beat.fs_hz)
    onset, offset = _qrs(qrs_v, beat.r_at, beat.fs_hz)
    onset = _from_spike(onset, qrs_v, spike_v, beat.r_at, beat.fs_hz)
    longest_s = min(_LONGEST_QT * np.sqrt(rr_s), _LONGEST_QT_SHARE * rr_s)
    last = min(onset + longest_s * beat.fs_hz, beat.r_at + (beat.until_next_s - _R_S) * beat.fs_hz)
    t_offset = _t_offset(t_v, offset, last, beat.fs_hz)
    t_before = (t_offset or offset + 0.2 * beat.fs_hz) - rr_s * beat.fs_hz
    p_onset, p_offset = p_wave(beat, p_v, onset, t_before, irregularity) or (None, None)
    return Marks(p_onset, p_offset, onset, offset, t_offset)


def _qrs(velocity: np.ndarray, r_at: int, fs_hz: float) -> tuple[float, float]:
    """Return where the QRS complex begins and ends; where there is no rest, where it is calmest."""
    near = r_at - round(_R_S * fs_hz)
    top = near + int(np.argmax(velocity[near : r_at + round(_R_S * fs_hz)]))
    first, last = fast_part(velocity, top, QRS_FAST, round(_QRS_FAST_S * fs_hz))
    low, high = r_at - round(_BEFORE_R_S * fs_hz), r_at + round(_AFTER_R_S * fs_hz)
    noise = QRS_NOISE * noise_of(velocity)
    onset = rest(velocity, first, low, QRS_ONSET_REST * velocity[top] + noise, 4)
    offset = rest(velocity, last, high, QRS_OFFSET_REST * velocity[top] + noise, 5)
    turns = valley(velocity, first, low, VALLEY * velocity[top], round(_VALLEY_S * fs_hz))
    onset = max((at for at in (onset, turns) if at is not None), default=None)
    if onset is None:
        onset = float(low + np.argmin(velocity[low:first])) if first > low else float(first)
    if offset is None:
        offset = float(last + np.argmin(velocity[last:high])) if high > last else float(last)
    return onset, _before_st(onset, offset, velocity, high, fs_hz)


def _before_st(onset: float, offset: float, velocity: np.ndarray, high: int, fs_hz: float) -> float:
    """Return the offset; of a complex wider than any, where it slows down before a steep ST.

    In bundle branch block and pacing the leads may go on from J into T without coming to rest.
    """
    if offset - onset <= WIDEST_S * fs_hz:
        return offset
    narrowest = round(onset + _NARROWEST_WIDE_S * fs_hz)
    slow = valley(velocity, narrowest, high, np.inf, round(_VALLEY_S * fs_hz))
    return offset if slow is None else slow


def _from_spike(
    onset: float, qrs_v: np.ndarray, spike_v: np.ndarray, r_at: int, fs_hz: float
) -> float:
    """Return the onset, moved to a pacing spike where one follows it and nothing lies between.

    A low-pass smears a spike over 20 ms before it; the nearly unfiltered velocity does not.
    """
    part = slice(round(onset), max(r_at, round(onset) + 1))
    sharp = spike_v[part] > _SPIKE_SHARPNESS * qrs_v[part].max()
    return part.start + float(sharp.argmax()) - 2.5 if sharp.any() else onset


def _t_offset(velocity: np.ndarray, offset: float, last: float, fs_hz: float) -> float | None:
    """Return where T ends: at rest after its fastest movement, or where it is calmest after it."""
    low = round(offset + 0.04 * fs_hz)
    high = min(round(last), len(velocity) - 5)
    if high - low < 0.06 * fs_hz:
        return None
    top = low + int(np.argmax(velocity[low:high]))
    level = T_REST * velocity[top] + T_NOISE * noise_of(velocity)
    _, last_fast = fast_part(velocity[:high], top, T_FAST, round(_T_FAST_S * fs_hz))
    end = rest(velocity, last_fast, high, level, 5)
    return float(last_fast + np.argmin(velocity[last_fast:high])) if end is None else end
