"""Measurements for records that were ingested without: made from the stored signals."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.cohort import measured
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.stored import as_record, in_mv
from ecgcore.cohort.workers import MEASURING, run_all, workers_for
from ecgcore.cohort.writing import written_alone
from ecgcore.home import Home, read_json


def ensure_measured(
    name: str,
    home: Home,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Cohort:
    """Measure those records of a cohort that have not been measured, and return the cohort.

    No recording is read again. Killed in the middle, it goes on with the shard where it was.
    """
    cohort = Cohort.open(name, home)
    if not cohort.is_measured:
        with written_alone(name, home):
            measure_missing(cohort.folder, workers, on_progress)
    return Cohort.open(name, home)


def measure_missing(
    cohort: Path, workers: int | None, on_progress: Callable[[int, int], None]
) -> None:
    """Measure the shards of a cohort's folder that have not been measured, in parallel."""
    meta = read_json(cohort / "cohort.json")
    shards = [cohort / "shards" / shard for shard in meta["shards"]]
    todo = [shard for shard in shards if not measured.is_measured(shard)]
    total = sum(len(_signals(shard)) for shard in todo)
    jobs = [(shard, meta["fs_hz"]) for shard in todo]
    workers = workers or workers_for(total)
    run_all(_measure_shard, jobs, workers, lambda done: on_progress(done, total), MEASURING)


def _measure_shard(shard: Path, fs_hz: float, on_record: Callable[[], None]) -> None:
    index = pd.read_parquet(shard / "index.parquet")
    table = measured.Table()
    for told, stored in zip(index.itertuples(), _signals(shard), strict=True):
        record = as_record(told, in_mv(stored), fs_hz)
        table.add(record.name, measured.row_of(record, record.duration_s))
        on_record()
    table.write(shard)


def _signals(shard: Path) -> np.ndarray:
    return np.load(shard / "signals.npy", mmap_mode="r")
