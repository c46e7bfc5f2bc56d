"""Finding and reading the metadata tables next to recordings, or some folders above them."""

import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgcore.errors import UnreadableRecord
from ecgcore.records.regular_files import open_regular

if TYPE_CHECKING:
    import pandas as pd

METADATA_TABLES = (
    "ptbxl_database.csv",  # PTB-XL
    "metadata.csv",  # SPH
    "exams.csv",  # CODE-15, as published
    "meta.csv",  # CODE-15, cut into one file a record
    "labels/labels.csv",
    "Diagnostics.xlsx",  # Chapman, as published on figshare
    "machine_measurements.csv",  # MIMIC-IV-ECG
)
"""Paths of the known tables, relative to a recording's folder or one above."""
_FOLDERS_UP = 5
_LONGEST_LINE, _LARGEST_NUMBER = 4000, 1e6
_LARGEST_WORKBOOK_BYTES = 100_000_000
"""Unpacked; the largest published one, Chapman's, has 4 MB."""


def find_above(path: Path, table: str) -> Path | None:
    """Return the nearest table of that name in a recording's folder or above, or None.

    Links are resolved.
    """
    folder = os.path.abspath(path)
    for _ in range(_FOLDERS_UP):
        folder = os.path.dirname(folder)
        if os.path.isfile(candidate := os.path.join(folder, table)):
            return Path(os.path.realpath(candidate))
    return None


def header_cells(table: Path) -> list[str]:
    """Return the column names in a CSV table's first line."""
    line = _first_line(table)
    return [cell.strip().strip('"') for cell in line.split(_separator(line))]


class MetadataTable:
    """The rows of a table, as text, by the number or name of a recording.

    Parameters
    ----------
    table
        A CSV table, with commas, semicolons or tabs, or an Excel workbook.
    key
        The column of numbers or names; rows without one are left out.
    columns
        The columns of use. Of those that the table lacks, cells are ''.

    Raises
    ------
    UnreadableRecord
        It is damaged, too large, or has no column ``key``.
    """

    def __init__(self, table: Path, key: str, columns: Iterable[str]):
        self.name = table.name
        names = list(dict.fromkeys((key, *columns)))
        rows = read_text(table, set(names))
        if key not in rows:
            raise UnreadableRecord(
                f"{table.name}, the table beside the records, has no column {key}. Fetch it again."
            )
        self.missing = [name for name in names if name not in rows]
        rows = rows[rows[key] != ""].drop_duplicates()
        cells: dict[str, str] = {}  # equal cells share one text: most columns repeat few values
        self._columns = {
            str(name): [cells.setdefault(cell, cell) for cell in rows[name]] for name in rows
        }
        self._rows: dict[str, int] = {}
        self._ambiguous: set[str] = set()
        for row, cell in enumerate(self._columns[key]):
            name = plain_number(cell).removesuffix(".h5")  # SPH names files, others records
            if self._rows.setdefault(name, row) != row:
                self._ambiguous.add(name)

    def row(self, key: str) -> tuple[dict[str, str] | None, tuple[str, ...]]:
        """Return a recording's row, None where it has none or two that differ, and notes."""
        if key in self._ambiguous:
            return None, (f"rows in {self.name} that differ, for this one record: none is used",)
        row = self._rows.get(key)
        if row is None:
            return None, (f"not in {self.name}",)
        cells = {name: column[row] for name, column in self._columns.items()}
        notes = (f"{self.name} has no column {', '.join(self.missing)}",) if self.missing else ()
        return cells | dict.fromkeys(self.missing, ""), notes


def find_row(
    read: Callable[[Path, int], MetadataTable], table: Path, key: str
) -> tuple[dict[str, str] | None, tuple[str, ...]]:
    """Return a recording's row of a table and notes; a damaged table gives a note and no row.

    Parameters
    ----------
    read
        Reads the table, cached by its path and its time of modification in ns.
    table
        The file.
    key
        The recording's number or name.
    """
    try:
        return read(table, table.stat().st_mtime_ns).row(key)
    except UnreadableRecord as error:
        return None, (f"no metadata: {error}",)


def plain_number(cell: str) -> str:
    """Return a cell without spaces and the ``.0`` of a whole number."""
    return cell.strip().removesuffix(".0").removesuffix(",0")


def number(cell: str) -> float | None:
    """Return the number of a cell, with a decimal point or comma; None where it holds none."""
    try:
        value = float(cell.replace(",", "."))
    except ValueError:
        return None
    return value if abs(value) < _LARGEST_NUMBER else None  # NaN is not less than anything


def read_text(table: Path, names: set[str]) -> "pd.DataFrame":
    """Return some columns of a table as text, '' where empty."""
    import pandas as pd

    as_text: dict[str, Any] = {"dtype": str, "na_filter": False}
    as_text["usecols"] = lambda name: str(name).strip() in names
    with refuse_damaged_table(table):
        if table.suffix.lower() == ".xlsx":
            _refuse_bomb(table)
            rows = pd.read_excel(table, **as_text)
        else:
            separator = _separator(_first_line(table))
            rows = pd.read_csv(
                table, sep=separator, on_bad_lines="skip", encoding_errors="replace", **as_text
            )
    return rows.rename(columns=lambda name: str(name).strip()).fillna("")


def _first_line(table: Path) -> str:
    with open_regular(table) as file:
        return file.readline(_LONGEST_LINE).decode("utf-8", "replace").lstrip("\ufeff").strip()


def _separator(line: str) -> str:
    return max(",;\t|", key=line.count)


@contextmanager
def refuse_damaged_table(table: Path) -> Iterator[None]:
    """Turn errors in a table into one line; a parser's message may quote the table's persons."""
    try:
        yield
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UnreadableRecord(
            f"{table.name}, the table beside the records, cannot be read. Fetch it again."
        ) from error


def _refuse_bomb(table: Path) -> None:
    """Refuse a workbook that would not fit into memory."""
    with zipfile.ZipFile(table) as parts:
        if sum(part.file_size for part in parts.infolist()) > _LARGEST_WORKBOOK_BYTES:
            raise ValueError("it is too large")
