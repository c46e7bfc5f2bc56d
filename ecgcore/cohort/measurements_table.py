"""Measurements of a shard's records (``measures.parquet``): numbers, quality flags, R peaks.

Measured at ingest from the record at its own rate, or later (see ``measure_job``). A shard without
the file has not been measured; the file states the version of the measuring code.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecgcore.atomic import write_atomic
from ecgcore.cohort.remote import local_file, size_and_mtime
from ecgcore.errors import UnreadableRecord
from ecgcore.records.record import Record

if TYPE_CHECKING:
    from ecgcore.measurement.measurements import Measurements

FILE = "measures.parquet"
MEASURE_MODULES = ("ecgcore.measurement.measurements", "ecgcore.measurement.quality")
"""Modules that worker processes preload if they measure."""
PEAKS = "r_peaks_s"
_VERSION = b"measure_version"
_BATCH = 100
"""Rows converted to columns at once: rows of Python numbers take fifteen times the memory."""


@cache
def schema() -> pa.Schema:
    """Return the columns: ``record``, those of a measurement, ``quality`` (JSON list), R peaks."""
    from ecgcore.measurement.measurements import MEASURE_SCHEMA

    text = pa.string()
    return pa.schema([("record", text), *MEASURE_SCHEMA, ("quality", text)])


def version() -> int:
    """Return the current version of the measuring code."""
    from ecgcore.measurement.measurements import MEASURE_VERSION

    return MEASURE_VERSION


def measure_row(record: Record, duration_s: float) -> dict[str, Any]:
    """Return the measurements and quality flags of a record's first ``duration_s`` seconds."""
    from ecgcore.measurement.measurements import measure
    from ecgcore.measurement.quality import quality

    part = replace(record, signal_mv=record.signal_mv[:, : round(duration_s * record.fs_hz)])
    flags = [str(flag) for flag in quality(part)]
    return measure(part).as_row() | {"quality": json.dumps(flags, ensure_ascii=False)}


def failed_row(error: UnreadableRecord) -> dict[str, Any]:
    """Return the row of a record that could not be measured: no values, and a quality flag."""
    from ecgcore.measurement.measurements import Measurements

    flags = [f"unmeasured: {error}"]
    return Measurements().as_row() | {"quality": json.dumps(flags, ensure_ascii=False)}


class MeasurementsBuilder:
    """Measurements of many records, collected compactly."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._batches: list[pa.RecordBatch] = []

    def add(self, record: str, row: dict[str, Any]) -> None:
        """Add a record's row."""
        self._rows.append(row | {"record": record})
        if len(self._rows) == _BATCH:
            self._pack()

    def write(self, shard: Path) -> None:
        """Write the rows to a shard's folder, atomically."""
        self._pack()
        metadata = {_VERSION: str(version()).encode()}
        table = pa.Table.from_batches(self._batches, schema()).replace_schema_metadata(metadata)
        write_atomic(shard / FILE, lambda path: pq.write_table(table, path))

    def _pack(self) -> None:
        self._batches.append(pa.RecordBatch.from_pylist(self._rows, schema()))
        self._rows.clear()


def is_measured(shard: Path) -> bool:
    """Return whether a shard has measurements, of whatever version."""
    return size_and_mtime(shard / FILE) != (0, 0)


def is_current(shard: Path) -> bool:
    """Return whether a shard has measurements of the current version."""
    if not is_measured(shard):
        return False
    try:
        metadata = pq.read_schema(local_file(shard / FILE)).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return False
    return metadata.get(_VERSION) == str(version()).encode()


def read_measurements(shard: Path, position: int) -> "Measurements | None":
    """Return the measurements of the record at a position; None without current ones."""
    from ecgcore.measurement.measurements import Measurements

    if not is_current(shard):
        return None
    [row] = pq.ParquetFile(local_file(shard / FILE)).read().slice(position, 1).to_pylist()
    return Measurements.from_row(row)


def copy(old: Path, new: Path, keep: np.ndarray) -> None:
    """Copy the rows of a shard's measurements, if any, where ``keep`` (n,) bool is True."""
    if is_measured(old):
        table = pq.read_table(old / FILE).filter(pa.array(keep))
        write_atomic(new / FILE, lambda path: pq.write_table(table, path))


def read(shards: Iterable[Path], sizes: Iterable[int]) -> pd.DataFrame:
    """Return the measurements of some shards of ``sizes``, with missing values if not measured."""
    tables = [_read(*pair) for pair in zip(shards, sizes, strict=True)]
    return pa.concat_tables(tables).to_pandas()


def read_numbers(shards: Iterable[Path], sizes: Iterable[int]) -> pd.DataFrame:
    """Return the measured numbers without R peaks and flags, as label criteria need them."""
    names = [name for name in schema().names if name not in ("record", "quality", PEAKS)]
    tables = [_read(*pair, names) for pair in zip(shards, sizes, strict=True)]
    return pa.concat_tables(tables).to_pandas()


def read_peaks(shards: Iterable[Path], sizes: Iterable[int]) -> pa.ChunkedArray:
    """Return R peaks in s of some shards, one list per record, null if not measured."""
    pairs = zip(shards, sizes, strict=True)
    return pa.concat_tables([_read(*pair, [PEAKS]) for pair in pairs]).column(PEAKS)


def _read(shard: Path, size: int, columns: list[str] | None = None) -> pa.Table:
    names = columns or schema().names
    fields = pa.schema([schema().field(name) for name in names])
    if not is_measured(shard):
        return pa.table({f.name: pa.nulls(size, f.type) for f in fields}, fields)
    stored = pq.ParquetFile(local_file(shard / FILE)).read(columns)
    filled = [
        stored.column(f.name) if f.name in stored.column_names else pa.nulls(size, f.type)
        for f in fields
    ]
    return pa.table(dict(zip(names, filled, strict=True)), fields)
