"""What each lead shows in a median beat: amplitudes and widths of its waves, and its ST level."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from ecgcore.measure.delineation import Marks
from ecgcore.measure.median_beat import MedianBeat

SMALLEST_MV, SHORTEST_S = 0.025, 0.006
"""A deflection below either is no wave (Minnesota code: 0.025 mV; CSE working party: 6 ms)."""
SMALLEST_SHARE = 0.04
"""Nor is one below this share of the lead's largest: a steep QRS rings by that much at 100 Hz."""
_BASELINE_S = 0.016


@dataclass(frozen=True)
class LeadWaves:
    """The waves of one lead; amplitudes in mV from the level just before the QRS complex.

    Attributes
    ----------
    p_mv, t_mv
        The largest deflection of P and T, signed. Null where there is no such wave.
    q_mv, r_mv, s_mv, r2_mv
        Q before the first R, the deepest S and the highest R' after it. Q and S are negative; 0
        where the lead has no such wave. A complex that is all negative (QS), or ends in a smaller
        r, stands as Q and as S.
        Where a small R precedes (rsR'), the main wave is R': voltage criteria take the larger.
    q_ms, r_ms, s_ms, r2_ms
        Their widths.
    r_peak_ms
        From the onset of the QRS complex (over all leads) to the peak of R', or of R.
    st_j_mv, st_j60_mv
        At the end of the QRS complex (over all leads), and 60 ms later.
    """

    p_mv: float | None = None
    q_mv: float | None = None
    r_mv: float | None = None
    s_mv: float | None = None
    r2_mv: float | None = None
    t_mv: float | None = None
    q_ms: float | None = None
    r_ms: float | None = None
    s_ms: float | None = None
    r2_ms: float | None = None
    r_peak_ms: float | None = None
    st_j_mv: float | None = None
    st_j60_mv: float | None = None

    @property
    def tallest_r_mv(self) -> float | None:
        """The larger of R and R'."""
        return None if self.r_mv is None or self.r2_mv is None else max(self.r_mv, self.r2_mv)


WAVE_FIELDS = tuple(field.name for field in fields(LeadWaves))


def lead_waves(beat: MedianBeat, marks: Marks, lead: int) -> LeadWaves:
    """Return the waves of one row of a median beat; all None where it has no signal."""
    x = beat.signal_mv[lead]
    if marks.qrs_onset is None or marks.qrs_offset is None:
        return LeadWaves()
    on, off = round(marks.qrs_onset), round(marks.qrs_offset)
    base = x[max(0, on - round(_BASELINE_S * beat.fs_hz)) : on + 1]
    if np.isnan(x[on : off + 1]).any() or np.isnan(base).any():
        return LeadWaves()
    level = x - np.median(base)
    return LeadWaves(
        **_qrs(level[on : off + 1], beat.fs_hz),
        **_st(level, off, beat.fs_hz),
        p_mv=_largest(level, marks.p_onset, marks.p_offset),
        t_mv=_largest(level, off + 0.06 * beat.fs_hz, marks.t_offset),
    )


def _qrs(part: np.ndarray, fs_hz: float) -> dict[str, float | None]:
    """Return amplitudes and widths of Q, R, S and R' between the marks."""
    none = _Deflection(0.0, 0.0, None)
    waves = _deflections(part, fs_hz)
    first = next((i for i, wave in enumerate(waves) if wave.mv > 0), None)
    if first is None:
        q = s = min(waves, default=none)
        r = r2 = none
    else:
        q = waves[first - 1] if first else none
        r, after = waves[first], waves[first + 1 :]
        s = min((wave for wave in after if wave.mv < 0), default=none)
        r2 = max((wave for wave in after if wave.mv > 0), default=none)
        if not s.mv and -q.mv > r.mv:
            s = q
    named: dict[str, float | None] = {"r_peak_ms": r2.at_ms if r2.mv else r.at_ms}
    for name, wave in (("q", q), ("r", r), ("s", s), ("r2", r2)):
        named |= {f"{name}_mv": wave.mv, f"{name}_ms": wave.ms}
    return named


class _Deflection(NamedTuple):
    """The peak of a wave, how wide it is, and when its peak comes."""

    mv: float
    ms: float
    at_ms: float | None


def _deflections(part: np.ndarray, fs_hz: float) -> list[_Deflection]:
    """Return the waves of a lead between the marks, alternating in sign."""
    bounds = np.flatnonzero(np.diff(np.sign(part)) != 0) + 1
    smallest_mv = max(SMALLEST_MV, SMALLEST_SHARE * float(np.abs(part).max()))
    step_ms = 1000 / fs_hz
    waves: list[_Deflection] = []
    for start, stop in zip([0, *bounds], [*bounds, len(part)], strict=True):
        at = start + int(np.argmax(np.abs(part[start:stop])))
        peak = float(part[at])
        # What only rises or falls towards the last sample is ST, not a wave.
        height = abs(peak - part[-1]) if stop == len(part) else abs(peak)
        if height < smallest_mv or stop - start < SHORTEST_S * fs_hz:
            continue
        wave = _Deflection(peak, float((stop - start) * step_ms), float(at * step_ms))
        if waves and waves[-1].mv * peak > 0:
            larger = max(waves[-1], wave, key=lambda w: abs(w.mv))
            waves[-1] = larger._replace(ms=waves[-1].ms + wave.ms)
        else:
            waves.append(wave)
    return waves


def _st(level: np.ndarray, off: int, fs_hz: float) -> dict[str, float | None]:
    later = off + round(0.06 * fs_hz)
    return {
        "st_j_mv": _number(level[off]),
        "st_j60_mv": _number(level[later]) if later < len(level) else None,
    }


def _largest(level: np.ndarray, start: float | None, stop: float | None) -> float | None:
    """Return the value farthest from the baseline between two marks."""
    if start is None or stop is None:
        return None
    part = level[round(start) : round(stop) + 1]
    if not len(part) or np.isnan(part).any():
        return None
    return float(part[np.argmax(np.abs(part))])


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
