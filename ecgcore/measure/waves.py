"""What each lead shows in a median beat: amplitudes and widths of its waves, and its ST level."""

from dataclasses import dataclass, fields

import numpy as np

from ecgcore.measure.delineation import Marks
from ecgcore.measure.median_beat import MedianBeat

SMALLEST_MV, SHORTEST_S = 0.025, 0.006
"""A deflection below either is no wave (Minnesota code: 0.025 mV; CSE working party: 6 ms)."""
_BASELINE_S = 0.016


@dataclass(frozen=True)
class LeadWaves:
    """The waves of one lead; amplitudes in mV from the level just before the QRS complex.

    Attributes
    ----------
    p_mv, t_mv
        The largest deflection of P and T, signed. Null where there is no such wave.
    q_mv, r_mv, s_mv, r2_mv
        Q and S are negative, 0 where the lead has no such wave. A complex that is all negative
        (QS) stands as Q and as S.
    q_ms, r_ms, s_ms, r2_ms
        Their widths.
    r_peak_ms
        From the onset of the QRS complex (over all leads) to the peak of the last R wave.
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
    runs = _deflections(part, fs_hz)
    found: dict[str, float | None] = dict.fromkeys(("q_mv", "r_mv", "s_mv", "r2_mv"), 0.0)
    found |= dict.fromkeys(("q_ms", "r_ms", "s_ms", "r2_ms"), 0.0)
    ups = [i for i, run in enumerate(runs) if run[0] > 0]
    peak_at = None
    if not ups:
        if runs:
            deepest = min(runs)
            found |= {"q_mv": deepest[0], "s_mv": deepest[0]}
            found |= {"q_ms": deepest[1], "s_ms": deepest[1]}
        return found | {"r_peak_ms": None}
    first = ups[0]
    named = {"q": runs[:first][-1:], "r": runs[first : first + 1]}
    named |= {"s": runs[first + 1 : first + 2], "r2": runs[first + 2 : first + 3]}
    for wave, run in named.items():
        if run:
            found |= {f"{wave}_mv": run[0][0], f"{wave}_ms": run[0][1]}
    peak_at = (named["r2"] or named["r"])[0][2]
    return found | {"r_peak_ms": peak_at}


def _deflections(part: np.ndarray, fs_hz: float) -> list[tuple[float, float, float]]:
    """Return (peak mV, width ms, time of the peak ms) of each wave, alternating in sign."""
    bounds = np.flatnonzero(np.diff(np.sign(part)) != 0) + 1
    waves: list[tuple[float, float, float]] = []
    for start, stop in zip([0, *bounds], [*bounds, len(part)], strict=True):
        run = part[start:stop]
        at = int(np.argmax(np.abs(run)))
        ms = 1000 / fs_hz
        wave = (float(run[at]), len(run) * ms, (start + at) * ms)
        if abs(wave[0]) < SMALLEST_MV or wave[1] < 1000 * SHORTEST_S:
            continue
        if waves and waves[-1][0] * wave[0] > 0:
            larger = max(waves[-1], wave, key=lambda w: abs(w[0]))
            waves[-1] = (larger[0], waves[-1][1] + wave[1], larger[2])
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
