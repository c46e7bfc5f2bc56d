"""Tables that a user hands in (CSV, TSV, XLSX, Parquet), as text below the names of their columns.

Every refusal is one line and quotes no cell: a table may hold names and dates. The names of columns
are quoted only after the first row was found to be one of names.
"""

import csv
import io
import re
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.errors import RequestError
from ecgcore.labels import cells

LARGEST_BYTES = 400_000_000
MOST_CELLS = 40_000_000
"""Two hundred thousand rows of two hundred columns."""
_LARGEST_UNPACKED_BYTES = 2_000_000_000
_MOST_PARTS = 5000
_SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")
_SHOWN_CODES = 100_000
"""From this number up, a whole number may be a code such as SNOMED's, the name of a column."""
_XLSX_PEEK = re.compile(rb"<mergeCell |<f[ >/]")


@dataclass(frozen=True)
class LabelTable:
    """A table as text.

    Attributes
    ----------
    columns
        Name of a column → (rows,) object, text without outer blanks, '' where empty.
    notes
        How the file was read, for the person who handed it in.
    """

    columns: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def column(self, name: str) -> np.ndarray:
        """Return the column of a name, in capital or small letters, or refuse the name."""
        by_small = {known.lower(): known for known in self.columns}
        known = name if name in self.columns else by_small.get(name.lower())
        if known is None:
            raise RequestError(f"The table has no column '{name:.60}'. {named(self.columns)}")
        return self.columns[known]


def named(columns: Any) -> str:
    """Return a sentence that names columns, at most a dozen."""
    names = [f"'{name:.40}'" for name in columns]
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"Its columns: {', '.join(names[:12])}{more}."


def read_label_table(path: Path, sheet: str | None = None) -> LabelTable:
    """Read a table of labels.

    Parameters
    ----------
    path
        CSV with any of the separators ``,`` ``;`` tab and ``|``, TSV, XLSX or Parquet.
    sheet
        Name of the sheet of a workbook; needed where several hold cells.

    Raises
    ------
    RequestError
        There is no such file, it cannot be read as a table, or its first row names no columns.
    """
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise RequestError(f"A table of labels is a file {', '.join(_SUFFIXES)}, not {suffix!r}.")
    if not path.is_file():
        raise RequestError("There is no such file of a table of labels.")
    if path.stat().st_size > LARGEST_BYTES:
        raise RequestError(f"The table has more than {LARGEST_BYTES // 10**6} MB; cut it.")
    if suffix == ".parquet":
        return LabelTable(_parquet(path))
    rows, notes = _workbook(path, sheet) if suffix == ".xlsx" else _text(path, suffix)
    return LabelTable(_below_names(rows), notes)


def _parquet(path: Path) -> dict[str, np.ndarray]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(path)
        _refuse_too_many(metadata.num_rows * metadata.num_columns)
        table = pq.read_table(path, use_threads=False)
    except (OSError, ValueError, pa.ArrowException):
        raise RequestError("The table is no whole Parquet file; write it again.") from None
    if not table.num_rows or not table.num_columns:
        raise RequestError("The table has no rows below the names of its columns.")
    columns = {}
    for name in table.column_names:
        values = table[name].to_pylist()
        known = {value: _as_text(value) for value in set(map(_hashable, values))}
        columns[name] = np.array([known[_hashable(value)] for value in values], object)
    return columns


def _hashable(value: Any) -> Any:
    return "|".join(map(str, value)) if isinstance(value, list) else value


