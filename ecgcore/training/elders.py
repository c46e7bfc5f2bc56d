"""Earlier runs that a training takes something from; what they learnt from must stay apart."""

import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import pandas as pd

from ecgcore.cohort.levels import Plan
from ecgcore.cohort.store import Cohort
from ecgcore.errors import DamagedFile, RequestError
from ecgcore.home import Home
from ecgcore.training.learnt import learnt_by
from ecgcore.training.run import Run, find_run


@dataclass(frozen=True)
class Elder:
    """An earlier run, and what a training takes from it.

    Attributes
    ----------
    takes
        The beginning of the sentence that says so.
    role
        Under what ``run.json`` names it.
    apart
        Parts of the training whose patients it must not have learnt from.
    judged
        What becomes of these parts' records.
    """

    run: Run
    takes: ClassVar[str]
    role: ClassVar[str]
    apart: ClassVar[tuple[str, ...]]
    judged: ClassVar[str]

    @classmethod
    def find(cls, reference: str | None, home: Home) -> Self | None:
        """Return the run that is asked for, None where none is."""
        if reference is None:
            return None
        run = find_run(reference, home)
        run.need_weights()
        return cls(run)

    @property
    def told(self) -> dict[str, Any]:
        """What ``run.json`` keeps of it."""
        return {self.role: {"run": self.run.id, "weights": file_hash(self.run)}}

    def check(self, cohort: Cohort) -> None:
        """Refuse a cohort of another rate or length than the run reads."""
        own = self.run.meta["input"]
        asked = (own["fs_hz"], own["duration_s"])
        if (cohort.fs_hz, cohort.duration_s) != asked:
            raise RequestError(
                f"Run {self.run.id} reads {asked[1]:g} s at {asked[0]:g} Hz; cohort "
                f"'{cohort.name}' holds {cohort.duration_s:g} s at {cohort.fs_hz:g} Hz. Ingest its "
                f"folder again under another name with --fs-hz {asked[0]:g} --seconds "
                f"{asked[1]:g}."
            )

    def note(self, cohort: Cohort, plan: Plan, home: Home) -> str:
        """Say what is known of patients on both sides; refuse where there are any.

        Raises
        ------
        RequestError
            The run learnt from patients or recordings that would be judged here.
        """
        learnt = learnt_by(self.run, home)
        if learnt is None:
            return (
                f"{self.takes} run {self.run.id}, whose cohort is not here: whether it learnt from "
                f"patients that are {self.judged} here cannot be checked."
            )
        shared = judged = 0
        for part in self.apart:
            records = cohort.index.iloc[plan.rows[plan.part == part]]
            judged += len(records)
            shared += _known(records, learnt, part)
        if shared:
            raise RequestError(
                f"Run {self.run.id} learnt from {shared:,} of the {judged:,} records "
                f"that would be {self.judged} here, or from their patients. Choose the split and "
                "seed that it was trained with, or another cohort."
            )
        return (
            f"{self.takes} run {self.run.id}; no patient that it learnt from is {self.judged} here."
        )


def _known(records: pd.DataFrame, learnt: pd.DataFrame, part: str) -> int:
    """Return how many of a part's records are in what was learnt, or of the same patients.

    What validated both runs was learnt from by neither.
    """
    if part == "validation":
        learnt = learnt[learnt["part"] != part]
    is_known = records["patient"].isin(learnt["patient"].dropna())
    return int((is_known | records["signal_hash"].isin(learnt["signal_hash"])).sum())


def need_unchanged(elder: Run, role: str, meta: dict[str, Any]) -> None:
    """Refuse weights that are not those which the run of ``meta`` was prepared with."""
    if file_hash(elder) != meta[role]["weights"]:
        raise DamagedFile(
            f"The weights of run {elder.id} have changed since this run was prepared; train anew."
        )


def file_hash(run: Run) -> str:
    """Return the SHA-256 of a run's weights."""
    with run.weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
