"""Resampling a record to one sampling rate and one length."""

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

import numpy as np

from ecgcore.records.record import Record

PASSBAND = 0.9
"""Share of the lower Nyquist frequency that passes.

PTB-XL's own 100 Hz recordings are their 500 Hz ones cut at 45 Hz (−6 dB): a filter fitted between
the two by least squares leaves 1.5 µV, and passes 0.99 at 40 Hz, 0.45 at 45 Hz, 0.08 at 48 Hz.
"""
_MARGIN_S = 1.0  # read beyond the window, so that the filter's edge lies outside it


def resample_record(record: Record, fs_hz: float, duration_s: float) -> Record:
    """Return the record at ``fs_hz``, exactly ``duration_s`` long.

    Resampling is free of aliasing (polyphase); longer records give their first window, shorter ones
    are padded with NaN. The notes state each step.

    Parameters
    ----------
    fs_hz
        Target sampling rate in Hz.
    duration_s
        Target length in seconds.
    """
    notes = []
    n_samples = round(duration_s * fs_hz)
    signal_mv = record.signal_mv[:, : round((duration_s + _MARGIN_S) * record.fs_hz)]
    if fs_hz != record.fs_hz:
        signal_mv = resample_signal(signal_mv, record.fs_hz, fs_hz)
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


def resample_signal(signal_mv: np.ndarray, from_hz: float, to_hz: float) -> np.ndarray:
    """Return (leads, T') float32 at ``to_hz``; up to 90 % of both Nyquist frequencies pass.

    Gaps are bridged for the filter and are gaps again afterwards.
    """
    from scipy.signal import resample_poly  # takes a second to import; few records need it

    ratio = Fraction(to_hz / from_hz).limit_denominator(1000)
    bridged_mv, gaps = bridge_gaps(signal_mv)
    resampled_mv = resample_poly(
        bridged_mv,
        ratio.numerator,
        ratio.denominator,
        axis=1,
        window=_low_pass(max(ratio.numerator, ratio.denominator)),
        padtype="edge",
    ).astype(np.float32)
    if gaps.any():
        nearest = np.rint(np.arange(resampled_mv.shape[1]) * (from_hz / to_hz)).astype(int)
        resampled_mv[gaps[:, np.minimum(nearest, gaps.shape[1] - 1)]] = np.nan
    return resampled_mv


@lru_cache(maxsize=16)
def _low_pass(factor: int) -> np.ndarray:
    """Return a Kaiser-windowed low-pass for ``factor``, 20 samples of the slower rate each way."""
    from scipy.signal import firwin

    return firwin(2 * 20 * factor + 1, PASSBAND / factor, window=("kaiser", 5.0))


def bridge_gaps(signal_mv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (leads, T) float64 with NaN gaps interpolated linearly, and a mask of the gaps.

    Gaps at the ends take the nearest value; a lead without any value is 0.
    """
    gaps = np.isnan(signal_mv)
    if not gaps.any():
        return signal_mv.astype(np.float64), gaps
    bridged_mv = signal_mv.astype(np.float64)
    samples = np.arange(signal_mv.shape[1])
    for lead, gap in zip(bridged_mv, gaps, strict=True):
        lead[gap] = np.interp(samples[gap], samples[~gap], lead[~gap]) if not gap.all() else 0.0
    return bridged_mv, gaps
