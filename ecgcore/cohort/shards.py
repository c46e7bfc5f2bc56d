"""Shard: read records, convert them to the cohort's format, label them, and write them."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ecgcore.atomic import atomic_dir, map_array, read_parquet
from ecgcore.cohort import fingerprints, measurements_table
from ecgcore.cohort.codec import LARGEST_UV, MISSING
from ecgcore.cohort.index import INDEX, index_row, write_index
from ecgcore.cohort.partial_shards import JournalEntry, PartialShard
from ecgcore.cohort.private_paths import read_paths, write_paths
from ecgcore.cohort.scan import ScannedFile, is_lower_rate
from ecgcore.cohort.signal_format import SignalFormat
from ecgcore.errors import DamagedFile, UnreadableRecord
from ecgcore.labels.code_tables import tables_hash
from ecgcore.records.read import read_record
from ecgcore.records.record import Record
from ecgcore.records.resample import resample_record
from ecgcore.records.unexpected_errors import refuse_unexpected_errors

ShardWork = list[list[ScannedFile]]
"""Content of a shard to be written: one list per record, its files in order of preference."""


def work_hash(work: ShardWork, signal_format: SignalFormat) -> str:
    """Return the hash that identifies a shard: its files, its format and how both are processed."""
    files = [[asdict(file) for file in record_files] for record_files in work]
    settings: list[Any] = [
        signal_format.fs_hz,
        signal_format.duration_s,
        signal_format.upsample,
        *signal_format.read_options,
        tables_hash(),
        fingerprints.VERSION,
        measurements_table.version(),
    ]
    return hashlib.sha256(json.dumps([settings, files]).encode()).hexdigest()[:24]


def write_shard(
    cohort: Path,
    name: str,
    work: ShardWork,
    signal_format: SignalFormat,
    measure: bool = False,
    on_record: Callable[[bool], None] = lambda is_refused: None,
) -> None:
    """Read the records of ``work`` and write shard ``name`` and its part of the private table.

    One record is in memory at a time; a partial shard of an interrupted run is continued.
    ``on_record`` is called after each record with whether it was refused.
    """
    shard_hash = work_hash(work, signal_format)
    if (finished := cohort / "shards" / name / "index.parquet").exists():
        # The process that wrote it was killed before it could report, and the job was restarted.
        n_refused = len(work) - pq.read_metadata(finished).num_rows
        for position in range(len(work)):
            on_record(position < n_refused)
        return
    with PartialShard(cohort, name, shard_hash, signal_format) as shard:
        for position in range(shard.done):
            on_record(position < shard.done - shard.read)
        for files in work[shard.done :]:
            stored, entry = _process_record(files, signal_format, measure)
            shard.add(stored, entry)
            on_record(stored is None)
        _write_tables(shard, cohort, name, shard_hash)
        shard.finish()


def _process_record(
    files: list[ScannedFile], signal_format: SignalFormat, measure: bool
) -> tuple[np.ndarray | None, JournalEntry]:
    """Return a record's stored signal, None if no file is readable, and its journal entry.

    The first readable file counts.
    """
    stored: np.ndarray | None = None
    content: JournalEntry = {"row": None}
    name, outcomes = "", []
    for file in files:
        outcome = asdict(file) | {"status": "duplicate", "reason": "", "of": name}
        if stored is None:
            try:
                with refuse_unexpected_errors(file.record):
                    stored, content = _read_and_encode(file, signal_format, measure)
                outcome["status"], name = "read", file.record
            except UnreadableRecord as error:
                outcome |= {"status": "rejected", "reason": str(error)}
        outcomes.append(outcome)
    return stored, {"files": outcomes, **content}


def _read_and_encode(
    file: ScannedFile, signal_format: SignalFormat, measure: bool
) -> tuple[np.ndarray, JournalEntry]:
    """Return the stored signal of a file, and its journal entry without ``files``."""
    record, duration_s = _read(Path(file.path), signal_format), signal_format.duration_s
    stored, row_additions = _encode(record, signal_format)
    return stored, {
        "row": index_row(record, signal_format.secret) | {"record": file.record} | row_additions,
        "fingerprint": fingerprints.fingerprint(record.signal_mv, record.fs_hz).hex(),
        "measures": measurements_table.measure_row(record, duration_s) if measure else None,
    }


def is_complete(shard: Path) -> bool:
    """Return whether a shard has a signal for every row and all columns of today's index.

    Indexes of earlier versions lack ``machine``, which is accepted.
    """
    try:
        index = pq.ParquetFile(shard / "index.parquet")
        signals = map_array(shard / "signals.npy")
    except (DamagedFile, OSError, ValueError):  # ArrowInvalid is a ValueError
        return False
    has_all_columns = set(INDEX.names) - {"machine"} <= set(index.schema_arrow.names)
    return has_all_columns and len(signals) == index.metadata.num_rows


def rewrite_shard(
    cohort: Path, old: str, new: str, removed_keys: set[str], copies: dict[str, str]
) -> None:
    """Copy shard ``old`` as ``new`` without some of its records.

    Parameters
    ----------
    removed_keys
        Keys of records to remove, together with all entries of their files.
    copies
        Names of records that duplicate another one, and that other's name: their files are listed
        as duplicates.
    """
    paths = read_paths(cohort, [old])
    paths = paths[~paths["key"].isin(removed_keys)]
    source = cohort / "shards" / old
    index = read_parquet(source / "index.parquet")
    remaining = paths.loc[paths["status"] == "read", "record"]
    keep = (index["record"].isin(remaining) & ~index["record"].isin(copies)).to_numpy()
    with atomic_dir(cohort / "shards" / new) as folder:
        signals = map_array(source / "signals.npy")
        np.save(folder / "signals.npy", signals[keep])
        write_index(folder / "index.parquet", index[keep].to_dict("records"), f"of {old}")
        fingerprints.copy(source, folder, keep)
        measurements_table.copy(source, folder, keep)
        write_paths(cohort, new, _mark_copies(paths, copies).to_dict("records"))


def _mark_copies(paths: pd.DataFrame, copies: dict[str, str]) -> pd.DataFrame:
    """Return rows of the private table with the files of ``copies`` listed as duplicates."""
    paths = paths.copy()
    is_copy = paths["record"].isin(copies) & (paths["status"] == "read")
    is_copy_of_copy = paths["of"].isin(copies)
    paths.loc[is_copy, "of"] = paths.loc[is_copy, "record"].map(copies)
    paths.loc[is_copy_of_copy, "of"] = paths.loc[is_copy_of_copy, "of"].map(copies)
    paths.loc[is_copy, "status"] = "duplicate"
    return paths


def _write_tables(shard: PartialShard, cohort: Path, name: str, shard_hash: str) -> None:
    """Write the tables of a shard whose records are all done, from its journal."""
    rows: list[dict[str, Any]] = []
    files: list[dict[str, Any]] = []
    prints: list[bytes] = []
    measures: measurements_table.MeasurementsBuilder | None
    measures = measurements_table.MeasurementsBuilder()
    for entry in shard.entries():
        files += entry["files"]
        if entry["row"] is None:
            continue
        rows.append(entry["row"])
        prints.append(bytes.fromhex(entry["fingerprint"]))
        if entry["measures"] is None:
            measures = None
        elif measures is not None:
            measures.add(entry["row"]["record"], entry["measures"])
    write_index(shard.folder / "index.parquet", rows, shard_hash)
    fingerprints.write(shard.folder, prints)
    if measures is not None:
        measures.write(shard.folder)
    write_paths(cohort, name, files)


def _read(path: Path, signal_format: SignalFormat) -> Record:
    """Read a record whose rate is not below the cohort's."""
    record = read_record(path, **signal_format.read_options._asdict())
    if is_lower_rate(record.fs_hz, signal_format.fs_hz) and not signal_format.upsample:
        raise UnreadableRecord(
            f"Record {record.name} is sampled at {record.fs_hz:g} Hz and this cohort at "
            f"{signal_format.fs_hz} Hz; rates are not raised. Ingest it into a cohort of a lower "
            "rate."
        )
    return record


def _encode(record: Record, signal_format: SignalFormat) -> tuple[np.ndarray, dict[str, str]]:
    """Return the signal as (12, T) int16 in µV, and its notes and hash for the index."""
    converted = resample_record(record, signal_format.fs_hz, signal_format.duration_s)
    uv = np.rint(converted.signal_mv.astype(np.float64) * 1000)
    notes = list(converted.notes)
    if (np.abs(uv) > LARGEST_UV).any():
        uv = np.clip(uv, -LARGEST_UV, LARGEST_UV)
        notes.append(f"clipped at ±{LARGEST_UV / 1000} mV")
    stored = np.where(np.isnan(uv), MISSING, uv).astype("<i2")
    return stored, {
        "notes": json.dumps(notes, ensure_ascii=False),
        "signal_hash": hashlib.sha256(stored.tobytes()).hexdigest()[:24],
    }
