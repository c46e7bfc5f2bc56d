"""Lead names and lead order: from any spelling and order in a file to the twelve LEADS."""

import re

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.record import LEADS

_LIMB = {"I": "DI", "II": "DII", "III": "DIII", "aVR": "DAVR", "aVL": "DAVL", "aVF": "DAVF"}
_SPELLINGS = (
    {lead.upper(): lead for lead in LEADS}
    | {f"MDC_ECG_LEAD_{lead.upper()}": lead for lead in LEADS}
    | {spelling: lead for lead, spelling in _LIMB.items()}
)
DERIVABLE = frozenset({"III", "aVR", "aVL", "aVF"})
_PUBLIC_NAMES = re.compile(
    r"[ID]{0,4}|D?AV[RLF]|-AVR|V\d{0,2}R?|V[XYZE]|[XYZ]|MLI{1,3}|M[CV]\d|CM\d|ABP|ART|CVP|PAP|ICP|"
    r"PLETH|RESP|SPO2|PPG|CO2|EEG|EMG|EOG|ECG ?\d*|MDC_ECG_LEAD_\w{1,5}",
    re.I,
)
"""Signal names that messages may repeat; any other word may be a person's name."""
LARGEST_NUMBER = 1e30
"""A larger number is no measurement in any unit (and may not fit float32)."""
LARGEST_SPAN_MV = 100.0
"""No ECG's median lead spans this much; the largest of 12,000 at hand, an artefact, spans 50."""
ORDER_CONFIRMED = "lead order assumed: I–III, aVR–aVF, V1–V6, as the caller said"
ORDER_PROVEN = (
    "lead order assumed: columns 1–6 prove to be I, II, III, aVR, aVL, aVF; 7–12 taken for V1–V6"
)


def standard_lead(name: str) -> str | None:
    """Return the lead that a file calls ``name`` (``AVR``, ``DI``, ``MDC_ECG_LEAD_V1`` …), or None.

    Only whole names match: ``MLII`` is not II, and ``V5R`` is not V5.
    """
    return _SPELLINGS.get(name.strip().upper())


