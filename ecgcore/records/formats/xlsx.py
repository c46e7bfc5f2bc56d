"""Reading Excel workbooks of one recording: the first sheet that holds one, as a table like CSV."""

import zipfile
import zlib
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats import csv_parser, frames
from ecgcore.records.formats.tabular import read_table
from ecgcore.records.lead_names import are_numbers, standard_leads
from ecgcore.records.parser_errors import refuse_parser_errors
from ecgcore.records.record import Record
from ecgcore.records.units import name_and_unit
from ecgcore.records.zip_limits import part_sizes

_MOST_SHEETS = 20
_LONGEST_PREAMBLE, _HEAD_ROWS = 50, 60
_WIDEST = 16_384
"""Columns of Excel's own sheets."""
_MOST_ROWS = 1_048_576


def read_xlsx(
    path: Path, *, source_fs_hz: float | None = None, assume_order: bool = False
) -> Record:
    """Read a workbook: lines of text may stand above the names of its columns.

    Parameters
    ----------
    path
        One sheet holds the recording, one column a lead, or a row for each lead and sample.
    source_fs_hz
        Hz, for a file that does not state it.
    assume_order
        Take twelve unnamed columns for the standard leads in order.

    Raises
    ------
    UnreadableRecord
        Two sheets hold recordings, or what ``read_table`` refuses. One line.
    """
    sheets = _sheets(path, _MOST_ROWS)
    recordings = [sheet for sheet in sheets if frames.looks_like_recording(sheet[0].head(50))]
    if len(recordings) != 1:
        raise UnreadableRecord(
            f"Record {path.stem}: {len(recordings)} of the {len(sheets)} sheets of {path.name} "
            "hold a recording (one column a lead); one is needed."
        )
    frame, comments = recordings[0]
    table = frames.table_of_frame(path, frame, comments)
    return read_table(path, table, source_fs_hz=source_fs_hz, assume_order=assume_order)


def looks_like_recording(path: Path) -> bool:
    """Return whether a sheet's columns are those of a recording; a damaged file counts as one."""
    try:
        sheets = _sheets(path, _HEAD_ROWS)
    except UnreadableRecord:
        return True  # the reader reports the reason
    return any(frames.looks_like_recording(frame) for frame, _ in sheets)


def _sheets(path: Path, n_rows: int) -> list[tuple[pd.DataFrame, tuple[str, ...]]]:
    """Return the first rows of each sheet, and the lines above its names."""
    import openpyxl

    with (
        refuse_parser_errors(path, "a workbook (.xlsx)", zipfile.BadZipFile),
        refuse_parser_errors(path, "a workbook (.xlsx)", zlib.error),
    ):
        part_sizes(path)
        workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            sheets = workbook.worksheets[:_MOST_SHEETS]
            return [_frame(_rows(path, sheet, n_rows)) for sheet in sheets]
        finally:
            workbook.close()


def _rows(path: Path, sheet: Any, n_rows: int) -> list[tuple[Any, ...]]:
    """Return the first rows of a sheet that are not blank, whatever size the sheet declares."""
    sheet.reset_dimensions()
    rows, n_cells = [], 0
    for row in islice(sheet.values, n_rows):
        n_cells += len(row)
        if n_cells > frames.MOST_CELLS or len(row) > _WIDEST:
            raise UnreadableRecord(
                f"Record {path.stem}: {path.name} is larger than any ECG that is read whole. Cut "
                "out the part that is meant."
            )
        if any(cell is not None for cell in row):
            rows.append(row)
    return rows


def _frame(rows: list[tuple[Any, ...]]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the rows below the names of columns as a frame, and the lines above as comments."""
    start = _header_row(rows[:_LONGEST_PREAMBLE])
    comments = [
        ",".join(str(cell) for cell in row if cell is not None) for row in rows[: start or 0]
    ]
    body = rows if start is None else rows[start + 1 :]
    width = max(map(len, rows), default=0)
    names = range(width) if start is None else [str("" if c is None else c) for c in rows[start]]
    header = [*names, *[""] * (width - len(names))]
    frame = pd.DataFrame([(*row, *[None] * (width - len(row))) for row in body], columns=header)
    frame = frame.dropna(axis=1, how="all")
    return frame.infer_objects(), tuple(comments)


def _header_row(rows: list[tuple[Any, ...]]) -> int | None:
    """Return the row that names the columns: leads, numbers, or words above the first numbers."""
    for i, row in enumerate(rows):
        cells = ["" if cell is None else str(cell).strip() for cell in row]
        leads = standard_leads([name_and_unit(cell)[0] for cell in cells])
        if sum(lead is not None for lead in leads) > 1 or _counts(cells):
            return i
        if csv_parser.all_numbers(cells) and sum(map(bool, cells)) > 1:
            above = rows[i - 1] if i else ()
            is_named = len([c for c in above if c is not None]) > len(cells) // 2
            return i - 1 if is_named else None
    return 0 if rows else None


def _counts(cells: list[str]) -> bool:
    """Return whether cells number the columns (0, 1, 2, …), a first blank one apart."""
    numbers = cells[1:] if cells[0] in ("", "index") else cells
    return len(numbers) > 7 and all(map(str.isdecimal, numbers)) and are_numbers(numbers)
