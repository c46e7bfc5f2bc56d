"""Names of leads: from any spelling in a file to one of LEADS, for all formats.

A name counts only as a whole: ``MLII`` is not II, ``V5R`` is not V5, and no lead is guessed.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from ecgcore.records.record import LEADS

LEAD_COLUMNS = frozenset(
    {"lead", "leads", "lead_name", "lead name", "leadname", "channel", "channel_name", "signal"}
    | {"derivation", "variable", "name", "ch"}
)
"""Columns of a table that may hold the lead of each row, in lower case."""
_BY_LETTERS = {lead.upper(): lead for lead in LEADS}
_GAP, _LONGEST_NAME = r"[\s_:./-]", 60
_PREFIX = (
    rf"(?:(?:(?:MDC{_GAP}?)?ECG|EKG|LEADS?|CHAN(?:NEL)?|CH|SIGNAL|SIG|DERIVATION|ABLEITUNG){_GAP}*"
    rf"|(?:CHAN(?:NEL)?|CH|SIGNAL|SIG){_GAP}?\d{{1,2}}{_GAP}+)*"
)
_UNIT = r"[MNUμ]?V"
_SUFFIX = (
    rf"(?:{_GAP}+(?:REF|WCT|RAW|FILT(?:ERED)?|ECG|EKG|LEAD|SIGNAL|DATA|VALUES?|VOLTAGE|AMPLITUDE|"
    rf"{_UNIT}))*(?:{_GAP}*[\[(]\s*(?:{_UNIT}|EINTHOVEN|GOLDBERGER|WILSON)\s*[\])])?"
)
_NAME = re.compile(
    rf"{_PREFIX}(?:D[\s_-]?)?(?P<lead>I{{1,3}}|A\s?V[\s_-]?[RLF]|V[\s_-]?[1-6]){_SUFFIX}", re.I
)
_NUMBERED_LIMB = re.compile(rf"(?:E[CK]G{_GAP}*)?(?:D|L|LEAD){_GAP}?([1-9]){_SUFFIX}", re.I)
_NUMBERED_CHEST = re.compile(rf"(?:E[CK]G{_GAP}*)?(?:LEAD{_GAP}*)?C{_GAP}?([1-9]){_SUFFIX}", re.I)
_INVERTED = re.compile(r"(?P<before>|.*[\s:])(?:[-−–]|\(-\)|minus\s)(?P<name>[^\s-].*)", re.I)
_NUMBER = re.compile(
    rf"(?:columns?|col|c|var(?:iable)?|chan(?:nel)?|ch|leads?|signal|sig|ecg|ekg|x|f|unnamed)?{_GAP}*(\d+)",
    re.I,
)
_PUBLIC_NAMES = re.compile(
    r"[ID]{0,4}|[CDL]\d|D?AV[RLF]|-AVR|V\d{0,2}R?|V[XYZE]|[XYZ]|MLI{1,3}|M[CV]\d|CM\d|ABP|ART|CVP|"
    r"PAP|ICP|PLETH|RESP|SPO2|PPG|CO2|EEG|EMG|EOG|ECG ?\d*|MDC_ECG_LEAD_\w{1,5}",
    re.I,
)
"""Signal names that messages may repeat; any other word may be a person's name."""


@lru_cache(maxsize=4096)
def standard_lead(name: str) -> str | None:
    """Return the lead that a file calls ``name``, or None.

    ``D1`` and ``C1`` are leads only together with others: see ``standard_leads``. An inverted lead
    (``-aVR``) is none: see ``inverted_lead``.

    Examples
    --------
    >>> [standard_lead(name) for name in ("AVR", "ECG_V6", "Lead II", "V1 (mV)", "MLII")]
    ['aVR', 'V6', 'II', 'V1', None]
    """
    plain = _plain(name)
    return None if _INVERTED.fullmatch(plain) else _lead(plain)


@lru_cache(maxsize=4096)
def inverted_lead(name: str) -> str | None:
    """Return the lead that a file stores inverted under ``name`` (``-aVR`` of Cabrera's order)."""
    match = _INVERTED.fullmatch(_plain(name))
    lead = _lead(match["before"] + match["name"]) if match else None
    is_clear = match and (not match["before"] or lead == "aVR")  # "lead -II": a minus or a dash
    return lead if is_clear else None


def standard_leads(names: Sequence[str]) -> list[str | None]:
    """Return the lead of each of a file's names, where some are clear only from the others.

    ``D1``, ``D2``, ``D3`` are I, II, III beside named chest leads; ``C1`` to ``C6`` (IEC)
    are V1 to V6 beside named limb leads, and no electrodes of an EEG.
    """
    return list(_standard_leads(tuple(names)))


@lru_cache(maxsize=256)
def _standard_leads(names: tuple[str, ...]) -> tuple[str | None, ...]:
    leads = [standard_lead(name) for name in names]
    limb = _numbered(_NUMBERED_LIMB, names, LEADS[:3], leads)
    chest = _numbered(_NUMBERED_CHEST, names, LEADS[6:], leads)
    if len({*leads, *limb.values()} & set(LEADS[:3])) < 2 or len(chest) < 6:
        chest = {}
    if not {*leads, *chest.values()}.issuperset(LEADS[6:]):
        limb = {}
    numbered = limb | chest
    return tuple(lead or numbered.get(i) for i, lead in enumerate(leads))


def are_numbers(names: list[str]) -> bool:
    """Return whether names only count columns (``0`` … ``11``, ``ch1`` … ``ch12``) or are blank."""
    if not any(name.strip() for name in names):
        return True
    matches = [_NUMBER.fullmatch(_plain(name)) for name in names]
    numbers = [int(match[1][:6]) for match in matches if match]
    return numbers in (list(range(len(names))), list(range(1, len(names) + 1)))


def count_and_names(names: list[str]) -> str:
    """Return how many leads or signals there are, and which, for a message."""
    if not any(map(_is_public, names)):
        return f"{len(names)} {'signal' if len(names) == 1 else 'signals'} named after no lead"
    return f"{len(names)} {'lead' if len(names) == 1 else 'leads'} ({public_names(names)})"


def public_names(names: list[str]) -> str:
    """Return the names of leads and signals, and the number of the others."""
    public = [name for name in names if _is_public(name)][:15]
    others = len(names) - len(public)
    return ", ".join(public + ([f"{others} more"] if public else [f"{others}"]) * (others > 0))


def _is_public(name: str) -> bool:
    return bool(_PUBLIC_NAMES.fullmatch(name) or standard_lead(name) or inverted_lead(name))


def _lead(plain: str) -> str | None:
    match = _NAME.fullmatch(plain)
    return _BY_LETTERS[re.sub(r"[\s_-]", "", match["lead"]).upper()] if match else None


def _plain(name: str) -> str:
    """Return a name without outer blanks, its Roman numerals and µ in plain letters; '' if long."""
    return unicodedata.normalize("NFKC", name).strip() if len(name) <= _LONGEST_NAME else ""


def _numbered(
    pattern: re.Pattern, names: Sequence[str], leads: tuple[str, ...], known: list[str | None]
) -> dict[int, str]:
    """Return the lead of each numbered name; none where a number does not fit or is not alone."""
    if not set(leads).isdisjoint(known):
        return {}
    matches = {i: pattern.fullmatch(_plain(name)) for i, name in enumerate(names)}
    numbers = {i: int(match[1]) for i, match in matches.items() if match}
    if len(set(numbers.values())) < len(numbers) or max(numbers.values(), default=0) > len(leads):
        return {}
    return {i: leads[number - 1] for i, number in numbers.items()}
