"""The numbers of a CSV file whose parts ``csv_parser`` has told apart."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats.csv_parser import MOST_COLUMNS, QUOTES, WIDEST, CsvText
from ecgcore.records.leads import LARGEST_NUMBER

_MOST_CELLS = 14_000_000


def numbers(path: Path, text: CsvText, columns: list[int] | None = None) -> np.ndarray:
    """Return the rows as (rows, columns) float64, NaN where a cell is empty.

    Parameters
    ----------
    columns
        Columns to parse; all others may hold words.

    Raises
    ------
    UnreadableRecord
        A cell is not a number, or a row is longer than the first.
    """
    if not text.rows:
        return np.empty((0, len(columns if columns is not None else text.header or [])))
    first = text.rows[0]
    n_separators = first.count(text.separator) if text.separator else len(first.split())
    is_too_large = n_separators * len(text.rows) > _MOST_CELLS
    if is_too_large or (text.width >= MOST_COLUMNS and text.header):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} has more columns or rows than any CSV of a recording "
            "that is read whole. Cut out the part that is meant."
        )
    try:
        if text.leads_in_rows or (text.header is None and text.width > WIDEST):
            return _wide_numbers(path, text)
        table = _parse_cells("\n".join(text.rows), text)
    except ValueError as error:
        raise _unequal_rows(path) from error
    if columns is not None:
        table = table.iloc[:, [c for c in columns if c < table.shape[1]]]
    return _to_numbers(path, table)


def frame(path: Path, text: CsvText) -> pd.DataFrame:
    """Return the rows as a data frame whose cells may be words.

    Raises
    ------
    UnreadableRecord
        A row is longer than the header.
    """
    try:
        rows = _parse_cells("\n".join(text.rows), text)
        return rows.set_axis(text.header or range(rows.shape[1]), axis=1)
    except ValueError as error:
        raise _unequal_rows(path) from error


def column_cells(text: CsvText, column: int) -> list[str]:
    """Return the cells of a column as text, '' where a row is too short."""
    rows = (row.split(text.separator, column + 1) for row in text.rows)
    return [cells[column].strip(QUOTES) if column < len(cells) else "" for cells in rows]


def without_cut_row(path: Path, text: CsvText) -> tuple[CsvText, tuple[str, ...]]:
    """Return the text without a last row that is cut off, and a note of it.

    Raises
    ------
    UnreadableRecord
        Another row has fewer cells: which of them is missing is not known.
    """
    if text.leads_in_rows or len(text.rows) < 3 or '"' in text.rows[0]:
        return text, ()
    widths = np.array([_n_cells(row, text.separator) for row in text.rows])
    usual = int(np.median(widths)) - int(ends_in_separators(text))
    short = np.flatnonzero(widths < usual)
    if not short.size:
        return text, ()
    if short[0] < len(text.rows) - 1:
        raise UnreadableRecord(
            f"Record {path.stem}: row {short[0] + 1} of {path.name} has {widths[short[0]]} cells "
            f"and the others {usual}; which are missing is not clear. Fetch it again: it is "
            "damaged."
        )
    note = "cut off: the file ends within a row, which is left out"
    return replace(text, rows=text.rows[:-1]), (note,)


def ends_in_separators(text: CsvText) -> bool:
    """Return whether the rows end in a separator, after which there is no column."""
    return bool(text.separator) and all(row.endswith(str(text.separator)) for row in text.rows[:5])


def _wide_numbers(path: Path, text: CsvText) -> np.ndarray:
    """Return long rows, parsed one by one, as many columns would take minutes.

    Named leads become columns; rows without names stay rows.
    """
    leads: list[np.ndarray] = []
    for row in text.rows:
        cells = row.split(text.separator)[int(text.leads_in_rows) :]
        lead = _parse_cells("\n".join(cell.strip(QUOTES) or "nan" for cell in cells), text)
        leads.append(_to_numbers(path, lead)[:, 0])
        if len(lead) != len(leads[0]):
            raise ValueError("not equally long")
    rows = np.stack(leads)
    return rows.T if text.leads_in_rows else rows


def _parse_cells(rows: str, text: CsvText) -> pd.DataFrame:
    """Return rows of cells as a table; ValueError where one is longer than the first."""
    return pd.read_csv(
        BytesIO(rows.encode()),
        sep=text.separator or r"\s+",
        decimal=text.decimal,
        header=None,
        skipinitialspace=True,
        low_memory=False,
    )


def _to_numbers(path: Path, table: pd.DataFrame) -> np.ndarray:
    """Return a table's cells as float64, or refuse one by its position, never by its content."""
    values = table.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    wrong = (np.isnan(values) & table.notna().to_numpy()) | (np.abs(values) > LARGEST_NUMBER)
    if wrong.any():
        row, column = (int(index) + 1 for index in np.argwhere(wrong)[0])
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is not a table of numbers: the cell in row {row}, "
            f"column {column} below its header is none, or far too large."
        )
    return values


def _unequal_rows(path: Path) -> UnreadableRecord:
    return UnreadableRecord(
        f"Record {path.stem}: {path.name} is not a table: its rows are not equally long."
    )


def _n_cells(row: str, separator: str | None) -> int:
    return row.count(separator) + 1 if separator else len(row.split())
