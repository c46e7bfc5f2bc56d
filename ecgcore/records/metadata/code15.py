"""CODE-15's tables (doi:10.5281/zenodo.4916206): six labels, patient, age, sex of an exam.

``exams.csv`` stands beside the published ``exams_partN.hdf5``; where the set was cut into one file
a record, ``meta.csv`` or ``labels/labels.csv`` stands above them. What came of the patient later is
not taken over.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pandas as pd

from ecgcore.errors import UnreadableRecord
from ecgcore.records.metadata.tables import above
from ecgcore.records.record import Record, Statement

SOURCE = "code-15"
FS_HZ = 400.0
"""Of all its recordings (Ribeiro et al. 2020, doi:10.1038/s41467-020-15432-4)."""
LABELS = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")
_KEYS = {"exams.csv": "exam_id", "meta.csv": "exam_id", "labels/labels.csv": "idx"}
_USED = {"exam_id", "idx", "age", "is_male", "patient_id", "normal_ecg", *LABELS}


def table_of(path: Path) -> tuple[Path, str] | None:
    """Return the nearest of the set's tables above a recording, and its column of keys."""
    for name, key in _KEYS.items():
        table = above(path, name)
        if table is not None and {key, *LABELS}.issubset(_header(table)):
            return table, key
    return None


def completed(record: Record, path: Path, exam: str, index: str = "") -> Record:
    """Return the record with what the tables say of it.

    Parameters
    ----------
    exam
        The exam's number.
    index
        Its row where labels stand in a table of their own; '' where that is not known.
    """
    record = replace(record, source=SOURCE)
    found = table_of(path)
    if found is None:
        return record
    table, key = found
    wanted = exam if key == "exam_id" else index
    rows = _rows(table, table.stat().st_mtime_ns, key)
    if not wanted.isdigit() or int(wanted) not in rows.index:
        return replace(record, notes=(*record.notes, f"not in {table.name}"))
    row = rows.loc[int(wanted)]
    return replace(
        record,
        patient=_whole(row.get("patient_id")),
        age_years=_age_years(row.get("age")),
        sex={"True": "male", "False": "female"}.get(str(row.get("is_male"))),
        statements=_statements(row),
    )


def _header(table: Path) -> list[str]:
    with table.open("rb") as file:
        return file.readline(4000).decode("utf-8", "replace").lstrip("\ufeff").strip().split(",")


@lru_cache(maxsize=2)
def _rows(table: Path, changed_ns: int, key: str) -> pd.DataFrame:
    """Read the columns that are used, by key; ``changed_ns`` makes a new file be read."""
    try:
        found = pd.read_csv(table, usecols=lambda name: name in _USED)
        return found.drop_duplicates(key).set_index(found[key].drop_duplicates().astype("int64"))
    except (ValueError, OSError) as error:
        raise UnreadableRecord(
            f"{table.name}, the table beside the records, cannot be read. Fetch it again."
        ) from error


def _statements(row: pd.Series) -> tuple[Statement, ...]:
    """Return the labels that are set; a normal ECG is stated, or denied, where that column is."""
    told = [label for label in LABELS if str(row.get(label)) in ("True", "1", "1.0")]
    normal = {"True": ["normal_ecg"], "False": ["not_normal"]}.get(str(row.get("normal_ecg")), [])
    return tuple(Statement("code15", code) for code in (*told, *normal))


def _whole(cell: object) -> str | None:
    return None if cell is None or pd.isna(cell) else str(cell).removesuffix(".0")


def _age_years(cell: object) -> float | None:
    try:
        age = float(str(cell))
    except ValueError:
        return None
    return age if 0 <= age <= 130 else None
