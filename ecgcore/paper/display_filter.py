"""Display filters of the paper page; they never touch what is measured or classified.

Zero-phase Butterworth filters of second order, run forwards and backwards. Diagnosis needs 0.05 to
150 Hz; a low-pass of 40 Hz lowers R waves and hides notches (Kligfield et al. 2007,
doi:10.1016/j.jacc.2007.01.024), so the page states its filter.
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
_DIAGNOSTIC_HZ = 100.0  # a low-pass below this alters diagnostic details


def apply_filter(record: Record, name: str) -> Record:
    """Return a record filtered for display, NaN where nothing was recorded.

    A low-pass at or above half the record's rate has nothing to remove and is left out.

    Raises
    ------
    NotFound
        The name is not in FILTERS.
    """
    if name not in FILTERS:
        raise NotFound.among("display filter", name, FILTERS)
    if name == "none":
        return record
    rows = [_filter_lead(row, record.fs_hz, *_BANDS_HZ[name]) for row in record.signal_mv]
    return replace(record, signal_mv=np.stack(rows))


def describe_filter(name: str, fs_hz: float) -> str:
    """Return in words the effect of a filter on a record of that sampling rate."""
    if name == "none":
        return "no filter applied"
    low_hz, high_hz = _BANDS_HZ[name]
    high = f" to {high_hz:g} Hz" if high_hz < fs_hz / 2 else ""
    caution = " (R waves and notches look smaller)" if high and high_hz < _DIAGNOSTIC_HZ else ""
    return f"display filter from {low_hz:g} Hz{high}{caution}"


def _filter_lead(row_mv: np.ndarray, fs_hz: float, low_hz: float, high_hz: float) -> np.ndarray:
    """Return one lead (T,) filtered, each stretch without gaps separately.

    Stretches are mirrored at their ends: with the usual odd extension, a stretch that ends within a
    QRS complex would drift.
    """
    from scipy.signal import butter, sosfiltfilt

    sections = [butter(2, low_hz, "highpass", fs=fs_hz, output="sos")]
    if high_hz < fs_hz / 2:
        sections.append(butter(2, high_hz, "lowpass", fs=fs_hz, output="sos"))
    out = row_mv.astype(np.float64)
    present = np.isfinite(row_mv)
    edges = np.flatnonzero(np.diff(present, prepend=False, append=False))
    for start, end in edges.reshape(-1, 2):
        for sos in sections:
            pad = min(end - start - 1, round(3 * fs_hz / low_hz))
            out[start:end] = sosfiltfilt(sos, out[start:end], padtype="even", padlen=pad)
    return out.astype(np.float32)
