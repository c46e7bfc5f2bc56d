"""The text of a CSV file: preamble, header, separator, decimal mark, numbers.

Knows nothing of leads' order, rates or units (csv_file.py).
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
"""As many cells of a row are looked at to tell what it is."""
_MOST_CELLS = 14_000_000
UNITS = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6, "v": 1e3}
"""mV in one of a unit, by its name in small letters."""
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
    """A CSV file, taken apart.

    Attributes
    ----------
    comments
        What stands above the numbers and is no header, and lines that start with ``#``.
    header
        The columns' names, or None.
    units
        A line of units below the header, or None.
    rows
        The lines below.
    separator
        Of cells; None for any white space.
    decimal
        Mark of the numbers.
    leads_in_rows
        Whether each line is a lead: its name, then its samples.
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
        """Whether there is nothing but comments."""
        return not self.rows and self.header is None

    @property
    def width(self) -> int:
        """Cells in the first row."""
        return len(_cells(self.rows[0], self.separator)) if self.rows else 0

    @property
    def names_leads(self) -> bool:
        """Whether a column is named after a lead."""
        return self.leads_in_rows or any(map(_is_lead, self.header or []))

    @property
    def rows_are_numbers(self) -> bool:
        """Whether the first rows hold nothing but numbers and gaps."""
        cells = [_cells(row, self.separator) for row in self.rows[:5]]
        return bool(cells) and all(all_numbers(row) for row in cells)


def name_and_unit(cell: str) -> tuple[str, str]:
    """Take ``V1 (uV)``, ``time_s`` apart; the unit in small letters, '' where there is none."""
    found = _NAME_AND_UNIT.fullmatch(cell) if len(cell) <= _LONGEST_NAME else None
    if found is None:
        return cell, ""
    return found["name"], (found["in"] or found["as"]).lower()


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
    text = taken_apart(content, whole=not head or len(content) < HEAD_BYTES)
    if text is None:
        raise UnreadableRecord(f"Record {path.stem}: {path.name} is not text, so it is no CSV.")
    return text


def _is_too_long(content: bytes) -> bool:
    if len(content) > LARGEST_BYTES or content.count(b"\n") > MOST_LINES:
        return True
    return len(content) > LONGEST_LINE < max(map(len, content.split(b"\n")))


def taken_apart(content: bytes, *, whole: bool) -> CsvText | None:
    """Return the parts of a file's content, None if it is no text.

    Parameters
    ----------
    whole
        Whether its last line is complete.
    """
    decoded = _decoded(content)
    if decoded is None:
        return None
    told = [line.strip("\r").strip(" ") for line in decoded.split("\n")][: None if whole else -1]
    lines = [line for line in told if line.strip()]
    if (rows := _lead_rows(lines)) is not None:
        return rows
    for start, line in enumerate(lines[:_LONGEST_PREAMBLE]):
        for separator in _SEPARATORS:
            if _starts_numbers(lines[start : start + 3], separator) and not line.startswith("#"):
                return _numbers_from(start, lines, separator)
            if _is_header(
                _cells(line.lstrip("# "), separator), lines[start + 1 : start + 4], separator
            ):
                return _numbers_from(start + 1, lines, separator, named=True)
    return _words(lines)


def looks_like_recording(content: bytes, suffix: str) -> bool:
    """Tell a recording from a table, a licence or notes: lead names, or many columns of numbers.

    Parameters
    ----------
    content
        The first ``HEAD_BYTES``. An empty CSV counts as a recording, so that it is told and not
        passed over.
    """
    text = taken_apart(content, whole=len(content) < HEAD_BYTES)
    if text is None or text.is_empty:
        return suffix != ".txt"
    if text.names_leads:
        return True
    return text.header is None and text.rows_are_numbers and text.width >= _FEWEST_BARE_COLUMNS


