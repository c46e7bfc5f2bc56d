"""Columns of a cohort's listing over all shards, in one file.

``columns.arrow`` next to ``cohort.json`` is derived from the shards and rebuilt whenever it does
not match them. It is memory-mapped, not read: a cohort of 200,000 records opens in hundredths of a
second, while the indexes of 200 shards take most of a second. Equal texts are stored once.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecgcore.atomic import write_atomic
from ecgcore.cohort import measurements_table
from ecgcore.cohort.index import INDEX
from ecgcore.cohort.remote import local_file, size_and_mtime
from ecgcore.cohort.store import Cohort
from ecgcore.errors import DamagedFile, NotWritten
from ecgcore.labels.classes import CODES, TIERS

FILE = "columns.arrow"
VERSION = 1
"""Increases whenever the columns change; files of earlier versions are then rebuilt."""
TEXTS = ("source", "sex", "statements")
LABELS = [f"{tier}_{code}" for tier in TIERS for code in CODES]
_KEY = b"made_from"
_SCHEMA = pa.schema([*INDEX, pa.field("quality", pa.string())])


def load_columns(cohort: Cohort) -> pa.Table:
    """Return the listing's columns, one row per record.

    ``record``, ``age``, TEXTS, ``quality`` and LABELS. Texts are dictionaries, with '' for missing.
    ``quality`` holds flags (JSON), "null" for records that were not measured.

    Raises
    ------
    DamagedFile
        A shard's file cannot be read.
    """
    key, file = _key(cohort.folder, cohort.meta), cohort.folder / FILE
    stored = _read_current(file, key)
    if stored is not None:
        return stored
    table = _from_shards(cohort).replace_schema_metadata({_KEY: key})
    try:
        write_atomic(file, lambda path: _write(path, table))
    except NotWritten:  # a read-only folder: the columns are then built from the shards each time
        pass
    return table


def _key(folder: Path, meta: dict[str, Any]) -> bytes:
    """Return a hash that changes with the records, their labels or their measurements."""
    measures = [
        size_and_mtime(folder / "shards" / shard / measurements_table.FILE)
        for shard in meta["shards"]
    ]
    origin = json.dumps([VERSION, meta["hash"], meta["shards"], measures])
    return hashlib.sha256(origin.encode()).hexdigest().encode()


def _read_current(file: Path, key: bytes) -> pa.Table | None:
    """Return the file's table, memory-mapped; None if it is missing or out of date."""
    if size_and_mtime(file) == (0, 0):
        return None
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(local_file(file))))
        return reader.read_all() if (reader.schema.metadata or {}).get(_KEY) == key else None
    except (OSError, ValueError, pa.ArrowException):
        return None


def _write(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _from_shards(cohort: Cohort) -> pa.Table:
    shards = [cohort.folder / "shards" / shard for shard in cohort.meta["shards"]]
    index = _read(
        cohort.name, [s / "index.parquet" for s in shards], ["record", "age", *TEXTS, *LABELS]
    )
    if len(index) != len(cohort):
        raise DamagedFile(
            f"Cohort '{cohort.name}' should have {len(cohort)} records and has {len(index)}; "
            "ingest its folder again."
        )
    texts = {name: _encoded(index[name]) for name in TEXTS}
    texts["quality"] = _encoded(_quality(cohort.name, shards))
    plain = {name: index[name].combine_chunks() for name in ("record", "age", *LABELS)}
    return pa.table(plain | texts)


def _read(cohort: str, files: Sequence[Path], names: list[str]) -> pa.Table:
    """Return some columns of parquet files, concatenated, or raise DamagedFile.

    Earlier versions of pandas wrote other types: all are cast to the current ones.
    """
    schema = pa.schema([_SCHEMA.field(name) for name in names])
    parts = []
    for file in files:
        try:
            parquet = pq.ParquetFile(local_file(file))
            table = parquet.read(names, use_threads=False)  # small: threads take longer
            parts.append(table.select(names).cast(schema))
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise DamagedFile(
                f"Cohort '{cohort}': {file.parent.name}/{file.name} cannot be read; ingest its "
                "folder again."
            ) from error
    return pa.concat_tables(parts).combine_chunks()


def _quality(cohort: str, shards: Sequence[Path]) -> pa.ChunkedArray:
    """Return the quality flags (JSON) of all records, "null" for those not measured."""
    parts = []
    for shard in shards:
        if measurements_table.is_measured(shard):
            flags = _read(cohort, [shard / measurements_table.FILE], ["quality"])["quality"]
            parts.append(pc.fill_null(flags, "null").combine_chunks())
        else:
            rows = pq.read_metadata(local_file(shard / "index.parquet")).num_rows
            parts.append(pa.repeat("null", rows))
    return pa.chunked_array(parts, pa.string())


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Return a column as one dictionary array, with null as ''."""
    return pc.fill_null(column, "").combine_chunks().dictionary_encode()
