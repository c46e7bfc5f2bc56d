"""Batch classification into a folder of parquet parts, one row per record, in parallel.

FOLDER/parts/NNNNN.parquet    a thousand files, or a cohort's shard: answers, or the reason why not
FOLDER/private/NNNNN.parquet  files of these rows (mode 600: names may stand in their paths)
FOLDER/classified.json        written last: the network, and counts

Parts are written atomically. A part that exists for the same records and the same network is kept:
an interrupted classification resumes, and of a folder that has grown only the end is classified.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ecgcore.atomic import write_json
from ecgcore.cohort.store import Cohort, private_paths_file
from ecgcore.errors import DamagedFile, EcgError, RequestError
from ecgcore.executors.select import LOCAL, Executor, open_executor
from ecgcore.inference.batch_parts import (
    BatchPart,
    BatchRequest,
    FilesPart,
    ShardPart,
    classify_part,
    network_of,
    run_digest,
)
from ecgcore.records.discover import find_records
from ecgcore.records.read import DEFAULT_READ_OPTIONS, ReadOptions
from ecgcore.runs.run import SHIPPED, Run, find_run
from ecgcore.version import RESEARCH_USE_ONLY
from ecgcore.workspace import Workspace

PART_RECORDS = 1000
"""Files per part; fewer if there are few, so that every process has some."""
_MIN_PART_RECORDS, _MIN_PARTS = 50, 16
SUMMARY = "classified.json"
_PRELOAD = ("ecgcore.inference.batch_parts",)

OnProgress = Callable[[int, int | None], None]
"""Called with the number of records done and their total, None if that is unknown."""


def classify_files_to(
    folder: Path,
    paths: Iterable[Path],
    run: str,
    workspace: Workspace,
    options: ReadOptions = DEFAULT_READ_OPTIONS,
    workers: int | None = None,
    executor: str = LOCAL,
    on_progress: OnProgress = lambda done, total: None,
) -> dict[str, Any]:
    """Classify the records of files, folders and globs into ``folder``.

    Parameters
    ----------
    folder
        Folder for the parts; on a cluster one that all its machines share.
    paths
        Files, folders, zip files or glob patterns.
    run
        Id or folder of a run, or name of a shipped model.
    workspace
        Workspace of the run.
    options
        Assumptions about files that leave their rate or leads open.
    workers
        Number of processes, or of parallel tasks; by default as many as fit.
    executor
        Where to run (see ``executors.select``).
    on_progress
        Called after each record.

    Returns
    -------
    dict
        ``run``, ``records``, ``answered``, ``refused``, ``refer``, ``top`` (records by class),
        ``parts``, ``kept`` (parts that existed), ``seconds``.

    Raises
    ------
    RequestError
        There is no record, or ``folder`` is a file or holds another network's answers.
    EcgError
        Another process writes to this folder.
    """
    request = _request(folder, run, workspace)
    workspace.patient_key()
    files = (os.path.abspath(path) for path in find_records(paths))
    head = list(islice(files, PART_RECORDS * _MIN_PARTS))
    if not head:
        raise RequestError("No ECG record was found there: give files, folders or globs.")
    is_all = len(head) < PART_RECORDS * _MIN_PARTS
    size = max(_MIN_PART_RECORDS, -(-len(head) // _MIN_PARTS)) if is_all else PART_RECORDS
    parts = (
        FilesPart(f"{number:05d}", part, options)
        for number, part in enumerate(_split(chain(head, files), size))
    )
    total = len(head) if is_all else None
    return _classify(request, parts, len(head), total, workers, executor, on_progress)


def classify_cohort_to(
    folder: Path,
    cohort: Cohort,
    run: str,
    workspace: Workspace,
    workers: int | None = None,
    executor: str = LOCAL,
    on_progress: OnProgress = lambda done, total: None,
) -> dict[str, Any]:
    """Classify a cohort's records into ``folder``, one part per shard.

    Parameters, result and errors are those of ``classify_files_to``.
    """
    shards = (cohort.folder / "shards" / shard for shard in cohort.meta["shards"])
    parts = (ShardPart(shard, cohort.fs_hz) for shard in shards)
    request, n = _request(folder, run, workspace), len(cohort)
    return _classify(request, parts, n, n, workers, executor, on_progress)


def _request(folder: Path, reference: str, workspace: Workspace) -> BatchRequest:
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"{folder} is a file; name a folder to write the parts into.")
    run = find_run(reference, workspace)
    run.require_weights()
    return BatchRequest(folder.absolute(), _portable_reference(run), workspace, run_digest(run))


def _portable_reference(run: Run) -> str:
    """Return a reference by which workers find a run: a shipped one is wherever the package is."""
    return run.id if run.folder.parent == SHIPPED else str(run.folder.absolute())


def _split(paths: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    paths = iter(paths)
    while part := tuple(islice(paths, size)):
        yield part


def _classify(
    request: BatchRequest,
    parts: Iterable[BatchPart],
    min_records: int,
    total: int | None,
    workers: int | None,
    executor: str,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """Make all parts, remove obsolete ones, write and return the summary."""
    started, names = time.monotonic(), list[str]()
    with open_executor(executor) as opened, _locked(request.folder):
        _require_same_network(request)
        (request.folder / SUMMARY).unlink(missing_ok=True)
        counts = _run_parts(opened, request, parts, names, workers, min_records, total, on_progress)
        _remove_obsolete(request, set(names))
        summary = _summary(request, counts, len(names))
        write_json(request.folder / SUMMARY, summary | {"notice": RESEARCH_USE_ONLY})
    return summary | {"kept": counts["kept"], "seconds": round(time.monotonic() - started, 2)}


def _require_same_network(request: BatchRequest) -> None:
    """Refuse a folder that holds another network's answers, which would be replaced."""
    name = Path(request.run).name
    for file in sorted((request.folder / "parts").glob("[!.]*.parquet")):
        with suppress(DamagedFile):  # left by an interruption: it is made again
            stored, digest = network_of(file)
            if stored in ("", name) and digest in ("", request.digest):
                continue
            if stored == name:
                stored, name = f"{name} ({digest[:8]})", f"{name} ({request.digest[:8]})"
            raise RequestError(
                f"{request.folder} holds the answers of network {stored}, and those of {name} "
                "would replace them; name another folder with --to."
            )


