"""The text of a CSV file: separator, decimal mark, comments, header, recording or table.

Knows nothing of leads' order, rates or units (csv_file.py).
"""

import re
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.errors import UnreadableRecord
from ecgcore.records.leads import LARGEST_NUMBER, standard_lead

SUFFIXES = frozenset({".csv", ".tsv", ".txt"})
_HEAD_BYTES = 1 << 16
_FEWEST_BARE_COLUMNS = 8
"""Fewer unnamed columns of numbers are no ECG of twelve leads, even with limb leads derived."""


@dataclass(frozen=True)
class CsvText:
    """Lines of a CSV file, taken apart.

    Attributes
    ----------
    lines
        Lines that are neither comment nor empty.
    comments
        Lines that start with ``#``, without it.
    separator, decimal
        Of the numbers.
    """

    lines: tuple[str, ...]
    comments: tuple[str, ...]
    separator: str
    decimal: str

    @property
    def header(self) -> list[str] | None:
        """The cells of the first line if it is not all numbers, else None."""
        first = self.cells(self.lines[0]) if self.lines else []
        return None if all(map(self._is_number, first)) else first

    @property
    def leads_in_rows(self) -> bool:
        """Whether each line is a lead: its name, then its samples."""
        first = [self.cells(line) for line in self.lines[:3]]
        return len(first) > 1 and all(
            standard_lead(cells[0]) and len(cells) > 15 and all(map(self._is_number, cells[1:]))
            for cells in first
        )

    @property
    def rows_are_numbers(self) -> bool:
        """Whether the first rows below the header hold nothing but numbers and gaps."""
        rows = [self.cells(line) for line in self.lines[self.header is not None :][:5]]
        return bool(rows) and all(len(r) > 1 and all(map(self._is_number, r)) for r in rows)

    def cells(self, line: str) -> list[str]:
        """Return a line's cells without quotes."""
        return [cell.strip().strip('"').strip() for cell in line.split(self.separator)]

    def _is_number(self, cell: str) -> bool:
        try:
            float(cell.replace(self.decimal, ".") or "nan")
        except ValueError:
            return False
        return True


def read_text(path: Path, *, head: bool = False) -> CsvText:
    """Read a CSV file, or only its first 64 kB.

    Raises
    ------
    UnreadableRecord
        It cannot be opened, or is no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_HEAD_BYTES if head else -1)
    except OSError as error:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} cannot be opened ({error.strerror})."
        ) from error
    if b"\0" in content:
        raise UnreadableRecord(f"Record {path.stem}: {path.name} is not text, so it is no CSV.")
    whole = not head or len(content) < _HEAD_BYTES
    lines = [line.strip(" \r") for line in _decoded(content).split("\n")][: None if whole else -1]
    body = tuple(line for line in lines if line.strip() and not line.startswith("#"))
    separator = _separator(body)
    return CsvText(
        lines=body,
        comments=tuple(line.lstrip("# ") for line in lines if line.startswith("#")),
        separator=separator,
        decimal="," if separator != "," and re.search(r"\d,\d", "".join(body[1:3])) else ".",
    )


def looks_like_recording(path: Path) -> bool:
    """Tell a recording from a table, a licence or notes: lead names, or many columns of numbers.

    An empty CSV counts as a recording, so that it is told and not passed over.
    """
    try:
        text = read_text(path, head=True)
    except UnreadableRecord:
        return path.suffix.lower() != ".txt"
    if not text.lines:
        return path.suffix.lower() != ".txt"
    if text.header is None:
        columns = len(text.cells(text.lines[0]))
        return text.rows_are_numbers and columns >= _FEWEST_BARE_COLUMNS
    named = any(standard_lead(re.split(r"[\s(\[_]", cell)[0]) for cell in text.header)
    return text.leads_in_rows or (named and (text.rows_are_numbers or len(text.lines) == 1))


def is_table(path: Path) -> bool:
    """Return whether a file holds words where a recording has numbers."""
    try:
        text = read_text(path, head=True)
    except UnreadableRecord:
        return False
    return len(text.lines) > 1 and not text.rows_are_numbers and not text.leads_in_rows


def numbers(path: Path, text: CsvText) -> np.ndarray:
    """Return the numbers below the header as (rows, columns) float64, NaN where a cell is empty.

    Raises
    ------
    UnreadableRecord
        A cell is not a number, or a row is longer than the first.
    """
    lines = text.lines[text.header is not None and not text.leads_in_rows :]
    if not lines:
        return np.empty((0, len(text.header or [])))
    try:
        table = pd.read_csv(
            StringIO("\n".join(lines)),
            sep=text.separator,
            decimal=text.decimal,
            header=None,
            index_col=0 if text.leads_in_rows else None,
            skipinitialspace=True,
        ).astype(np.float64)
        if (table.abs() > LARGEST_NUMBER).any(axis=None):
            raise ValueError(f"a value of {table.abs().max(axis=None):g}")
    except ValueError as error:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is not a table of numbers ({_one_line(error)})."
        ) from error
    return (table.T if text.leads_in_rows else table).to_numpy()


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _separator(lines: tuple[str, ...]) -> str:
    first = lines[0] if lines else ""
    return next((mark for mark in ("\t", ";") if mark in first), ",")


def _one_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")[:100]
