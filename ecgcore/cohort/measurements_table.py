"""The measurements of a shard's records (``measures.parquet``): numbers, quality flags, R peaks.

Made at ingest from the record at its own rate, or later (see ``measuring``). A shard without the
file has not been measured; the file says by which version of measuring it was made.
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
from ecgcore.cohort.remote import need, told
from ecgcore.records.record import Record

if TYPE_CHECKING:
    from ecgcore.measure.measurements import Measurements

FILE = "measures.parquet"
PEAKS = "r_peaks_s"
_VERSION = b"measure_version"
_BATCH = 100
"""Rows turned into columns at once: a row of Python numbers takes fifteen times the space."""


@cache
def schema() -> pa.Schema:
    """Return the columns: ``record``, those of a measurement, ``quality`` (JSON list), R peaks."""
    from ecgcore.measure.measurements import MEASURE_SCHEMA

    text = pa.string()
    return pa.schema([("record", text), *MEASURE_SCHEMA, ("quality", text)])


def version() -> int:
    """Return by which version records are measured today."""
    from ecgcore.measure.measurements import MEASURE_VERSION

    return MEASURE_VERSION


def row_of(record: Record, duration_s: float) -> dict[str, Any]:
    """Measure the first ``duration_s`` of a record at its own rate."""
    from ecgcore.measure.measurements import measure
    from ecgcore.measure.quality import quality

    first = replace(record, signal_mv=record.signal_mv[:, : round(duration_s * record.fs_hz)])
    flags = [str(flag) for flag in quality(first)]
    return measure(first).as_row() | {"quality": json.dumps(flags, ensure_ascii=False)}


class Table:
    """Measurements of many records, gathered compactly."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._batches: list[pa.RecordBatch] = []

    def add(self, record: str, row: dict[str, Any]) -> None:
        """Add a record's row."""
        self._rows.append(row | {"record": record})
        if len(self._rows) == _BATCH:
            self._pack()

    def write(self, shard: Path) -> None:
        """Write the rows into a shard's folder, whole."""
        self._pack()
        made_by = {_VERSION: str(version()).encode()}
        table = pa.Table.from_batches(self._batches, schema()).replace_schema_metadata(made_by)
        write_atomic(shard / FILE, lambda path: pq.write_table(table, path))

    def _pack(self) -> None:
        self._batches.append(pa.RecordBatch.from_pylist(self._rows, schema()))
        self._rows.clear()


def is_measured(shard: Path) -> bool:
    """Return whether a shard has its measurements, of whatever version."""
    return told(shard / FILE) != (0, 0)


def is_current(shard: Path) -> bool:
    """Return whether a shard has its measurements, made as records are measured today."""
    if not is_measured(shard):
        return False
    try:
        stamped = pq.read_schema(need(shard / FILE)).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return False
    return stamped.get(_VERSION) == str(version()).encode()


def of_record(shard: Path, place: int) -> "Measurements | None":
    """Return what was measured of a shard's record, None where that was not done as it is today."""
    from ecgcore.measure.measurements import Measurements

    if not is_current(shard):
        return None
    [row] = pq.ParquetFile(need(shard / FILE)).read().slice(place, 1).to_pylist()
    return Measurements.from_row(row)


def copy(old: Path, new: Path, kept: np.ndarray) -> None:
    """Copy the ``kept`` (n,) bool rows of a shard's measurements, if it has any."""
    if is_measured(old):
        table = pq.read_table(old / FILE).filter(pa.array(kept))
        write_atomic(new / FILE, lambda path: pq.write_table(table, path))


def read(shards: Iterable[Path], sizes: Iterable[int]) -> pd.DataFrame:
    """Return the measurements over some shards of ``sizes``, missing where none were made."""
    tables = [_read(*pair) for pair in zip(shards, sizes, strict=True)]
    return pa.concat_tables(tables).to_pandas()


def read_numbers(shards: Iterable[Path], sizes: Iterable[int]) -> pd.DataFrame:
    """Return the measured numbers alone, without R peaks and flags: what labels rest on."""
    names = [name for name in schema().names if name not in ("record", "quality", PEAKS)]
    tables = [_read(*pair, names) for pair in zip(shards, sizes, strict=True)]
    return pa.concat_tables(tables).to_pandas()


def read_peaks(shards: Iterable[Path], sizes: Iterable[int]) -> pa.ChunkedArray:
    """Return R peaks in s over some shards, a list a record, null where none were sought."""
    pairs = zip(shards, sizes, strict=True)
    return pa.concat_tables([_read(*pair, [PEAKS]) for pair in pairs]).column(PEAKS)


def _read(shard: Path, size: int, columns: list[str] | None = None) -> pa.Table:
    names = columns or schema().names
    wanted = pa.schema([schema().field(name) for name in names])
    if not is_measured(shard):
        return pa.table({f.name: pa.nulls(size, f.type) for f in wanted}, wanted)
    there = pq.ParquetFile(need(shard / FILE)).read(columns)
    filled = [
        there.column(f.name) if f.name in there.column_names else pa.nulls(size, f.type)
        for f in wanted
    ]
    return pa.table(dict(zip(names, filled, strict=True)), wanted)
