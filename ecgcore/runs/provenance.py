"""Provenance: which records of a cohort a run was trained on, directly or through earlier runs.

Records are known by names and hashes, so a run that was copied elsewhere can still be checked
against another cohort. Patients are hashed with the key of the workspace that the run was trained
in: they match within one workspace only.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecgcore.atomic import read_parquet
from ecgcore.cohort import fingerprints
from ecgcore.cohort.duplicates import find_duplicates
from ecgcore.cohort.known_overlaps import overlapping_rows, overlaps_of
from ecgcore.cohort.store import Cohort
from ecgcore.errors import NotFound
from ecgcore.records.record import Record
from ecgcore.runs.run import Run
from ecgcore.runs.split import (
    FILE,
    OLD_FILE,
    TRAINING_PARTS,
    Lineage,
    make_split,
    own_lineage,
    read_lineage,
)
from ecgcore.workspace import Workspace

RECORDING, COPY, OVERLAP, PATIENT = (
    "the run was trained on this recording",
    "the run was trained on this recording at another rate, gain or format",
    "its database is known to hold recordings that the run was trained on",
    "the run was trained on this patient",
)


@dataclass(frozen=True)
class Contamination:
    """Records of a cohort that a run was trained on.

    Attributes
    ----------
    why
        (N,) object, one for each row of the cohort's index: the reason, empty where there is none.
    notes
        What could not be checked, as sentences.
    """

    why: np.ndarray
    notes: tuple[str, ...]


def lineage_of(run: Run, workspace: Workspace) -> Lineage | None:
    """Return the records that a run was trained on.

    The split of a run that stores none (before version 0.1.0) is drawn again; None where its cohort
    is not in this workspace or has changed.
    """
    stored = read_lineage(run)
    if stored is not None:
        return stored
    try:
        cohort, split = make_split(run.config, workspace)
    except NotFound:
        return None
    return own_lineage(cohort, split) if split.hash == run.meta["split"]["hash"] else None


def find_contamination(
    cohort: Cohort, run: Run, workspace: Workspace, parts: Collection[str] = TRAINING_PARTS
) -> Contamination:
    """Find the records of a cohort that a run was trained on, or whose patients it has seen.

    A recording is recognised by its stored signal, by its database and name and, where the run's
    own cohort is in this workspace, by its shape at any rate, gain and format.

    Parameters
    ----------
    parts
        Parts of the run that count as trained on.
    """
    index = cohort.index
    why = np.full(len(index), "", object)
    lineage = lineage_of(run, workspace)
    if lineage is None:
        return Contamination(why, (_cannot_check(run),))
    trained_on = lineage.records[lineage.records["part"].isin(parts)]
    same = index["signal_hash"].isin(trained_on["signal_hash"]) | _names(index).isin(
        _names(trained_on)
    )
    copies, note = _copies(cohort, run, trained_on, workspace)
    patients = set(trained_on["patient"].dropna())
    patients |= set(index["patient"][same.to_numpy() | copies].dropna())
    for reason, matches in (
        (PATIENT, index["patient"].isin(patients).to_numpy()),
        (OVERLAP, _overlapping(index, set(trained_on["source"]))),
        (COPY, copies),
        (RECORDING, same.to_numpy()),
    ):
        why[matches] = reason
    notes = (note, None if lineage.is_complete else _cannot_check(run, "a run before"))
    return Contamination(why, tuple(note for note in notes if note))


def was_trained_on(run: Run, record: Record) -> bool:
    """Tell whether a run is known to have been trained on a recording of this database and name."""
    name = pd.DataFrame({"source": [record.source], "record": [record.name]})
    trained_on = _stored_training_records(run, list(name))
    return trained_on is not None and bool(_names(trained_on).isin(_names(name)).any())


def training_sources(run: Run) -> frozenset[str]:
    """Return the databases that a run was trained on; empty where its folder does not tell."""
    trained_on = _stored_training_records(run, ["source"])
    return frozenset() if trained_on is None else frozenset(trained_on["source"].dropna())


def _stored_training_records(run: Run, columns: list[str]) -> pd.DataFrame | None:
    """Return columns of the records that a run was trained on; None where it stores no split."""
    if (run.folder / FILE).exists():
        training_parts = [("part", "in", TRAINING_PARTS)]
        return read_parquet(run.folder / FILE, columns, filters=training_parts)
    if (run.folder / OLD_FILE).exists():
        return read_parquet(run.folder / OLD_FILE, columns)
    return None


def _names(index: pd.DataFrame) -> pd.Series:
    """Return database and name; PTB-XL's two rates of a record share one name."""
    return index["source"] + " " + index["record"].str.replace(r"_[lh]r$", "", regex=True)


def _overlapping(index: pd.DataFrame, sources: set[str]) -> np.ndarray:
    """Return (N,) bool: records of other databases known to hold recordings of ``sources``."""
    overlapping = np.zeros(len(index), bool)
    for source in sources:
        for overlap in overlaps_of(source):
            if overlap.kind == "recordings":
                overlapping |= overlapping_rows(index, overlap)
    return overlapping


def _copies(
    cohort: Cohort, run: Run, trained_on: pd.DataFrame, workspace: Workspace
) -> tuple[np.ndarray, str | None]:
    """Return (N,) bool, records equal in shape to those of training, and what was not compared."""
    is_copy = np.zeros(len(cohort), bool)
    try:
        own = Cohort.open(run.meta["cohort"]["name"], workspace)
    except NotFound:
        return is_copy, (
            "The run's own cohort is not in this home: its recordings were looked for by name and "
            "signal, not by shape at another rate, gain or format."
        )
    if own.folder == cohort.folder:
        return is_copy, None
    is_trained_on = own.index["record"].isin(trained_on["record"]).to_numpy()
    tables = [_fingerprints(own)[is_trained_on], _fingerprints(cohort)]
    first = len(tables[0])
    for group in find_duplicates(tables):
        if group[0] < first <= group[-1]:
            is_copy[[row - first for row in group if row >= first]] = True
    return is_copy, None


def _fingerprints(cohort: Cohort) -> np.ndarray:
    shards = [cohort.folder / "shards" / shard for shard in cohort.meta["shards"]]
    return np.concatenate([fingerprints.read(shard, cohort.fs_hz) for shard in shards])


def _cannot_check(run: Run, who: str = "run") -> str:
    return (
        f"What {who} {run.id} was trained on is not known here: whether these records or "
        "their patients were among it cannot be checked."
    )
