"""Many records classified into a folder of parquet parts, one row a record, side by side.

FOLDER/parts/NNNNN.parquet    a thousand files, or a cohort's shard: answers, or the reason why not
FOLDER/private/NNNNN.parquet  which files these rows are of (mode 600: names may stand in them)
FOLDER/classified.json        written last: by which network, and how many

A part is written whole. One that is there for the same records and the same network is kept, so
that what was cut off goes on, and what has grown is classified at its end alone.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.atomic import write_json
from ecgcore.cohort.store import Cohort, private_piece
from ecgcore.errors import EcgError, RequestError
from ecgcore.executors.select import LOCAL, Engine, engine
from ecgcore.inference.batch_parts import (
    Asked,
    FilesPart,
    Part,
    ShardPart,
    classify_part,
    digest_of,
)
from ecgcore.records.discover import find_records
from ecgcore.records.read import AS_STATED, ReadOptions
from ecgcore.runs.run import SHIPPED, Run, find_run
from ecgcore.workspace import Workspace

PART_RECORDS = 1000
"""Files a part; fewer where there are few, so that every process has some."""
_LEAST_RECORDS, _LEAST_PARTS = 50, 16
SUMMARY = "classified.json"
_NEEDS = ("ecgcore.inference.batch_parts",)

OnProgress = Callable[[int, int | None], None]
"""Told how many records are done, of how many (None: of an unknown number)."""


def classify_files_to(
    folder: Path,
    paths: Iterable[Path],
    run: str,
    workspace: Workspace,
    how: ReadOptions = AS_STATED,
    workers: int | None = None,
    on: str = LOCAL,
    on_progress: OnProgress = lambda done, total: None,
) -> dict[str, Any]:
    """Classify the records of files, folders and globs into ``folder``.

    Parameters
    ----------
    folder
        Where the parts are written; on a cluster one that all its machines share.
    run
        As ``find_run`` takes it.
    how
        What is said of files that leave it open.
    workers
        Processes, or tasks at once; default as many as there is room for.
    on
        Where to work (see ``executors.select``).

    Returns
    -------
    dict
        ``run``, ``records``, ``answered``, ``refused``, ``refer``, ``top`` (records by class),
        ``parts``, ``kept`` (parts that were there), ``seconds``.

    Raises
    ------
    RequestError
        No record is there, or ``folder`` is a file.
    EcgError
        Another process classifies into this folder.
    """
    asked = _asked(folder, run, workspace)
    workspace.patient_key()
    found = (os.path.abspath(path) for path in find_records(paths))
    head = list(islice(found, PART_RECORDS * _LEAST_PARTS))
    if not head:
        raise RequestError("No ECG record was found there: give files, folders or globs.")
    is_all = len(head) < PART_RECORDS * _LEAST_PARTS
    size = max(_LEAST_RECORDS, -(-len(head) // _LEAST_PARTS)) if is_all else PART_RECORDS
    parts = (
        FilesPart(f"{number:05d}", part, how)
        for number, part in enumerate(_cut(chain(head, found), size))
    )
    total = len(head) if is_all else None
    return _classify(asked, parts, len(head), total, workers, on, on_progress)


def classify_cohort_to(
    folder: Path,
    cohort: Cohort,
    run: str,
    workspace: Workspace,
    workers: int | None = None,
    on: str = LOCAL,
    on_progress: OnProgress = lambda done, total: None,
) -> dict[str, Any]:
    """Classify a cohort's records into ``folder``, a part a shard; see ``classify_files_to``."""
    shards = (cohort.folder / "shards" / shard for shard in cohort.meta["shards"])
    parts = (ShardPart(shard, cohort.fs_hz) for shard in shards)
    n = len(cohort)
    return _classify(_asked(folder, run, workspace), parts, n, n, workers, on, on_progress)


def _asked(folder: Path, reference: str, workspace: Workspace) -> Asked:
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"{folder} is a file; name a folder to write the parts into.")
    run = find_run(reference, workspace)
    run.need_weights()
    return Asked(folder.absolute(), _same_everywhere(run), workspace, digest_of(run))


def _same_everywhere(run: Run) -> str:
    """Return by what a worker finds a run: a shipped one lies wherever the package does."""
    return run.id if run.folder.parent == SHIPPED else str(run.folder.absolute())


def _cut(paths: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    paths = iter(paths)
    while part := tuple(islice(paths, size)):
        yield part


def _classify(
    asked: Asked,
    parts: Iterable[Part],
    at_least: int,
    total: int | None,
    workers: int | None,
    on: str,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """Have all parts made, remove those of an earlier time, and say what came of it."""
    started, names = time.monotonic(), list[str]()
    with engine(on) as works, _written_alone(asked.folder):
        (asked.folder / SUMMARY).unlink(missing_ok=True)
        counts = _worked_off(works, asked, parts, names, workers, at_least, total, on_progress)
        _remove_others(asked, set(names))
        answer = _told(asked, counts, len(names))
        write_json(asked.folder / SUMMARY, answer | {"notice": RESEARCH_USE_ONLY})
    return answer | {"kept": counts["kept"], "seconds": round(time.monotonic() - started, 2)}


def _worked_off(
    works: Engine,
    asked: Asked,
    parts: Iterable[Part],
    names: list[str],
    workers: int | None,
    at_least: int,
    total: int | None,
    on_progress: OnProgress,
) -> Counter[str]:
    def jobs() -> Iterator[tuple[Asked, Part]]:
        for part in parts:
            names.append(part.name)
            yield asked, part

    counted = works.run_all(
        classify_part,
        jobs(),
        workers or works.workers_for(at_least),
        lambda done: on_progress(done, total),
        needs=_NEEDS,
        shared=asked.folder,
    )
    return sum(counted, Counter[str]())


def _told(asked: Asked, counts: Counter[str], parts: int) -> dict[str, Any]:
    tops = {key.removeprefix("top "): n for key, n in counts.items() if key.startswith("top ")}
    return {
        "run": Path(asked.run).name,
        "network": asked.digest,
        "records": counts["records"],
        "answered": counts["records"] - counts["refused"],
        "refused": counts["refused"],
        "refer": counts["refer"],
        "top": dict(sorted(tops.items())),
        "parts": parts,
    }


def _remove_others(asked: Asked, names: set[str]) -> None:
    """Remove parts of records that are no longer asked for, and what killed writers left."""
    for folder in (asked.file("any").parent, private_piece(asked.folder, "any").parent):
        for file in folder.glob("*"):
            if file.name.startswith(".") or (file.stem.isdigit() and file.stem not in names):
                file.unlink()


@contextmanager
def _written_alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise EcgError(f"{folder} is being written by another process; wait for it.") from None
