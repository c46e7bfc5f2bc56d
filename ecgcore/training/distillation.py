"""Learning from another network's answers beside the labels (Hinton et al. 2015, arXiv:1503.02531).

The other network says of each training record how probable each class is. From that a network
learns more than from a label: what a record is like, and where its label is doubtful.
"""

from dataclasses import dataclass

import numpy as np
import torch

from ecgcore.calibration.calibration import probabilities
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import Split
from ecgcore.errors import RequestError
from ecgcore.runs.config import ResolvedConfig
from ecgcore.runs.run import Run, find_run
from ecgcore.runs.weights import fill, read_tensors
from ecgcore.training.context import TrainContext
from ecgcore.training.distributed import Team
from ecgcore.training.pretrained import SourceRun, need_unchanged
from ecgcore.workspace import Workspace

SHARE = 0.7
"""What the teacher's answer makes of a training record's target; the label makes the rest."""


@dataclass(frozen=True)
class Teacher(SourceRun):
    """The run whose answers a training learns from beside the labels."""

    takes = "Is taught by"
    role = "teacher"
    apart = ("validation", "test", "untouched")
    judged = "validated or tested"

    def check_classes(self, recipe: ResolvedConfig, plan: Split) -> None:
        """Refuse a teacher that answers another question."""
        meta = self.run.meta
        theirs = (tuple(meta["classes"]), meta["target_mode"])
        if theirs != (plan.classes, recipe.target_mode):
            raise RequestError(
                f"Run {self.run.id} answers {len(theirs[0])} classes, {theirs[1]}; this training "
                f"asks {len(plan.classes)}, {recipe.target_mode}. Name a teacher of the same "
                "classes and target mode."
            )


def taught(
    plan: Split, run: Run, workspace: Workspace, cohort: Cohort, device: torch.device, team: Team
) -> np.ndarray | None:
    """Return the targets (N, classes) of a run's training records, as its teacher moves them.

    Unknown ones (NaN) stay unknown. None where the run has no teacher.
    """
    if run.config.teacher is None:
        return None
    teacher = find_run(run.config.teacher, workspace)
    need_unchanged(teacher, Teacher.role, run.meta)
    working = TrainContext(teacher, teacher.config, cohort, plan, device, torch.float32, team)
    fill(working.model, read_tensors(teacher.weights)[0], teacher.weights, teacher.meta["model"])
    logits, targets = working.predict("train", exact=True)
    answers = probabilities(logits, teacher.meta["target_mode"])
    return ((1 - SHARE) * targets + SHARE * answers).astype(np.float32)
