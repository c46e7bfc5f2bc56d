"""The parts of a CSV file's text: preamble, header, separator, decimal mark, rows.

Its numbers are read in ``csv_numbers``; order, rate and unit are decided in ``tabular``.
"""

import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.clocks import is_clock_time, is_count
from ecgcore.records.lead_names import LEAD_COLUMNS, are_numbers, standard_lead, standard_leads
from ecgcore.records.units import UNIT_NAMES, name_and_unit

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
_MOST_LEAD_ROWS, _FEWEST_SAMPLES = 40, 15
_FEWEST_BARE_COLUMNS = 8
"""Fewer unnamed columns of numbers are no ECG of twelve leads, even with limb leads derived."""
_LONGEST_PREAMBLE, _LONGEST_COMMENT = 200, 300
_SEPARATORS = ("\t", ";", "|", ",", None)  # None: any white space
_GAP_WORDS = frozenset({"na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none"})
"""Words for a missing sample, in lower case, as pandas reads them."""
_CLOCK_UNITS = frozenset({"hh:mm:ss.mmm", "hh:mm:ss", "mm:ss.mmm"})
QUOTES = " \t\"'"


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
        return self.leads_in_rows or self.is_long or any(_leads(self.header or []))

    @property
    def is_long(self) -> bool:
        """True if each row is one sample of one lead, whose name stands in a column."""
        rows = [_cells(row, self.separator) for row in self.rows[:5]]
        return bool(rows) and any(
            name.lower() in LEAD_COLUMNS
            and all(i < len(cells) and standard_lead(cells[i]) for cells in rows)
            for i, name in enumerate(self.header or [])
        )

    @property
    def rows_are_numbers(self) -> bool:
        """True if the first rows hold only numbers and gaps."""
        return bool(self.rows) and all(
            _starts_numbers([row], self.separator) for row in self.rows[:5]
        )


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
            if _counts_columns(line, separator, lines[start + 1 : start + 2]):
                if len(_cells(line, separator)) > WIDEST:  # numbers of samples, above leads
                    return _split_at_numbers(
                        start, [*lines[:start], *lines[start + 1 :]], separator
                    )
                return _split_at_numbers(start + 1, lines, separator, named=True)
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
    header = text.header or [""]
    is_bare = are_numbers(header[1:] if header[0].lower() in ("", "index") else header)
    return is_bare and text.rows_are_numbers and text.width >= _FEWEST_BARE_COLUMNS


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


def all_numbers(cells: list[str]) -> bool:
    """Return whether cells are numbers or gaps, and not all of them gaps."""
    return any(cells) and all(map(_is_number, cells))


def _is_too_long(content: bytes) -> bool:
    if len(content) > LARGEST_BYTES or content.count(b"\n") > MOST_LINES:
        return True
    return len(content) > LONGEST_LINE < max(map(len, content.split(b"\n")))


def _split_at_numbers(
    start: int, lines: list[str], separator: str | None, *, named: bool = False
) -> CsvText:
    """Split a file whose numbers start at a line, with a header above if it is ``named``."""
    preamble = [line.lstrip("# ") for line in lines[:start]]
    header = _cells(lines[start - 1].lstrip("# "), separator) if named else None
    preamble = preamble[:-1] if named else preamble
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
    """Split a file in which each line is a lead's name and its samples; None for others.

    A line above may count the samples or give their times: it becomes the first row.
    """
    preamble = list(takewhile(lambda line: line.startswith("#"), lines[:_LONGEST_PREAMBLE]))
    body = lines[len(preamble) :]
    for separator in _SEPARATORS:
        rows = [_cells(line, separator) for line in body[:_MOST_LEAD_ROWS]]
        if len(rows) < 2 or min(map(len, rows)) <= _FEWEST_SAMPLES:
            continue
        has_clock = standard_lead(rows[0][0]) is None
        leads = standard_leads([cells[0] for cells in rows[int(has_clock) :]])
        if all(leads[:2]) and all(all_numbers(cells[1:]) for cells in rows[:3]):
            decimal = _decimal_mark(body[1][:200], separator)
            comments = tuple(map(_comment, preamble))
            return CsvText(comments, None, None, tuple(body), separator, decimal, True)
    return None


def _split_words(lines: list[str]) -> CsvText:
    """Split a file without rows of numbers: its first line is its header."""
    comments = tuple(_comment(line) for line in lines if line.startswith("#"))
    body = [line for line in lines if not line.startswith("#")]
    separator = next((mark for mark in ("\t", ";", "|") if body and mark in body[0]), ",")
    header = _cells(body[0], separator) if body else None
    decimal = _decimal_mark("".join(body[1:4]), separator)
    return CsvText(comments, header, None, tuple(body[1:]), separator, decimal)


def _comment(line: str) -> str:
    return line[:_LONGEST_COMMENT].lstrip("# ")


def _decimal_mark(sample: str, separator: str | None) -> str:
    return "," if separator != "," and re.search(r"\d,\d", sample) else "."


def _starts_numbers(lines: list[str], separator: str | None) -> bool:
    """Return whether this line and those below are rows of numbers, equally long.

    The first cell may be a time of day.
    """
    rows = [_cells(line, separator) for line in lines]
    starts = [int(is_clock_time(cells[0])) for cells in rows]
    return len(rows[0]) > 1 and all(
        all_numbers(cells[start:]) and abs(len(cells) - len(rows[0])) < 2
        for cells, start in zip(rows, starts, strict=True)
    )


def _is_header(cells: list[str], below: list[str], separator: str | None) -> bool:
    """Return whether cells name leads, with numbers in their columns below."""
    leads = [i for i, lead in enumerate(_leads(cells)) if lead]
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
    return bool(units) and (UNIT_NAMES | _CLOCK_UNITS).issuperset(units)


def _leads(cells: list[str]) -> list[str | None]:
    return standard_leads([name_and_unit(cell)[0] for cell in cells])


def _counts_columns(line: str, separator: str | None, below: list[str]) -> bool:
    """Return whether a line numbers the columns (0, 1, 2, …), a first blank one apart."""
    cells = _cells(line, separator)
    numbers = cells[1:] if cells[0].lower() in ("", "index") else cells
    if len(numbers) < _FEWEST_BARE_COLUMNS or not all(cell.isdecimal() for cell in numbers):
        return False
    return is_count(np.array([int(cell[:9]) for cell in numbers])) and len(below) > 0


def _cells(line: str, separator: str | None) -> list[str]:
    """Return a line's first cells (MOST_COLUMNS) without quotes."""
    return [cell.strip(QUOTES) for cell in line.split(separator, MOST_COLUMNS)[:MOST_COLUMNS]]


def _is_number(cell: str) -> bool:
    if cell.lower() in _GAP_WORDS:
        return True
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
