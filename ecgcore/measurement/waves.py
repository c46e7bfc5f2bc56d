"""Waves of each lead in a median beat: their amplitudes and widths, and the ST level."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from ecgcore.measurement.delineation import Fiducials
from ecgcore.measurement.median_beat import MedianBeat

SMALLEST_MV, SHORTEST_S = 0.025, 0.006
"""A deflection below either is not a wave (Minnesota code: 0.025 mV; CSE working party: 6 ms)."""
SMALLEST_SHARE = 0.04
"""Nor is one below this share of the lead's largest: a steep QRS rings that much at 100 Hz."""
_BASELINE_S = 0.016


@dataclass(frozen=True)
class LeadWaves:
    """Waves of one lead; amplitudes in mV from the level just before the QRS complex.

    Attributes
    ----------
    p_mv, t_mv
        The largest deflection of P and T, signed; None where there is no such wave.
    q_mv, r_mv, s_mv, r2_mv
        Q before the first R, the deepest S and the highest R' after it. Q and S are negative; 0
        where the lead has no such wave. A complex that is all negative (QS), or ends in a smaller
        r, counts as Q and as S. Where a small R precedes (rsR'), the main wave is R': voltage
        criteria use the larger.
    q_ms, r_ms, s_ms, r2_ms
        Widths of these waves.
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


def lead_waves(beat: MedianBeat, fiducials: Fiducials) -> list[LeadWaves]:
    """Return the waves of each lead of a median beat; all None where it has no signal."""
    if fiducials.qrs_onset is None or fiducials.qrs_offset is None:
        return [LeadWaves() for _ in beat.signal_mv]
    on, off = round(fiducials.qrs_onset), round(fiducials.qrs_offset)
    baseline = beat.signal_mv[:, max(0, on - round(_BASELINE_S * beat.fs_hz)) : on + 1]
    from_baseline = beat.signal_mv - np.median(baseline, axis=1, keepdims=True)
    has_signal = ~np.isnan(from_baseline[:, on : off + 1]).any(axis=1)
    return [
        _waves(lead_mv, fiducials, on, off, beat.fs_hz) if is_known else LeadWaves()
        for lead_mv, is_known in zip(from_baseline, has_signal, strict=True)
    ]


def _waves(
    from_baseline: np.ndarray, fiducials: Fiducials, on: int, off: int, fs_hz: float
) -> LeadWaves:
    return LeadWaves(
        **_qrs(from_baseline[on : off + 1], fs_hz),
        **_st(from_baseline, off, fs_hz),
        p_mv=_largest(from_baseline, fiducials.p_onset, fiducials.p_offset),
        t_mv=_largest(from_baseline, off + 0.06 * fs_hz, fiducials.t_offset),
    )


def _qrs(complex_mv: np.ndarray, fs_hz: float) -> dict[str, float | None]:
    """Return amplitudes and widths of Q, R, S and R' of a QRS complex."""
    none = _Deflection(0.0, 0.0, None)
    waves = _deflections(complex_mv, fs_hz)
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
    values: dict[str, float | None] = {"r_peak_ms": r2.peak_ms if r2.mv else r.peak_ms}
    for name, wave in (("q", q), ("r", r), ("s", s), ("r2", r2)):
        values |= {f"{name}_mv": wave.mv, f"{name}_ms": wave.ms}
    return values


class _Deflection(NamedTuple):
    """Amplitude, width and time of the peak of a wave."""

    mv: float
    ms: float
    peak_ms: float | None


def _deflections(complex_mv: np.ndarray, fs_hz: float) -> list[_Deflection]:
    """Return the waves of a QRS complex, alternating in sign."""
    bounds = np.flatnonzero(np.diff(np.sign(complex_mv)) != 0) + 1
    smallest_mv = max(SMALLEST_MV, SMALLEST_SHARE * float(np.abs(complex_mv).max()))
    step_ms = 1000 / fs_hz
    waves: list[_Deflection] = []
    for start, stop in zip([0, *bounds], [*bounds, len(complex_mv)], strict=True):
        peak = start + int(np.argmax(np.abs(complex_mv[start:stop])))
        peak_mv = float(complex_mv[peak])
        # A slope that only rises or falls towards the last sample is ST, not a wave.
        is_last = stop == len(complex_mv)
        height_mv = abs(peak_mv - complex_mv[-1]) if is_last else abs(peak_mv)
        if height_mv < smallest_mv or stop - start < SHORTEST_S * fs_hz:
            continue
        wave = _Deflection(peak_mv, float((stop - start) * step_ms), float(peak * step_ms))
        if waves and waves[-1].mv * peak_mv > 0:
            larger = max(waves[-1], wave, key=lambda w: abs(w.mv))
            waves[-1] = larger._replace(ms=waves[-1].ms + wave.ms)
        else:
            waves.append(wave)
    return waves


def _st(from_baseline: np.ndarray, off: int, fs_hz: float) -> dict[str, float | None]:
    j60 = off + round(0.06 * fs_hz)
    return {
        "st_j_mv": _or_none(from_baseline[off]),
        "st_j60_mv": _or_none(from_baseline[j60]) if j60 < len(from_baseline) else None,
    }


def _largest(from_baseline: np.ndarray, start: float | None, stop: float | None) -> float | None:
    """Return the value farthest from the baseline between two samples."""
    if start is None or stop is None:
        return None
    segment = from_baseline[round(start) : round(stop) + 1]
    if not len(segment) or np.isnan(segment).any():
        return None
    return float(segment[np.argmax(np.abs(segment))])


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
