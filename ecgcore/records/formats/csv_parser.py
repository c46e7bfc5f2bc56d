"""The text of a CSV file: preamble, header, separator, decimal mark, numbers.

Lead order, sampling rates and units are decided in ``csv``.
"""

import re
from dataclasses import dataclass
from io import BytesIO
from itertools import takewhile
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.errors import UnreadableRecord
from ecgcore.records.leads import LARGEST_NUMBER, standard_lead
from ecgcore.records.units import MV_PER_UNIT

SUFFIXES = frozenset({".csv", ".tsv", ".txt"})
HEAD_BYTES = 1 << 16
LARGEST_BYTES = 64_000_000
"""Of a file: 25 minutes of twelve leads at 500 Hz; ten seconds have half a MB."""
MOST_LINES = 1_000_200
LONGEST_LINE = 4_000_000
"""Characters: ten minutes at 1000 Hz where each line is a lead."""
WIDEST = 100
"""Longer rows without names are leads, not samples."""
MOST_COLUMNS = 2000
"""Number of cells of a row that are inspected to tell what it is."""
_MOST_CELLS = 14_000_000
_UNIT_NAMES = frozenset({*MV_PER_UNIT, "s", "ms", "sec", "seconds", "milliseconds"})
_FEWEST_BARE_COLUMNS = 8
"""Fewer unnamed columns of numbers are no ECG of twelve leads, even with limb leads derived."""
_LONGEST_PREAMBLE, _LONGEST_COMMENT, _LONGEST_NAME = 200, 300, 60
_SEPARATORS = ("\t", ";", ",", None)  # None: any white space
_NAME_AND_UNIT = re.compile(
    r"(?P<name>.*?)(?:\s*[\[(]\s*(?P<in>\S+)\s*[\])]|_(?P<as>mV|[uµμ]V|ms|s))"
)
_QUOTES = " \t\"'"


@dataclass(frozen=True)
class CsvText:
    """The parts of a CSV file.

    Attributes
    ----------
    comments
        Lines above the numbers that are no header, and lines that start with ``#``.
    header
        The columns' names, or None.
    units
        A line of units below the header, or None.
    rows
        The lines below.
    separator
        Separator of cells; None for any white space.
    decimal
        Decimal mark of the numbers.
    leads_in_rows
        Each line is a lead: its name, then its samples.
    """

    comments: tuple[str, ...]
    header: list[str] | None
    units: list[str] | None
    rows: tuple[str, ...]
    separator: str | None
    decimal: str
    leads_in_rows: bool = False

    @property
    def is_empty(self) -> bool:
        """True if there are only comments."""
        return not self.rows and self.header is None

    @property
    def width(self) -> int:
        """Number of cells in the first row."""
        return len(_cells(self.rows[0], self.separator)) if self.rows else 0

    @property
    def names_leads(self) -> bool:
        """True if a column is named after a lead."""
        return self.leads_in_rows or any(map(_is_lead, self.header or []))

    @property
    def rows_are_numbers(self) -> bool:
        """True if the first rows hold only numbers and gaps."""
        cells = [_cells(row, self.separator) for row in self.rows[:5]]
        return bool(cells) and all(all_numbers(row) for row in cells)


def name_and_unit(cell: str) -> tuple[str, str]:
    """Split ``V1 (uV)`` or ``time_s``; the unit is in lower case, '' where there is none."""
    match = _NAME_AND_UNIT.fullmatch(cell) if len(cell) <= _LONGEST_NAME else None
    if match is None:
        return cell, ""
    return match["name"], (match["in"] or match["as"]).lower()


