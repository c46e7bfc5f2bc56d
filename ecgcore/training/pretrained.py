"""Earlier runs that a training takes something from; what they learnt from must stay apart."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ecgcore.atomic import sha256_file
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import Split
from ecgcore.errors import DamagedFile, RequestError
from ecgcore.runs.provenance import PARTS, seen_in
from ecgcore.runs.run import Run, find_run
from ecgcore.workspace import Workspace


@dataclass(frozen=True)
class SourceRun:
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
    def find(cls, reference: str | None, workspace: Workspace) -> Self | None:
        """Return the run that is asked for, None where none is."""
        if reference is None:
            return None
        run = find_run(reference, workspace)
        run.need_weights()
        return cls(run)

    @property
    def told(self) -> dict[str, Any]:
        """What ``run.json`` keeps of it."""
        return {self.role: {"run": self.run.id, "weights": sha256_file(self.run.weights)}}

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

    def note(self, cohort: Cohort, plan: Split, workspace: Workspace) -> str:
        """Say what is known of patients on both sides; refuse where there are any.

        Raises
        ------
        RequestError
            The run learnt from patients or recordings that would be judged here.
        """
        # what validated both was learnt from by neither
        learnt = {part: PARTS[:1] if part == "validation" else PARTS for part in self.apart}
        seen = {
            parts: seen_in(cohort, self.run, workspace, parts) for parts in set(learnt.values())
        }
        shared = sum(
            int((seen[parts].why[plan.rows[plan.part == part]] != "").sum())
            for part, parts in learnt.items()
        )
        if shared:
            judged = int(np.isin(plan.part, self.apart).sum())
            raise RequestError(
                f"Run {self.run.id} learnt from {shared:,} of the {judged:,} records "
                f"that would be {self.judged} here, or from their patients. Choose the split and "
                "seed that it was trained with, or another cohort."
            )
        if notes := seen[PARTS].notes:
            return f"{self.takes} run {self.run.id}. {' '.join(notes)}"
        return (
            f"{self.takes} run {self.run.id}; no patient that it learnt from is {self.judged} here."
        )


def is_unchanged(elder: Run, role: str, meta: dict[str, Any]) -> bool:
    """Whether a run's weights are those which the run of ``meta`` was prepared with."""
    return sha256_file(elder.weights) == meta[role]["weights"]


def need_unchanged(elder: Run, role: str, meta: dict[str, Any]) -> None:
    """Refuse weights that are not those which the run of ``meta`` was prepared with."""
    if not is_unchanged(elder, role, meta):
        raise DamagedFile(
            f"The weights of run {elder.id} have changed since this run was prepared; train anew."
        )
