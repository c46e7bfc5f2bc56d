"""Bringing a record to one rate and one length."""

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

import numpy as np

from ecgcore.records.record import Record

PASSBAND = 0.9
"""Share of the lower Nyquist frequency that is kept.

PTB-XL's own 100 Hz recordings are their 500 Hz ones cut at 45 Hz (−6 dB): a filter fitted between
the two by least squares leaves 1.5 µV, and passes 0.99 at 40 Hz, 0.45 at 45 Hz, 0.08 at 48 Hz.
"""
_MARGIN_S = 1.0


def bring_to(record: Record, fs_hz: float, duration_s: float) -> Record:
    """Return the record at ``fs_hz``, exactly ``duration_s`` long.

    Resampled without aliasing (polyphase); longer ones give their first window, shorter ones are
    filled up with NaN. What was done is in the notes.

    Parameters
    ----------
    fs_hz
        Hz, the rate wanted.
    duration_s
        Seconds, the length wanted.
    """
    notes = []
    n_samples = round(duration_s * fs_hz)
    signal_mv = record.signal_mv[:, : round((duration_s + _MARGIN_S) * record.fs_hz)]
    if fs_hz != record.fs_hz:
        signal_mv = resampled(signal_mv, record.fs_hz, fs_hz)
        notes.append(f"resampled from {record.fs_hz:g} to {fs_hz:g} Hz")
    if record.duration_s > duration_s:
        notes.append(f"first {duration_s:g} s of {record.duration_s:g} s")
    missing = n_samples - signal_mv.shape[1]
    if missing > 0:
        signal_mv = np.pad(signal_mv, ((0, 0), (0, missing)), constant_values=np.nan)
        notes.append(f"filled from {record.duration_s:g} to {duration_s:g} s with missing values")
    if not notes:
        return record
    return replace(
        record,
        signal_mv=np.ascontiguousarray(signal_mv[:, :n_samples], dtype=np.float32),
        fs_hz=float(fs_hz),
        notes=(*record.notes, *notes),
    )


def resampled(signal_mv: np.ndarray, from_hz: float, to_hz: float) -> np.ndarray:
    """Return (leads, T') float32 at ``to_hz``, frequencies below 90 % of both Nyquists kept.

    Gaps are bridged for the filter and are gaps again afterwards.
    """
    from scipy.signal import resample_poly  # a second to import, which most records never need

    ratio = Fraction(to_hz / from_hz).limit_denominator(1000)
    bridged, gaps = _bridged(signal_mv)
    out = resample_poly(
        bridged,
        ratio.numerator,
        ratio.denominator,
        axis=1,
        window=_low_pass(max(ratio.numerator, ratio.denominator)),
        padtype="edge",
    ).astype(np.float32)
    if gaps.any():
        nearest = np.rint(np.arange(out.shape[1]) * (from_hz / to_hz)).astype(int)
        out[gaps[:, np.minimum(nearest, gaps.shape[1] - 1)]] = np.nan
    return out


@lru_cache(maxsize=16)
def _low_pass(factor: int) -> np.ndarray:
    """Return a Kaiser-windowed low-pass for ``factor``, 20 samples of the slower rate each way."""
    from scipy.signal import firwin

    return firwin(2 * 20 * factor + 1, PASSBAND / factor, window=("kaiser", 5.0))


def _bridged(signal_mv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    gaps = np.isnan(signal_mv)
    if not gaps.any():
        return signal_mv.astype(np.float64), gaps
    bridged = signal_mv.astype(np.float64)
    at = np.arange(signal_mv.shape[1])
    for lead, gap in zip(bridged, gaps, strict=True):
        lead[gap] = np.interp(at[gap], at[~gap], lead[~gap]) if not gap.all() else 0.0
    return bridged, gaps
