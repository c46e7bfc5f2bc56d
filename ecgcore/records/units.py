"""Millivolts: factors of the units that files state, and inference where they state none."""

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.leads import finite

MV_PER_UNIT = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}
"""Millivolts in one unit, by the unit's name in lower case (both µ of Unicode)."""
MV_SPANS = (0.05, 20.0)
"""Range of the median lead's span in mV (0.5 to 12 in 1,600 ECGs at hand); in µV, 1000 times."""


def infer_mv(name: str, rows: np.ndarray, advice: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return rows without a stated unit in mV, inferred from their amplitude, and a note of it.

    Parameters
    ----------
    name
        The record's name, for messages.
    rows
        (leads, T) in mV or µV.
    advice
        For the message: how a file of this format states its unit.

    Raises
    ------
    UnreadableRecord
        The amplitude fits neither unit, or both.
    """
    span = _median_span(rows)
    low, high = MV_SPANS
    if span is None or low <= span <= high:
        return rows, ("scale assumed: mV",)
    if 1000 * low <= span <= 1000 * high and span > 5 * high:
        return finite(rows) / 1000, ("scale assumed: µV",)
    raise UnreadableRecord(
        f"Record {name}: its leads span {span:g} (median), which is neither mV ({low:g} to "
        f"{high:g}) nor µV ({5 * high:g} to {1000 * high:g}). {advice}"
    )


def _median_span(rows: np.ndarray) -> float | None:
    rows = finite(rows)
    recorded = rows[~np.isnan(rows).all(axis=1)]
    if not recorded.size:
        return None
    spans = np.nanmax(recorded, axis=1) - np.nanmin(recorded, axis=1)
    return float(np.median(spans[spans > 0])) if (spans > 0).any() else None
