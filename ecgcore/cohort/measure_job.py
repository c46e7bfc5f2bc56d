"""Measurements for records that have none, or that an earlier version made.

From the stored signals where these have the record's own rate; else from its file, as at ingest, if
that is there as it was.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.atomic import read_json
from ecgcore.cohort import measurements_table
from ecgcore.cohort.codec import as_record, in_mv
from ecgcore.cohort.lock import written_alone
from ecgcore.cohort.private_paths import read_paths
from ecgcore.cohort.remote import is_url
from ecgcore.cohort.scan import Stamps
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError, UnreadableRecord
from ecgcore.executors import local
from ecgcore.executors.select import Engine
from ecgcore.records.read import read_record
from ecgcore.records.record import Record
from ecgcore.workspace import Workspace


def ensure_measured(
    name: str,
    workspace: Workspace,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Cohort:
    """Measure those records of a cohort that have not been measured as today; return the cohort.

    Killed in the middle, it goes on with the shard where it was.

    Raises
    ------
    RequestError
        It lies elsewhere and has not been measured there.
    """
    cohort = Cohort.open(name, workspace)
    if cohort.is_measured_as_today:
        return cohort
    if is_url(name):
        raise RequestError(
            f"The cohort at {name} has not been measured as this version measures: ingest its "
            "folder again where it was made, and push it."
        )
    with written_alone(name, workspace):
        measure_missing(cohort.folder, workers, on_progress)
    return Cohort.open(name, workspace)


def measure_missing(
    cohort: Path,
    workers: int | None,
    on_progress: Callable[[int, int], None],
    engine: Engine = local,
) -> None:
    """Measure the shards of a cohort's folder that have not been measured as today, in parallel."""
    meta = read_json(cohort / "cohort.json")
    shards = [cohort / "shards" / shard for shard in meta["shards"]]
    todo = [shard for shard in shards if not measurements_table.is_current(shard)]
    if not todo:
        return
    total = sum(len(_signals(shard)) for shard in todo)
    first = meta.get("start_s", 0.0)
    jobs = [(shard, meta["fs_hz"], meta["duration_s"], first) for shard in todo]
    engine.run_all(
        _measure_shard,
        jobs,
        workers or engine.workers_for(total),
        lambda done: on_progress(done, total),
        needs=local.MEASURING,
        shared=cohort,
    )


def _measure_shard(
    shard: Path, fs_hz: float, duration_s: float, start_s: float, on_record: Callable[[], None]
) -> None:
    index = pd.read_parquet(shard / "index.parquet")
    files, stamps = _files(shard), Stamps()
    table = measurements_table.Table()
    for told, stored in zip(index.itertuples(), _signals(shard), strict=True):
        record = None
        if told.fs_hz != fs_hz and told.record in files:
            record = _from_file(*files[told.record], stamps, start_s)
        if record is None:
            record = as_record(told, in_mv(stored), fs_hz)
        table.add(told.record, measurements_table.row_of(record, duration_s))
        on_record()
    table.write(shard)


def _files(shard: Path) -> dict[str, tuple[str, str]]:
    """Return path and stamp of the file that each record of a shard was read from."""
    paths = read_paths(shard.parent.parent, [shard.name])
    read = paths[paths["status"] == "read"]
    return dict(zip(read["record"], zip(read["path"], read["stamp"], strict=True), strict=True))


def _from_file(path: str, stamp: str, stamps: Stamps, start_s: float) -> Record | None:
    """Return a record from its file, None where that is not as it was."""
    if stamps.of(Path(path)) != stamp:
        return None
    try:
        return read_record(Path(path), start_s=start_s)
    except UnreadableRecord:  # it was read with more said of it than stands in it
        return None


def _signals(shard: Path) -> np.ndarray:
    return np.load(shard / "signals.npy", mmap_mode="r")