def twelve_leads(
    name: str, columns: list[str], signal_mv: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return a recording's rows in the order of LEADS, missing limb leads derived from I and II.

    Parameters
    ----------
    name
        The record's name, for messages.
    columns
        The file's name of each row.
    signal_mv
        (len(columns), T), mV, NaN where missing.

    Returns
    -------
    signal_mv, notes
        (12, T) float32 in mV, and the steps taken.

    Raises
    ------
    UnreadableRecord
        A lead is missing and cannot be derived, occurs twice, or holds no signal.
    """
    rows = require_leads(name, columns)
    missing = [lead for lead in LEADS if lead not in rows]
    arranged = np.empty((12, signal_mv.shape[1]), np.float32)
    lead_i, lead_ii = (finite(signal_mv[rows[lead]]) for lead in ("I", "II"))
    for i, lead in enumerate(LEADS):
        arranged[i] = (
            _derived(lead, lead_i, lead_ii) if lead in missing else finite(signal_mv[rows[lead]])
        )
    notes = _column_notes(columns, rows, missing) + _signal_notes(name, arranged)
    return arranged, notes


def require_leads(name: str, columns: list[str]) -> dict[str, int]:
    """Return the row of each lead in ``columns``.

    Raises
    ------
    UnreadableRecord
        A lead is missing that cannot be derived from I and II, or occurs twice.
    """
    rows = _rows_by_lead(name, columns)
    needed = [lead for lead in LEADS if lead not in rows and lead not in DERIVABLE]
    if needed:
        raise UnreadableRecord(
            f"Record {name} has {_count_and_names(columns)}; 12 are needed (I, II, III, aVR, aVL, "
            f"aVF, V1–V6), and {', '.join(needed)} cannot be derived."
        )
    return rows


def confirm_lead_order(name: str, rows: np.ndarray, assume_order: bool) -> tuple[str, ...]:
    """Return the note that says why twelve unnamed leads are taken for LEADS in order.

    Parameters
    ----------
    name
        The record's name, for messages.
    rows
        (12, T), any unit.
    assume_order
        The caller confirms that order.

    Raises
    ------
    UnreadableRecord
        Neither the caller nor the numbers confirm the order.
    """
    if assume_order:
        return (ORDER_CONFIRMED,)
    if limb_leads_in_order(rows):
        return (ORDER_PROVEN,)
    raise UnreadableRecord(
        f"Record {name} has 12 columns without names, and the numbers do not prove the order "
        f"I, II, III, aVR, aVL, aVF, V1–V6. Name them ({','.join(LEADS[:3])},…,V6), or confirm "
        "that order (--assume-order)."
    )


def limb_leads_in_order(rows: np.ndarray) -> bool:
    """Return whether rows 1–6 obey Einthoven (1912) and Goldberger (1942) as I, II, III, aVR …"""
    limb = finite(rows[:6])
    if np.isnan(limb).all(axis=1).any():
        return False
    lead_i, lead_ii, *stored = limb
    derived = [_derived(lead, lead_i, lead_ii) for lead in LEADS[2:6]]
    spans = np.nanmax(limb, axis=1) - np.nanmin(limb, axis=1)
    if not (spans > 0).all():
        return False
    pairs = list(zip(stored, derived, strict=True))
    recorded = [~np.isnan(one) & ~np.isnan(other) for one, other in pairs]
    if not all(samples.any() for samples in recorded):
        return False
    errors = [
        np.abs(one - other)[samples].mean()
        for (one, other), samples in zip(pairs, recorded, strict=True)
    ]
    return bool(max(errors) < 0.02 * np.median(spans))


def finite(signal: np.ndarray) -> np.ndarray:
    """Return an array as float64, NaN for numbers that are no measurement in any unit."""
    numbers = signal.astype(np.float64)
    return np.where(np.abs(numbers) < LARGEST_NUMBER, numbers, np.nan)


def _rows_by_lead(name: str, columns: list[str]) -> dict[str, int]:
    rows: dict[str, int] = {}
    for row, column in enumerate(columns):
        lead = standard_lead(column)
        if lead in rows:
            raise UnreadableRecord(
                f"Record {name} has lead {lead} twice; each lead may occur once. "
                "Remove the one that is not meant."
            )
        if lead:
            rows[lead] = row
    return rows


def _derived(lead: str, lead_i: np.ndarray, lead_ii: np.ndarray) -> np.ndarray:
    """Return a limb lead from I and II (Einthoven 1912, Goldberger 1942)."""
    if lead == "III":
        return lead_ii - lead_i
    if lead == "aVR":
        return -(lead_i + lead_ii) / 2
    return lead_i - lead_ii / 2 if lead == "aVL" else lead_ii - lead_i / 2


def _column_notes(columns: list[str], rows: dict[str, int], missing: list[str]) -> tuple[str, ...]:
    notes = []
    if missing:
        notes.append(f"{', '.join(missing)} derived from I and II")
    if len(columns) > len(rows):
        unused = [c for i, c in enumerate(columns) if i not in rows.values()]
        notes.append(f"not used: {_public_names(unused)}")
    return tuple(notes)


def _signal_notes(name: str, signal_mv: np.ndarray) -> tuple[str, ...]:
    """Return a note of flat leads, and refuse a signal that holds no ECG at all."""
    if signal_mv.shape[1] == 0:
        raise UnreadableRecord(f"Record {name} has no samples.")
    recorded = ~np.isnan(signal_mv)
    empty = [lead for lead, row in zip(LEADS, recorded, strict=True) if not row.any()]
    if empty:
        leads = "any lead" if len(empty) == 12 else ", ".join(empty)
        raise UnreadableRecord(
            f"Record {name} has no signal in {leads}: every sample is marked as missing."
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


def _count_and_names(columns: list[str]) -> str:
    if not any(map(_PUBLIC_NAMES.fullmatch, columns)):
        return f"{len(columns)} {'signal' if len(columns) == 1 else 'signals'} named after no lead"
    return f"{len(columns)} {'lead' if len(columns) == 1 else 'leads'} ({_public_names(columns)})"


def _public_names(columns: list[str]) -> str:
    """Return the names of leads and signals, and the number of the others."""
    public = [column for column in columns if _PUBLIC_NAMES.fullmatch(column)][:15]
    others = len(columns) - len(public)
    return ", ".join(public + ([f"{others} more"] if public else [f"{others}"]) * (others > 0))