def read_text(path: Path, *, head: bool = False) -> CsvText:
    """Read a CSV file, or only its first 64 kB.

    Raises
    ------
    UnreadableRecord
        It cannot be opened, or is no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(HEAD_BYTES if head else LARGEST_BYTES + 1)
    except OSError as error:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} cannot be opened ({error.strerror})."
        ) from error
    if _is_too_long(content):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is longer than any CSV that is read whole "
            f"({LARGEST_BYTES // 10**6} MB, {MOST_LINES:,} lines, {LONGEST_LINE // 10**6} MB a "
            "line). Cut out the part that is meant."
        )
    text = split_content(content, is_complete=not head or len(content) < HEAD_BYTES)
    if text is None:
        raise UnreadableRecord(f"Record {path.stem}: {path.name} is not text, so it is no CSV.")
    return text


def split_content(content: bytes, *, is_complete: bool) -> CsvText | None:
    """Return the parts of a file's content, None if it is no text.

    Parameters
    ----------
    is_complete
        The last line is complete.
    """
    decoded = _decode(content)
    if decoded is None:
        return None
    stripped = [line.strip("\r").strip(" ") for line in decoded.split("\n")]
    lines = [line for line in stripped[: None if is_complete else -1] if line.strip()]
    if (text := _split_lead_rows(lines)) is not None:
        return text
    for start, line in enumerate(lines[:_LONGEST_PREAMBLE]):
        for separator in _SEPARATORS:
            if _starts_numbers(lines[start : start + 3], separator) and not line.startswith("#"):
                return _split_at_numbers(start, lines, separator)
            cells = _cells(line.lstrip("# "), separator)
            if _is_header(cells, lines[start + 1 : start + 4], separator):
                return _split_at_numbers(start + 1, lines, separator, named=True)
    return _split_words(lines)


def looks_like_recording(content: bytes, suffix: str) -> bool:
    """Return whether a file is a recording by its lead names, or by many columns of numbers.

    Tables, licences and notes are none.

    Parameters
    ----------
    content
        The first ``HEAD_BYTES``. An empty CSV counts as a recording, so that it is reported and not
        passed over.
    """
    text = split_content(content, is_complete=len(content) < HEAD_BYTES)
    if text is None or text.is_empty:
        return suffix != ".txt"
    if text.names_leads:
        return True
    return text.header is None and text.rows_are_numbers and text.width >= _FEWEST_BARE_COLUMNS


def is_table(content: bytes | None) -> bool:
    """Return whether a file holds words where a recording has numbers."""
    text = split_content(content or b"", is_complete=len(content or b"") < HEAD_BYTES)
    if text is None or text.names_leads:
        return False
    return len(text.rows) > 0 and not text.rows_are_numbers


def is_words(content: bytes) -> bool:
    """Return whether a file's first bytes are plain text."""
    return not re.search(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]", content)


def first_cells(text: CsvText) -> list[str]:
    """Return the cells of the first row, '' for each where there is none."""
    return _cells(text.rows[0], text.separator) if text.rows else [""] * len(text.header or [])


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
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is not a table: its rows are not equally long."
        ) from error
    if columns is not None:
        table = table.iloc[:, [c for c in columns if c < table.shape[1]]]
    return _to_numbers(path, table)


def all_numbers(cells: list[str]) -> bool:
    """Return whether cells are numbers or gaps, and not all of them gaps."""
    return any(cells) and all(map(_is_number, cells))


def _is_too_long(content: bytes) -> bool:
    if len(content) > LARGEST_BYTES or content.count(b"\n") > MOST_LINES:
        return True
    return len(content) > LONGEST_LINE < max(map(len, content.split(b"\n")))


def _wide_numbers(path: Path, text: CsvText) -> np.ndarray:
    """Return long rows, parsed one by one, as many columns would take minutes.

    Named leads become columns; rows without names stay rows.
    """
    leads: list[np.ndarray] = []
    for row in text.rows:
        cells = row.split(text.separator)[int(text.leads_in_rows) :]
        lead = _parse_cells("\n".join(cell.strip(_QUOTES) or "nan" for cell in cells), text)
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


