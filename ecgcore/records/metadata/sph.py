"""The table of Shandong Provincial Hospital's set (doi:10.6084/m9.figshare.c.5779802).

``metadata.csv`` beside or above its HDF5 files gives AHA statements, patient, age and sex. The
date is left out.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ecgcore.records.demographics import parse_age_years, parse_sex
from ecgcore.records.metadata.tables import find_above, header_cells, read_columns
from ecgcore.records.record import Record, Statement

TABLE = "metadata.csv"
SOURCE = "sph"
FS_HZ = 500.0
"""Sampling rate of all its recordings (Liu et al. 2022, doi:10.1038/s41597-022-01403-5)."""
_COLUMNS = ("ECG_ID", "AHA_Code", "Patient_ID", "Age", "Sex")


def find_table(path: Path) -> Path | None:
    """Return the set's table above a recording; None where there is none or another one."""
    table = find_above(path, TABLE)
    is_sph = table is not None and {"ECG_ID", "AHA_Code"}.issubset(header_cells(table))
    return table if is_sph else None


def add_metadata(record: Record, path: Path) -> Record:
    """Return the record with its row of the set's table, if there is one."""
    table = find_table(path)
    if table is None:
        return record
    row = _rows_by_name(table, table.stat().st_mtime_ns).get(path.stem)
    if row is None:
        return replace(record, source=SOURCE, notes=(*record.notes, f"not in {TABLE}"))
    return replace(
        record,
        source=SOURCE,
        patient=row["Patient_ID"] or None,
        age_years=parse_age_years(row["Age"]),
        sex=parse_sex(row["Sex"]),
        statements=_statements(row["AHA_Code"]),
    )


@lru_cache(maxsize=2)
def _rows_by_name(table: Path, modified_ns: int) -> dict[str, dict[str, str]]:
    """Return the table's rows by record; ``modified_ns`` renews the cache for a new file."""
    rows = read_columns(table, _COLUMNS, as_text=True).to_dict("records")
    return {row["ECG_ID"].removesuffix(".h5"): {str(k): v for k, v in row.items()} for row in rows}


def _statements(cell: str) -> tuple[Statement, ...]:
    """Return the statements of a cell like ``22;23;30+308``."""
    codes = dict.fromkeys(code.strip() for code in cell.split(";"))
    return tuple(Statement("aha", code) for code in codes if code.replace("+", "").isdigit())
