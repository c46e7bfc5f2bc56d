"""From a folder of recordings to a cohort: found, read once, stored in shards, labelled, counted.

The order of events keeps a cohort whole at any moment: new shards are written under new numbers,
``cohort.json`` then names the shards that count, and only then old ones go. A run that is killed
leaves whole shards, which the next one uses again.
"""

import os
import re
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from ecgcore.cohort import paths as private
from ecgcore.cohort import totals
from ecgcore.cohort.shards import SHARD_RECORDS, Form, Work, plan_hash, relabel, without
from ecgcore.cohort.store import private_piece
from ecgcore.cohort.survey import RATES_HZ, Seen, by_preference, rate_of, survey
from ecgcore.cohort.workers import write_all
from ecgcore.errors import EcgError, RequestError
from ecgcore.home import Home, read_json, write_json
from ecgcore.labels.tables import tables_hash

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SPARE_BYTES = 100_000_000


def ingest(
    folder: Path,
    name: str,
    home: Home,
    workers: int | None = None,
    fs_hz: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    duration_s: float = 10.0,
    upsample: bool = False,
) -> dict[str, Any]:
    """Read a folder of recordings into the cohort ``name``, or bring that cohort up to date.

    New and changed files are read, files gone from ``folder`` leave the cohort, records of other
    folders stay.

    Parameters
    ----------
    folder
        Searched with all below it (a single file will do, too).
    workers
        Processes; default one a core.
    fs_hz
        Hz, 100 or 500; default the higher one if 90 % of the records have it.
    on_progress
        Called with records done and records to do.
    duration_s
        Seconds stored of each record.
    upsample
        Also take records whose rate is below ``fs_hz``.

    Returns
    -------
    dict
        Totals of the cohort: ``cohort``, ``fs_hz``, ``found`` (= ``read`` + rejected +
        duplicates), ``read``, ``rejected``, ``duplicates``, ``classes``, ``targets``, ``seconds``.

    Raises
    ------
    RequestError
        The folder, name or rate cannot be, or no recording was found.
    EcgError
        Another ingest writes this cohort, or the disk is too full.
    """
    started = time.monotonic()
    folder = Path(folder)
    _refuse_odd(folder, name, fs_hz)
    home.cohorts.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(home.cohorts / f".{name}.lock", timeout=0):
            update = _Update(folder, home.cohorts / name, home.patient_key())
            form = update.form(fs_hz, duration_s, upsample)
            update.run(form, home.free_bytes(), workers or _cores(), on_progress)
    except Timeout:
        raise EcgError(
            f"Cohort '{name}' is being written by another ingest; wait until it is done."
        ) from None
    answer = totals.answer(update.cohort, form, update.paths, folder)
    return answer | {"seconds": round(time.monotonic() - started, 2)}


