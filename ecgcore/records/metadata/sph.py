"""The table of Shandong Provincial Hospital's set (doi:10.6084/m9.figshare.c.5779802).

``metadata.csv`` beside or above its HDF5 files gives AHA statements, patient, age and sex. The
date is not taken over.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ecgcore.errors import UnreadableRecord
from ecgcore.records.metadata.tables import above
from ecgcore.records.record import Record, Statement

TABLE = "metadata.csv"
SOURCE = "sph"
FS_HZ = 500.0
"""Of all its recordings (Liu et al. 2022, doi:10.1038/s41597-022-01403-5)."""
_COLUMNS = ("ECG_ID", "AHA_Code", "Patient_ID", "Age", "Sex")
_SEXES = {"M": "male", "F": "female", "Male": "male", "Female": "female"}


def table_of(path: Path) -> Path | None:
    """Return the set's table above a recording, or None where there is none or another."""
    table = above(path, TABLE)
    if table is None:
        return None
    with table.open("rb") as file:
        first = file.readline(2000).decode("utf-8", "replace").lstrip("\ufeff").strip().split(",")
    return table if {"ECG_ID", "AHA_Code"}.issubset(first) else None


def completed(record: Record, path: Path) -> Record:
    """Return the record with what the table says of it, if it is in one."""
    table = table_of(path)
    if table is None:
        return record
    row = _rows(table, table.stat().st_mtime_ns).get(path.stem)
    if row is None:
        return replace(record, source=SOURCE, notes=(*record.notes, f"not in {TABLE}"))
    return replace(
        record,
        source=SOURCE,
        patient=row["Patient_ID"] or None,
        age_years=_age_years(row["Age"]),
        sex=_SEXES.get(row["Sex"]),
        statements=_statements(row["AHA_Code"]),
    )


@lru_cache(maxsize=2)
def _rows(table: Path, changed_ns: int) -> dict[str, dict[str, str]]:
    """Read the columns that are used, by record; ``changed_ns`` makes a new file be read."""
    import pandas as pd

    try:
        found = pd.read_csv(table, usecols=lambda name: name in _COLUMNS, dtype=str).fillna("")
        if missing := [column for column in _COLUMNS if column not in found]:
            raise ValueError(f"it has no column {', '.join(missing)}")
    except (ValueError, OSError) as error:
        raise UnreadableRecord(
            f"{table.name}, the table beside the records, cannot be read. Fetch it again."
        ) from error
    rows = found.to_dict("records")
    return {row["ECG_ID"].removesuffix(".h5"): {str(k): v for k, v in row.items()} for row in rows}


def _statements(codes: str) -> tuple[Statement, ...]:
    """Return the statements of a cell like ``22;23;30+308``."""
    told = dict.fromkeys(code.strip() for code in codes.split(";"))
    return tuple(Statement("aha", code) for code in told if code.replace("+", "").isdigit())


def _age_years(text: str) -> float | None:
    try:
        age = float(text)
    except ValueError:
        return None
    return age if 0 <= age <= 130 else None
