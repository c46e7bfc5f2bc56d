"""Measure how quickly the dashboard answers on a large cohort, made by repeating a real one.

``repeated`` makes the cohort: rows of a real cohort's index under new ids, its signals linked, not
copied, so that 45,000 records take seconds and no room. ``main`` opens Browse and Overview on a
real server and times what a visitor waits for. Run it from the repository's root:

    python docs/browse_speed.py --cohort ptbxl --records 45000
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.cohort import measured
from ecgcore.cohort.index import write_index
from ecgcore.cohort.paths import write_paths
from ecgcore.cohort.store import Cohort
from ecgcore.home import Home, folder_made_whole, write_json


def repeated(cohort: Cohort, name: str, home: Home, records: int) -> Cohort:
    """Make a cohort of so many records by repeating those of another under new ids."""
    folder = home.cohorts / name
    shards: list[str] = []
    made = 0
    while made < records:
        source = (
            cohort.folder
            / "shards"
            / cohort.meta["shards"][len(shards) % len(cohort.meta["shards"])]
        )
        shards.append(f"{len(shards):05d}")
        made += _repeated_shard(source, folder, shards[-1], records - made)
    meta = cohort.meta | {"name": name, "records": records, "patients": records, "shards": shards}
    meta |= {"hash": f"repeated{records}", "sources": {"ptb-xl": records}}
    write_json(folder / "cohort.json", meta)
    return Cohort.open(name, home)


def _repeated_shard(source: Path, folder: Path, name: str, most: int) -> int:
    """Copy a shard under new ids, at most so many of its records; return how many."""
    index = pd.read_parquet(source / "index.parquet").iloc[:most]
    index["record"] = [f"{name}-{record}" for record in index["record"]]
    index["patient"] = [f"{name}-{i}" for i in range(len(index))]
    kept = np.arange(len(np.load(source / "signals.npy", mmap_mode="r"))) < most
    with folder_made_whole(folder / "shards" / name) as made:
        write_index(made / "index.parquet", index.to_dict("records"), "")
        if kept.all():
            os.link(source / "signals.npy", made / "signals.npy")
        else:
            np.save(made / "signals.npy", np.load(source / "signals.npy", mmap_mode="r")[kept])
        measured.copy(source, made, kept)
    row = {"path": "", "stamp": "", "status": "read", "reason": "", "of": "", "fs_hz": 100.0}
    write_paths(folder, name, (row | {"key": r, "record": r} for r in index["record"]))
    return len(index)