class _Update:
    """One ingest: what was known, what is there now, and what has to be done about it."""

    def __init__(self, folder: Path, cohort: Path, secret: bytes):
        self.folder, self.cohort, self.secret = folder.absolute(), cohort, secret
        self.meta = read_json(cohort / "cohort.json") if self.exists else {"shards": []}
        self.paths = private.read_paths(cohort, self.meta["shards"])
        self.known = private.seen_before(self.paths)
        self.there = {seen.path: seen for seen in survey(self.folder, self.known, secret)}
        if not self.there and not self.known:
            raise RequestError(
                f"No ECG was found in {folder}: WFDB (.hea with .dat or .mat) and CSV are read."
            )

    @property
    def exists(self) -> bool:
        """Whether there is a whole cohort."""
        return (self.cohort / "cohort.json").exists()

    def form(self, fs_hz: int | None, duration_s: float, upsample: bool) -> Form:
        """Return the form of the cohort's records: the one it has, else the one asked for."""
        if self.exists:
            has = self.meta["fs_hz"], self.meta["duration_s"]
            if (fs_hz or has[0], duration_s) != has:
                raise RequestError(
                    f"Cohort '{self.cohort.name}' holds {has[1]:g} s at {has[0]} Hz; "
                    "ingest in another form under another name."
                )
            fs_hz = has[0]
        return Form(fs_hz or rate_of(self.there.values()), duration_s, upsample, self.secret)

    def run(
        self,
        form: Form,
        free_bytes: int,
        workers: int,
        on_progress: Callable[[int, int], None] | None,
    ) -> None:
        """Do what has to be done; ``paths`` is the private table as it is then."""
        touched = self._touched()
        old = self.meta["shards"]
        if touched:
            work = self._work(touched, form.fs_hz)
            _refuse_full_disk(len(work), form, free_bytes)
            fresh = self._free_names()
            new = self._written(work, form, fresh, workers, on_progress or (lambda *_: None))
            self._commit([*self._kept(old, touched, fresh), *new], form)
        elif self.meta["label_tables"] != tables_hash():
            for shard in old:
                relabel(self.cohort / "shards" / shard / "index.parquet")
            self._commit(old, form)

    def _touched(self) -> set[str]:
        """Return the keys of records that are new, changed or gone."""
        gone = [
            seen.key
            for path, seen in self.known.items()
            if path not in self.there and Path(path).is_relative_to(self.folder)
        ]
        new = {p: s for p, s in self.there.items() if self.known.get(p) != s}
        changed = [self.known[path].key for path in new if path in self.known]
        return {*gone, *changed, *(seen.key for seen in new.values())}

    def _work(self, touched: set[str], fs_hz: int) -> Work:
        """Return the touched records, each with all its files that are there, in stable order."""
        elsewhere = [
            seen
            for path, seen in self.known.items()
            if not Path(path).is_relative_to(self.folder) and Path(path).exists()
        ]
        files: dict[str, list[Seen]] = defaultdict(list)
        for seen in (*self.there.values(), *elsewhere):
            if seen.key in touched:
                files[seen.key].append(seen)
        return [by_preference(group, fs_hz) for group in files.values()]

    def _written(
        self,
        work: Work,
        form: Form,
        fresh: Iterator[str],
        workers: int,
        on_progress: Callable[[int, int], None],
    ) -> list[str]:
        """Write ``work`` in shards, but for those that a killed run left whole; return all."""
        left = self._left_over()
        chunks = [work[i : i + SHARD_RECORDS] for i in range(0, len(work), SHARD_RECORDS)]
        plans = [plan_hash(chunk, form) for chunk in chunks]
        names = [left.get(plan) or next(fresh) for plan in plans]
        todo = [
            (name, chunk)
            for name, chunk, plan in zip(names, chunks, plans, strict=True)
            if plan not in left
        ]
        before = len(work) - sum(len(chunk) for _, chunk in todo)
        write_all(
            self.cohort, todo, form, workers, lambda done: on_progress(before + done, len(work))
        )
        return names

    def _left_over(self) -> dict[str, str]:
        """Return whole shards that a killed run left, by plan; remove its half-written ones."""
        found = {}
        for folder in sorted((self.cohort / "shards").glob("*")):
            if folder.name.startswith("."):
                shutil.rmtree(folder)
            elif folder.name not in self.meta["shards"]:
                index = pd.read_parquet(folder / "index.parquet", columns=["record"])
                found[index.attrs["plan"]] = folder.name
        return found

    def _free_names(self) -> Iterator[str]:
        """Yield names of shards above those that are there."""
        taken = [int(f.name) for f in (self.cohort / "shards").glob("[0-9]*")]
        return (f"{number:05d}" for number in count(max(taken, default=-1) + 1))

    def _kept(self, old: list[str], touched: set[str], fresh: Iterator[str]) -> list[str]:
        """Return the old shards, those with touched records written anew without them."""
        kept = []
        for shard in old:
            keys = set(private.read_paths(self.cohort, [shard])["key"])
            if not keys & touched:
                kept.append(shard)
            elif keys - touched:
                kept.append(next(fresh))
                without(self.cohort, shard, kept[-1], touched)
        return kept

    def _commit(self, shards: list[str], form: Form) -> None:
        """Name the shards that count, then remove the others."""
        self.paths = private.read_paths(self.cohort, shards)
        if not (self.paths["status"] == "read").any():
            shutil.rmtree(self.cohort, ignore_errors=True)
            return
        content = totals.description(self.cohort, shards, form, self.paths)
        write_json(self.cohort / "cohort.json", content)
        for folder in (self.cohort / "shards").glob("*"):
            if folder.name not in shards:
                shutil.rmtree(folder)
                private_piece(self.cohort, folder.name).unlink(missing_ok=True)


def _refuse_odd(folder: Path, name: str, fs_hz: int | None) -> None:
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"A cohort cannot be called '{name}': letters, digits, - and _ are accepted, 64 at "
            "most, the first a letter or digit."
        )
    if not folder.exists():
        raise RequestError(f"There is no folder {folder}.")
    if fs_hz is not None and fs_hz not in RATES_HZ:
        raise RequestError(f"A cohort is kept at 100 or 500 Hz, not at {fs_hz:g} Hz.")


def _refuse_full_disk(n_records: int, form: Form, free_bytes: int) -> None:
    needed = n_records * form.bytes_a_record + _SPARE_BYTES
    if needed > free_bytes:
        raise EcgError(
            f"The cohort needs {needed / 1e9:.1f} GB and {free_bytes / 1e9:.1f} GB are free; "
            "make room or choose another home folder with --home."
        )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
