"""The private table: which file each record was read from, and what became of every other.

The only place in a cohort where paths and a reader's words stand (file names may hold patients'
names): ``private/NNNNN.parquet``, one piece a shard, mode 600 in a folder of mode 700.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from ecgcore.cohort.store import private_piece
from ecgcore.cohort.survey import Seen
from ecgcore.home import write_whole

COLUMNS = pa.schema(
    dict.fromkeys(("path", "stamp", "key", "record", "status", "reason", "of"), pa.string())
    | {"fs_hz": pa.float64()}
)
"""As in ``Seen``; ``status`` is read, rejected (with ``reason``) or duplicate (``of`` a record)."""


def write_paths(cohort: Path, shard: str, rows: list[dict[str, Any]]) -> None:
    """Write a shard's piece, whole."""
    table = pd.DataFrame(rows, columns=COLUMNS.names)
    (cohort / "private").mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(path: Path) -> None:
        path.touch(mode=0o600)
        table.to_parquet(path, index=False, schema=COLUMNS)

    write_whole(private_piece(cohort, shard), write)


def read_paths(cohort: Path, shards: Iterable[str]) -> pd.DataFrame:
    """Return the table over some shards."""
    pieces = [pd.read_parquet(private_piece(cohort, shard)) for shard in shards]
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame(columns=COLUMNS.names)


def seen_before(paths: pd.DataFrame) -> dict[str, Seen]:
    """Return what an earlier ingest saw, by path."""
    rows = paths[["path", "stamp", "key", "record", "fs_hz"]].to_dict("records")
    return {
        row["path"]: Seen(**row | {"fs_hz": None if pd.isna(row["fs_hz"]) else row["fs_hz"]})
        for row in rows
    }
