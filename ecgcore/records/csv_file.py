"""Reading a recording from CSV: one column a lead, one row a sample.

Leads are matched by exact name. Twelve columns without names are taken for I, II, III, aVR, aVL,
aVF, V1–V6 when the numbers prove the first six (Einthoven's and Goldberger's relations hold in that
order and no other), or when the caller says so; that is noted.
"""

import re
from pathlib import Path

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records import csv_text, ptbxl_table
from ecgcore.records.csv_text import CsvText
from ecgcore.records.leads import standard_lead, twelve_leads
from ecgcore.records.record import LEADS, Record
from ecgcore.records.sources import origin

_NAME_AND_UNIT = re.compile(
    r"(?P<name>.*?)(?:\s*[\[(]\s*(?P<in>\S+)\s*[\])]|_(?P<as>mV|[uµμ]V|ms|s))"
)
_TIME_NAMES = frozenset({"time", "t", "seconds", "sec", "s", "timestamp", "ms", "milliseconds"})
_INDEX_NAMES = frozenset({"", "index", "sample", "samples", "sample_number", "n"})
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "milliseconds": 1e-3}
_MV = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3}
_STATED_RATE = re.compile(r"(?:fs|sampling[ _]rate|rate)(?:_hz)?\s*[=:]\s*(\d+(?:\.\d+)?)", re.I)
_STATED_UNIT = re.compile(r"units?\s*[=:]\s*(mV|[uµμ]V|V)\b", re.I)
_RATE_IN_NAME = re.compile(r"(?:^|[_\-. ])(\d+(?:\.\d+)?) ?hz(?:$|[_\-. ])", re.I)

MV_SPANS = (0.05, 20.0)
"""What the median lead of an ECG in mV spans (0.5 to 12 in 1,600 at hand); in µV, 1000 times."""


def read_csv(path: Path, *, fs_hz: float | None = None, assume_order: bool = False) -> Record:
    """Read a CSV, TSV or TXT file of one recording.

    Parameters
    ----------
    path
        Separated by comma, semicolon or tab; decimal comma allowed with the latter two.
    fs_hz
        Hz. Needed where the file does not say it: by a column ``time_s`` or ``time_ms``, a line
        ``# fs_hz=500``, or ``_500hz`` in its name.
    assume_order
        Take twelve unnamed columns for the standard leads in order.

    Raises
    ------
    UnreadableRecord
        One line: what was found, what is accepted, what to do.
    """
    text = csv_text.read_text(path)
    if not text.lines:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is empty; a CSV needs one column a lead."
        )
    names, units, table = _columns(path, text)
    leads = [i for i, name in enumerate(names) if not _is_clock(name)]
    columns, order_notes = _lead_names(
        path, [names[i] for i in leads], table[:, leads], assume_order
    )
    in_mv, scale_notes = _in_mv(path, text, [units[i] for i in leads], table[:, leads].T)
    signal_mv, notes = twelve_leads(path.stem, columns, in_mv)
    from_where = origin(path.stem)
    record = Record(
        signal_mv=signal_mv,
        fs_hz=_fs_hz(path, text, names, units, table, fs_hz),
        name=path.stem,
        source=from_where.source if from_where else "unknown",
        notes=order_notes + scale_notes + notes,
    )
    return ptbxl_table.completed(record, path)


def stated_fs_hz(path: Path) -> float | None:
    """Return the rate that a file's first lines or name state, in Hz, or None."""
    text = csv_text.read_text(path, head=True)
    if not text.lines:
        return None
    if text.leads_in_rows:
        return _from_words(path, text)
    return _fs_hz(path, text, *_columns(path, text), None)


def _columns(path: Path, text: CsvText) -> tuple[list[str], list[str], np.ndarray]:
    """Return names, units ('' where none) and numbers (rows, columns)."""
    table = csv_text.numbers(path, text)
    if text.leads_in_rows:
        return [text.cells(line)[0] for line in text.lines], [""] * table.shape[1], table
    table = table[:, : _used_width(text, table)]
    cells = text.header
    if cells is None:
        cells = [f"column {i + 1}" for i in range(table.shape[1])]
        if table.shape[0] > 2 and _is_ramp(table[:, 0]):
            cells[0] = "time"
    elif cells and cells[-1] == "" and len(cells) > 1:
        cells = cells[: table.shape[1]]
    if len(cells) != table.shape[1]:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} names {len(cells)} columns and has "
            f"{table.shape[1]}; each column needs one name."
        )
    named = [_name_and_unit(cell) for cell in cells]
    return [name for name, _ in named], [unit for _, unit in named], table


def _used_width(text: CsvText, table: np.ndarray) -> int:
    """Return the number of columns but for an empty last one, left by separators at line ends."""
    expected = 12 if text.header is None else len(text.header)
    spare = expected < table.shape[1] and table.shape[0] > 0
    return table.shape[1] - int(spare and table.shape[1] > 1 and np.isnan(table[:, -1]).all())


def _name_and_unit(cell: str) -> tuple[str, str]:
    """Take ``V1 (uV)``, ``time_s`` apart."""
    found = _NAME_AND_UNIT.fullmatch(cell)
    if found is None:
        return cell, ""
    return found["name"], (found["in"] or found["as"]).lower()


def _is_clock(name: str) -> bool:
    return name.lower() in _TIME_NAMES | _INDEX_NAMES


def _is_ramp(column: np.ndarray) -> bool:
    """Return whether a column only counts up, in equal steps."""
    steps = np.diff(column)
    return bool(steps[0] > 0 and np.allclose(steps, np.median(steps), rtol=0.02, atol=0))


