"""Measure records that have no measurements, or measurements of an earlier version.

The stored signals serve if they have the record's own rate; otherwise its file is read again, as at
ingest, if it exists unchanged.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.atomic import map_array, read_parquet
from ecgcore.cohort import measurements_table
from ecgcore.cohort.catalogue import read_cohort_file
from ecgcore.cohort.codec import decode_record, decode_signals_mv
from ecgcore.cohort.lock import exclusive_lock
from ecgcore.cohort.private_paths import read_paths
from ecgcore.cohort.remote import is_url
from ecgcore.cohort.scan import FileStamps
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError, UnreadableRecord
from ecgcore.executors import local
from ecgcore.executors.select import Executor
from ecgcore.records.read import read_record
from ecgcore.records.record import Record
from ecgcore.records.unexpected_errors import refuse_unexpected_errors
from ecgcore.workspace import Workspace


def ensure_measured(
    name: str,
    workspace: Workspace,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Cohort:
    """Measure the records of a cohort that lack current measurements, and return the cohort.

    After an interruption it resumes with the shard that was being measured.

    Raises
    ------
    RequestError
        The cohort is remote and was pushed without current measurements.
    """
    cohort = Cohort.open(name, workspace)
    if cohort.has_current_measurements:
        return cohort
    if is_url(name):
        raise RequestError(
            f"The cohort at {name} has no measurements of this version: ingest its folder again "
            "where it was made, and push it."
        )
    with exclusive_lock(name, workspace):
        measure_missing(cohort.folder, workers, on_progress)
    return Cohort.open(name, workspace)


def measure_missing(
    cohort: Path,
    workers: int | None,
    on_progress: Callable[[int, int], None],
    executor: Executor = local,
) -> None:
    """Measure, in parallel, the shards of a cohort's folder that lack current measurements."""
    meta = read_cohort_file(cohort)
    shards = [cohort / "shards" / shard for shard in meta["shards"]]
    missing = [shard for shard in shards if not measurements_table.is_current(shard)]
    if not missing:
        return
    total = sum(len(_signals(shard)) for shard in missing)
    start_s = meta.get("start_s", 0.0)
    executor.run_all(
        _measure_shard,
        [(shard, meta["fs_hz"], meta["duration_s"], start_s) for shard in missing],
        workers or executor.workers_for(total),
        lambda done: on_progress(done, total),
        preload=(__name__, *measurements_table.MEASURE_MODULES),
        shared_folder=cohort,
    )


def _measure_shard(
    shard: Path, fs_hz: float, duration_s: float, start_s: float, on_record: Callable[[], None]
) -> None:
    index = read_parquet(shard / "index.parquet")
    files, stamps = _read_files(shard), FileStamps()
    table = measurements_table.MeasurementsBuilder()
    for row, stored in zip(index.itertuples(), _signals(shard), strict=True):
        record = None
        if row.fs_hz != fs_hz and row.record in files:
            record = _record_from_file(*files[row.record], stamps, start_s)
        if record is None:
            record = decode_record(row, decode_signals_mv(stored), fs_hz)
        table.add(row.record, _measure(record, duration_s))
        on_record()
    table.write(shard)


def _measure(record: Record, duration_s: float) -> dict[str, Any]:
    """Return a record's row of the table; after an unexpected error an empty one that says so."""
    try:
        with refuse_unexpected_errors(record.name):
            return measurements_table.measure_row(record, duration_s)
    except UnreadableRecord as error:
        return measurements_table.failed_row(error)


def _read_files(shard: Path) -> dict[str, tuple[str, str]]:
    """Return path and stamp of the file that each record of a shard was read from."""
    paths = read_paths(shard.parent.parent, [shard.name])
    read = paths[paths["status"] == "read"]
    return dict(zip(read["record"], zip(read["path"], read["stamp"], strict=True), strict=True))


def _record_from_file(path: str, stamp: str, stamps: FileStamps, start_s: float) -> Record | None:
    """Return a record from its file, None if the file has changed."""
    if stamps.of(Path(path)) != stamp:
        return None
    try:
        return read_record(Path(path), start_s=start_s)
    except UnreadableRecord:  # at ingest, options supplied what the file does not state
        return None


def _signals(shard: Path) -> np.ndarray:
    return map_array(shard / "signals.npy")
