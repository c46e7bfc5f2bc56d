"""What a run learns from: its training and validation records, and those of the runs that it takes
something from (see ``elders``), kept beside it.

Names and hashes only, so that a run that went elsewhere can still say which records of another
cohort it has seen. Numbers of patients are hashed with the key of the home that it was trained in.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.atomic import write_atomic
from ecgcore.cohort import fingerprints
from ecgcore.cohort.duplicates import find_same
from ecgcore.cohort.known_overlaps import concerned, overlaps_of
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import Split
from ecgcore.errors import NotFound
from ecgcore.records.record import Record
from ecgcore.runs.run import Run
from ecgcore.workspace import Workspace

FILE = "learnt.parquet"
PARTS = ("train", "validation")
WHOLE = "whole"
COLUMNS = ["record", "source", "patient", "signal_hash"]
RECORDING, COPY, OVERLAP, PATIENT = (
    "the run learnt from this recording",
    "the run learnt from this recording at another rate, gain or format",
    "its database is known to hold recordings that the run learnt from",
    "the run learnt from this patient",
)


@dataclass(frozen=True)
class Contamination:
    """Which records of a cohort a run has learnt from.

    Attributes
    ----------
    why
        (N,) object, a row of the cohort's index each: the reason, empty where it has not.
    notes
        What could not be looked at, as sentences.
    """

    why: np.ndarray
    notes: tuple[str, ...]


def keep_learnt(
    folder: Path, cohort: Cohort, plan: Split, before: Iterable[pd.DataFrame | None]
) -> None:
    """Write down the records that a run in ``folder`` learns from.

    ``before``: of the runs that it takes something from; None where that is not known.
    """
    told = list(before)
    known = [_learnt(cohort, plan), *(table for table in told if table is not None)]
    table = pd.concat(known, ignore_index=True).drop_duplicates()
    table.attrs[WHOLE] = all(t is not None and t.attrs.get(WHOLE, True) for t in told)
    write_atomic(
        folder / FILE, lambda path: table.to_parquet(path, index=False, compression="zstd")
    )


def learnt_by(run: Run, workspace: Workspace) -> pd.DataFrame | None:
    """Return ``record``, ``source``, ``patient``, ``signal_hash`` and ``part`` of what a run learnt
    from; ``attrs["whole"]`` is False where something before it learnt from more, nobody knows what.

    Runs of earlier versions are asked of their cohort; None where it is not here or has changed.
    """
    if (run.folder / FILE).exists():
        kept = pd.read_parquet(run.folder / FILE)
        return kept if "part" in kept else kept.assign(part=PARTS[0])
    from ecgcore.training.prepare import plan_of

    try:
        cohort, plan = plan_of(run.config, workspace)
    except NotFound:
        return None
    if plan.hash != run.meta["split"]["hash"]:
        return None
    return _learnt(cohort, plan)


def _learnt(cohort: Cohort, plan: Split) -> pd.DataFrame:
    is_learnt = np.isin(plan.part, PARTS)
    table = cohort.index.iloc[plan.rows[is_learnt]][COLUMNS]
    return table.assign(part=plan.part[is_learnt])


def seen_in(
    cohort: Cohort, run: Run, workspace: Workspace, parts: Collection[str] = PARTS
) -> Contamination:
    """Return which records of a cohort a run has learnt from, or whose patients it has.

    A recording is known by its stored signal, by its database and name, and, where the run's own
    cohort is in this home, by its shape, whatever its rate, gain and format. ``parts``: of what it
    learnt from, those that count.
    """
    index = cohort.index
    why = np.full(len(index), "", object)
    learnt = learnt_by(run, workspace)
    if learnt is None:
        return Contamination(why, (_cannot(run),))
    is_whole = learnt.attrs.get(WHOLE, True)
    learnt = learnt[learnt["part"].isin(parts)]
    same = index["signal_hash"].isin(learnt["signal_hash"]) | _names(index).isin(_names(learnt))
    copies, note = _copies(cohort, run, learnt, workspace)
    patients = set(learnt["patient"].dropna())
    patients |= set(index["patient"][same.to_numpy() | copies].dropna())
    for reason, which in (
        (PATIENT, index["patient"].isin(patients).to_numpy()),
        (OVERLAP, _overlapping(index, set(learnt["source"]))),
        (COPY, copies),
        (RECORDING, same.to_numpy()),
    ):
        why[which] = reason
    notes = (note, None if is_whole else _cannot(run, "a run before"))
    return Contamination(why, tuple(note for note in notes if note))


def has_learnt(run: Run, record: Record) -> bool:
    """Whether a run says that it learnt from a recording of this database and name."""
    file = run.folder / FILE
    if not file.exists():
        return False
    own = pd.DataFrame({"source": [record.source], "record": [record.name]})
    learnt = pd.read_parquet(file, columns=list(own))
    return bool(_names(learnt).isin(_names(own)).any())


def _names(index: pd.DataFrame) -> pd.Series:
    """Return database and name; PTB-XL's two rates of a record have one name."""
    return index["source"] + " " + index["record"].str.replace(r"_[lh]r$", "", regex=True)


def _overlapping(index: pd.DataFrame, sources: set[str]) -> np.ndarray:
    """Return (N,) bool: records of other databases known to hold recordings of ``sources``."""
    found = np.zeros(len(index), bool)
    for source in sources:
        for overlap in overlaps_of(source):
            if overlap.kind == "recordings":
                found |= concerned(index, overlap)
    return found


def _copies(
    cohort: Cohort, run: Run, learnt: pd.DataFrame, workspace: Workspace
) -> tuple[np.ndarray, str | None]:
    """Return (N,) bool: records alike in shape to learnt ones, and what could not be compared."""
    found = np.zeros(len(cohort), bool)
    try:
        own = Cohort.open(run.meta["cohort"]["name"], workspace)
    except NotFound:
        return found, (
            "The run's own cohort is not in this home: its recordings were looked for by name and "
            "signal, not by shape at another rate, gain or format."
        )
    if own.folder == cohort.folder:
        return found, None
    is_learnt = own.index["record"].isin(learnt["record"]).to_numpy()
    tables = [_prints(own)[is_learnt], _prints(cohort)]
    first = len(tables[0])
    for group in find_same(tables):
        if group[0] < first <= group[-1]:
            found[[row - first for row in group if row >= first]] = True
    return found, None


def _prints(cohort: Cohort) -> np.ndarray:
    shards = [cohort.folder / "shards" / shard for shard in cohort.meta["shards"]]
    return np.concatenate([fingerprints.read(shard, cohort.fs_hz) for shard in shards])


def _cannot(run: Run, who: str = "run") -> str:
    return (
        f"What {who} {run.id} learnt from is not known here: whether these records or "
        "their patients were among it cannot be checked."
    )
