"""Lead order: from the named or unnamed rows of a file to the twelve LEADS."""

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.lead_names import (
    are_numbers,
    count_and_names,
    inverted_lead,
    public_names,
    standard_leads,
)
from ecgcore.records.record import LEADS

DERIVABLE = frozenset({"III", "aVR", "aVL", "aVF"})
LARGEST_NUMBER = 1e30
"""A larger number is no measurement in any unit (and may not fit float32)."""
LARGEST_SPAN_MV = 100.0
"""No ECG's median lead spans this much; the largest of 12,000 at hand, an artefact, spans 50."""
ORDER_CONFIRMED = "lead order assumed: I–III, aVR–aVF, V1–V6, as the caller said"
ORDER_PROVEN = (
    "lead order assumed: columns 1–6 prove to be I, II, III, aVR, aVL, aVF; 7–12 taken for V1–V6"
)


def twelve_leads(
    name: str, columns: list[str], signal_mv: np.ndarray, *, may_be_empty: bool = False
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return a recording's rows in the order of LEADS, missing limb leads derived from two others.

    Parameters
    ----------
    name
        The record's name, for messages.
    columns
        The file's name of each row.
    signal_mv
        (len(columns), T), mV, NaN where missing.
    may_be_empty
        Leads without any sample are known, and remain NaN.

    Returns
    -------
    signal_mv, notes
        (12, T) float32 in mV, and the steps taken.

    Raises
    ------
    UnreadableRecord
        A lead is missing and cannot be derived, occurs twice with two signals, or holds no signal.
    """
    columns, signal_mv, upright_notes = _upright(columns, signal_mv)
    rows = require_leads(name, columns)
    repeated_notes = _refuse_two_signals(name, columns, rows, signal_mv)
    missing = [lead for lead in LEADS if lead not in rows]
    arranged = finite(signal_mv[[rows.get(lead, 0) for lead in LEADS]]).astype(np.float32)
    if missing:
        derived = _derived_limb({i: finite(signal_mv[rows[i]]) for i in LEADS[:3] if i in rows})
        for lead in missing:
            arranged[LEADS.index(lead)] = derived[lead]
    notes = upright_notes + repeated_notes + _column_notes(columns, rows, missing)
    return arranged, notes + _signal_notes(name, arranged, may_be_empty)


def require_leads(name: str, columns: list[str]) -> dict[str, int]:
    """Return the row of each lead in ``columns``, the first where it occurs twice.

    Raises
    ------
    UnreadableRecord
        A lead is missing that cannot be derived: limb leads can from any two of I, II and III.
    """
    leads = standard_leads([inverted_lead(column) or column for column in columns])
    rows = {lead: leads.index(lead) for lead in leads if lead}
    derivable = LEADS[:6] if len(rows.keys() & set(LEADS[:3])) > 1 else DERIVABLE
    needed = [lead for lead in LEADS if lead not in rows and lead not in derivable]
    if needed:
        _refuse_repeated(name, leads, needed)
        raise UnreadableRecord(
            f"Record {name} has {count_and_names(columns)}; 12 are needed (I, II, III, aVR, aVL, "
            f"aVF, V1–V6), and {', '.join(needed)} cannot be derived."
        )
    return rows


def order_of_leads(
    name: str, columns: list[str], rows: np.ndarray, assume_order: bool, known_order: str = ""
) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of a file's rows: its own, or LEADS for twelve that have none.

    Parameters
    ----------
    name
        The record's name, for messages.
    columns
        The file's names; numbers (``0`` … ``11``, ``ch1`` …) and blanks are no names.
    rows
        (len(columns), T), any unit.
    assume_order
        The caller confirms the standard order of rows without names.
    known_order
        The note of a source whose order is known, '' for any other.

    Raises
    ------
    UnreadableRecord
        The names are no leads', the rows are not twelve, or nothing confirms their order.
    """
    if any(standard_leads(columns)):
        return columns, ()
    if not are_numbers(columns):
        raise UnreadableRecord(
            f"Record {name} has {count_and_names(columns)}. Name them I, II, III, aVR, aVL, aVF, "
            "V1–V6; rows with names are never taken by their position."
        )
    if len(columns) != 12:
        raise UnreadableRecord(
            f"Record {name} has {len(columns)} columns beside time, none named after a lead; "
            "12 leads are needed. Name the columns in a first line (I,II,III,aVR,…,V6)."
        )
    return list(LEADS), (known_order,) if known_order else confirm_lead_order(
        name, rows, assume_order
    )


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
    from_two = _derived_limb({"I": limb[0], "II": limb[1]})
    stored, derived = limb[2:], [from_two[lead] for lead in LEADS[2:6]]
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


def _upright(
    columns: list[str], signal_mv: np.ndarray
) -> tuple[list[str], np.ndarray, tuple[str, ...]]:
    """Return inverted leads (``-aVR`` of Cabrera's order) upright, under their plain name."""
    inverted = [inverted_lead(column) for column in columns]
    if not any(inverted):
        return columns, signal_mv, ()
    signs = np.array([-1.0 if lead else 1.0 for lead in inverted])
    names = [lead or column for lead, column in zip(inverted, columns, strict=True)]
    turned = ", ".join(lead for lead in inverted if lead)
    return names, signal_mv * signs[:, None], (f"stored inverted, turned upright: {turned}",)


def _refuse_two_signals(
    name: str, columns: list[str], rows: dict[str, int], signal_mv: np.ndarray
) -> tuple[str, ...]:
    """Return a note of leads that occur twice with one signal; refuse one with two signals."""
    repeated: dict[str, None] = {}
    for row, lead in enumerate(standard_leads(columns)):
        if lead is None or rows[lead] == row:
            continue
        if not np.array_equal(signal_mv[row], signal_mv[rows[lead]], equal_nan=True):
            raise UnreadableRecord(
                f"Record {name} has lead {lead} twice, with two signals; each lead may occur once. "
                "Remove the one that is not meant."
            )
        repeated[lead] = None
    return (f"stored twice, with one signal: {', '.join(repeated)}",) if repeated else ()


def _refuse_repeated(name: str, leads: list[str | None], missing: list[str]) -> None:
    """Refuse a lead that occurs twice where another is missing: one of the two is misnamed."""
    repeated = [lead for lead in LEADS if leads.count(lead) > 1]
    if repeated:
        raise UnreadableRecord(
            f"Record {name} has lead {repeated[0]} twice and no {missing[0]}; each lead may occur "
            "once. Correct the name."
        )


def _derived_limb(limb: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the six limb leads from two of I, II and III (Einthoven 1912, Goldberger 1942)."""
    lead_i = limb["I"] if "I" in limb else limb["II"] - limb["III"]
    lead_ii = limb["II"] if "II" in limb else lead_i + limb["III"]
    return {
        "I": lead_i,
        "II": lead_ii,
        "III": lead_ii - lead_i,
        "aVR": -(lead_i + lead_ii) / 2,
        "aVL": lead_i - lead_ii / 2,
        "aVF": lead_ii - lead_i / 2,
    }


def _column_notes(columns: list[str], rows: dict[str, int], missing: list[str]) -> tuple[str, ...]:
    notes = []
    pair = " and ".join([lead for lead in LEADS[:3] if lead in rows][:2])
    if missing:
        notes.append(f"{', '.join(missing)} derived from {pair}")
    names = zip(columns, standard_leads(columns), strict=True)
    if unused := [column for column, lead in names if lead is None]:
        notes.append(f"not used: {public_names(unused)}")
    return tuple(notes)


def _signal_notes(name: str, signal_mv: np.ndarray, may_be_empty: bool) -> tuple[str, ...]:
    """Return a note of flat leads, and refuse a signal that holds no ECG at all."""
    if signal_mv.shape[1] == 0:
        raise UnreadableRecord(f"Record {name} has no samples.")
    recorded = ~np.isnan(signal_mv)
    empty = [lead for lead, row in zip(LEADS, recorded, strict=True) if not row.any()]
    if len(empty) == 12 or (empty and not may_be_empty):
        leads = "any lead" if len(empty) == 12 else ", ".join(empty)
        raise UnreadableRecord(
            f"Record {name} has no signal in {leads}: every sample is marked as missing."
        )
    if recorded.all():
        spans_mv = signal_mv.max(axis=1) - signal_mv.min(axis=1)
    else:
        highest_mv = np.where(recorded, signal_mv, -np.inf).max(axis=1)
        spans_mv = highest_mv - np.where(recorded, signal_mv, np.inf).min(axis=1)  # −inf if empty
    flat = [lead for lead, span in zip(LEADS, spans_mv, strict=True) if span == 0]
    if len(flat) + len(empty) == 12:
        raise UnreadableRecord(f"Record {name} is flat: no lead ever changes its value.")
    span_mv = float(np.median(spans_mv[spans_mv > 0]))
    if span_mv > LARGEST_SPAN_MV:
        raise UnreadableRecord(
            f"Record {name} spans {span_mv:,.0f} mV (median of its leads); an ECG spans "
            "0.1 to 20 mV. Correct the gain or the unit that the file states."
        )
    return (f"flat: {', '.join(flat)}",) if flat else ()
