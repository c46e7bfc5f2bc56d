"""Filters for the human page alone: what people see, never what is measured or classified.

Zero-phase Butterworth filters of second order, run forwards and backwards. From 0.05 to 150 Hz is
what diagnosis asks for; a low-pass of 40 Hz makes R waves lower and hides notches (Kligfield et al.
2007, doi:10.1016/j.jacc.2007.01.024), so the page says which filter it was drawn through.
"""

from dataclasses import replace

import numpy as np

from ecgcore.errors import NotFound
from ecgcore.records.record import Record

_BANDS_HZ: dict[str, tuple[float, float]] = {
    "0.05-150": (0.05, 150.0),
    "0.05-40": (0.05, 40.0),
    "0.5-40": (0.5, 40.0),
}
FILTERS = ("none", *_BANDS_HZ)
_STATED_FROM_HZ = 100.0  # below, a low-pass changes what is diagnosed


def filtered(record: Record, name: str) -> Record:
    """Return a record as it looks through a filter, NaN where nothing was recorded.

    A low-pass at or above half the record's rate has nothing to remove and is left out.

    Raises
    ------
    NotFound
        No filter of that name in FILTERS.
    """
    if name not in FILTERS:
        raise NotFound.among("display filter", name, FILTERS)
    if name == "none":
        return record
    rows = [_through(row, record.fs_hz, *_BANDS_HZ[name]) for row in record.signal_mv]
    return replace(record, signal_mv=np.stack(rows))


def told(name: str, fs_hz: float) -> str:
    """Return in words what a filter did to a record of that rate."""
    if name == "none":
        return "no filter applied"
    low_hz, high_hz = _BANDS_HZ[name]
    high = f" to {high_hz:g} Hz" if high_hz < fs_hz / 2 else ""
    doubt = " (R waves and notches look smaller)" if high and high_hz < _STATED_FROM_HZ else ""
    return f"display filter from {low_hz:g} Hz{high}{doubt}"


def _through(row_mv: np.ndarray, fs_hz: float, low_hz: float, high_hz: float) -> np.ndarray:
    """Return one lead (T,) filtered; each stretch without gaps by itself.

    It is mirrored at its ends: turned upside down there, as is usual, a stretch that ends within a
    QRS complex would drift.
    """
    from scipy.signal import butter, sosfiltfilt

    sections = [butter(2, low_hz, "highpass", fs=fs_hz, output="sos")]
    if high_hz < fs_hz / 2:
        sections.append(butter(2, high_hz, "lowpass", fs=fs_hz, output="sos"))
    out = row_mv.astype(np.float64)
    there = np.isfinite(row_mv)
    for start, end in np.flatnonzero(np.diff(there, prepend=False, append=False)).reshape(-1, 2):
        for sos in sections:
            pad = min(end - start - 1, round(3 * fs_hz / low_hz))
            out[start:end] = sosfiltfilt(sos, out[start:end], padtype="even", padlen=pad)
    return out.astype(np.float32)
