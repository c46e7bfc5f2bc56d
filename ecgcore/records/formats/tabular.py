"""A table of one recording: one column a lead, one row a sample, whatever file it was stored in.

Leads are matched by name; twelve columns without names are taken for the standard order only when
the numbers prove it or the caller confirms it. Clocks, counts of samples and a repeated rate give
the rate and show missing samples; other columns are named in a note.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.clocks import (
    Clock,
    fill_gaps,
    gap_notes,
    is_clock_time,
    read_clock,
    read_count,
)
from ecgcore.records.lead_names import inverted_lead, public_names, standard_leads
from ecgcore.records.leads import finite, order_of_leads, twelve_leads
from ecgcore.records.metadata import chapman, ptbxl
from ecgcore.records.rates import Rate, decide_rate, is_rate_name, rate_in_name, rates_in_text
from ecgcore.records.record import Record
from ecgcore.records.sources import identify_origin, source_name
from ecgcore.records.units import stated_mv, unit_in_text

TIME_NAMES = frozenset(
    {"time", "times", "t", "seconds", "sec", "s", "timestamp", "ms", "milliseconds", "elapsed"}
    | {"elapsed time", "elapsed_time", "datetime", "date_time", "clock", "time_of_day"}
)
INDEX_NAMES = frozenset(
    {"", "index", "idx", "sample", "samples", "sample_number", "sample number", "sample_index", "n"}
    | {"__index_level_0__", "unnamed: 0"}
)
RATE_ADVICE = (
    "add a column time_s, a line '# fs_hz=500' or _500hz in the file's name, or give it "
    "(--source-fs-hz)"
)
UNIT_ADVICE = "Name its columns I_mV or I_uV, or add a line '# unit=mV' or '# unit=uV'."
_FEWEST_FOR_A_CLOCK = 3


@dataclass(frozen=True)
class Table:
    """The numbers of a file and what names them.

    Attributes
    ----------
    names
        Of the columns, without units; numbers or '' where the file has none.
    units
        Of the columns, in lower case, '' where the file states none.
    values
        (rows, columns) float64, NaN where a cell is empty.
    unused
        Names of further columns, which hold no lead, clock or rate.
    comments
        Lines of text above the numbers.
    """

    names: list[str]
    units: list[str]
    values: np.ndarray
    unused: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()

    def column(self, names: Iterable[str]) -> int | None:
        """Return the first column of one of these names, None where there is none."""
        return next((i for i, name in enumerate(self.names) if name.lower() in names), None)

    @property
    def leads(self) -> list[int]:
        """Columns that are neither a clock nor a count nor a rate."""
        return [i for i, name in enumerate(self.names) if not names_no_lead(name)]


def wanted_columns(
    names: Sequence[str], first_cells: Sequence[str], are_numbers: Callable[[int], bool]
) -> list[int]:
    """Return the columns that hold a lead, or a clock, count or rate that can be read.

    All are wanted where none is named after a lead.

    Parameters
    ----------
    names, first_cells
        Of the columns: their names without units, and the cells of their first row.
    are_numbers
        Returns whether a column, by its place, holds numbers or times alone.
    """
    leads = standard_leads(names)
    if not any(leads):
        return list(range(len(names)))

    def is_number_of_sample(i: int) -> bool:
        if not names_no_lead(names[i]):
            return False
        return holds_clock_times(names[i], first_cells[i : i + 1]) or are_numbers(i)

    return [
        i
        for i in range(len(names))
        if leads[i] or inverted_lead(names[i]) or is_number_of_sample(i)
    ]


def holds_clock_times(name: str, cells: Sequence[str]) -> bool:
    """Return whether a column holds times of day, by its name and first cells."""
    return name.lower() in TIME_NAMES and bool(cells) and is_clock_time(cells[0])


def names_no_lead(name: str) -> bool:
    """Return whether a column of that name is a clock, a count of samples or a rate."""
    return name.lower() in TIME_NAMES | INDEX_NAMES or is_rate_name(name)


def read_table(
    path: Path, table: Table, *, source_fs_hz: float | None = None, assume_order: bool = False
) -> Record:
    """Return the Record of a table.

    Raises
    ------
    UnreadableRecord
        Not twelve leads, no rate, unit or order that is clear. One line.
    """
    name, leads = path.stem, table.leads
    clock = _clock(name, table)
    rows = table.values[:, leads].T  # (leads, T)
    columns, order_notes = order_of_leads(
        name, [table.names[i] for i in leads], rows, assume_order, _known_order(path)
    )
    stated = unit_in_text(name, table.comments)
    units = [table.units[i] or stated for i in leads]
    rows_mv, scale_notes = stated_mv(name, finite(rows), units, UNIT_ADVICE)
    signal_mv, lead_notes = twelve_leads(name, columns, fill_gaps(rows_mv, clock.places))
    rate = table_rate(path, table, clock, source_fs_hz)
    if table.unused:
        lead_notes = (*lead_notes, f"columns not used: {public_names(list(table.unused))}")
    record = Record(
        signal_mv=signal_mv,
        fs_hz=rate.fs_hz,
        name=name,
        source=source_name(identify_origin(name)),
        notes=order_notes
        + scale_notes
        + rate.notes
        + lead_notes
        + gap_notes(clock.places, rate.fs_hz),
        evidence={
            "rate": rate.origin,
            "leads": order_notes[0] if order_notes else "its columns' names",
            "unit": scale_notes[0] if scale_notes else "a comment" if stated else "its columns",
        },
    )
    return chapman.add_metadata(ptbxl.add_metadata(record, path), path)


def table_rate(path: Path, table: Table, clock: Clock, source_fs_hz: float | None) -> Rate:
    """Return the rate that is given or stated; all statements of it must agree."""
    comments_hz = rates_in_text(table.comments)
    statements = [
        *(("a comment", fs_hz) for fs_hz in comments_hz),
        ("its name", rate_in_name(path.stem)),
        ("its rate column", _repeated_rate(path.stem, table)),
        ("its time column", clock.fs_hz),
        ("its source", chapman.fs_hz(path)),
    ]
    return decide_rate(path.stem, statements, given_hz=source_fs_hz, advice=RATE_ADVICE)


def _clock(name: str, table: Table) -> Clock:
    """Return the rate and places of the time column, else of a count of samples, else of none."""
    n_rows = len(table.values)
    if n_rows >= _FEWEST_FOR_A_CLOCK:
        if (column := table.column(TIME_NAMES)) is not None:
            unit = table.units[column] or table.names[column].lower()
            return read_clock(name, table.values[:, column], unit)
        column = table.column(INDEX_NAMES)
        if column is not None and np.nanmax(table.values[:, column], initial=-np.inf) > (
            np.nanmin(table.values[:, column], initial=np.inf)
        ):
            return read_count(name, table.values[:, column])
    return Clock(None, np.arange(n_rows))


def stated_rate(path: Path, table: Table) -> float | None:
    """Return the rate that the first rows of a table state, in Hz, None where they state none."""
    try:
        return table_rate(path, table, _clock(path.stem, table), None).fs_hz
    except UnreadableRecord:
        return None


def _repeated_rate(name: str, table: Table) -> float | None:
    """Return the rate that a column repeats in every row, or gives in the first alone."""
    column = next((i for i, column in enumerate(table.names) if is_rate_name(column)), None)
    if column is None or not len(table.values):
        return None
    rates_hz = np.unique(table.values[:, column])
    rates_hz = rates_hz[~np.isnan(rates_hz)]
    if len(rates_hz) > 1:
        raise UnreadableRecord(
            f"Record {name}: its rate column changes; one rate for the whole recording is needed."
        )
    return float(rates_hz[0]) if len(rates_hz) else None


def _known_order(path: Path) -> str:
    return chapman.ORDER_NOTE if chapman.is_chapman_file(path) else ""
