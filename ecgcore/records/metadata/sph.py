"""The table of Shandong Provincial Hospital's set (doi:10.6084/m9.figshare.c.5779802).

``metadata.csv`` beside or above its HDF5 files gives AHA statements, patient, age and sex. The
date is left out.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ecgcore.records.demographics import parse_age_years, parse_sex
from ecgcore.records.metadata.tables import MetadataTable, find_above, find_row, header_cells
from ecgcore.records.record import Record, Statement

TABLE = "metadata.csv"
SOURCE = "sph"
FS_HZ = 500.0
"""Sampling rate of all its recordings (Liu et al. 2022, doi:10.1038/s41597-022-01403-5)."""
_COLUMNS = ("AHA_Code", "Patient_ID", "Age", "Sex")


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
    row, notes = find_row(_read, table, path.stem)
    record = replace(record, source=SOURCE, notes=(*record.notes, *notes))
    if row is None:
        return record
    return replace(
        record,
        patient=row["Patient_ID"] or None,
        age_years=parse_age_years(row["Age"]),
        sex=parse_sex(row["Sex"]),
        statements=_statements(row["AHA_Code"]),
    )


@lru_cache(maxsize=2)
def _read(table: Path, modified_ns: int) -> MetadataTable:
    """Return the table by record; ``modified_ns`` renews the cache for a new file."""
    return MetadataTable(table, "ECG_ID", _COLUMNS)


def _statements(cell: str) -> tuple[Statement, ...]:
    """Return the statements of a cell like ``22;23;30+308``."""
    codes = dict.fromkeys(code.strip() for code in cell.split(";"))
    return tuple(Statement("aha", code) for code in codes if code.replace("+", "").isdigit())
