"""Millivolts: factors of the units that files state, and inference where they state none."""

import re
from collections.abc import Iterable

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.clocks import SECONDS_PER_UNIT
from ecgcore.records.leads import finite

MV_PER_UNIT = {
    **dict.fromkeys(("v", "volt", "volts"), 1e3),
    **dict.fromkeys(("mv", "millivolt", "millivolts"), 1.0),
    **dict.fromkeys(("uv", "µv", "μv", "microvolt", "microvolts"), 1e-3),
    **dict.fromkeys(("nv", "nanovolt", "nanovolts"), 1e-6),
}
"""Millivolts in one unit, by the unit's name in lower case (both µ of Unicode)."""
MV_SPANS = (0.05, 20.0)
"""Range of the median lead's span in mV (0.5 to 12 in 1,600 ECGs at hand); in µV, 1000 times."""
UNIT_NAMES = frozenset({*MV_PER_UNIT, *SECONDS_PER_UNIT})
"""Units of voltage and of time, in lower case."""
_LONGEST_NAME, _FEWEST_NORMALISED = 60, 8
_NAME_AND_UNIT = re.compile(
    r"(?P<name>.*?)(?:\s*[\[(]\s*(?P<in>[^\s\])]+)\s*[\])]"
    r"|(?:\s*[_/,]\s*|\s+)(?P<as>[munµμ]?V|[munµμ]?s|sec|seconds|milliseconds))",
    re.I,
)
_NOT_UNITS = frozenset({"einthoven", "goldberger", "wilson"})
_STATED = re.compile(
    r"units?\s*(?:[=:,;]|is|are)\s*[\"']?(?P<unit>[munµμ]?V|(?:milli|micro|nano)?volts?|adu|adc|counts?|digits?|lsb|raw)\b"
    r"(?!\s*/)",
    re.I,
)


def name_and_unit(cell: str) -> tuple[str, str]:
    """Split ``V1 (uV)`` or ``time_s``; the unit is in lower case, '' where there is none."""
    match = _NAME_AND_UNIT.fullmatch(cell) if len(cell) <= _LONGEST_NAME else None
    if match is None or (match["in"] or "").lower() in _NOT_UNITS:
        return cell, ""
    return match["name"], (match["in"] or match["as"]).lower()


def unit_in_text(name: str, lines: Iterable[str]) -> str:
    """Return the unit that lines of text state, in lower case, '' where they state none.

    Raises
    ------
    UnreadableRecord
        They state two.
    """
    units = {match["unit"].lower() for line in lines for match in _STATED.finditer(line)}
    if len({MV_PER_UNIT.get(unit) for unit in units}) > 1:
        raise UnreadableRecord(f"Record {name} states two units; state the one that is meant.")
    return units.pop() if units else ""


def stated_mv(
    name: str, rows: np.ndarray, units: list[str], advice: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return rows in mV: by the unit of each, else inferred from their amplitude and noted.

    Parameters
    ----------
    name
        The record's name, for messages.
    rows
        (leads, T).
    units
        One for each row, in lower case, '' where none is stated.
    advice
        For the message: how a file of this format states its unit.

    Raises
    ------
    UnreadableRecord
        A unit is none of voltage, only some rows have one, or no unit fits the amplitude.
    """
    if any(unit and unit not in MV_PER_UNIT for unit in units):
        raise UnreadableRecord(
            f"Record {name}: its signal is in a unit that is no voltage; accepted are mV, µV, nV "
            "and V. Convert it, with the gain of the device."
        )
    if units and all(units):
        return finite(rows) * np.array([MV_PER_UNIT[unit] for unit in units])[:, None], ()
    if any(units):
        raise UnreadableRecord(
            f"Record {name}: only {sum(map(bool, units))} of its {len(units)} leads state a unit. "
            "State it for each."
        )
    return infer_mv(name, rows, advice)


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
    if _is_normalised(finite(rows)):
        raise UnreadableRecord(
            f"Record {name}: each of its leads was scaled to the same size (normalised), so no "
            "voltage is left. Give the recording before that step."
        )
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


def _is_normalised(rows: np.ndarray) -> bool:
    """Return whether different leads all have one span or one standard deviation, as in no ECG."""
    rows = rows[(~np.isnan(rows)).sum(axis=1) > 1]
    spans = np.nanmax(rows, axis=1) - np.nanmin(rows, axis=1) if len(rows) else np.empty(0)
    rows, spans = rows[spans > 0], spans[spans > 0]
    if len(rows) < _FEWEST_NORMALISED or np.array_equal(rows[0], rows[1], equal_nan=True):
        return False
    return any(
        np.ptp(sizes) < 1e-3 * np.median(sizes) for sizes in (spans, np.nanstd(rows, axis=1))
    )


def _median_span(rows: np.ndarray) -> float | None:
    rows = finite(rows)
    recorded = rows[~np.isnan(rows).all(axis=1)]
    if not recorded.size:
        return None
    spans = np.nanmax(recorded, axis=1) - np.nanmin(recorded, axis=1)
    return float(np.median(spans[spans > 0])) if (spans > 0).any() else None
