"""CODE-15's tables (doi:10.5281/zenodo.4916206): six labels, patient, age, sex of an exam.

``exams.csv`` lies beside the published ``exams_partN.hdf5``; where the set was cut into one file a
record, ``meta.csv`` or ``labels/labels.csv`` lies above them. Each patient's later course is left
out.
"""

from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

from ecgcore.records.demographics import parse_age_years
from ecgcore.records.metadata.tables import (
    MetadataTable,
    find_above,
    find_row,
    header_cells,
    plain_number,
)
from ecgcore.records.record import Record, Statement

SOURCE = "code-15"
FS_HZ = 400.0
"""Sampling rate of all its recordings (Ribeiro et al. 2020, doi:10.1038/s41467-020-15432-4)."""
LABELS = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")
_KEY_COLUMNS = {"exams.csv": "exam_id", "meta.csv": "exam_id", "labels/labels.csv": "idx"}
_COLUMNS = ("age", "is_male", "patient_id", "normal_ecg", *LABELS)


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
    row, notes = find_row(partial(_read, key=key), table, wanted)
    record = replace(record, notes=(*record.notes, *notes))
    if row is None:
        return record
    return replace(
        record,
        patient=plain_number(row.get("patient_id", "")) or None,
        age_years=parse_age_years(plain_number(row.get("age", ""))),
        sex=parse_is_male(row.get("is_male", "")),
        statements=_statements(row),
    )


def parse_is_male(cell: str) -> str | None:
    """Return ``male`` or ``female`` from a cell of ``is_male``, None where it says neither."""
    sexes = {"true": "male", "1": "male", "false": "female", "0": "female"}
    return sexes.get(plain_number(cell).lower())


def has_table(path: Path) -> bool:
    """Return whether one of the set's tables lies above a recording."""
    return _find_table(path) is not None


def _find_table(path: Path) -> tuple[Path, str] | None:
    """Return the nearest of the set's tables above a recording, and its key column."""
    for name, key in _KEY_COLUMNS.items():
        table = find_above(path, name)
        if table is not None and {key, *LABELS}.issubset(header_cells(table)):
            return table, key
    return None


@lru_cache(maxsize=2)
def _read(table: Path, modified_ns: int, key: str) -> MetadataTable:
    """Return the table by its key; ``modified_ns`` renews the cache for a new file."""
    present = set(header_cells(table))
    return MetadataTable(table, key, [name for name in _COLUMNS if name in present])


def _statements(row: dict[str, str]) -> tuple[Statement, ...]:
    """Return the positive labels, and ``normal_ecg`` or ``not_normal`` where that column exists."""
    labels = [label for label in LABELS if row.get(label, "").lower() in ("true", "1", "1.0")]
    normal = {"true": ["normal_ecg"], "false": ["not_normal"]}
    codes = (*labels, *normal.get(row.get("normal_ecg", "").lower(), []))
    return tuple(Statement("code15", code) for code in codes)
