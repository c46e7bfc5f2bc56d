"""Reading a recording from CSV: one column a lead, one row a sample, or the other way round.

Leads are matched by exact name. Twelve columns without names are taken for I, II, III, aVR, aVL,
aVF, V1–V6 when the numbers prove the first six (Einthoven's and Goldberger's relations hold in that
order and no other), or when the caller says so; that is noted. Columns that are neither leads nor
time are not looked at.
"""

import re
from pathlib import Path

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats import csv_parser
from ecgcore.records.formats.csv_parser import UNITS, CsvText, name_and_unit
from ecgcore.records.infer_units import in_mv_by_size, order_of_twelve
from ecgcore.records.leads import standard_lead, twelve_leads
from ecgcore.records.metadata import chapman, ptbxl
from ecgcore.records.record import LEADS, Record
from ecgcore.records.sources import origin

_TIME_NAMES = frozenset(
    {"time", "t", "seconds", "sec", "s", "timestamp", "ms", "milliseconds", "elapsed time"}
)
_INDEX_NAMES = frozenset({"", "index", "sample", "samples", "sample_number", "n"})
_RATE_NAMES = frozenset({"fs", "fs_hz", "sampling_rate", "sample_rate", "sampling_frequency"})
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "milliseconds": 1e-3}
_STATED_RATE = re.compile(
    r"(?:^rate|\b(?:fs|f_s|(?:sampling|sample)[ _-]?(?:rate|frequency)|sampling))(?:_hz)?"
    r"\s*(?:\(hz\)|\[hz\])?\s*[=:]?\s*(\d+(?:\.\d+)?)",
    re.I,
)
_STATED_UNIT = re.compile(r"units?\s*[=:]\s*(mV|[uµμ]V|V)\b", re.I)
_RATE_IN_NAME = re.compile(r"(?:^|[_\-. ])(\d+(?:\.\d+)?) ?hz(?:$|[_\-. ])", re.I)


def read_csv(path: Path, *, fs_hz: float | None = None, assume_order: bool = False) -> Record:
    """Read a CSV, TSV or TXT file of one recording.

    Parameters
    ----------
    path
        Separated by comma, semicolon, tab or white space; decimal comma allowed with all but the
        first.
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
    text = csv_parser.read_text(path)
    if text.is_empty:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is empty; a CSV needs one column a lead."
        )
    names, units, table = _columns(path, text)
    leads = [i for i, name in enumerate(names) if not _is_clock(name)]
    lead_names = [names[i] for i in leads]
    columns, order_notes = _lead_names(path, lead_names, table[:, leads].T, assume_order)
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
    return chapman.completed(ptbxl.completed(record, path), path)


def stated_fs_hz(path: Path) -> float | None:
    """Return the rate that a file's first lines or name state, in Hz, or None."""
    text = csv_parser.read_text(path, head=True)
    if text.is_empty:
        return None
    if text.leads_in_rows or text.width > csv_parser.WIDEST:
        return _from_words(path, text)
    return _fs_hz(path, text, *_columns(path, text), None)


def _columns(path: Path, text: CsvText) -> tuple[list[str], list[str], np.ndarray]:
    """Return the names of leads and clock, their units ('' where none), and (rows, columns)."""
    if text.leads_in_rows:
        table = csv_parser.numbers(path, text)
        leads = [row.split(text.separator)[0].strip(" \t\"'") for row in text.rows]
        return leads, [""] * len(leads), table
    if text.header is None:
        return _unnamed(csv_parser.numbers(path, text))
    named = [name_and_unit(cell) for cell in text.header]
    if text.width and _spare(text) != len(named):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} names {len(named)} columns and has {text.width}; "
            "each column needs one name."
        )
    below = text.units if text.units and len(text.units) == len(named) else [""] * len(named)
    units = [unit or told for (_, unit), told in zip(named, below, strict=True)]
    names = [name for name, _ in named]
    if text.names_leads:
        first = csv_parser.first_cells(text)
        wanted = [i for i, n in enumerate(names) if standard_lead(n) or _tells_time(n, first[i:])]
    else:
        wanted = list(range(len(names)))
    table = csv_parser.numbers(path, text, wanted)
    return [names[i] for i in wanted], [units[i] for i in wanted], table


def _unnamed(table: np.ndarray) -> tuple[list[str], list[str], np.ndarray]:
    if table.shape[0] == 12 and table.shape[1] > csv_parser.WIDEST:
        table = table.T
    width = table.shape[1]
    empty_last = width == 13 and np.isnan(table[:, -1]).all()  # separators at line ends
    table = table[:, : width - int(empty_last)]
    names = [f"column {i + 1}" for i in range(table.shape[1])]
    if table.shape[0] > 2 and _is_ramp(table[:, 0]):
        names[0] = "time"
    return names, [""] * len(names), table


def _spare(text: CsvText) -> int:
    """Return the number of columns but for an empty last one, left by separators at line ends."""
    ends = text.separator and all(row.endswith(text.separator) for row in text.rows[:5])
    named = len(text.header or [])
    return text.width - int(bool(ends) and text.width == named + 1)


def _tells_time(name: str, cells: list[str]) -> bool:
    """Return whether a column holds times or the rate, as numbers (not ``10:00:01``)."""
    return name.lower() in _TIME_NAMES | _RATE_NAMES and csv_parser.all_numbers(cells[:1])


def _is_clock(name: str) -> bool:
    return name.lower() in _TIME_NAMES | _INDEX_NAMES | _RATE_NAMES


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
        "its rate column says": _from_rates(names, table),
        "of its source is": chapman.fs_hz(path),
    }
    rates = {who: rate for who, rate in told.items() if rate}
    if not rates:
        raise UnreadableRecord(
            f"Record {path.stem} does not say its sampling rate; add a column time_s, a line "
            "'# fs_hz=500' or _500hz in the file's name, or give it (--file-hz)."
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


def _from_rates(names: list[str], table: np.ndarray) -> float | None:
    """Return the rate that a column repeats in every row."""
    at = next((i for i, name in enumerate(names) if name.lower() in _RATE_NAMES), None)
    if at is None or not len(table) or not (table[:, at] == table[0, at]).all():
        return None
    return float(table[0, at])


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
    path: Path, names: list[str], rows: np.ndarray, assume_order: bool
) -> tuple[list[str], tuple[str, ...]]:
    """Return the leads' names: those given, or for twelve bare columns the standard ones."""
    if any(standard_lead(name) for name in names):
        return names, ()
    if len(names) != 12:
        raise UnreadableRecord(
            f"Record {path.stem} has {len(names)} columns beside time, none named after a lead; "
            "12 leads are needed. Name the columns in a first line (I,II,III,aVR,…,V6)."
        )
    if chapman.is_of(path):
        return list(LEADS), (chapman.ORDER,)
    return list(LEADS), order_of_twelve(path.stem, rows, assume_order)


def _in_mv(
    path: Path, text: CsvText, units: list[str], rows: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the leads in mV: by the unit stated, else by the size of the numbers (noted)."""
    stated = next((found[1] for c in text.comments if (found := _STATED_UNIT.search(c))), "")
    units = [unit or stated.lower() for unit in units]
    if unknown := sorted({unit for unit in units if unit and unit not in UNITS}):
        raise UnreadableRecord(
            f"Record {path.stem}: columns are in {', '.join(unknown)}; accepted are mV, µV and V."
        )
    if all(units):
        return rows * np.array([UNITS[unit] for unit in units])[:, None], ()
    return in_mv_by_size(path.stem, rows, "Add a line '# unit=mV' or '# unit=uV'.")
