"""Push: upload a cohort to object storage or any folder; changed files only, ``cohort.json`` last.

The private folder (file names and outcome of each file) and the key of patient hashes stay local.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ecgcore.atomic import sha256_file, write_atomic
from ecgcore.cohort import label_versions, listing_columns, measurements_table, remote
from ecgcore.cohort.exclusions import exclusion_counts
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError
from ecgcore.workspace import Workspace

SHARD_FILES = ("index.parquet", measurements_table.FILE, "signals.npy")
"""Files of a shard that readers need; fingerprints serve only ingest."""


@dataclass(frozen=True)
class PushResult:
    """Totals of a push: number and bytes of all files, and of those that were sent."""

    cohort: str
    url: str
    files: int
    bytes: int
    sent: int
    sent_bytes: int

    def as_json(self) -> dict[str, Any]:
        """Return the JSON form of ``ecgcore cohorts push --json``."""
        return asdict(self)


def push(
    name: str,
    url: str,
    workspace: Workspace,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> PushResult:
    """Upload a cohort to ``url``, which then holds nothing else; only changed files are sent.

    Readers who open it meanwhile find the previous version; obsolete files are removed last.

    Parameters
    ----------
    on_progress
        Called with bytes sent and bytes to send.

    Raises
    ------
    RequestError
        The URL holds another cohort, or its driver is not installed.
    EcgError
        The URL cannot be reached.
    """
    if remote.is_url(name):
        raise RequestError(f"Name a cohort of this home to push, not a URL ({name}).")
    url = (url if remote.is_url(url) else f"file://{Path(url).absolute()}").rstrip("/")
    cohort = Cohort.open(name, workspace)
    listing_columns.load_columns(cohort)
    entries = {file: _describe(cohort.folder / file) for file in _files(cohort)}
    with remote.connect(url) as (file_system, path):
        remote_entries = _read_entries(file_system, path, url, cohort)
        changed = [
            file
            for file, entry in entries.items()
            if remote_entries.get(file, {}).get("sha256") != entry["sha256"]
        ]
        sizes = {file: entries[file]["bytes"] for file in changed}
        _send(file_system, path, cohort.folder, sizes, on_progress)
        meta = cohort.meta | {"sizes": _shard_sizes(cohort), "losses": exclusion_counts(cohort)}
        content = json.dumps(
            meta | {remote.FILES_KEY: entries}, ensure_ascii=False, allow_nan=False
        )
        _write_whole(file_system, f"{path}/cohort.json", content.encode())
        for file in remote_entries.keys() - entries.keys():
            file_system.rm_file(f"{path}/{file}")
    return PushResult(
        cohort=name,
        url=url,
        files=len(entries),
        bytes=sum(entry["bytes"] for entry in entries.values()),
        sent=len(changed),
        sent_bytes=sum(sizes.values()),
    )


def _files(cohort: Cohort) -> list[str]:
    """Return the files to upload, by path in the cohort's folder."""
    shards = [f"shards/{s}/{file}" for s in cohort.meta["shards"] for file in SHARD_FILES]
    labels = [f"{label_versions.FOLDER}/{f.name}" for f in label_versions.files(cohort.folder)]
    shards += labels
    return [file for file in (listing_columns.FILE, *shards) if (cohort.folder / file).is_file()]


def _describe(file: Path) -> dict[str, Any]:
    stat = file.stat()
    return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": sha256_file(file)}


def _shard_sizes(cohort: Cohort) -> list[int]:
    shards = (cohort.folder / "shards" / shard for shard in cohort.meta["shards"])
    return [pq.read_metadata(shard / "index.parquet").num_rows for shard in shards]


def _read_entries(
    file_system: Any, path: str, url: str, cohort: Cohort
) -> dict[str, dict[str, Any]]:
    """Return the file entries of the cohort at the URL, by path; empty if there is none."""
    try:
        meta = json.loads(file_system.cat_file(f"{path}/cohort.json"))
    except FileNotFoundError:
        return {}
    if meta["name"] != cohort.name:
        raise RequestError(
            f"{url} holds the cohort '{meta['name']}'; push '{cohort.name}' to a URL of its own."
        )
    return meta.get(remote.FILES_KEY, {})


def _send(
    file_system: Any,
    path: str,
    folder: Path,
    sizes: dict[str, int],
    on_progress: Callable[[int, int], None],
) -> None:
    """Upload files and report the bytes sent after each."""
    from fsspec.implementations.local import LocalFileSystem

    sent, total = 0, sum(sizes.values())
    on_progress(0, total)
    for file, size in sizes.items():
        target = f"{path}/{file}"
        if isinstance(file_system, LocalFileSystem):  # object stores have no folders
            file_system.makedirs(target.rpartition("/")[0], exist_ok=True)
        file_system.put_file(str(folder / file), target)
        sent += size
        on_progress(sent, total)


def _write_whole(file_system: Any, path: str, content: bytes) -> None:
    """Write a file so that readers never see a part: object stores do, folders need a rename."""
    from fsspec.implementations.local import LocalFileSystem

    if isinstance(file_system, LocalFileSystem):
        write_atomic(Path(path), lambda temporary: temporary.write_bytes(content))
    else:
        file_system.pipe_file(path, content)
