"""What numbers themselves show where a file says nothing: the order of leads, mV or µV."""

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.leads import LARGEST_NUMBER
from ecgcore.records.record import LEADS

MV_SPANS = (0.05, 20.0)
"""What the median lead of an ECG in mV spans (0.5 to 12 in 1,600 at hand); in µV, 1000 times."""
ORDER_GIVEN = "lead order assumed: I–III, aVR–aVF, V1–V6, as the caller said"
ORDER_PROVEN = (
    "lead order assumed: columns 1–6 prove to be I, II, III, aVR, aVL, aVF; 7–12 taken for V1–V6"
)


def order_of_twelve(name: str, rows: np.ndarray, assume_order: bool) -> tuple[str, ...]:
    """Return the note that says why twelve unnamed leads are taken for LEADS in order.

    Parameters
    ----------
    name
        The record's name, for messages.
    rows
        (12, T), any unit.
    assume_order
        Whether the caller says so.

    Raises
    ------
    UnreadableRecord
        Neither the caller nor the numbers say so.
    """
    if assume_order:
        return (ORDER_GIVEN,)
    if limb_leads_in_order(rows):
        return (ORDER_PROVEN,)
    raise UnreadableRecord(
        f"Record {name} has 12 columns without names, and the numbers do not prove the order "
        f"I, II, III, aVR, aVL, aVF, V1–V6. Name them ({','.join(LEADS[:3])},…,V6), or confirm "
        "that order (--assume-order)."
    )


def limb_leads_in_order(rows: np.ndarray) -> bool:
    """Return whether rows 1–6 obey Einthoven (1912) and Goldberger (1942) as I, II, III, aVR …"""
    limb = _finite(rows[:6])
    if np.isnan(limb).all(axis=1).any():
        return False
    one, two, *others = limb
    expected = (two - one, -(one + two) / 2, one - two / 2, two - one / 2)
    spans = np.nanmax(limb, axis=1) - np.nanmin(limb, axis=1)
    if not (spans > 0).all():
        return False
    both = [~np.isnan(o) & ~np.isnan(e) for o, e in zip(others, expected, strict=True)]
    if not all(there.any() for there in both):
        return False
    off = [np.abs(o - e)[there].mean() for o, e, there in zip(others, expected, both, strict=True)]
    return bool(max(off) < 0.02 * np.median(spans))


def in_mv_by_size(name: str, rows: np.ndarray, advice: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return unnamed units as mV by the size of the numbers, and a note of it.

    Parameters
    ----------
    rows
        (leads, T) in mV or µV.
    advice
        How to say the unit in a file of this format, for the message.

    Raises
    ------
    UnreadableRecord
        They are too small or too large for either, or may be both.
    """
    span = _median_span(rows)
    low, high = MV_SPANS
    if span is None or low <= span <= high:
        return rows, ("scale assumed: mV",)
    if 1000 * low <= span <= 1000 * high and span > 5 * high:
        return _finite(rows) / 1000, ("scale assumed: µV",)
    raise UnreadableRecord(
        f"Record {name}: its leads span {span:g} (median), which is neither mV ({low:g} to "
        f"{high:g}) nor µV ({5 * high:g} to {1000 * high:g}). {advice}"
    )


def _finite(rows: np.ndarray) -> np.ndarray:
    """Return numbers as float64, NaN for those that are no measurement in any unit."""
    rows = rows.astype(np.float64)
    return np.where(np.abs(rows) < LARGEST_NUMBER, rows, np.nan)


def _median_span(rows: np.ndarray) -> float | None:
    rows = _finite(rows)
    there = rows[~np.isnan(rows).all(axis=1)]
    spans = np.nanmax(there, axis=1) - np.nanmin(there, axis=1) if there.size else np.array([])
    return float(np.median(spans[spans > 0])) if (spans > 0).any() else None
