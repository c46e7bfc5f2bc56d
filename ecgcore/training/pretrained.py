"""Earlier runs that a training builds on: checks that keep their patients out of its test records,
and the pretrained weights of one (paper 002).

A run that starts from another takes its network, its input and its weights; the head starts afresh
where the classes differ.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from torch import nn

from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import Split
from ecgcore.errors import DamagedFile, RequestError
from ecgcore.runs.config import ResolvedConfig
from ecgcore.runs.provenance import find_contamination
from ecgcore.runs.run import Run, find_run
from ecgcore.runs.split import TRAINING_PARTS
from ecgcore.runs.weights import load_weights, read_tensors
from ecgcore.workspace import Workspace


@dataclass(frozen=True)
class SourceRun:
    """An earlier run that a training builds on.

    Attributes
    ----------
    relation
        Beginning of the sentence that says how the training uses the run.
    role
        Key of the run in ``run.json``.
    disjoint_parts
        Parts of the training whose patients the run must not have been trained on.
    usage
        How the training uses the records of these parts.
    """

    run: Run
    relation: ClassVar[str]
    role: ClassVar[str]
    disjoint_parts: ClassVar[tuple[str, ...]]
    usage: ClassVar[str]

    @classmethod
    def find(cls, reference: str | None, workspace: Workspace) -> Self | None:
        """Return the run of that id, folder or name, None without a reference."""
        if reference is None:
            return None
        run = find_run(reference, workspace)
        run.require_weights()
        return cls(run)

    @property
    def meta(self) -> dict[str, Any]:
        """Entry of the run in ``run.json``: its id and the hash of its weights."""
        return {self.role: {"run": self.run.id, "weights": self.run.weights_hash}}

    def check_cohort(self, cohort: Cohort) -> None:
        """Refuse a cohort of another sampling rate or duration than the run reads."""
        model_input = self.run.meta["input"]
        fs_hz, duration_s = model_input["fs_hz"], model_input["duration_s"]
        if (cohort.fs_hz, cohort.duration_s) != (fs_hz, duration_s):
            raise RequestError(
                f"Run {self.run.id} reads {duration_s:g} s at {fs_hz:g} Hz; cohort "
                f"'{cohort.name}' holds {cohort.duration_s:g} s at {cohort.fs_hz:g} Hz. Ingest its "
                f"folder again under another name with --store-fs-hz {fs_hz:g} --duration-s "
                f"{duration_s:g}."
            )

    def check_contamination(self, cohort: Cohort, split: Split, workspace: Workspace) -> str:
        """Return a sentence on patients that both runs share; refuse those of disjoint parts.

        Raises
        ------
        RequestError
            The run was trained on patients or recordings of a disjoint part.
        """
        # neither run was trained on the records that validated both
        training_parts = {
            part: TRAINING_PARTS[:1] if part == "validation" else TRAINING_PARTS
            for part in self.disjoint_parts
        }
        contamination = {
            parts: find_contamination(cohort, self.run, workspace, parts)
            for parts in set(training_parts.values())
        }
        shared = sum(
            int((contamination[parts].why[split.rows[split.part == part]] != "").sum())
            for part, parts in training_parts.items()
        )
        if shared:
            n = int(np.isin(split.part, self.disjoint_parts).sum())
            raise RequestError(
                f"Run {self.run.id} was trained on {shared:,} of the {n:,} records "
                f"that would be {self.usage} here, or from their patients. Choose the split and "
                "seed that it was trained with, or another cohort."
            )
        if notes := contamination[TRAINING_PARTS].notes:
            return f"{self.relation} run {self.run.id}. {' '.join(notes)}"
        return (
            f"{self.relation} run {self.run.id}; no patient that it was trained on is {self.usage} "
            "here."
        )


@dataclass(frozen=True)
class Parent(SourceRun):
    """The run whose weights a training starts from."""

    relation = "Starts from"
    role = "init"
    disjoint_parts = ("test", "holdout")
    usage = "tested"

    @property
    def input(self) -> dict[str, Any]:
        """Input of its network; a run that starts from it reads the same."""
        return self.run.meta["input"]

    def inherit(self, config: ResolvedConfig) -> ResolvedConfig:
        """Return a configuration with the parent's input; refuse another network."""
        own = self.run.config
        if (own.model, own.model_options) != (config.model, config.model_options):
            raise RequestError(
                f"Run {self.run.id} is {_network(own)}, not {_network(config)}; name the same "
                "network to start from it."
            )
        return replace(
            config,
            layout=own.layout,
            size=own.size,
            rhythm=own.rhythm,
            highpass_hz=own.highpass_hz,
        )


def load_pretrained(model: nn.Module, parent: Run, meta: dict[str, Any]) -> None:
    """Load the weights of another run; a head for other classes keeps its initial weights.

    ``meta`` is the new run's: its classes, and the hash of the weights that it was prepared with.
    """
    require_unchanged(parent, Parent.role, meta)
    file, classes = parent.weights, meta["classes"]
    tensors, _ = read_tensors(file)
    if parent.meta["classes"] != classes:
        head = {f"head.{k}": v for k, v in model.get_submodule("head").state_dict().items()}
        tensors = {k: v for k, v in tensors.items() if not k.startswith("head.")} | head
    load_weights(model, tensors, file, parent.meta["model"])


def is_unchanged(source: Run, role: str, meta: dict[str, Any]) -> bool:
    """Tell whether a run's weights are those that the run of ``meta`` was prepared with."""
    return source.weights_hash == meta[role]["weights"]


def require_unchanged(source: Run, role: str, meta: dict[str, Any]) -> None:
    """Refuse weights other than those that the run of ``meta`` was prepared with."""
    if not is_unchanged(source, role, meta):
        raise DamagedFile(
            f"The weights of run {source.id} have changed since this run was prepared; train anew."
        )


def _network(config: ResolvedConfig) -> str:
    options = ", ".join(f"{name} {value}" for name, value in config.model_options.items())
    return f"{config.model} ({options})" if options else config.model
