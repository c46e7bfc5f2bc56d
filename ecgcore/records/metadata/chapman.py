"""Chapman's table on figshare (doi:10.6084/m9.figshare.c.4560497): statements, age, machine values.

Its recordings are ``ECGData*/MUSE_….csv`` (or ``.mat``): twelve unnamed or named columns in µV,
10 s at 500 Hz, as Zheng et al. 2020 (doi:10.1038/s41597-020-0386-x) describe them.
"""

import re
import zipfile
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ecgcore.errors import UnreadableRecord
from ecgcore.records.metadata.tables import above
from ecgcore.records.record import Record, Statement

TABLE = "Diagnostics.xlsx"
SOURCE = "chapman-figshare"
FS_HZ = 500.0
NAME = re.compile(r"MUSE_\d{8}_\d{6}_\d{5}$")
ORDER = "lead order assumed: I–III, aVR–aVF, V1–V6, as Chapman's set is described"
RATE = "rate assumed: 500 Hz, as Chapman's set is described"
_LARGEST_BYTES = 100_000_000
_MACHINE = {
    "VentricularRate": "rate_bpm",
    "QRSDuration": "qrs_ms",
    "QTInterval": "qt_ms",
    "QTCorrected": "qtc_ms",
    "RAxis": "axis_deg",
    "TAxis": "t_axis_deg",
}
_COLUMNS = ("FileName", "Rhythm", "Beat", "PatientAge", "Gender")
_SEXES = {"male": "male", "female": "female"}


def is_of(path: Path) -> bool:
    """Return whether a file is one of this set, by its name, which no other source gives."""
    return NAME.match(path.stem) is not None


def fs_hz(path: Path) -> float | None:
    """Return the rate of the set, in Hz, for one of its files."""
    return FS_HZ if is_of(path) else None


def completed(record: Record, path: Path) -> Record:
    """Return the record with what the table says of it, if it is one of this set."""
    if not is_of(path):
        return record
    record = replace(record, source=SOURCE, notes=(*record.notes, RATE))
    table = above(path, TABLE)
    if table is None:
        return record
    row = _rows(table, table.stat().st_mtime_ns).get(path.stem)
    if row is None:
        return replace(record, notes=(*record.notes, f"not in {TABLE}"))
    return replace(
        record,
        age_years=_number(row["PatientAge"]),
        sex=_SEXES.get(str(row["Gender"]).lower()),
        statements=_statements(row),
        machine={
            ours: value for theirs, ours in _MACHINE.items() if (value := _number(row.get(theirs)))
        },
    )


@lru_cache(maxsize=2)
def _rows(table: Path, changed_ns: int) -> dict[str, dict[str, Any]]:
    """Read the table by file name; ``changed_ns`` makes a new file be read."""
    import pandas as pd

    try:
        _refuse_bomb(table)
        found = pd.read_excel(table, usecols=lambda name: name in {*_COLUMNS, *_MACHINE})
        if missing := [column for column in _COLUMNS if column not in found]:
            raise ValueError(f"it has no column {', '.join(missing)}")
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UnreadableRecord(
            f"{table.name}, the table beside the records, cannot be read. Fetch it again."
        ) from error
    rows = found.to_dict("records")
    return {str(row["FileName"]): {str(k): v for k, v in row.items()} for row in rows}


def _refuse_bomb(table: Path) -> None:
    """Refuse a workbook that would not fit into memory; the published one has 4 MB unpacked."""
    with zipfile.ZipFile(table) as parts:
        if sum(part.file_size for part in parts.infolist()) > _LARGEST_BYTES:
            raise ValueError("it is too large")


def _statements(row: dict[str, Any]) -> tuple[Statement, ...]:
    """Return the codes of rhythm and beats, e.g. ``AFIB`` and ``RBBB TWC``; ``NONE`` is none."""
    told = f"{row['Rhythm']} {row['Beat']}".split()
    codes = dict.fromkeys(code for code in told if code not in ("NONE", "nan"))
    return tuple(Statement(SOURCE.replace("-", "_"), code) for code in codes)


def _number(cell: object) -> float | None:
    try:
        value = float(str(cell))
    except ValueError:
        return None
    return value if abs(value) < 1e6 else None  # NaN is not less than anything
