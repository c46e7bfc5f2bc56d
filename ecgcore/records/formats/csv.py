"""Reading a recording from CSV: one column a lead, one row a sample, or the other way round.

Leads are matched by exact name. Twelve columns without names are taken for I, II, III, aVR, aVL,
aVF, V1–V6 when the numbers prove the first six (Einthoven's and Goldberger's relations hold in that
order and no other), or when the caller confirms it; that is noted. Columns that are neither leads
nor time are ignored.
"""

import re
from pathlib import Path

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats import csv_parser
from ecgcore.records.formats.csv_parser import CsvText, name_and_unit
from ecgcore.records.leads import confirm_lead_order, standard_lead, twelve_leads
from ecgcore.records.metadata import chapman, ptbxl
from ecgcore.records.record import LEADS, Record
from ecgcore.records.sources import identify_origin, source_name
from ecgcore.records.units import MV_PER_UNIT, infer_mv

_TIME_NAMES = frozenset(
    {"time", "t", "seconds", "sec", "s", "timestamp", "ms", "milliseconds", "elapsed time"}
)
_INDEX_NAMES = frozenset({"", "index", "sample", "samples", "sample_number", "n"})
_RATE_NAMES = frozenset({"fs", "fs_hz", "sampling_rate", "sample_rate", "sampling_frequency"})
_SECONDS_PER_UNIT = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "milliseconds": 1e-3}
_STATED_RATE = re.compile(
    r"(?:^rate|\b(?:fs|f_s|(?:sampling|sample)[ _-]?(?:rate|frequency)|sampling))(?:_hz)?"
    r"\s*(?:\(hz\)|\[hz\])?\s*[=:]?\s*(\d+(?:\.\d+)?)",
    re.I,
)
_STATED_UNIT = re.compile(r"units?\s*[=:]\s*(mV|[uµμ]V|V)\b", re.I)
_RATE_IN_NAME = re.compile(r"(?:^|[_\-. ])(\d+(?:\.\d+)?) ?hz(?:$|[_\-. ])", re.I)


def read_csv(
    path: Path, *, source_fs_hz: float | None = None, assume_order: bool = False
) -> Record:
    """Read a CSV, TSV or TXT file of one recording.

    Parameters
    ----------
    path
        Separated by comma, semicolon, tab or white space; decimal comma allowed with all but the
        first.
    source_fs_hz
        Hz. Needed where the file does not state it: by a column ``time_s`` or ``time_ms``, a line
        ``# fs_hz=500``, or ``_500hz`` in its name.
    assume_order
        Take twelve unnamed columns for the standard leads in order.

    Raises
    ------
    UnreadableRecord
        One line: the finding, the accepted values, the next step.
    """
    text = csv_parser.read_text(path)
    if text.is_empty:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is empty; a CSV needs one column a lead."
        )
    names, units, table = _columns(path, text)
    leads = [i for i, name in enumerate(names) if not _is_clock(name)]
    rows = table[:, leads].T
    columns, order_notes = _lead_names(path, [names[i] for i in leads], rows, assume_order)
    rows_mv, scale_notes = _scale(path, text, [units[i] for i in leads], rows)
    signal_mv, lead_notes = twelve_leads(path.stem, columns, rows_mv)
    record = Record(
        signal_mv=signal_mv,
        fs_hz=_fs_hz(path, text, names, units, table, source_fs_hz),
        name=path.stem,
        source=source_name(identify_origin(path.stem)),
        notes=order_notes + scale_notes + lead_notes,
    )
    return chapman.add_metadata(ptbxl.add_metadata(record, path), path)


def stated_fs_hz(path: Path) -> float | None:
    """Return the rate that a file's first lines or name state, in Hz, or None."""
    text = csv_parser.read_text(path, head=True)
    if text.is_empty:
        return None
    if text.leads_in_rows or text.width > csv_parser.WIDEST:
        return _rate_in_words(path, text)
    return _fs_hz(path, text, *_columns(path, text), None)


def _columns(path: Path, text: CsvText) -> tuple[list[str], list[str], np.ndarray]:
    """Return the names of leads and clock, their units ('' where none), and (rows, columns)."""
    if text.leads_in_rows:
        table = csv_parser.numbers(path, text)
        leads = [row.split(text.separator)[0].strip(" \t\"'") for row in text.rows]
        return leads, [""] * len(leads), table
    if text.header is None:
        return _unnamed_columns(csv_parser.numbers(path, text))
    cells = [name_and_unit(cell) for cell in text.header]
    if text.width and _used_width(text) != len(cells):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} names {len(cells)} columns and has {text.width}; "
            "each column needs one name."
        )
    has_units = text.units and len(text.units) == len(cells)
    units_below = (text.units or []) if has_units else [""] * len(cells)
    units = [unit or below for (_, unit), below in zip(cells, units_below, strict=True)]
    names = [name for name, _ in cells]
    wanted = list(range(len(names)))
    if text.names_leads:
        first = csv_parser.first_cells(text)
        wanted = [i for i in wanted if standard_lead(names[i]) or _is_time(names[i], first[i:])]
    table = csv_parser.numbers(path, text, wanted)
    return [names[i] for i in wanted], [units[i] for i in wanted], table


