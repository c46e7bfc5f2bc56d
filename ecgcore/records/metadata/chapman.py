"""Chapman's table on figshare (doi:10.6084/m9.figshare.c.4560497): statements, age, machine values.

Its recordings are ``ECGData*/MUSE_….csv`` (or ``.mat``): twelve unnamed or named columns in µV,
10 s at 500 Hz, as Zheng et al. 2020 (doi:10.1038/s41597-020-0386-x) describe them.
"""

import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ecgcore.records.demographics import parse_age_years, parse_sex
from ecgcore.records.metadata.tables import MetadataTable, find_above, find_row, number
from ecgcore.records.record import Record, Statement

TABLE = "Diagnostics.xlsx"
SOURCE = "chapman-figshare"
FS_HZ = 500.0
ORDER_NOTE = "lead order assumed: I–III, aVR–aVF, V1–V6, as Chapman's set is described"
RATE_NOTE = "rate assumed: 500 Hz, as Chapman's set is described"
_NAME = re.compile(r"MUSE_\d{8}_\d{6}_\d{5}$")
_COLUMNS = ("Rhythm", "Beat", "PatientAge", "Gender")
_MACHINE_COLUMNS = {
    "VentricularRate": "rate_bpm",
    "QRSDuration": "qrs_ms",
    "QTInterval": "qt_ms",
    "QTCorrected": "qtc_ms",
    "RAxis": "axis_deg",
    "TAxis": "t_axis_deg",
}


def is_chapman_file(path: Path) -> bool:
    """Return whether a file belongs to this set, by its name, which no other source gives."""
    return _NAME.match(path.stem) is not None


def fs_hz(path: Path) -> float | None:
    """Return the sampling rate of the set in Hz for one of its files, else None."""
    return FS_HZ if is_chapman_file(path) else None


def add_metadata(record: Record, path: Path) -> Record:
    """Return the record with its row of the table, if it belongs to this set."""
    if not is_chapman_file(path):
        return record
    record = replace(record, source=SOURCE, notes=(*record.notes, RATE_NOTE))
    table = find_above(path, TABLE)
    if table is None:
        return record
    row, notes = find_row(_read, table, path.stem)
    record = replace(record, notes=(*record.notes, *notes))
    if row is None:
        return record
    values = {name: number(row[column]) for column, name in _MACHINE_COLUMNS.items()}
    return replace(
        record,
        age_years=parse_age_years(row["PatientAge"]),
        sex=parse_sex(row["Gender"]),
        statements=_statements(row),
        machine={name: value for name, value in values.items() if value},
    )


@lru_cache(maxsize=2)
def _read(table: Path, modified_ns: int) -> MetadataTable:
    """Return the table by file name; ``modified_ns`` renews the cache for a new file."""
    return MetadataTable(table, "FileName", (*_COLUMNS, *_MACHINE_COLUMNS))


def _statements(row: dict[str, str]) -> tuple[Statement, ...]:
    """Return the codes of rhythm and beats, e.g. ``AFIB`` and ``RBBB TWC``; ``NONE`` is none."""
    codes = dict.fromkeys(f"{row['Rhythm']} {row['Beat']}".split())
    system = SOURCE.replace("-", "_")
    return tuple(Statement(system, code) for code in codes if code not in ("NONE", "nan"))
