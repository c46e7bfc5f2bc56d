"""The private table: which file each record was read from, and what became of every other.

The only place in a cohort where paths and a reader's words stand (file names may hold patients'
names): ``private/NNNNN.parquet``, one piece a shard, mode 600 in a folder of mode 700.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from ecgcore.atomic import write_atomic
from ecgcore.cohort.remote import need
from ecgcore.cohort.scan import SeenFile
from ecgcore.cohort.store import private_piece
from ecgcore.errors import DamagedFile

COLUMNS = pa.schema(
    dict.fromkeys(("path", "stamp", "key", "record", "status", "reason", "of"), pa.string())
    | {"fs_hz": pa.float64()}
)
"""As in ``SeenFile``; ``status``: read, rejected (with ``reason``) or duplicate (``of`` one)."""


def private_folder(cohort: Path) -> Path:
    """Return the folder of the private table, made on first use for its owner alone."""
    folder = cohort / "private"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_paths(cohort: Path, shard: str, rows: Iterable[dict[str, Any]]) -> None:
    """Write a shard's piece, whole."""
    table = pd.DataFrame(list(rows), columns=COLUMNS.names)
    private_folder(cohort)

    def write(path: Path) -> None:
        path.touch(mode=0o600)
        table.to_parquet(path, index=False, schema=COLUMNS)

    write_atomic(private_piece(cohort, shard), write)


def read_paths(cohort: Path, shards: Iterable[str]) -> pd.DataFrame:
    """Return the table over some shards, or raise DamagedFile."""
    pieces = [_piece(private_piece(cohort, shard)) for shard in shards]
    if not pieces:
        return pd.DataFrame(columns=COLUMNS.names)
    return _followed(pd.concat(pieces, ignore_index=True))


class Outcome(NamedTuple):
    """What became of a cohort's recordings.

    ``read`` counts the records that are there; ``others`` (columns as in COLUMNS) are the rejected
    and the duplicates. Few, so that this does not grow with the cohort.
    """

    read: int
    others: pd.DataFrame

    def count(self, status: str) -> int:
        """Return how many of the others have a status."""
        return int((self.others["status"] == status).sum())


def outcome(cohort: Path, shards: Iterable[str]) -> Outcome:
    """Return what became of the recordings of some shards, or raise DamagedFile."""
    read, others = 0, [pd.DataFrame(columns=COLUMNS.names)]
    for shard in shards:
        piece = _piece(private_piece(cohort, shard))
        is_read = piece["status"] == "read"
        read += int(is_read.sum())
        if not is_read.all():
            others.append(piece[~is_read])
    table = others[0] if len(others) == 1 else pd.concat(others[1:], ignore_index=True)
    return Outcome(read, _followed(table))


def _piece(file: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(need(file), columns=COLUMNS.names)
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise DamagedFile(
            f"Cohort '{file.parent.parent.name}': private/{file.name} cannot be read; remove the "
            "cohort's folder and ingest again."
        ) from error


def _followed(paths: pd.DataFrame) -> pd.DataFrame:
    """Return the table where a copy of a copy is one of the original."""
    copies = paths[paths["status"] == "duplicate"]
    of = dict(zip(copies["record"], copies["of"], strict=True))
    names = copies["of"]
    for _ in range(len(of)):
        further = names.map(lambda name: of.get(name, name))
        if further.equals(names):
            break
        names = further
    paths.loc[copies.index, "of"] = names
    return paths


def seen_before(paths: pd.DataFrame) -> dict[str, SeenFile]:
    """Return what an earlier ingest saw, by path."""
    rows = paths[["path", "stamp", "key", "record", "fs_hz"]].to_dict("records")
    return {
        row["path"]: SeenFile(**row | {"fs_hz": None if pd.isna(row["fs_hz"]) else row["fs_hz"]})
        for row in rows
    }