def is_table(content: bytes | None) -> bool:
    """Return whether a file holds words where a recording has numbers."""
    text = taken_apart(content or b"", whole=len(content or b"") < HEAD_BYTES)
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
        Those wanted; all others may hold words.

    Raises
    ------
    UnreadableRecord
        A cell is not a number, or a row is longer than the first.
    """
    if not text.rows:
        return np.empty((0, len(columns if columns is not None else text.header or [])))
    a_row = text.rows[0].count(text.separator) if text.separator else len(text.rows[0].split())
    if a_row * len(text.rows) > _MOST_CELLS or (text.width >= MOST_COLUMNS and text.header):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} has more columns or rows than any CSV of a recording "
            "that is read whole. Cut out the part that is meant."
        )
    try:
        if text.leads_in_rows or (text.header is None and text.width > WIDEST):
            return _wide(path, text)
        table = _parsed("\n".join(text.rows), text)
    except ValueError as error:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is not a table: its rows are not equally long."
        ) from error
    if columns is not None:
        table = table.iloc[:, [c for c in columns if c < table.shape[1]]]
    return _as_numbers(path, table)


def _wide(path: Path, text: CsvText) -> np.ndarray:
    """Return long rows, parsed one by one, as many columns would take minutes.

    Leads that are named become columns; rows without names stay rows.
    """
    leads = []
    for row in text.rows:
        cells = row.split(text.separator)[int(text.leads_in_rows) :]
        lead = _parsed("\n".join(cell.strip(_QUOTES) or "nan" for cell in cells), text)
        leads.append(_as_numbers(path, lead)[:, 0])
        if len(lead) != len(leads[0]):
            raise ValueError("not equally long")
    found = np.stack(leads)
    return found.T if text.leads_in_rows else found


def _parsed(rows: str, text: CsvText) -> pd.DataFrame:
    """Return rows of cells as a table; ValueError where one is longer than the first."""
    return pd.read_csv(
        BytesIO(rows.encode()),
        sep=text.separator or r"\s+",
        decimal=text.decimal,
        header=None,
        skipinitialspace=True,
        low_memory=False,
    )


def _as_numbers(path: Path, table: pd.DataFrame) -> np.ndarray:
    """Return a table's cells as float64, or say which is none; never what stands there."""
    found = table.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    wrong = (np.isnan(found) & table.notna().to_numpy()) | (np.abs(found) > LARGEST_NUMBER)
    if wrong.any():
        row, column = (int(at) + 1 for at in np.argwhere(wrong)[0])
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is not a table of numbers: what stands in row {row}, "
            f"column {column} below its header is none, or far too large."
        )
    return found


def _numbers_from(
    start: int, lines: list[str], separator: str | None, *, named: bool = False
) -> CsvText:
    """Take a file apart whose numbers start at a line, with a header above if it is ``named``."""
    above = [line.lstrip("# ") for line in lines[:start]]
    header = _cells(above.pop(), separator) if named else None
    rows = lines[start:]
    units = None
    if rows and named and _are_units(_cells(rows[0], separator)):
        units = [cell.lower() for cell in _cells(rows.pop(0), separator)]
    elif header is None and above and _may_name(above[-1], rows[0], separator):
        header = _cells(above.pop(), separator)
    comments = [*above, *(row.lstrip("# ") for row in rows if row.startswith("#"))]
    body = tuple(row for row in rows if not row.startswith("#"))
    decimal = "," if separator != "," and re.search(r"\d,\d", "".join(body[:3])) else "."
    return CsvText(tuple(map(_comment, comments)), header, units, body, separator, decimal)


def _comment(line: str) -> str:
    return line[:_LONGEST_COMMENT].lstrip("# ")


def _words(lines: list[str]) -> CsvText:
    """Take a file apart that has no rows of numbers: its first line is its header."""
    comments = tuple(_comment(line) for line in lines if line.startswith("#"))
    body = [line for line in lines if not line.startswith("#")]
    separator = next((mark for mark in ("\t", ";") if body and mark in body[0]), ",")
    header = _cells(body[0], separator) if body else None
    return CsvText(comments, header, None, tuple(body[1:]), separator, ".")


def _lead_rows(lines: list[str]) -> CsvText | None:
    """Take a file apart in which each line is a lead's name and its samples."""
    above = list(takewhile(lambda line: line.startswith("#"), lines[:_LONGEST_PREAMBLE]))
    body = lines[len(above) :]
    for separator in _SEPARATORS:
        first = [_cells(line, separator) for line in body[:3]]
        if len(first) > 1 and all(
            standard_lead(cells[0]) and len(cells) > 15 and all_numbers(cells[1:])
            for cells in first
        ):
            decimal = "," if separator != "," and re.search(r"\d,\d", body[0][:200]) else "."
            told = tuple(map(_comment, above))
            return CsvText(told, None, None, tuple(body), separator, decimal, True)
    return None


def _starts_numbers(lines: list[str], separator: str | None) -> bool:
    """Return whether this line and those below are rows of numbers, equally long."""
    first = [_cells(line, separator) for line in lines]
    return len(first[0]) > 1 and all(
        all_numbers(cells) and abs(len(cells) - len(first[0])) < 2 for cells in first
    )


def _is_header(cells: list[str], below: list[str], separator: str | None) -> bool:
    """Return whether these cells name leads, and numbers stand in their columns below."""
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
    told = [cell.lower() for cell in cells if cell]
    known = {*UNITS, "s", "ms", "sec", "seconds", "milliseconds"}
    return bool(told) and known.issuperset(told)


def _is_lead(cell: str) -> bool:
    return standard_lead(name_and_unit(cell)[0]) is not None


def _cells(line: str, separator: str | None) -> list[str]:
    """Return a line's cells without quotes, the first of many."""
    return [cell.strip(_QUOTES) for cell in line.split(separator, MOST_COLUMNS)[:MOST_COLUMNS]]


def all_numbers(cells: list[str]) -> bool:
    """Return whether cells are numbers or gaps, and not all of them gaps."""
    return any(cells) and all(map(_is_number, cells))


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", ".", 1) or "nan")
    except ValueError:
        return False
    return "_" not in cell


def _decoded(content: bytes) -> str | None:
    """Return text, None where the content is none."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
