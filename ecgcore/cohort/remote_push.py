"""Bringing a cohort to object storage, or to any folder: what is new there, ``cohort.json`` last.

The private folder (file names, what became of each file) and the patients' key stay at home.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ecgcore.atomic import sha256_file, write_atomic
from ecgcore.cohort import listing_columns, measurements_table, remote
from ecgcore.cohort.exclusions import losses
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError
from ecgcore.workspace import Workspace

SHARD_FILES = ("index.parquet", measurements_table.FILE, "signals.npy")
"""What is read of a shard; fingerprints are for whoever ingests."""


def push(
    name: str,
    url: str,
    workspace: Workspace,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Bring a cohort to ``url``, which becomes its own place; only files that changed travel.

    Whoever opens it meanwhile finds the cohort as it was; what no longer belongs to it goes last.

    Parameters
    ----------
    on_progress
        Called with bytes sent and to send.

    Returns
    -------
    dict
        ``cohort``, ``url``, ``files`` and ``bytes`` of all, ``sent`` and ``sent_bytes``.

    Raises
    ------
    RequestError
        Another cohort lies there, or the driver lacks.
    EcgError
        The place cannot be reached.
    """
    if remote.is_url(name):
        raise RequestError(f"Name a cohort of this home to push, not a place ({name}).")
    url = (url if remote.is_url(url) else f"file://{Path(url).absolute()}").rstrip("/")
    cohort = Cohort.open(name, workspace)
    listing_columns.columns(cohort)
    wanted = {file: _told(cohort.folder / file) for file in _files(cohort)}
    with remote.reached(url) as (files, path):
        before = _there(files, path, url, cohort)
        new = [
            file for file in wanted if before.get(file, {}).get("sha256") != wanted[file]["sha256"]
        ]
        _send(
            files, path, cohort.folder, {file: wanted[file]["bytes"] for file in new}, on_progress
        )
        meta = cohort.meta | {"sizes": _sizes(cohort), "losses": losses(cohort)}
        content = json.dumps(meta | {remote.FILES: wanted}, ensure_ascii=False, allow_nan=False)
        _put_last(files, f"{path}/cohort.json", content.encode())
        for file in before.keys() - wanted.keys():
            files.rm_file(f"{path}/{file}")
    return {
        "cohort": name,
        "url": url,
        "files": len(wanted),
        "bytes": sum(told["bytes"] for told in wanted.values()),
        "sent": len(new),
        "sent_bytes": sum(wanted[file]["bytes"] for file in new),
    }


def _files(cohort: Cohort) -> list[str]:
    """Return the files that travel, by path in the cohort's folder."""
    shards = [f"shards/{s}/{file}" for s in cohort.meta["shards"] for file in SHARD_FILES]
    return [file for file in (listing_columns.FILE, *shards) if (cohort.folder / file).is_file()]


def _told(file: Path) -> dict[str, Any]:
    stat = file.stat()
    return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": sha256_file(file)}


def _sizes(cohort: Cohort) -> list[int]:
    shards = (cohort.folder / "shards" / shard for shard in cohort.meta["shards"])
    return [pq.read_metadata(shard / "index.parquet").num_rows for shard in shards]


def _there(files: Any, path: str, url: str, cohort: Cohort) -> dict[str, dict[str, Any]]:
    """Return the files of the cohort as it lies there, by path; none where none does."""
    try:
        meta = json.loads(files.cat_file(f"{path}/cohort.json"))
    except FileNotFoundError:
        return {}
    if meta["name"] != cohort.name:
        raise RequestError(
            f"{url} holds the cohort '{meta['name']}'; push '{cohort.name}' to a place of its own."
        )
    return meta.get(remote.FILES, {})


def _send(
    files: Any,
    path: str,
    folder: Path,
    new: dict[str, int],
    on_progress: Callable[[int, int], None],
) -> None:
    """Send files, and say after each how many bytes have gone."""
    from fsspec.implementations.local import LocalFileSystem

    sent, total = 0, sum(new.values())
    on_progress(0, total)
    for file, size in new.items():
        there = f"{path}/{file}"
        if isinstance(files, LocalFileSystem):  # stores of objects have no folders
            files.makedirs(there.rpartition("/")[0], exist_ok=True)
        files.put_file(str(folder / file), there)
        sent += size
        on_progress(sent, total)


def _put_last(files: Any, there: str, content: bytes) -> None:
    """Write ``cohort.json``: stores of objects show it whole or not at all, folders by renaming."""
    from fsspec.implementations.local import LocalFileSystem

    if isinstance(files, LocalFileSystem):
        write_atomic(Path(there), lambda beside: beside.write_bytes(content))
    else:
        files.pipe_file(there, content)
