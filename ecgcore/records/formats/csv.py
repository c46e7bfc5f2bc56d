"""Reading a recording from CSV: one column a lead, one row a sample, or the other way round.

How its columns are taken for leads, clocks and rates is described in ``tabular``.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.clocks import is_clock_time, is_count, parse_times
from ecgcore.records.formats import csv_numbers, csv_parser
from ecgcore.records.formats.csv_parser import CsvText
from ecgcore.records.formats.frames import table_of_frame
from ecgcore.records.formats.tabular import (
    Table,
    holds_clock_times,
    names_no_lead,
    read_table,
    stated_rate,
    wanted_columns,
)
from ecgcore.records.lead_names import standard_lead
from ecgcore.records.rates import rate_in_name, rates_in_text
from ecgcore.records.record import Record
from ecgcore.records.units import name_and_unit


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
    text, cut_notes = csv_numbers.without_cut_row(path, text)
    record = read_table(
        path, _table(path, text), source_fs_hz=source_fs_hz, assume_order=assume_order
    )
    return replace(record, notes=(*record.notes, *cut_notes))


def stated_fs_hz(path: Path) -> float | None:
    """Return the rate that a file's first lines or name state, in Hz, or None."""
    text = csv_parser.read_text(path, head=True)
    if text.is_empty:
        return None
    if text.leads_in_rows or text.is_long or text.width > csv_parser.WIDEST:
        rates_hz = {*rates_in_text(text.comments), *filter(None, [rate_in_name(path.stem)])}
        return rates_hz.pop() if len(rates_hz) == 1 else None
    return stated_rate(path, _table(path, text))


def _table(path: Path, text: CsvText) -> Table:
    if text.is_long:
        return table_of_frame(path, csv_numbers.frame(path, text), text.comments)
    if text.leads_in_rows:
        return _table_of_lead_rows(path, text)
    if text.header is None and is_clock_time(csv_parser.first_cells(text)[0]):
        return _named_table(path, text, ["time", *map(str, range(text.width - 1))])
    if text.header is None:
        return _unnamed_table(csv_numbers.numbers(path, text), text.comments)
    return _named_table(path, text, text.header)


def _table_of_lead_rows(path: Path, text: CsvText) -> Table:
    values = csv_numbers.numbers(path, text)
    names = [row.split(text.separator)[0].strip(" \t\"'") for row in text.rows]
    if standard_lead(names[0]) is None and not names_no_lead(names[0]):
        names[0] = "index" if is_count(values[:, 0]) else "time"
    cells = [name_and_unit(name) for name in names]
    return Table(
        [name for name, _ in cells], [unit for _, unit in cells], values, comments=text.comments
    )


def _unnamed_table(values: np.ndarray, comments: tuple[str, ...]) -> Table:
    if values.shape[0] == 12 and values.shape[1] > csv_parser.WIDEST:
        values = (values[:, 1:] if is_count(values[:, 0]) else values).T
    width = values.shape[1]
    last_is_empty = width == 13 and np.isnan(values[:, -1]).all()  # separators at line ends
    values = values[:, : width - int(last_is_empty)]
    names = [str(i + 1) for i in range(values.shape[1])]
    if values.shape[0] > 2 and _is_ramp(values[:, 0]):
        names[0] = "index" if is_count(values[:, 0]) else "time"
        names[1:] = [str(i) for i in range(1, len(names))]
    return Table(names, [""] * len(names), values, comments=comments)


def _named_table(path: Path, text: CsvText, header: list[str]) -> Table:
    cells = [name_and_unit(cell) for cell in header]
    if text.width and _used_width(text) != len(cells):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} names {len(cells)} columns and has {text.width}; "
            "each column needs one name."
        )
    has_units = text.units and len(text.units) == len(cells)
    units_below = (text.units or []) if has_units else [""] * len(cells)
    units = [unit or below for (_, unit), below in zip(cells, units_below, strict=True)]
    names = [name for name, _ in cells]
    first = csv_parser.first_cells(text)
    wanted = wanted_columns(names, first, lambda i: csv_parser.all_numbers(first[i : i + 1]))
    clocks = [i for i in wanted if holds_clock_times(names[i], first[i : i + 1])]
    values = np.empty((len(text.rows), len(wanted)))
    numbers = [i for i in wanted if i not in clocks]
    values[:, [wanted.index(i) for i in numbers]] = csv_numbers.numbers(path, text, numbers)
    for i in clocks:
        values[:, wanted.index(i)] = parse_times(path.stem, csv_numbers.column_cells(text, i))
        units[i] = "s"
    return Table(
        names=[names[i] for i in wanted],
        units=[units[i] for i in wanted],
        values=values,
        unused=tuple(name for i, name in enumerate(names) if i not in wanted and name),
        comments=text.comments,
    )


def _used_width(text: CsvText) -> int:
    """Return the number of columns without an empty last one, left by separators at line ends."""
    has_one_more = text.width == len(text.header or []) + 1
    return text.width - int(has_one_more and csv_numbers.ends_in_separators(text))


def _is_ramp(column: np.ndarray) -> bool:
    """Return whether a column only counts up, in equal steps."""
    steps = np.diff(column)
    return bool(steps[0] > 0 and np.allclose(steps, np.median(steps), rtol=0.02, atol=0))
