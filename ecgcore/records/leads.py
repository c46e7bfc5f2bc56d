"""Twelve leads in one order from whatever names and order a file uses."""

import re

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.record import LEADS

_LIMB = {"I": "DI", "II": "DII", "III": "DIII", "aVR": "DAVR", "aVL": "DAVL", "aVF": "DAVF"}
_SPELLINGS = (
    {lead.upper(): lead for lead in LEADS}
    | {f"MDC_ECG_LEAD_{lead.upper()}": lead for lead in LEADS}
    | {other: lead for lead, other in _LIMB.items()}
)
DERIVABLE = frozenset({"III", "aVR", "aVL", "aVF"})
_KNOWN = re.compile(
    r"[ID]{0,4}|D?AV[RLF]|-AVR|V\d{0,2}R?|V[XYZE]|[XYZ]|MLI{1,3}|M[CV]\d|CM\d|ABP|ART|CVP|PAP|ICP|"
    r"PLETH|RESP|SPO2|PPG|CO2|EEG|EMG|EOG|ECG ?\d*|MDC_ECG_LEAD_\w{1,5}",
    re.I,
)
"""Names of signals that are no secret."""
LARGEST_NUMBER = 1e30
"""A larger number is no measurement, in whatever unit (and may not fit float32)."""
LARGEST_SPAN_MV = 100.0
"""The median lead of no ECG spans this much; the largest of 12,000 at hand, an artefact, 50."""


def standard_lead(name: str) -> str | None:
    """Return the lead that a file calls ``name`` (``AVR``, ``DI``, ``MDC_ECG_LEAD_V1`` …), or None.

    Only whole names count: ``MLII`` is not II, and ``V5R`` is not V5.
    """
    return _SPELLINGS.get(name.strip().upper())


def twelve_leads(
    name: str, columns: list[str], signal_mv: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Put the rows of a recording in the order of LEADS; derive limb leads that are not there.

    Parameters
    ----------
    name
        The record's name, for messages.
    columns
        What the file calls each row.
    signal_mv
        (len(columns), T), mV, NaN where missing.

    Returns
    -------
    signal_mv, notes
        (12, T) float32 in mV, and what was done.

    Raises
    ------
    UnreadableRecord
        A lead is missing and cannot be derived, stands twice, or holds no signal.
    """
    rows = refuse_missing(name, columns)
    missing = [lead for lead in LEADS if lead not in rows]
    arranged = np.empty((12, signal_mv.shape[1]), np.float32)
    one, two = (_finite(signal_mv[rows[lead]]) for lead in ("I", "II"))
    for i, lead in enumerate(LEADS):
        arranged[i] = (
            _derived(lead, one, two) if lead in missing else _finite(signal_mv[rows[lead]])
        )
    notes = _about_columns(columns, rows, missing) + _about_signal(name, arranged)
    return arranged, notes


def refuse_missing(name: str, columns: list[str]) -> dict[str, int]:
    """Return the row of each lead in ``columns``, or say which are missing or stand twice.

    Raises
    ------
    UnreadableRecord
        A lead is missing that cannot be derived from I and II, or stands twice.
    """
    rows = _rows_by_lead(name, columns)
    needed = [lead for lead in LEADS if lead not in rows and lead not in DERIVABLE]
    if needed:
        raise UnreadableRecord(
            f"Record {name} has {_listed(columns)}; 12 are needed (I, II, III, aVR, aVL, aVF, "
            f"V1–V6), and {', '.join(needed)} cannot be derived."
        )
    return rows


def _rows_by_lead(name: str, columns: list[str]) -> dict[str, int]:
    rows: dict[str, int] = {}
    for row, column in enumerate(columns):
        lead = standard_lead(column)
        if lead in rows:
            raise UnreadableRecord(
                f"Record {name} has lead {lead} twice; each lead may stand once. "
                "Remove the one that is not meant."
            )
        if lead:
            rows[lead] = row
    return rows


def _finite(signal: np.ndarray) -> np.ndarray:
    """Return (T,) float64, NaN for what is no measurement in any unit."""
    whole = signal.astype(np.float64)
    return np.where(np.abs(whole) < LARGEST_NUMBER, whole, np.nan)


def _derived(lead: str, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return a limb lead from I and II (Einthoven 1912, Goldberger 1942)."""
    if lead == "III":
        return two - one
    if lead == "aVR":
        return -(one + two) / 2
    return one - two / 2 if lead == "aVL" else two - one / 2


def _about_columns(columns: list[str], rows: dict[str, int], missing: list[str]) -> tuple[str, ...]:
    notes = []
    if missing:
        notes.append(f"{', '.join(missing)} derived from I and II")
    if len(columns) > len(rows):
        unused = [c for i, c in enumerate(columns) if i not in rows.values()]
        notes.append(f"not used: {_told(unused)}")
    return tuple(notes)


def _about_signal(name: str, signal_mv: np.ndarray) -> tuple[str, ...]:
    """Say which leads are flat, and refuse what holds no ECG at all."""
    if signal_mv.shape[1] == 0:
        raise UnreadableRecord(f"Record {name} has no samples.")
    there = ~np.isnan(signal_mv)
    empty = [lead for lead, row in zip(LEADS, there, strict=True) if not row.any()]
    if empty:
        which = "any lead" if len(empty) == 12 else ", ".join(empty)
        raise UnreadableRecord(
            f"Record {name} has no signal in {which}: every sample is marked as missing."
        )
    spans_mv = np.nanmax(signal_mv, axis=1) - np.nanmin(signal_mv, axis=1)  # (12,)
    flat = [lead for lead, span in zip(LEADS, spans_mv, strict=True) if span == 0]
    if len(flat) == 12:
        raise UnreadableRecord(f"Record {name} is flat: no lead ever changes its value.")
    span_mv = float(np.median(spans_mv[spans_mv > 0]))
    if span_mv > LARGEST_SPAN_MV:
        raise UnreadableRecord(
            f"Record {name} spans {span_mv:,.0f} mV (median of its leads); an ECG spans "
            "0.1 to 20 mV. Correct the gain or the unit that the file states."
        )
    return (f"flat: {', '.join(flat)}",) if flat else ()


def _listed(columns: list[str]) -> str:
    if not any(map(_KNOWN.fullmatch, columns)):
        return f"{len(columns)} {'signal' if len(columns) == 1 else 'signals'} named after no lead"
    return f"{len(columns)} {'lead' if len(columns) == 1 else 'leads'} ({_told(columns)})"


def _told(columns: list[str]) -> str:
    """Return names that may be told: those of leads and signals, as other words may be anyone's."""
    known = [column for column in columns if _KNOWN.fullmatch(column)][:15]
    others = len(columns) - len(known)
    return ", ".join(known + ([f"{others} more"] if known else [f"{others}"]) * (others > 0))
