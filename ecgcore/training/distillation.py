"""Distillation: training on a teacher's answers and the labels (Hinton et al. 2015,
arXiv:1503.02531).

The teacher gives a probability of each class for each training record. These carry more information
than labels alone: what a record resembles, and where its label is doubtful.
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
from ecgcore.runs.weights import load_weights, read_tensors
from ecgcore.training.distributed import Team
from ecgcore.training.pretrained import SourceRun, require_unchanged
from ecgcore.training.state import TrainContext
from ecgcore.workspace import Workspace

TEACHER_WEIGHT = 0.7
"""Weight of the teacher's answer in a training record's target; the label has the rest."""


@dataclass(frozen=True)
class Teacher(SourceRun):
    """The run whose answers a training learns from, along with the labels."""

    relation = "Is taught by"
    role = "teacher"
    disjoint_parts = ("validation", "test", "holdout")
    usage = "validated or tested"

    def check_classes(self, config: ResolvedConfig, split: Split) -> None:
        """Refuse a teacher of other classes or another target mode."""
        meta = self.run.meta
        classes, mode = tuple(meta["classes"]), meta["target_mode"]
        if (classes, mode) != (split.classes, config.target_mode):
            raise RequestError(
                f"Run {self.run.id} answers {len(classes)} classes, {mode}; this training "
                f"asks {len(split.classes)}, {config.target_mode}. Name a teacher of the same "
                "classes and target mode."
            )


def soft_targets(
    split: Split, run: Run, workspace: Workspace, cohort: Cohort, device: torch.device, team: Team
) -> np.ndarray | None:
    """Return the targets (N, classes) of the training records, mixed with the teacher's answers.

    Unknown targets (NaN) stay unknown. None where the run has no teacher.
    """
    if run.config.teacher is None:
        return None
    teacher = find_run(run.config.teacher, workspace)
    require_unchanged(teacher, Teacher.role, run.meta)
    context = TrainContext(teacher, teacher.config, cohort, split, device, torch.float32, team)
    tensors, _ = read_tensors(teacher.weights)
    load_weights(context.model, tensors, teacher.weights, teacher.meta["model"])
    logits, targets = context.predict("train", full_precision=True)
    answers = probabilities(logits, teacher.meta["target_mode"])
    return ((1 - TEACHER_WEIGHT) * targets + TEACHER_WEIGHT * answers).astype(np.float32)