def _unnamed_columns(table: np.ndarray) -> tuple[list[str], list[str], np.ndarray]:
    if table.shape[0] == 12 and table.shape[1] > csv_parser.WIDEST:
        table = table.T
    width = table.shape[1]
    last_is_empty = width == 13 and np.isnan(table[:, -1]).all()  # separators at line ends
    table = table[:, : width - int(last_is_empty)]
    names = [f"column {i + 1}" for i in range(table.shape[1])]
    if table.shape[0] > 2 and _is_ramp(table[:, 0]):
        names[0] = "time"
    return names, [""] * len(names), table


def _used_width(text: CsvText) -> int:
    """Return the number of columns without an empty last one, left by separators at line ends."""
    ends = text.separator and all(row.endswith(text.separator) for row in text.rows[:5])
    n_names = len(text.header or [])
    return text.width - int(bool(ends) and text.width == n_names + 1)


def _is_time(name: str, cells: list[str]) -> bool:
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
    source_fs_hz: float | None,
) -> float:
    """Return the rate that is given or stated, in Hz; all statements of it must agree."""
    rates_hz = {
        "was given": source_fs_hz,
        "a comment or its name says": _rate_in_words(path, text),
        "its time column says": _rate_of_clock(path, names, units, table),
        "its rate column says": _rate_column(names, table),
        "of its source is": chapman.fs_hz(path),
    }
    stated = {source: rate_hz for source, rate_hz in rates_hz.items() if rate_hz}
    if not stated:
        raise UnreadableRecord(
            f"Record {path.stem} does not say its sampling rate; add a column time_s, a line "
            "'# fs_hz=500' or _500hz in the file's name, or give it (--source-fs-hz)."
        )
    if max(stated.values()) > 1.01 * min(stated.values()):
        listed = ", ".join(f"{source} {rate_hz:g} Hz" for source, rate_hz in stated.items())
        raise UnreadableRecord(f"Record {path.stem}: its sampling rate is not clear: {listed}.")
    return next(iter(stated.values()))


def _rate_in_words(path: Path, text: CsvText) -> float | None:
    for comment in text.comments:
        if match := _STATED_RATE.search(comment):
            return float(match[1])
    in_name = _RATE_IN_NAME.search(path.stem)
    return float(in_name[1]) if in_name else None


def _rate_column(names: list[str], table: np.ndarray) -> float | None:
    """Return the rate that a column repeats in every row."""
    column = next((i for i, name in enumerate(names) if name.lower() in _RATE_NAMES), None)
    if column is None or not len(table) or not (table[:, column] == table[0, column]).all():
        return None
    return float(table[0, column])


def _rate_of_clock(
    path: Path, names: list[str], units: list[str], table: np.ndarray
) -> float | None:
    column = next((i for i, name in enumerate(names) if name.lower() in _TIME_NAMES), None)
    if column is None or table.shape[0] < 3:
        return None
    steps = np.diff(table[:, column])
    step = float(np.mean(steps))
    if np.isnan(step) or step <= 0 or np.any(np.abs(steps - step) > 0.5 * step):
        raise UnreadableRecord(
            f"Record {path.stem}: its time column does not go up in equal steps; "
            "a recording without gaps is needed."
        )
    unit = units[column] or names[column].lower()
    seconds = _SECONDS_PER_UNIT.get(unit) or _infer_seconds(step)
    if seconds is None:
        raise UnreadableRecord(
            f"Record {path.stem}: its time column goes up by {step:g}, which may be s, ms or "
            "samples; name it time_s or time_ms."
        )
    return round(1 / (step * seconds), 3)


def _infer_seconds(step: float) -> float | None:
    """Return the seconds in a clock's unit by its step: 0.001–0.02 s, or 2–20 ms; 1 may count."""
    if step <= 0.05:
        return 1.0
    return 1e-3 if 1.5 < step <= 20 else None


def _lead_names(
    path: Path, names: list[str], rows: np.ndarray, assume_order: bool
) -> tuple[list[str], tuple[str, ...]]:
    """Return the leads' names: those in the file, or for twelve bare columns the standard ones."""
    if any(standard_lead(name) for name in names):
        return names, ()
    if len(names) != 12:
        raise UnreadableRecord(
            f"Record {path.stem} has {len(names)} columns beside time, none named after a lead; "
            "12 leads are needed. Name the columns in a first line (I,II,III,aVR,…,V6)."
        )
    if chapman.is_chapman_file(path):
        return list(LEADS), (chapman.ORDER_NOTE,)
    return list(LEADS), confirm_lead_order(path.stem, rows, assume_order)


def _scale(
    path: Path, text: CsvText, units: list[str], rows: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the leads in mV: by the stated unit, else inferred from the numbers (noted)."""
    matches = (_STATED_UNIT.search(comment) for comment in text.comments)
    stated = next((match[1] for match in matches if match), "")
    units = [unit or stated.lower() for unit in units]
    if unknown := sorted({unit for unit in units if unit and unit not in MV_PER_UNIT}):
        raise UnreadableRecord(
            f"Record {path.stem}: columns are in {', '.join(unknown)}; accepted are mV, µV and V."
        )
    if all(units):
        return rows * np.array([MV_PER_UNIT[unit] for unit in units])[:, None], ()
    return infer_mv(path.stem, rows, "Add a line '# unit=mV' or '# unit=uV'.")
