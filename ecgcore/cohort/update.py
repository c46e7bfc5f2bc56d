"""Cohort update: compare a folder with the cohort and write the shards that changed.

The order of steps keeps a cohort valid at any moment: new shards are written under new numbers,
then ``cohort.json`` lists the current shards, and only then old ones are removed. An interrupted
update leaves complete and partial shards, which the next one reuses.
"""

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path

from ecgcore.atomic import write_json
from ecgcore.cohort import measurements_table, private_paths, summary
from ecgcore.cohort.catalogue import read_cohort_file
from ecgcore.cohort.duplicates import find_duplicate_records
from ecgcore.cohort.index import relabel, stored_work_hash
from ecgcore.cohort.partial_shards import partial_shards_by_hash, remove_partial_shards
from ecgcore.cohort.private_paths import IngestOutcome
from ecgcore.cohort.scan import (
    ScannedFile,
    common_rate_hz,
    file_exists,
    scan_folder,
    sort_by_preference,
    with_unique_names,
)
from ecgcore.cohort.shards import ShardWork, is_complete, rewrite_shard, work_hash, write_shard
from ecgcore.cohort.signal_format import SignalFormat
from ecgcore.cohort.store import private_paths_file
from ecgcore.errors import EcgError, RequestError
from ecgcore.executors import local
from ecgcore.executors.select import Executor
from ecgcore.labels.code_tables import tables_hash
from ecgcore.records.discover import FoundFile
from ecgcore.records.read import ReadOptions

SHARD_RECORDS = 1000
"""Largest number of records in a shard; small cohorts have smaller shards, for parallel work."""
_MIN_SHARD_RECORDS, _MIN_SHARDS = 50, 16
_SPARE_BYTES = 100_000_000


