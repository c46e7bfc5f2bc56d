"""CODE-15's tables (doi:10.5281/zenodo.4916206): six labels, patient, age, sex of an exam.

``exams.csv`` lies beside the published ``exams_partN.hdf5``; where the set was cut into one file a
record, ``meta.csv`` or ``labels/labels.csv`` lies above them. Each patient's later course is left
out.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pandas as pd

from ecgcore.records.demographics import parse_age_years
from ecgcore.records.metadata.tables import (
    find_above,
    header_cells,
    read_columns,
    refuse_damaged_table,
)
from ecgcore.records.record import Record, Statement

SOURCE = "code-15"
FS_HZ = 400.0
"""Sampling rate of all its recordings (Ribeiro et al. 2020, doi:10.1038/s41467-020-15432-4)."""
LABELS = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")
_KEY_COLUMNS = {"exams.csv": "exam_id", "meta.csv": "exam_id", "labels/labels.csv": "idx"}
_OPTIONAL_COLUMNS = ("age", "is_male", "patient_id", "normal_ecg", *LABELS)


def add_metadata(record: Record, path: Path, exam: str, index: str = "") -> Record:
    """Return the record with its row of the set's tables, if there is one.

    Parameters
    ----------
    exam
        The exam's number.
    index
        Its row in a separate table of labels; '' where unknown.
    """
    record = replace(record, source=SOURCE)
    table_and_key = _find_table(path)
    if table_and_key is None:
        return record
    table, key = table_and_key
    wanted = exam if key == "exam_id" else index
    rows = _rows_by_key(table, table.stat().st_mtime_ns, key)
    if not wanted.isdigit() or int(wanted) not in rows.index:
        return replace(record, notes=(*record.notes, f"not in {table.name}"))
    row = rows.loc[int(wanted)]
    return replace(
        record,
        patient=_identifier(row.get("patient_id")),
        age_years=parse_age_years(row.get("age")),
        sex={"True": "male", "False": "female"}.get(str(row.get("is_male"))),
        statements=_statements(row),
    )


def _find_table(path: Path) -> tuple[Path, str] | None:
    """Return the nearest of the set's tables above a recording, and its key column."""
    for name, key in _KEY_COLUMNS.items():
        table = find_above(path, name)
        if table is not None and {key, *LABELS}.issubset(header_cells(table)):
            return table, key
    return None


@lru_cache(maxsize=2)
def _rows_by_key(table: Path, modified_ns: int, key: str) -> pd.DataFrame:
    """Return the table indexed by its key; ``modified_ns`` renews the cache for a new file."""
    rows = read_columns(table, (key,), _OPTIONAL_COLUMNS)
    with refuse_damaged_table(table):
        unique = rows.drop_duplicates(key)
        return unique.set_index(unique[key].astype("int64"))


def _statements(row: pd.Series) -> tuple[Statement, ...]:
    """Return the positive labels, and ``normal_ecg`` or ``not_normal`` where that column exists."""
    labels = [label for label in LABELS if str(row.get(label)) in ("True", "1", "1.0")]
    normal = {"True": ["normal_ecg"], "False": ["not_normal"]}.get(str(row.get("normal_ecg")), [])
    return tuple(Statement("code15", code) for code in (*labels, *normal))


def _identifier(cell: object) -> str | None:
    return None if cell is None or pd.isna(cell) else str(cell).removesuffix(".0")
