"""Before a training: how long it will take, how much disk, and how sure its score can be."""

from contextlib import suppress
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch

from ecgcore.cohort import splits
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import Split
from ecgcore.errors import RequestError
from ecgcore.evaluation.bootstrap import expected_interval
from ecgcore.models import create_model, model_info
from ecgcore.runs.config import ResolvedConfig
from ecgcore.runs.run import Run, list_runs
from ecgcore.training.device import find_devices
from ecgcore.workspace import Workspace

ASSUMED_ACCURACY = 0.8
SCORED = ("test", "untouched")
_MOMENTS = {"sgd": 1, "adamw": 2}
# what changes how long a record takes, beside the network
_PACE = ("model_options", "sides_px", "augmentation", "precision", "batch_size", "ema_decay")


@dataclass(frozen=True)
class Pace:
    """How quickly a network learnt here before.

    ``seconds`` a training record and epoch, validation included; ``epochs`` of run ``run`` tell it.
    """

    seconds: float
    run: str
    epochs: int


@dataclass(frozen=True)
class Forecast:
    """What can be said of a training before it starts.

    Attributes
    ----------
    seconds
        Of all its epochs, scoring not included; None where no run of this home tells.
    pace
        What that rests on.
    disk_bytes, kept_bytes
        Of the network's state while it trains, and what stays.
    free_bytes
        On the disk.
    """

    seconds: float | None
    pace: Pace | None
    disk_bytes: int
    kept_bytes: int
    free_bytes: int


def forecast(recipe: ResolvedConfig, plan: Split, workspace: Workspace) -> Forecast:
    """Say how long a training will take and how much disk, as far as that is known."""
    parameters, pace = count_parameters(recipe, len(plan.classes)), find_pace(recipe, workspace)
    records = int((plan.part == "train").sum())
    return Forecast(
        seconds=None if pace is None else pace.seconds * records * recipe.epochs,
        pace=pace,
        disk_bytes=disk_bytes(parameters, recipe),
        kept_bytes=4 * parameters,
        free_bytes=workspace.free_bytes(),
    )


def expected_intervals(cohort: Cohort, plan: Split) -> dict[str, dict]:
    """Return the interval that an accuracy of 0.8 would get: part → interval, patients, records.

    Over the records with exactly one stated class, one a patient: several records of a patient are
    not more certain than one.
    """
    group = splits.groups(cohort.index)[plan.rows]
    single = (plan.y == 1).sum(axis=1) == 1
    found = {}
    for part in SCORED:
        rows = (plan.part == part) & single
        if rows.any():
            patients = len(np.unique(group[rows]))
            found[part] = expected_interval(ASSUMED_ACCURACY, patients) | {
                "patients": patients,
                "records": int(rows.sum()),
            }
    return found


def count_parameters(recipe: ResolvedConfig, classes: int) -> int:
    """Return the number of a network's parameters; it is not built for that."""
    with torch.device("meta"):
        model = create_model(recipe.model, classes, **recipe.model_options)
    return sum(p.numel() for p in model.parameters())


def disk_bytes(parameters: int, recipe: ResolvedConfig) -> int:
    """Return the room for the best weights and for what is needed to go on.

    The latter is there twice while it is written anew.
    """
    copies = 1 + 2 * (1 + _MOMENTS[recipe.optimizer] + (recipe.ema_decay > 0))
    return 4 * parameters * copies


def find_pace(recipe: ResolvedConfig, workspace: Workspace) -> Pace | None:
    """Return how quickly the newest run of the same network and pictures learnt, on such a device.

    The first epoch warms up and counts only where it is the only one.
    """
    devices = {name.partition(":")[0] for name in find_devices(recipe.device)}
    for run in list_runs(workspace):
        with suppress(RequestError):  # settings of another version
            if run.meta["model"] == recipe.model and _alike(run.config, recipe):
                found = _pace(run, devices)
                if found is not None:
                    return found
    return None


def _alike(one: ResolvedConfig, other: ResolvedConfig) -> bool:
    of_signals = model_info(one.model).input == "signal"
    drawn_alike = of_signals or one.layout == other.layout
    return drawn_alike and all(getattr(one, name) == getattr(other, name) for name in _PACE)


def _pace(run: Run, devices: set[str]) -> Pace | None:
    status, history = run.status, run.history
    if not len(history) or str(status.get("device")).partition(":")[0] not in devices:
        return None
    records = run.meta["split"]["records"].get("train")
    seconds = history["seconds"].tolist()
    told = seconds[1:] or seconds
    return Pace(median(told) / records, run.id, len(told)) if records else None