class CohortUpdate:
    """One ingest of ``folder`` into the cohort whose folder is ``cohort``."""

    def __init__(self, folder: Path, cohort: Path, secret: bytes, executor: Executor = local):
        self.folder, self.cohort, self.secret = folder.absolute(), cohort, secret
        self.executor = executor
        self.meta = read_cohort_file(cohort) if self.exists else {"shards": []}
        self.paths = private_paths.read_paths(cohort, self.meta["shards"])
        self.known = private_paths.known_files(self.paths)
        self.others: list[FoundFile] = []
        scanned = scan_folder(self.folder, self.known, secret, self.others.append)
        self.current = {f.path: f for f in with_unique_names(scanned, self.known.values())}
        if not self.current and not self.known:
            raise RequestError(
                f"No ECG was found in {folder}: WFDB (.hea with .dat or .mat) and CSV are read."
            )

    @property
    def exists(self) -> bool:
        """True if the cohort exists."""
        return (self.cohort / "cohort.json").exists()

    def signal_format(
        self,
        fs_hz: int | None,
        duration_s: float | None,
        upsample: bool,
        read_options: ReadOptions,
    ) -> SignalFormat:
        """Return the format of the cohort's records: that of an existing cohort, else as requested.

        A rate that was not requested follows the records: the highest that 90 % of them have.
        """
        by_rule = fs_hz is None
        if not self.exists:
            rate_hz = fs_hz or common_rate_hz(self.current.values())
            return SignalFormat(
                rate_hz, duration_s or 10.0, upsample, self.secret, by_rule, read_options
            )
        stored = self.meta["fs_hz"], self.meta["duration_s"], self.meta.get("start_s", 0.0)
        if (fs_hz or stored[0], duration_s or stored[1], read_options.start_s) != stored:
            raise RequestError(
                f"Cohort '{self.cohort.name}' holds {stored[1]:g} s from second {stored[2]:g} at "
                f"{stored[0]} Hz; ingest in another format under another name."
            )
        by_rule &= self.meta.get("rate_by_rule", False)
        rate_hz = self._rate_hz() if by_rule else stored[0]
        return SignalFormat(rate_hz, stored[1], upsample, self.secret, by_rule, read_options)

    def run(
        self,
        signal_format: SignalFormat,
        free_bytes: int,
        workers: int | None,
        measure: bool,
        on_progress: Callable[[int, int], None],
        on_refused: Callable[[int], None],
    ) -> IngestOutcome:
        """Write what changed and return the outcome of all recordings of the cohort."""
        changed_keys = self._changed_keys(signal_format)
        old_shards = self.meta["shards"]
        tables_changed = self.meta.get("label_tables") != tables_hash()
        if changed_keys:
            work = self._work(changed_keys, signal_format.fs_hz)
            _check_free_disk(len(work), signal_format, free_bytes)
            names = self._free_names()
            new_shards = self._write_shards(
                work, signal_format, names, workers, measure, on_progress, on_refused
            )
            unchanged = self._remove_records(old_shards, changed_keys, names)
            if tables_changed:
                self._relabel(unchanged)
            shards = self._remove_duplicates([*unchanged, *new_shards], signal_format, names)
            return self._commit(shards, signal_format)
        if tables_changed:
            self._relabel(old_shards)
            return self._commit(old_shards, signal_format)
        return private_paths.read_outcome(self.cohort, old_shards)

    def _relabel(self, shards: list[str]) -> None:
        for shard in shards:
            relabel(self.cohort / "shards" / shard / "index.parquet")

    def _files_of_other_folders(self) -> list[ScannedFile]:
        return [f for path, f in self.known.items() if not Path(path).is_relative_to(self.folder)]

    def _rate_hz(self) -> int:
        """Return the rate by the rule; the stored one if files of other folders are gone."""
        others = self._files_of_other_folders()
        rate_hz = common_rate_hz([*self.current.values(), *others])
        if rate_hz != self.meta["fs_hz"] and not all(file_exists(Path(f.path)) for f in others):
            return self.meta["fs_hz"]
        return rate_hz

    def _changed_keys(self, signal_format: SignalFormat) -> set[str]:
        """Return the keys of records that are new, changed or gone, or were copies of such."""
        new = {path: file for path, file in self.current.items() if self.known.get(path) != file}
        if signal_format.fs_hz != self.meta.get("fs_hz", signal_format.fs_hz):
            return {file.key for file in (*self.current.values(), *self.known.values())}
        gone = [
            file.key
            for path, file in self.known.items()
            if path not in self.current and Path(path).is_relative_to(self.folder)
        ]
        changed = [self.known[path].key for path in new if path in self.known]
        keys = {*gone, *changed, *(file.key for file in new.values()), *self._damaged_keys()}
        if signal_format.read_options.source_fs_hz or signal_format.read_options.assume_order:
            keys |= self._rejected_keys()
        read = self.paths[self.paths["status"] == "read"]
        originals = read.loc[read["key"].isin(keys), "record"]
        return keys | set(self.paths.loc[self.paths["of"].isin(originals), "key"])

    def _damaged_keys(self) -> set[str]:
        """Return the keys of records whose shards are damaged."""
        damaged = [s for s in self.meta["shards"] if not is_complete(self.cohort / "shards" / s)]
        return set(private_paths.read_paths(self.cohort, damaged)["key"])

    def _rejected_keys(self) -> set[str]:
        """Return the keys of files in ``folder`` that could not be read before."""
        rejected = self.paths[self.paths["status"] == "rejected"]
        return set(rejected.loc[rejected["path"].isin(self.current), "key"])

    def _work(self, changed_keys: set[str], fs_hz: int) -> ShardWork:
        """Return the changed records, each with all its existing files, in stable order."""
        others = [f for f in self._files_of_other_folders() if file_exists(Path(f.path))]
        files_by_key: dict[str, list[ScannedFile]] = defaultdict(list)
        for file in (*self.current.values(), *others):
            if file.key in changed_keys:
                files_by_key[file.key].append(file)
        return [sort_by_preference(files, fs_hz) for files in files_by_key.values()]

    def _write_shards(
        self,
        work: ShardWork,
        signal_format: SignalFormat,
        free_names: Iterator[str],
        workers: int | None,
        measure: bool,
        on_progress: Callable[[int, int], None],
        on_refused: Callable[[int], None],
    ) -> list[str]:
        """Write ``work`` into shards, reusing those of an interrupted update; return all names."""
        complete, partial = self._leftover_shards(), partial_shards_by_hash(self.cohort)
        chunks = list(_chunks(work))
        hashes = [work_hash(chunk, signal_format) for chunk in chunks]
        names = [complete.get(h) or partial.get(h) or next(free_names) for h in hashes]
        remove_partial_shards(self.cohort, keep=set(names))
        jobs = [
            (self.cohort, name, chunk, signal_format, measure)
            for name, chunk, work_id in zip(names, chunks, hashes, strict=True)
            if work_id not in complete
        ]
        n_todo = sum(len(job[2]) for job in jobs)
        n_done_before = len(work) - n_todo
        modules = measurements_table.MEASURE_MODULES if measure else ()
        self.executor.run_all(
            write_shard,
            jobs,
            workers or self.executor.workers_for(n_todo),
            lambda done: on_progress(n_done_before + done, len(work)),
            preload=(write_shard.__module__, *modules),
            on_refused=on_refused,
            shared_folder=self.cohort,
        )
        return names

    def _leftover_shards(self) -> dict[str, str]:
        """Return the complete shards of an interrupted update, by the hash of their work."""
        folders = sorted((self.cohort / "shards").glob("[0-9]*"))
        leftover = [folder for folder in folders if folder.name not in self.meta["shards"]]
        return {stored_work_hash(folder / "index.parquet"): folder.name for folder in leftover}

    def _free_names(self) -> Iterator[str]:
        """Yield shard names above those in use, including partial shards."""
        shards = self.cohort / "shards"
        folders = (*shards.glob("[0-9]*"), *shards.glob(".[0-9]*"))
        numbers = [int(folder.name.split(".")[-1]) for folder in folders]
        return (f"{number:05d}" for number in count(max(numbers, default=-1) + 1))

    def _remove_records(
        self, shards: list[str], keys: set[str], free_names: Iterator[str]
    ) -> list[str]:
        """Return the shards without the records of ``keys``; affected shards are rewritten."""
        remaining = []
        for shard in shards:
            shard_keys = set(private_paths.read_paths(self.cohort, [shard])["key"])
            if not shard_keys & keys:
                remaining.append(shard)
            elif shard_keys - keys:
                remaining.append(next(free_names))
                rewrite_shard(self.cohort, shard, remaining[-1], keys, {})
        return remaining

    def _remove_duplicates(
        self, shards: list[str], signal_format: SignalFormat, free_names: Iterator[str]
    ) -> list[str]:
        """Return the shards without second copies; affected shards are rewritten."""
        copies = find_duplicate_records(self.cohort, shards, signal_format)
        remaining = []
        for shard in shards:
            paths = private_paths.read_paths(self.cohort, [shard])
            if (paths["record"].isin(copies) & (paths["status"] == "read")).any():
                remaining.append(next(free_names))
                rewrite_shard(self.cohort, shard, remaining[-1], set(), copies)
            else:
                remaining.append(shard)
        return remaining

    def _commit(self, shards: list[str], signal_format: SignalFormat) -> IngestOutcome:
        """List the current shards in ``cohort.json``, then remove all others."""
        outcome = private_paths.read_outcome(self.cohort, shards)
        if not outcome.read:
            shutil.rmtree(self.cohort, ignore_errors=True)
            return outcome
        content = summary.describe_cohort(self.cohort, shards, signal_format, outcome)
        write_json(self.cohort / "cohort.json", content)
        remove_partial_shards(self.cohort, keep=set())
        for folder in (self.cohort / "shards").glob("*"):
            if folder.name not in shards:
                shutil.rmtree(folder)
                private_paths_file(self.cohort, folder.name).unlink(missing_ok=True)
        return outcome


def _chunks(work: ShardWork) -> Iterable[ShardWork]:
    """Cut the work into shards; the cuts depend on nothing but its size."""
    size = min(SHARD_RECORDS, max(_MIN_SHARD_RECORDS, -(-len(work) // _MIN_SHARDS)))
    return (work[i : i + size] for i in range(0, len(work), size))


def _check_free_disk(n_records: int, signal_format: SignalFormat, free_bytes: int) -> None:
    needed = n_records * signal_format.bytes_per_record + _SPARE_BYTES
    if needed > free_bytes:
        raise EcgError(
            f"The cohort needs {needed / 1e9:.1f} GB and {free_bytes / 1e9:.1f} GB are free; "
            "make room or choose another home folder with --home."
        )
