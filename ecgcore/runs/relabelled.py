"""A finished run scored against another version of its cohort's labels, without training."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgcore.cohort.label_versions import AS_INGESTED, find_version, list_versions
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError
from ecgcore.labels.targets import targets
from ecgcore.runs.run import Run
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RelabelledRun(Run):
    """A run whose predictions stand beside the targets of another version of the labels.

    Weights, probabilities, thresholds and parts are those of the run.

    Attributes
    ----------
    version
        Hash of the labels' state.
    home
        Workspace that holds the run's cohort.
    """

    version: str
    home: Workspace

    @property
    def meta(self) -> dict[str, Any]:
        """Content of run.json, with the version that the run is scored on."""
        meta = super().meta
        return meta | {"labels": meta["labels"] | {"version": self.version}}

    @cached_property
    def predictions(self) -> "pd.DataFrame":
        """One row a record, with the targets ``y_`` of the version."""
        stored, config, classes = super().predictions, self.config, super().meta["classes"]
        cohort = Cohort(Cohort.open(config.cohort, self.home).folder, self.version)
        states = cohort.states(
            config.label_tier, config.label_source, config.thresholds, self.label_set
        )
        mode = super().meta["target_mode"]
        y = targets(states, mode, tuple(classes), self.label_set.is_ranked).y
        row_of = {name: row for row, name in enumerate(cohort.index["record"])}
        rows = np.array([row_of.get(name, -1) for name in stored["record"]], int)
        if (rows < 0).any():
            raise RequestError(
                f"{(rows < 0).sum():,} of the {len(rows):,} records of run {self.id} are no longer "
                f"in cohort '{cohort.name}'."
            )
        return stored.assign(**{f"y_{code}": y[rows, i] for i, code in enumerate(classes)})


def relabel(run: Run, version: str, workspace: Workspace) -> RelabelledRun:
    """Return a run to be scored on a version of its cohort's labels.

    Parameters
    ----------
    version
        Hash or number of a version, ``latest`` or ``ingested``.

    Raises
    ------
    NotFound
        The workspace has no such cohort, or the cohort no such version.
    """
    folder = Cohort.open(run.config.cohort, workspace).folder
    number = find_version(folder, None if version == "latest" else version)
    name = list_versions(folder)[number - 1].hash if number else AS_INGESTED
    return RelabelledRun(run.folder, name, workspace)