def _run_parts(
    executor: Executor,
    request: BatchRequest,
    parts: Iterable[BatchPart],
    names: list[str],
    workers: int | None,
    min_records: int,
    total: int | None,
    on_progress: OnProgress,
) -> Counter[str]:
    """Make all parts, append their names to ``names``, and return the sum of their counts."""

    def jobs() -> Iterator[tuple[BatchRequest, BatchPart]]:
        for part in parts:
            names.append(part.name)
            yield request, part

    counts = executor.run_all(
        classify_part,
        jobs(),
        workers or executor.workers_for(min_records),
        lambda done: on_progress(done, total),
        preload=_PRELOAD,
        shared_folder=request.folder,
    )
    return sum(counts, Counter[str]())


def _summary(request: BatchRequest, counts: Counter[str], parts: int) -> dict[str, Any]:
    tops = {key.removeprefix("top "): n for key, n in counts.items() if key.startswith("top ")}
    return {
        "run": Path(request.run).name,
        "network": request.digest,
        "records": counts["records"],
        "answered": counts["records"] - counts["refused"],
        "refused": counts["refused"],
        "refer": counts["refer"],
        "top": dict(sorted(tops.items())),
        "parts": parts,
    }


def _remove_obsolete(request: BatchRequest, names: set[str]) -> None:
    """Remove parts of records that are no longer requested, and files of killed writers."""
    for folder in (request.file("any").parent, private_paths_file(request.folder, "any").parent):
        for file in folder.glob("*"):
            if file.name.startswith(".") or (file.stem.isdigit() and file.stem not in names):
                file.unlink()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise EcgError(f"{folder} is being written by another process; wait for it.") from None
