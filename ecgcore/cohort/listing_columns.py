"""What lists show of a cohort's records, as columns over all shards in one file.

``columns.arrow`` beside ``cohort.json`` follows from the shards and is made from them whenever it
is not theirs any more. It is mapped into memory, not read: a cohort of 200,000 records opens in
hundredths of a second, where the indexes of 200 shards take most of one. Equal texts stand once.
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
from ecgcore.cohort.remote import need, told
from ecgcore.cohort.store import TIERS, Cohort
from ecgcore.errors import DamagedFile, NotWritten
from ecgcore.labels.classes import CODES

FILE = "columns.arrow"
VERSION = 1
"""Rises whenever the columns change: files of earlier versions are made anew."""
TEXTS = ("source", "sex", "statements")
LABELS = [f"{tier}_{code}" for tier in TIERS for code in CODES]
_KEY = b"made_from"
_SCHEMA = pa.schema([*INDEX, pa.field("quality", pa.string())])


def columns(cohort: Cohort) -> pa.Table:
    """Return one row a record: ``record``, ``age``, TEXTS, ``quality`` and LABELS, or raise
    DamagedFile.

    Texts are dictionaries, with '' for missing. ``quality`` holds flags (JSON), "null" where
    nothing was measured.
    """
    key, file = _key(cohort.folder, cohort.meta), cohort.folder / FILE
    kept = _kept(file, key)
    if kept is not None:
        return kept
    table = _from_shards(cohort).replace_schema_metadata({_KEY: key})
    try:
        write_atomic(file, lambda path: _write(path, table))
    except NotWritten:  # a folder that this reader may not write; it is read from shards each time
        pass
    return table


def _key(folder: Path, meta: dict[str, Any]) -> bytes:
    """Return what changes with the records, their labels or their measurements."""
    measures = [
        told(folder / "shards" / shard / measurements_table.FILE) for shard in meta["shards"]
    ]
    made_from = json.dumps([VERSION, meta["hash"], meta["shards"], measures])
    return hashlib.sha256(made_from.encode()).hexdigest().encode()


def _kept(file: Path, key: bytes) -> pa.Table | None:
    """Return the file's table, mapped, None where it is not there or made from something else."""
    if told(file) == (0, 0):
        return None
    try:
        found = pa.ipc.open_file(pa.memory_map(str(need(file))))
        return found.read_all() if (found.schema.metadata or {}).get(_KEY) == key else None
    except (OSError, pa.ArrowInvalid):
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
    """Return some columns of parquet files, one after another, or raise DamagedFile.

    Earlier versions of pandas wrote other types of the same: all come as those of today.
    """
    wanted = pa.schema([_SCHEMA.field(name) for name in names])
    parts = []
    for file in files:
        try:
            opened = pq.ParquetFile(need(file))
            found = opened.read(names, use_threads=False)  # small: threads take longer
            parts.append(found.select(names).cast(wanted))
        except (OSError, KeyError, pa.ArrowInvalid) as error:
            raise DamagedFile(
                f"Cohort '{cohort}': {file.parent.name}/{file.name} cannot be read; ingest its "
                "folder again."
            ) from error
    return pa.concat_tables(parts).combine_chunks()


def _quality(cohort: str, shards: Sequence[Path]) -> pa.ChunkedArray:
    """Return the quality flags (JSON) of all records, "null" where nothing was measured."""
    parts = []
    for shard in shards:
        if measurements_table.is_measured(shard):
            flags = _read(cohort, [shard / measurements_table.FILE], ["quality"])["quality"]
            parts.append(pc.fill_null(flags, "null").combine_chunks())
        else:
            rows = pq.read_metadata(need(shard / "index.parquet")).num_rows
            parts.append(pa.repeat("null", rows))
    return pa.chunked_array(parts, pa.string())


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Return a column as one array in which each different text stands once, null as ''."""
    return pc.fill_null(column, "").combine_chunks().dictionary_encode()
