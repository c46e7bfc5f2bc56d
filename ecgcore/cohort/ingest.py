"""From a folder of recordings to a cohort: found, read once, stored in shards, labelled, counted.

The order of events keeps a cohort whole at any moment: new shards are written under new numbers,
``cohort.json`` then names the shards that count, and only then old ones go. A run that is killed
leaves whole shards, which the next one uses again.
"""

import hashlib
import os
import re
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from ecgcore.cohort.shards import SHARD_RECORDS, Form, Work, plan_hash, relabel, without
from ecgcore.cohort.store import TIERS, Cohort
from ecgcore.cohort.survey import RATES_HZ, Seen, by_preference, rate_of, survey
from ecgcore.cohort.workers import write_all
from ecgcore.errors import EcgError, RequestError
from ecgcore.home import Home, read_json, write_json
from ecgcore.labels.tables import tables_hash
from ecgcore.labels.targets import class_counts, targets_summary
from ecgcore.version import __version__

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
        Hz, 100 or 500; default the higher one that 90 % of the records have.
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
    """
    started = time.monotonic()
    _refuse_odd(Path(folder), name, fs_hz)
    home.cohorts.mkdir(parents=True, exist_ok=True)
    cohort = home.cohorts / name
    try:
        with FileLock(home.cohorts / f".{name}.lock", timeout=0):
            update = _Update(Path(folder), cohort, home, fs_hz, duration_s, upsample)
            paths = update.run(workers or _cores(), on_progress or (lambda done, total: None))
    except Timeout:
        raise EcgError(
            f"Cohort '{name}' is being written by another ingest; wait until it is done."
        ) from None
    totals = _totals(name, update.form, cohort, paths, Path(folder))
    return totals | {"seconds": round(time.monotonic() - started, 2)}


class _Update:
    """One ingest: what was known, what is there now, and what has to be done about it."""

    def __init__(
        self,
        folder: Path,
        cohort: Path,
        home: Home,
        fs_hz: int | None,
        duration_s: float,
        upsample: bool,
    ):
        self.folder, self.cohort, self.home = folder.absolute(), cohort, home
        self.meta = read_json(cohort / "cohort.json") if _exists(cohort) else {"shards": []}
        self.paths = _paths(cohort, self.meta["shards"])
        secret = home.patient_key()
        known = {seen.path: seen for seen in map(_seen, self.paths.to_dict("records"))}
        self.there = {seen.path: seen for seen in survey(self.folder, known, secret)}
        if not self.there and not known:
            raise RequestError(
                f"No ECG was found in {folder}: WFDB (.hea with .dat or .mat) and CSV are read."
            )
        self.form = Form(self._rate_hz(fs_hz), duration_s, upsample, secret)
        self._refuse_other_form(fs_hz)
        self.known = known

    def run(self, workers: int, on_progress: Callable[[int, int], None]) -> pd.DataFrame:
        """Do the work and return the private table as it is then."""
        touched = self._touched()
        if touched or not _exists(self.cohort):
            self._rewrite(touched, workers, on_progress)
        elif self.meta["label_tables"] != tables_hash():
            for shard in self.meta["shards"]:
                relabel(self.cohort / "shards" / shard / "index.parquet")
            self._commit(self.meta["shards"])
        return self.paths

    def _rate_hz(self, given: int | None) -> int:
        return self.meta.get("fs_hz") or given or rate_of(self.there.values())

    def _refuse_other_form(self, given_hz: int | None) -> None:
        if not _exists(self.cohort):
            return
        has = self.meta["fs_hz"], self.meta["duration_s"]
        if (given_hz or has[0], self.form.duration_s) != has:
            raise RequestError(
                f"Cohort '{self.cohort.name}' holds {has[1]:g} s at {has[0]} Hz; "
                "ingest in another form under another name."
            )

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

    def _rewrite(
        self, touched: set[str], workers: int, on_progress: Callable[[int, int], None]
    ) -> None:
        old, leftovers = self.meta["shards"], self._leftovers()
        work = self._work(touched)
        self._refuse_full_disk(len(work))
        chunks = [work[i : i + SHARD_RECORDS] for i in range(0, len(work), SHARD_RECORDS)]
        names = [leftovers.pop(plan_hash(chunk, self.form), "") for chunk in chunks]
        fresh = self._numbers()
        todo = []
        for i, chunk in enumerate(chunks):
            if not names[i]:
                names[i] = next(fresh)
                todo.append((names[i], chunk))
        done = len(work) - sum(len(chunk) for _, chunk in todo)
        write_all(self.cohort, todo, self.form, workers, lambda n: on_progress(done + n, len(work)))
        self._commit([*self._kept(old, touched, fresh), *names])

    def _work(self, touched: set[str]) -> Work:
        """Return the touched records, each with all its files that are there, in stable order."""
        files: dict[str, list[Seen]] = defaultdict(list)
        elsewhere = [
            seen
            for path, seen in self.known.items()
            if not Path(path).is_relative_to(self.folder) and seen.key in touched
        ]
        for seen in self.there.values():
            if seen.key in touched:
                files[seen.key].append(seen)
        for seen in elsewhere:
            if Path(seen.path).exists():
                files[seen.key].append(seen)
        return [by_preference(group, self.form.fs_hz) for group in files.values()]

    def _kept(self, old: list[str], touched: set[str], fresh) -> list[str]:
        """Return the old shards, those with touched records rewritten without them."""
        kept = []
        for shard in old:
            keys = set(pd.read_parquet(self._private(shard), columns=["key"])["key"])
            if keys & touched:
                new = next(fresh)
                without(self.cohort, shard, new, touched)
                shard = new
            kept.append(shard)
        return kept

    def _leftovers(self) -> dict[str, str]:
        """Return whole shards that a killed run left, by plan; remove its half-written ones."""
        found = {}
        for folder in sorted((self.cohort / "shards").glob("*")):
            if folder.name.startswith("."):
                shutil.rmtree(folder)
            elif folder.name not in self.meta["shards"] and self._private(folder.name).exists():
                index = pd.read_parquet(folder / "index.parquet", columns=["record"])
                found[index.attrs.get("plan", "")] = folder.name
        return found

    def _numbers(self):
        """Yield names of shards that are not taken."""
        taken = [int(f.name) for f in (self.cohort / "shards").glob("[0-9]*")]
        number = max(taken, default=-1)
        while True:
            number += 1
            yield f"{number:05d}"

    def _commit(self, shards: list[str]) -> None:
        """Name the shards that count, then remove the others."""
        self.paths = _paths(self.cohort, shards)
        if not (self.paths["status"] == "read").any():
            shutil.rmtree(self.cohort, ignore_errors=True)
            return
        write_json(self.cohort / "cohort.json", _meta(self.cohort, shards, self.form, self.paths))
        for folder in (self.cohort / "shards").glob("*"):
            if folder.name not in shards:
                shutil.rmtree(folder)
                self._private(folder.name).unlink(missing_ok=True)

    def _private(self, shard: str) -> Path:
        return self.cohort / "private" / f"{shard}.parquet"

    def _refuse_full_disk(self, n_records: int) -> None:
        needed = n_records * 12 * self.form.n_samples * 2 + _SPARE_BYTES
        free = self.home.free_bytes()
        if needed > free:
            raise EcgError(
                f"The cohort needs {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; "
                "make room or choose another home folder with --home."
            )


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


def _exists(cohort: Path) -> bool:
    return (cohort / "cohort.json").exists()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _seen(row: dict[str, Any]) -> Seen:
    rate = None if pd.isna(row["fs_hz"]) else row["fs_hz"]
    return Seen(row["path"], row["stamp"], row["key"], row["record"], rate)


def _paths(cohort: Path, shards: list[str]) -> pd.DataFrame:
    """Return the private table over some shards."""
    columns = ["path", "stamp", "key", "record", "status", "reason", "of", "fs_hz"]
    pieces = [pd.read_parquet(cohort / "private" / f"{shard}.parquet") for shard in shards]
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame(columns=columns)


def _meta(cohort: Path, shards: list[str], form: Form, paths: pd.DataFrame) -> dict[str, Any]:
    """Return ``cohort.json``. It holds no path, date or name."""
    indexes = [pd.read_parquet(cohort / "shards" / shard / "index.parquet") for shard in shards]
    index = pd.concat(indexes, ignore_index=True)
    labels = index.filter(regex=f"^({'|'.join(TIERS)})_").to_numpy()
    told = [index["record"].str.cat(index["signal_hash"], sep=" ").str.cat(sep="\n").encode()]
    return {
        "name": cohort.name,
        "fs_hz": form.fs_hz,
        "duration_s": form.duration_s,
        "n_samples": form.n_samples,
        "records": len(index),
        "patients": int(index["patient"].nunique() + index["patient"].isna().sum()),
        "sources": {str(k): int(n) for k, n in Counter(index["source"]).most_common()},
        "rejected": int((paths["status"] == "rejected").sum()),
        "duplicates": int((paths["status"] == "duplicate").sum()),
        "hash": hashlib.sha256(b"\n".join([*told, labels.tobytes()])).hexdigest()[:16],
        "label_tables": tables_hash(),
        "shards": shards,
        "ecgcore": __version__,
    }


def _totals(
    name: str, form: Form, cohort: Path, paths: pd.DataFrame, folder: Path
) -> dict[str, Any]:
    """Return what an ingest answers, paths as reached from the folder that was given."""
    paths = paths.sort_values("path", kind="stable")
    shown = [_shown(Path(path), folder) for path in paths["path"]]
    told = paths.assign(path=shown)[["record", "path", "reason", "of", "status"]]
    rejected = told[told["status"] == "rejected"][["record", "path", "reason"]]
    duplicates = told[told["status"] == "duplicate"][["record", "path", "of"]]
    states = _states(cohort)
    return {
        "cohort": name,
        "fs_hz": form.fs_hz,
        "found": len(paths),
        "read": int((paths["status"] == "read").sum()),
        "rejected": rejected.to_dict("records"),
        "duplicates": duplicates.to_dict("records"),
        "classes": {tier: class_counts(states[tier]) for tier in TIERS},
        "targets": targets_summary(states["core"]),
    }


def _states(cohort: Path) -> dict[str, Any]:
    """Return the label states by tier; none where nothing could be read."""
    if not _exists(cohort):
        return {tier: pd.DataFrame(columns=range(10)).to_numpy("int8") for tier in TIERS}
    opened = Cohort(cohort)
    return {tier: opened.states(tier) for tier in TIERS}


def _shown(path: Path, folder: Path) -> str:
    whole = folder.absolute()
    return str(folder / path.relative_to(whole)) if path.is_relative_to(whole) else str(path)
