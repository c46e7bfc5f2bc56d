"""SaMi-Trop's table (doi:10.5281/zenodo.4905618): age and sex of each exam.

``exams.csv`` lies beside ``exams.hdf5``, which holds no exam numbers: the rows of both are in the
same order, and count only where both have as many. Later deaths are left out.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ecgcore.errors import UnreadableRecord
from ecgcore.records.demographics import parse_age_years
from ecgcore.records.metadata.code15 import LABELS, parse_is_male
from ecgcore.records.metadata.tables import header_cells, plain_number, read_text
from ecgcore.records.record import Record

TABLE, SOURCE = "exams.csv", "sami-trop"
_COLUMNS = ("exam_id", "age", "is_male")


def add_metadata(record: Record, path: Path, row: int, n_rows: int) -> Record:
    """Return the record with its row of the table beside its file, if there is one.

    Parameters
    ----------
    row, n_rows
        The recording's row in the HDF5 file, and the number of its rows.
    """
    table = path.with_name(TABLE)
    if not table.is_file():
        return record
    cells = set(header_cells(table))
    if not cells.issuperset(_COLUMNS) or not cells.isdisjoint(LABELS):
        return record
    record = replace(record, source=SOURCE)
    try:
        rows = _read(table, table.stat().st_mtime_ns)
    except UnreadableRecord as error:
        return replace(record, notes=(*record.notes, f"no metadata: {error}"))
    if len(rows) != n_rows:
        note = f"{TABLE} has {len(rows):,} rows for {n_rows:,} recordings: none is used"
        return replace(record, notes=(*record.notes, note))
    age, is_male = rows[row]
    return replace(record, age_years=parse_age_years(plain_number(age)), sex=parse_is_male(is_male))


@lru_cache(maxsize=2)
def _read(table: Path, modified_ns: int) -> list[tuple[str, str]]:
    """Return age and ``is_male`` by row; ``modified_ns`` renews the cache for a new file."""
    rows = read_text(table, set(_COLUMNS))
    return list(zip(rows["age"], rows["is_male"], strict=True))
