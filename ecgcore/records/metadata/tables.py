"""Finding and reading the metadata tables next to recordings, or some folders above them."""

import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from ecgcore.errors import UnreadableRecord

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
    with table.open("rb") as file:
        return file.readline(4000).decode("utf-8", "replace").lstrip("\ufeff").strip().split(",")


def read_columns(
    table: Path,
    required: Iterable[str],
    optional: Iterable[str] = (),
    *,
    as_text: bool = False,
) -> pd.DataFrame:
    """Return the named columns of a CSV table or an Excel workbook.

    Parameters
    ----------
    as_text
        Keep cells as text, '' where empty.

    Raises
    ------
    UnreadableRecord
        It is damaged, too large, or lacks a required column.
    """
    required = tuple(required)
    names = {*required, *optional}
    with refuse_damaged_table(table):
        if table.suffix.lower() == ".xlsx":
            _refuse_bomb(table)
            rows = pd.read_excel(table, usecols=lambda name: name in names)
        elif as_text:
            rows = pd.read_csv(table, usecols=lambda name: name in names, dtype=str).fillna("")
        else:
            rows = pd.read_csv(table, usecols=lambda name: name in names)
    if missing := [column for column in required if column not in rows]:
        raise UnreadableRecord(
            f"{table.name}, the table beside the records, has no column {', '.join(missing)}. "
            "Fetch it again."
        )
    return rows


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