def _as_text(value: Any) -> str:
    """Return a cell as text: whole numbers without a point, dates as ISO."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if isinstance(value, datetime) else str(value).strip()


def _text(path: Path, suffix: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the cells of a text table, a row of names first, and notes."""
    content, encoding = _decode(path.read_bytes())
    head = [line for line in content[:200_000].splitlines()[:50] if line.strip()]
    if not head:
        raise RequestError("The table is empty.")
    separator = _separator(head, "\t" if suffix == ".tsv" else None)
    _refuse_too_many(head[0].count(separator) * content.count("\n"))
    try:
        rows = pd.read_csv(
            io.StringIO(content),
            sep=separator,
            header=None,
            dtype=object,
            na_filter=False,
            engine="c",
        )
    except (ValueError, pd.errors.ParserError) as error:
        line = re.search(r"in line (\d+), saw (\d+)", str(error))
        where = f": row {line[1]} has {line[2]} cells, more than the first" if line else ""
        raise RequestError(
            f"The table cannot be read{where}. Quote cells with '{separator}'."
        ) from None
    note = "" if encoding == "utf-8-sig" else f"Read as {encoding}: the file is not UTF-8."
    return rows.fillna(""), ((note,) if note else ())


def _decode(content: bytes) -> tuple[str, str]:
    """Return a text and its encoding: UTF-8, UTF-16 with its mark, or else Windows-1252."""
    if b"\0" in content[:4] and content[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        raise RequestError("The table is no text; export it as CSV in UTF-8.")
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    for name in (encoding, "windows-1252"):
        try:
            text = content.decode(name)
        except UnicodeError:
            continue
        if "\0" not in text:
            return text, name
    raise RequestError("The table is no text in UTF-8, UTF-16 or Windows-1252; export it as UTF-8.")


def _separator(head: list[str], preferred: str | None) -> str:
    """Return the separator that cuts the first lines into the most cells, equally many each."""
    best, most = "", 1
    for separator in (preferred,) if preferred else (",", ";", "\t", "|"):
        counts = [len(row) for row in csv.reader(head, delimiter=separator)]
        if counts and counts[0] > most and max(counts) <= counts[0]:
            best, most = separator, counts[0]
    if not best:
        raise RequestError(
            "The table has one column, or rows of unlike length; an id and at least one label, "
            "separated by comma, semicolon, tab or |, are needed."
        )
    return best


def _workbook(path: Path, sheet: str | None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the cells of a workbook's sheet, and notes."""
    import openpyxl

    try:
        has_formulas = _peek(path)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            name = _sheet_name(book, sheet)
            rows = _cells_of(book[name])
        finally:
            book.close()
        unknown = _formulas_without_value(path, name) if has_formulas else 0
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        raise RequestError(
            "The workbook is damaged or encrypted; save it again as .xlsx."
        ) from None
    if unknown:
        raise RequestError(
            f"{unknown:,} cells hold formulas without a stored value; open the workbook in a "
            "spreadsheet program and save it, or export the sheet as CSV."
        )
    return pd.DataFrame(rows, dtype=object).fillna(""), ()


def _peek(path: Path) -> bool:
    """Return whether sheets hold formulas; refuse merged cells and workbooks that are too large."""
    with zipfile.ZipFile(path) as parts:
        infos = parts.infolist()
        if len(infos) > _MOST_PARTS or sum(i.file_size for i in infos) > _LARGEST_UNPACKED_BYTES:
            raise RequestError("The workbook is too large to be read; export the sheet as CSV.")
        marks = set()
        for info in infos:
            if info.filename.startswith("xl/worksheets/"):
                with parts.open(info) as sheet:
                    tail = b""
                    while block := sheet.read(1 << 20):
                        marks |= set(_XLSX_PEEK.findall(tail + block))
                        tail = block[-20:]
    if b"<mergeCell " in marks:
        raise RequestError(
            "The workbook has merged cells: which rows and columns they stand for is open. Unmerge "
            "them and fill in each cell, or export the sheet as CSV."
        )
    return bool(marks)


def _sheet_name(book: Any, wanted: str | None) -> str:
    filled = [
        s.title
        for s in book.worksheets
        if any(any(row) for row in s.iter_rows(max_row=20, values_only=True))
    ]
    if wanted is not None:
        if wanted not in book.sheetnames:
            raise RequestError(
                f"The workbook has no sheet '{wanted:.60}'; it has {len(book.sheetnames)}."
            )
        return wanted
    if len(filled) != 1:
        raise RequestError(
            f"The workbook has {len(filled)} sheets with cells; name one with --sheet."
            if filled
            else "The workbook is empty."
        )
    return filled[0]


def _cells_of(sheet: Any) -> list[list[str]]:
    """Return the rows of a sheet that are not blank, as text."""
    sheet.reset_dimensions()
    known: dict[Any, str] = {None: ""}
    rows, n_cells = [], 0
    for row in sheet.values:
        n_cells += len(row)
        _refuse_too_many(n_cells)
        if any(value is not None for value in row):
            rows.append([_shared_text(value, known) for value in row])
    if not rows:
        raise RequestError("The sheet is empty.")
    width = max(map(len, rows))
    return [row + [""] * (width - len(row)) for row in rows]


def _shared_text(value: Any, known: dict[Any, str]) -> str:
    """Return a cell as text; equal cells share one, because most columns repeat few values."""
    key = (type(value), value)
    if value is None:
        return ""
    if key not in known:
        known[key] = str(value) if isinstance(value, bool) else _as_text(value)
    return known[key]


def _formulas_without_value(path: Path, name: str) -> int:
    """Return how many cells hold a formula whose value was never computed."""
    import openpyxl

    books = [openpyxl.load_workbook(path, read_only=True, data_only=x) for x in (False, True)]
    try:
        formulas, values = (book[name].values for book in books)
        return sum(
            isinstance(formula, str) and formula.startswith("=") and value is None
            for pair in zip(formulas, values, strict=False)
            for formula, value in zip(*pair, strict=False)
        )
    finally:
        for book in books:
            book.close()


def _refuse_too_many(n_cells: int) -> None:
    if n_cells > MOST_CELLS:
        raise RequestError(
            f"The table has more than {MOST_CELLS:,} cells; keep the columns that are needed."
        )


def _below_names(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the columns below their names, or refuse a first row that names none."""
    rows = rows.apply(lambda column: column.str.strip() if column.dtype == object else column)
    names = [str(cell) for cell in rows.iloc[0]]
    body = rows.iloc[1:]
    is_used = [bool(name) or bool((body[i] != "").any()) for i, name in enumerate(names)]
    _refuse_title_row(names, body)
    for i, name in enumerate(names):
        if is_used[i] and name and _looks_like_data(name, body[i]):
            raise RequestError(
                "The table has no row of column names: its first row holds data. Add a first row "
                "with a name for each column."
            )
    if body.empty:
        raise RequestError("The table has no rows below the names of its columns.")
    names = [name or f"column {i + 1}" for i, name in enumerate(names)]
    used = [name for name, is_in in zip(names, is_used, strict=True) if is_in]
    if len(set(used)) < len(used):
        twice = sorted({name for name in used if used.count(name) > 1})
        raise RequestError(f"Two columns have one name ('{twice[0]:.40}'); rename one of them.")
    return {name: body[i].to_numpy(object) for i, name in enumerate(names) if is_used[i]}


def _refuse_title_row(names: list[str], body: pd.DataFrame) -> None:
    """Refuse a title above the names of the columns."""
    if (
        len(names) > 2
        and sum(map(bool, names)) == 1
        and len(body)
        and (body.iloc[0] != "").sum() > 1
    ):
        raise RequestError(
            "The first row holds one cell, a title: names of columns must stand in the first row. "
            "Delete the rows above them."
        )


def _looks_like_data(name: str, below: pd.Series) -> bool:
    """Return whether a name is rather a value: a word, a number, a date, or found below again."""
    value = cells.number(name)
    if value is not None and abs(value) < _SHOWN_CODES:
        return True
    is_word = name.lower() in ("yes", "no", "true", "false", "ja", "nein")
    is_date = value is None and cells.parse_dates([name]) is not None
    return is_word or is_date or bool((below == name).any())