def _fs_hz(
    path: Path,
    text: CsvText,
    names: list[str],
    units: list[str],
    table: np.ndarray,
    given_hz: float | None,
) -> float:
    """Return the rate that is given or stated, in Hz; all that state one must agree."""
    told = {
        "was given": given_hz,
        "a comment or its name says": _from_words(path, text),
        "its time column says": _from_clock(path, names, units, table),
    }
    rates = {who: rate for who, rate in told.items() if rate}
    if not rates:
        raise UnreadableRecord(
            f"Record {path.stem} does not say its sampling rate; add a column time_s, a line "
            "'# fs_hz=500' or _500hz in the file's name."
        )
    if max(rates.values()) > 1.01 * min(rates.values()):
        said = ", ".join(f"{who} {rate:g} Hz" for who, rate in rates.items())
        raise UnreadableRecord(f"Record {path.stem}: its sampling rate is not clear: {said}.")
    return next(iter(rates.values()))


def _from_words(path: Path, text: CsvText) -> float | None:
    for comment in text.comments:
        if found := _STATED_RATE.search(comment):
            return float(found[1])
    in_name = _RATE_IN_NAME.search(path.stem)
    return float(in_name[1]) if in_name else None


def _from_clock(path: Path, names: list[str], units: list[str], table: np.ndarray) -> float | None:
    at = next((i for i, name in enumerate(names) if name.lower() in _TIME_NAMES), None)
    if at is None or table.shape[0] < 3:
        return None
    clock = table[:, at]
    steps = np.diff(clock)
    step = float(np.mean(steps))
    if np.isnan(step) or step <= 0 or np.any(np.abs(steps - step) > 0.5 * step):
        raise UnreadableRecord(
            f"Record {path.stem}: its time column does not go up in equal steps; "
            "a recording without gaps is needed."
        )
    second = _SECONDS.get(units[at] or names[at].lower()) or _seconds_by_size(step)
    if second is None:
        raise UnreadableRecord(
            f"Record {path.stem}: its time column goes up by {step:g}, which may be s, ms or "
            "samples; name it time_s or time_ms."
        )
    return round(1 / (step * second), 3)


def _seconds_by_size(step: float) -> float | None:
    """Tell seconds from milliseconds by a step: 0.001–0.02 s, or 2–20 ms; 1 may be a count."""
    if step <= 0.05:
        return 1.0
    return 1e-3 if 1.5 < step <= 20 else None


def _lead_names(
    path: Path, names: list[str], table: np.ndarray, assume_order: bool
) -> tuple[list[str], tuple[str, ...]]:
    """Return the leads' names: those given, or for twelve bare columns the standard ones."""
    if any(standard_lead(name) for name in names):
        return names, ()
    if len(names) != 12:
        raise UnreadableRecord(
            f"Record {path.stem} has {len(names)} columns beside time, none named after a lead; "
            "12 leads are needed. Name the columns in a first line (I,II,III,aVR,…,V6)."
        )
    if assume_order:
        return list(LEADS), ("lead order assumed: I–III, aVR–aVF, V1–V6, as the caller said",)
    if _limb_leads_in_order(table.T):
        return list(LEADS), (
            "lead order assumed: columns 1–6 prove to be I, II, III, aVR, aVL, aVF; "
            "7–12 taken for V1–V6",
        )
    raise UnreadableRecord(
        f"Record {path.stem} has 12 columns without names, and the numbers do not prove the "
        "order I, II, III, aVR, aVL, aVF, V1–V6. Name them in a first line (I,II,III,aVR,…,V6)."
    )


def _limb_leads_in_order(rows: np.ndarray) -> bool:
    """Return whether rows 1–6 obey Einthoven (1912) and Goldberger (1942) as I, II, III, aVR …"""
    one, two, *others = rows[:6]
    expected = (two - one, -(one + two) / 2, one - two / 2, two - one / 2)
    spans = np.nanmax(rows[:6], axis=1) - np.nanmin(rows[:6], axis=1)
    if np.isnan(rows[:6]).all(axis=1).any() or not (spans > 0).all():
        return False
    off = [np.nanmean(np.abs(o - e)) for o, e in zip(others, expected, strict=True)]
    return bool(max(off) < 0.02 * np.median(spans))


def _in_mv(
    path: Path, text: CsvText, units: list[str], rows: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the leads in mV: by the unit stated, else by the size of the numbers (noted)."""
    stated = next((found[1] for c in text.comments if (found := _STATED_UNIT.search(c))), "")
    units = [unit or stated.lower() for unit in units]
    if unknown := sorted({unit for unit in units if unit and unit not in _MV}):
        raise UnreadableRecord(
            f"Record {path.stem}: columns are in {', '.join(unknown)}; accepted are mV, µV and V."
        )
    if all(units):
        return rows * np.array([_MV[unit] for unit in units])[:, None], ()
    span = _median_span(rows)
    low, high = MV_SPANS
    if span is None or low <= span <= high:
        return rows, ("scale assumed: mV",)
    if 1000 * low <= span <= 1000 * high and span > 5 * high:
        return rows / 1000, ("scale assumed: µV",)
    raise UnreadableRecord(
        f"Record {path.stem}: its leads span {span:g} (median), which is neither mV ({low:g} to "
        f"{high:g}) nor µV ({5 * high:g} to {1000 * high:g}). Add a line '# unit=mV' or "
        "'# unit=uV'."
    )


def _median_span(rows: np.ndarray) -> float | None:
    there = rows[~np.isnan(rows).all(axis=1)]
    spans = np.nanmax(there, axis=1) - np.nanmin(there, axis=1) if there.size else np.array([])
    return float(np.median(spans[spans > 0])) if (spans > 0).any() else None
