"""MIMIC-IV-ECG's tables (doi:10.13026/4nqg-sb35): the machine's measurements and report lines.

``machine_measurements.csv`` lies at the root of the published layout
(``files/p1000/p10000032/s40689238/40689238.hea``), beside ``record_list.csv``. Dates and carts are
left out.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.metadata.tables import find_above, header_cells, refuse_damaged_table
from ecgcore.records.record import Record, Statement

TABLE = "machine_measurements.csv"
SOURCE = "mimic-iv-ecg"
_NOT_MEASURED = 29_999
_TIMES = ("rr_interval", "p_onset", "p_end", "qrs_onset", "qrs_end", "t_end")
_AXES = {"p_axis": "p_axis_deg", "qrs_axis": "axis_deg", "t_axis": "t_axis_deg"}
_REPORTS = tuple(f"report_{line}" for line in range(18))
_MOST_AXIS_DEG = 360


class _Table(NamedTuple):
    """The table, the sorted numbers of its studies, and the row of each."""

    rows: Any  # pyarrow.Table: 800,000 rows take a fifth of the memory that pandas needs
    studies: np.ndarray
    order: np.ndarray


def add_metadata(record: Record, path: Path) -> Record:
    """Return the record with its row of the table of measurements, if there is one."""
    if record.source != SOURCE or not record.name.isdigit():
        return record
    table = find_above(path, TABLE)
    if table is None or "study_id" not in header_cells(table):
        return record
    try:
        content = _read(table, table.stat().st_mtime_ns)
    except UnreadableRecord as error:
        return replace(record, notes=(*record.notes, f"no metadata: {error}"))
    first, last = np.searchsorted(content.studies, [int(record.name), int(record.name) + 1])
    if first == last:
        return replace(record, notes=(*record.notes, f"not in {TABLE}"))
    if last - first > 1:
        note = f"{last - first} rows in {TABLE}: none of them is used"
        return replace(record, notes=(*record.notes, note))
    row = content.rows.slice(int(content.order[first]), 1).to_pylist()[0]
    reports = [row[column] for column in _REPORTS if row.get(column)]
    statements = tuple(Statement("text", line) for line in dict.fromkeys(reports))
    return replace(record, machine=_machine(row), statements=(*record.statements, *statements))


@lru_cache(maxsize=1)
def _read(table: Path, modified_ns: int) -> _Table:
    """Return the table's columns of use; ``modified_ns`` renews the cache for a new file."""
    import pyarrow as pa
    from pyarrow import csv

    present = set(header_cells(table))
    texts = [column for column in _REPORTS if column in present]
    numbers = [column for column in (*_TIMES, *_AXES) if column in present]
    types = {"study_id": pa.int64()} | dict.fromkeys(texts, pa.string())
    types |= dict.fromkeys(numbers, pa.float64())
    options = csv.ConvertOptions(include_columns=list(types), column_types=types)
    with refuse_damaged_table(table):
        rows = csv.read_csv(table, convert_options=options)
    studies = rows.column("study_id").to_numpy()
    order = np.argsort(studies, kind="stable")
    return _Table(rows, studies[order], order)


def _machine(row: dict[str, Any]) -> dict[str, float | str]:
    """Return intervals in ms, the rate per minute and axes in degrees, from onsets and ends."""
    times = {name: _measured(row.get(name)) for name in _TIMES}
    values = {
        "pr_ms": _interval_ms(times, "p_onset", "qrs_onset"),
        "qrs_ms": _interval_ms(times, "qrs_onset", "qrs_end"),
        "qt_ms": _interval_ms(times, "qrs_onset", "t_end"),
    }
    if rr_ms := times["rr_interval"]:
        values["rate_bpm"] = round(60_000 / rr_ms, 1)
    for column, name in _AXES.items():
        axis_deg = _measured(row.get(column))
        values[name] = axis_deg if axis_deg is None or abs(axis_deg) <= _MOST_AXIS_DEG else None
    return {name: value for name, value in values.items() if value is not None}


def _measured(value: float | None) -> float | None:
    return None if value is None or value >= _NOT_MEASURED else float(value)


def _interval_ms(times: dict[str, float | None], onset: str, end: str) -> float | None:
    """Return the time from an onset to an end, None where one is not measured or out of order."""
    first, last = times[onset], times[end]
    return None if first is None or last is None or last <= first else last - first
