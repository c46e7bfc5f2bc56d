"""Private table: the file that each record was read from, and the outcome of every other file.

This is the only part of a cohort with paths and messages of readers, because file names may hold
patients' names: ``private/NNNNN.parquet``, one file per shard, mode 600 in a folder of mode 700.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from ecgcore.atomic import read_parquet, write_atomic
from ecgcore.cohort.remote import local_file
from ecgcore.cohort.scan import ScannedFile
from ecgcore.cohort.store import private_paths_file
from ecgcore.errors import DamagedFile

COLUMNS = pa.schema(
    dict.fromkeys(("path", "stamp", "key", "record", "status", "reason", "of"), pa.string())
    | {"fs_hz": pa.float64()}
)
"""As in ``ScannedFile``; ``status``: read, rejected (with ``reason``) or duplicate (``of`` one)."""


def private_folder(cohort: Path) -> Path:
    """Return the folder of the private table, created on first use for its owner alone."""
    folder = cohort / "private"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_paths(cohort: Path, shard: str, rows: Iterable[dict[str, Any]]) -> None:
    """Write a shard's part of the private table, atomically."""
    table = pd.DataFrame(list(rows), columns=COLUMNS.names)
    private_folder(cohort)

    def write(path: Path) -> None:
        path.touch(mode=0o600)
        table.to_parquet(path, index=False, schema=COLUMNS)

    write_atomic(private_paths_file(cohort, shard), write)


def read_paths(cohort: Path, shards: Iterable[str]) -> pd.DataFrame:
    """Return the private table of some shards, or raise DamagedFile."""
    tables = [_read_table(private_paths_file(cohort, shard)) for shard in shards]
    if not tables:
        return pd.DataFrame(columns=COLUMNS.names)
    return _resolve_copies(pd.concat(tables, ignore_index=True))


class IngestOutcome(NamedTuple):
    """Outcome of a cohort's recordings.

    ``read`` counts the records; ``others`` (columns as in COLUMNS) holds rejected files and
    duplicates only, so that it does not grow with the cohort.
    """

    read: int
    others: pd.DataFrame

    def count(self, status: str) -> int:
        """Return how many of the others have a status."""
        return int((self.others["status"] == status).sum())


def read_outcome(cohort: Path, shards: Iterable[str]) -> IngestOutcome:
    """Return the outcome of the recordings of some shards, or raise DamagedFile."""
    n_read, others = 0, [pd.DataFrame(columns=COLUMNS.names)]
    for shard in shards:
        table = _read_table(private_paths_file(cohort, shard))
        is_read = table["status"] == "read"
        n_read += int(is_read.sum())
        if not is_read.all():
            others.append(table[~is_read])
    merged = others[0] if len(others) == 1 else pd.concat(others[1:], ignore_index=True)
    return IngestOutcome(n_read, _resolve_copies(merged))


def _read_table(file: Path) -> pd.DataFrame:
    try:
        return read_parquet(local_file(file), COLUMNS.names)
    except DamagedFile as error:
        raise DamagedFile(
            f"Cohort '{file.parent.parent.name}': private/{file.name} cannot be read; remove the "
            "cohort's folder and ingest again."
        ) from error


def _resolve_copies(paths: pd.DataFrame) -> pd.DataFrame:
    """Return the table with copies of copies assigned to the original."""
    copies = paths[paths["status"] == "duplicate"]
    original_of = dict(zip(copies["record"], copies["of"], strict=True))
    names = copies["of"]
    for _ in range(len(original_of)):
        resolved = names.map(lambda name: original_of.get(name, name))
        if resolved.equals(names):
            break
        names = resolved
    paths.loc[copies.index, "of"] = names
    return paths


def known_files(paths: pd.DataFrame) -> dict[str, ScannedFile]:
    """Return the files of an earlier scan, by path."""
    rows = paths[["path", "stamp", "key", "record", "fs_hz"]].to_dict("records")
    return {
        row["path"]: ScannedFile(**row | {"fs_hz": None if pd.isna(row["fs_hz"]) else row["fs_hz"]})
        for row in rows
    }
