"""Bringing a cohort up to date: what was known, what is there now, what has to be done about it.

The order of events keeps a cohort whole at any moment: new shards are written under new numbers,
``cohort.json`` then names the shards that count, and only then old ones go. A run that is killed
leaves whole shards and drafts, which the next one goes on with.
"""

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path

from ecgcore.atomic import read_json, write_json
from ecgcore.cohort import partial_shards, summary
from ecgcore.cohort import private_paths as private
from ecgcore.cohort.duplicate_records import find_twins
from ecgcore.cohort.index import plan_of, relabel
from ecgcore.cohort.scan import SeenFile, by_preference, is_there, rate_of, survey, uniquely_named
from ecgcore.cohort.shards import Work, is_whole, plan_hash, rewritten, write_shard
from ecgcore.cohort.signal_format import Form
from ecgcore.cohort.store import private_piece
from ecgcore.errors import EcgError, RequestError
from ecgcore.executors import local
from ecgcore.executors.select import Engine
from ecgcore.labels.code_tables import tables_hash
from ecgcore.records.read import ReadOptions

SHARD_RECORDS = 1000
"""At most; fewer where there are few, so that every process has some."""
_LEAST_RECORDS, _LEAST_SHARDS = 50, 16
_SPARE_BYTES = 100_000_000