def _split_at_numbers(
    start: int, lines: list[str], separator: str | None, *, named: bool = False
) -> CsvText:
    """Split a file whose numbers start at a line, with a header above if it is ``named``."""
    preamble = [line.lstrip("# ") for line in lines[:start]]
    header = _cells(preamble.pop(), separator) if named else None
    rows = lines[start:]
    units = None
    if rows and named and _are_units(_cells(rows[0], separator)):
        units = [cell.lower() for cell in _cells(rows.pop(0), separator)]
    elif header is None and preamble and _may_name(preamble[-1], rows[0], separator):
        header = _cells(preamble.pop(), separator)
    comments = [*preamble, *(row.lstrip("# ") for row in rows if row.startswith("#"))]
    body = tuple(row for row in rows if not row.startswith("#"))
    decimal = _decimal_mark("".join(body[:3]), separator)
    return CsvText(tuple(map(_comment, comments)), header, units, body, separator, decimal)


def _split_lead_rows(lines: list[str]) -> CsvText | None:
    """Split a file in which each line is a lead's name and its samples; None for others."""
    preamble = list(takewhile(lambda line: line.startswith("#"), lines[:_LONGEST_PREAMBLE]))
    body = lines[len(preamble) :]
    for separator in _SEPARATORS:
        first = [_cells(line, separator) for line in body[:3]]
        if len(first) > 1 and all(
            standard_lead(cells[0]) and len(cells) > 15 and all_numbers(cells[1:])
            for cells in first
        ):
            decimal = _decimal_mark(body[0][:200], separator)
            comments = tuple(map(_comment, preamble))
            return CsvText(comments, None, None, tuple(body), separator, decimal, True)
    return None


def _split_words(lines: list[str]) -> CsvText:
    """Split a file without rows of numbers: its first line is its header."""
    comments = tuple(_comment(line) for line in lines if line.startswith("#"))
    body = [line for line in lines if not line.startswith("#")]
    separator = next((mark for mark in ("\t", ";") if body and mark in body[0]), ",")
    header = _cells(body[0], separator) if body else None
    return CsvText(comments, header, None, tuple(body[1:]), separator, ".")


def _comment(line: str) -> str:
    return line[:_LONGEST_COMMENT].lstrip("# ")


def _decimal_mark(sample: str, separator: str | None) -> str:
    return "," if separator != "," and re.search(r"\d,\d", sample) else "."


def _starts_numbers(lines: list[str], separator: str | None) -> bool:
    """Return whether this line and those below are rows of numbers, equally long."""
    rows = [_cells(line, separator) for line in lines]
    return len(rows[0]) > 1 and all(
        all_numbers(cells) and abs(len(cells) - len(rows[0])) < 2 for cells in rows
    )


def _is_header(cells: list[str], below: list[str], separator: str | None) -> bool:
    """Return whether cells name leads, with numbers in their columns below."""
    leads = [i for i, cell in enumerate(cells) if _is_lead(cell)]
    if not leads or len(cells) < 2:
        return False
    if not below:
        return len(leads) > 1
    rows = [_cells(line, separator) for line in below if not line.startswith("#")]
    if rows and _are_units(rows[0]):
        rows = rows[1:]
    return len(leads) > 1 and all(
        leads[-1] < len(row) and all_numbers([row[i] for i in leads]) for row in rows
    )


def _may_name(line: str, row: str, separator: str | None) -> bool:
    """Return whether a line above numbers has a name for each column (none of them a lead's)."""
    cells = _cells(line, separator)
    return abs(len(cells) - len(_cells(row, separator))) < 2 and len(cells) > 1


def _are_units(cells: list[str]) -> bool:
    units = [cell.lower() for cell in cells if cell]
    return bool(units) and _UNIT_NAMES.issuperset(units)


def _is_lead(cell: str) -> bool:
    return standard_lead(name_and_unit(cell)[0]) is not None


def _cells(line: str, separator: str | None) -> list[str]:
    """Return a line's first cells (MOST_COLUMNS) without quotes."""
    return [cell.strip(_QUOTES) for cell in line.split(separator, MOST_COLUMNS)[:MOST_COLUMNS]]


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", ".", 1) or "nan")
    except ValueError:
        return False
    return "_" not in cell


def _decode(content: bytes) -> str | None:
    """Return the content as text, None where it is none."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
