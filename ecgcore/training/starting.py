"""Starting from another run's weights (paper 002): its network, its input, and nobody's data twice.

The head starts afresh where the classes differ. What the other run was trained on must not be
tested here: its patients and recordings are looked for among this training's test records.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import nn

from ecgcore.cohort.levels import Plan
from ecgcore.cohort.store import Cohort
from ecgcore.errors import DamagedFile, RequestError
from ecgcore.home import Home
from ecgcore.training.config import Recipe
from ecgcore.training.learnt import learnt_by
from ecgcore.training.run import Run, find_run
from ecgcore.training.weights import fill, read_tensors

TESTED = ("test", "untouched")


@dataclass(frozen=True)
class Parent:
    """The run that a training starts from."""

    run: Run

    @property
    def input(self) -> dict[str, Any]:
        """What its network reads; what starts from it reads the same."""
        return self.run.meta["input"]

    @property
    def hash(self) -> str:
        """The SHA-256 of its weights."""
        return file_hash(self.run)

    def followed_by(self, recipe: Recipe) -> Recipe:
        """Return a recipe with the parent's network and pictures, or say what differs."""
        own = self.run.config
        if (own.model, own.model_options) != (recipe.model, recipe.model_options):
            raise RequestError(
                f"Run {self.run.id} is {_network(own)}, not {_network(recipe)}; name the same "
                "network to start from it."
            )
        return replace(recipe, layout=own.layout, size=own.size, rhythm=own.rhythm)

    def check(self, cohort: Cohort) -> None:
        """Refuse a cohort of another rate or length than the parent reads."""
        asked = (self.input["fs_hz"], self.input["duration_s"])
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
            The parent learnt from patients or recordings that would be tested here.
        """
        learnt = learnt_by(self.run, home)
        if learnt is None:
            return (
                f"Starts from run {self.run.id}, whose cohort is not here: whether it learnt from "
                "patients that are tested here cannot be checked."
            )
        tested = cohort.index.iloc[plan.rows[np.isin(plan.part, TESTED)]]
        shared = tested["patient"].isin(learnt["patient"].dropna())
        shared |= tested["signal_hash"].isin(learnt["signal_hash"])
        if shared.any():
            raise RequestError(
                f"Run {self.run.id} learnt from {shared.sum():,} of the {len(tested):,} records "
                "that would be tested here, or from their patients. Choose the split and seed that "
                "it was trained with, or another cohort."
            )
        return f"Starts from run {self.run.id}; no patient that it learnt from is tested here."


def find_parent(reference: str | None, home: Home) -> Parent | None:
    """Return the run to start from, None where none is asked for."""
    if reference is None:
        return None
    run = find_run(reference, home)
    run.need_weights()
    return Parent(run)


def start_from(model: nn.Module, parent: Run, meta: dict[str, Any]) -> None:
    """Give a network another run's weights; a head for other classes stays as it is.

    ``meta`` is the new run's: its classes, and the weights that it was prepared with.
    """
    file, classes = parent.weights, meta["classes"]
    if file_hash(parent) != meta["init"]["weights"]:
        raise DamagedFile(
            f"The weights of run {parent.id} have changed since this run was prepared; train anew."
        )
    tensors, _ = read_tensors(file)
    if parent.meta["classes"] != classes:
        head = {f"head.{k}": v for k, v in model.get_submodule("head").state_dict().items()}
        tensors = {k: v for k, v in tensors.items() if not k.startswith("head.")} | head
    fill(model, tensors, file, parent.meta["model"])


def file_hash(run: Run) -> str:
    """Return the SHA-256 of a run's weights."""
    with run.weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _network(config: Recipe) -> str:
    shape = ", ".join(f"{name} {value}" for name, value in config.model_options.items())
    return f"{config.model} ({shape})" if shape else config.model