class Update:
    """One ingest of ``folder`` into the cohort of that folder."""

    def __init__(self, folder: Path, cohort: Path, secret: bytes, engine: Engine = local):
        self.folder, self.cohort, self.secret = folder.absolute(), cohort, secret
        self.engine = engine
        self.meta = read_json(cohort / "cohort.json") if self.exists else {"shards": []}
        self.paths = private.read_paths(cohort, self.meta["shards"])
        self.known = private.seen_before(self.paths)
        found = uniquely_named(survey(self.folder, self.known, secret), self.known.values())
        self.there = {seen.path: seen for seen in found}
        if not self.there and not self.known:
            raise RequestError(
                f"No ECG was found in {folder}: WFDB (.hea with .dat or .mat) and CSV are read."
            )

    @property
    def exists(self) -> bool:
        """Whether there is a whole cohort."""
        return (self.cohort / "cohort.json").exists()

    def form(
        self, fs_hz: int | None, duration_s: float | None, upsample: bool, reading: ReadOptions
    ) -> Form:
        """Return the form of the cohort's records: the one it has, else the one asked for.

        A rate that nobody asked for follows the records: the highest that 90 % of them have.
        """
        by_rule = fs_hz is None
        if not self.exists:
            rate = fs_hz or rate_of(self.there.values())
            return Form(rate, duration_s or 10.0, upsample, self.secret, by_rule, reading)
        has = self.meta["fs_hz"], self.meta["duration_s"], self.meta.get("start_s", 0.0)
        if (fs_hz or has[0], duration_s or has[1], reading.start_s) != has:
            raise RequestError(
                f"Cohort '{self.cohort.name}' holds {has[1]:g} s from {has[2]:g} s on at {has[0]} "
                "Hz; ingest in another form under another name."
            )
        by_rule &= self.meta.get("rate_by_rule", False)
        rate = self._rate() if by_rule else has[0]
        return Form(rate, has[1], upsample, self.secret, by_rule, reading)

    def run(
        self,
        form: Form,
        free_bytes: int,
        workers: int | None,
        measure: bool,
        on_progress: Callable[[int, int], None],
        on_refused: Callable[[int], None],
    ) -> None:
        """Do what has to be done; ``outcome`` tells what has become of all recordings then."""
        touched = self._touched(form)
        old = self.meta["shards"]
        tables_changed = self.meta.get("label_tables") != tables_hash()
        if touched:
            work = self._work(touched, form.fs_hz)
            _refuse_full_disk(len(work), form, free_bytes)
            fresh = self._free_names()
            new = self._written(work, form, fresh, workers, measure, on_progress, on_refused)
            kept = self._kept(old, touched, fresh)
            if tables_changed:
                self._relabel(kept)
            shards = [*kept, *new]
            self._commit(self._without_twins(shards, form, fresh), form)
        elif tables_changed:
            self._relabel(old)
            self._commit(old, form)
        else:
            self.outcome = private.outcome(self.cohort, old)

    def _relabel(self, shards: list[str]) -> None:
        for shard in shards:
            relabel(self.cohort / "shards" / shard / "index.parquet")

    def _elsewhere(self) -> list[SeenFile]:
        """Return what is known of other folders."""
        return [s for p, s in self.known.items() if not Path(p).is_relative_to(self.folder)]

    def _rate(self) -> int:
        """Return the rate by the rule, the one it has where files of other folders are gone."""
        elsewhere = self._elsewhere()
        wanted = rate_of([*self.there.values(), *elsewhere])
        if wanted != self.meta["fs_hz"] and not all(is_there(Path(s.path)) for s in elsewhere):
            return self.meta["fs_hz"]
        return wanted

    def _touched(self, form: Form) -> set[str]:
        """Return the keys of records that are new, changed or gone, or were a copy of such."""
        new = {p: s for p, s in self.there.items() if self.known.get(p) != s}
        if form.fs_hz != self.meta.get("fs_hz", form.fs_hz):
            return {seen.key for seen in (*self.there.values(), *self.known.values())}
        gone = [
            seen.key
            for path, seen in self.known.items()
            if path not in self.there and Path(path).is_relative_to(self.folder)
        ]
        changed = [self.known[path].key for path in new if path in self.known]
        touched = {*gone, *changed, *(seen.key for seen in new.values()), *self._damaged()}
        if form.reading.fs_hz or form.reading.assume_order:
            touched |= self._rejected()
        read = self.paths[self.paths["status"] == "read"]
        originals = read.loc[read["key"].isin(touched), "record"]
        return touched | set(self.paths.loc[self.paths["of"].isin(originals), "key"])

    def _damaged(self) -> set[str]:
        """Return the keys of records whose shards are no longer whole."""
        damaged = [s for s in self.meta["shards"] if not is_whole(self.cohort / "shards" / s)]
        return set(private.read_paths(self.cohort, damaged)["key"])

    def _rejected(self) -> set[str]:
        """Return the keys of files below ``folder`` that could not be read before."""
        rejected = self.paths[self.paths["status"] == "rejected"]
        return set(rejected.loc[rejected["path"].isin(self.there), "key"])

    def _work(self, touched: set[str], fs_hz: int) -> Work:
        """Return the touched records, each with all its files that are there, in stable order."""
        elsewhere = [seen for seen in self._elsewhere() if is_there(Path(seen.path))]
        files: dict[str, list[SeenFile]] = defaultdict(list)
        for seen in (*self.there.values(), *elsewhere):
            if seen.key in touched:
                files[seen.key].append(seen)
        return [by_preference(group, fs_hz) for group in files.values()]

    def _written(
        self,
        work: Work,
        form: Form,
        fresh: Iterator[str],
        workers: int | None,
        measure: bool,
        on_progress: Callable[[int, int], None],
        on_refused: Callable[[int], None],
    ) -> list[str]:
        """Write ``work`` in shards, but for those that a killed run left whole; return all."""
        whole, begun = self._left_over(), partial_shards.plans_of_drafts(self.cohort)
        chunks = list(_chunks(work))
        plans = [plan_hash(chunk, form) for chunk in chunks]
        names = [whole.get(plan) or begun.get(plan) or next(fresh) for plan in plans]
        partial_shards.remove_drafts(self.cohort, but=set(names))
        jobs = [
            (self.cohort, name, chunk, form, measure)
            for name, chunk, plan in zip(names, chunks, plans, strict=True)
            if plan not in whole
        ]
        todo = sum(len(job[2]) for job in jobs)
        before = len(work) - todo
        self.engine.run_all(
            write_shard,
            jobs,
            workers or self.engine.workers_for(todo),
            lambda done: on_progress(before + done, len(work)),
            needs=local.MEASURING if measure else (),
            on_refused=on_refused,
            shared=self.cohort,
        )
        return names

    def _left_over(self) -> dict[str, str]:
        """Return whole shards that a killed run left, by plan."""
        folders = sorted((self.cohort / "shards").glob("[0-9]*"))
        left = [folder for folder in folders if folder.name not in self.meta["shards"]]
        return {plan_of(folder / "index.parquet"): folder.name for folder in left}

    def _free_names(self) -> Iterator[str]:
        """Yield names of shards above those that are there, drafts too."""
        folders = self.cohort / "shards"
        there = (*folders.glob("[0-9]*"), *folders.glob(".[0-9]*"))
        taken = [int(folder.name.split(".")[-1]) for folder in there]
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
                rewritten(self.cohort, shard, kept[-1], touched, {})
        return kept

    def _without_twins(self, shards: list[str], form: Form, fresh: Iterator[str]) -> list[str]:
        """Return the shards, those with second copies written anew without them."""
        twins = find_twins(self.cohort, shards, form)
        left = []
        for shard in shards:
            paths = private.read_paths(self.cohort, [shard])
            if (paths["record"].isin(twins) & (paths["status"] == "read")).any():
                left.append(next(fresh))
                rewritten(self.cohort, shard, left[-1], set(), twins)
            else:
                left.append(shard)
        return left

    def _commit(self, shards: list[str], form: Form) -> None:
        """Name the shards that count, then remove the others."""
        self.outcome = private.outcome(self.cohort, shards)
        if not self.outcome.read:
            shutil.rmtree(self.cohort, ignore_errors=True)
            return
        content = summary.description(self.cohort, shards, form, self.outcome)
        write_json(self.cohort / "cohort.json", content)
        partial_shards.remove_drafts(self.cohort, but=set())
        for folder in (self.cohort / "shards").glob("*"):
            if folder.name not in shards:
                shutil.rmtree(folder)
                private_piece(self.cohort, folder.name).unlink(missing_ok=True)


def _chunks(work: Work) -> Iterable[Work]:
    """Cut the work into shards; how depends on nothing but its size."""
    wanted = max(_LEAST_RECORDS, -(-len(work) // _LEAST_SHARDS))
    size = min(SHARD_RECORDS, wanted)
    return (work[i : i + size] for i in range(0, len(work), size))


def _refuse_full_disk(n_records: int, form: Form, free_bytes: int) -> None:
    needed = n_records * form.bytes_a_record + _SPARE_BYTES
    if needed > free_bytes:
        raise EcgError(
            f"The cohort needs {needed / 1e9:.1f} GB and {free_bytes / 1e9:.1f} GB are free; "
            "make room or choose another home folder with --home."
        )
