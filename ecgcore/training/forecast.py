"""Forecast of a training: its duration, its disk space, and the width of its score's interval."""

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
from ecgcore.training.memory import MOMENTS, demand, require_resources
from ecgcore.workspace import Workspace

ASSUMED_ACCURACY = 0.8
TESTED_PARTS = ("test", "holdout")
_PACE_SETTINGS = (
    "model_options",
    "sides_px",
    "augmentation",
    "precision",
    "batch_size",
    "ema_decay",
)
"""Settings other than the network that change how long a record takes."""


@dataclass(frozen=True)
class Pace:
    """Speed of an earlier training of the same network in this workspace.

    Attributes
    ----------
    seconds
        For each training record and epoch, validation included.
    run, epochs
        The earlier run, and how many of its epochs were used.
    """

    seconds: float
    run: str
    epochs: int


@dataclass(frozen=True)
class Forecast:
    """Expected duration and disk space of a training.

    Attributes
    ----------
    seconds
        Of all its epochs, without scoring; None where no earlier run shows the pace.
    pace
        The pace that this rests on.
    disk_bytes, kept_bytes
        Needed during the training, and afterwards.
    free_bytes
        On the disk.
    """

    seconds: float | None
    pace: Pace | None
    disk_bytes: int
    kept_bytes: int
    free_bytes: int


def forecast(
    config: ResolvedConfig, cohort: Cohort, split: Split, workspace: Workspace
) -> Forecast:
    """Return the expected duration and disk space of a training.

    Raises
    ------
    RequestError
        It needs more memory than there is, or would take longer than thirty days.
    """
    parameters, pace = count_parameters(config, len(split.classes)), find_pace(config, workspace)
    records = int((split.part == "train").sum())
    seconds = None if pace is None else pace.seconds * records * config.epochs
    needed = demand(config, len(split.classes), cohort.n_samples)
    require_resources(config, needed, records, find_devices(config.device), seconds)
    return Forecast(
        seconds=seconds,
        pace=pace,
        disk_bytes=disk_bytes(parameters, config),
        kept_bytes=4 * parameters,
        free_bytes=workspace.free_bytes(),
    )


def expected_intervals(cohort: Cohort, split: Split) -> dict[str, dict]:
    """Return the interval of an accuracy of 0.8: part → interval, patients, records.

    It counts patients with a record of exactly one stated class: several records of a patient are
    not more certain than one.
    """
    patient = splits.groups(cohort.index)[split.rows]
    has_one_class = (split.y == 1).sum(axis=1) == 1
    intervals = {}
    for part in TESTED_PARTS:
        rows = (split.part == part) & has_one_class
        if rows.any():
            patients = len(np.unique(patient[rows]))
            intervals[part] = expected_interval(ASSUMED_ACCURACY, patients) | {
                "patients": patients,
                "records": int(rows.sum()),
            }
    return intervals


def count_parameters(config: ResolvedConfig, classes: int) -> int:
    """Return the number of a network's parameters without allocating them."""
    with torch.device("meta"):
        model = create_model(config.model, classes, **config.model_options)
    return sum(p.numel() for p in model.parameters())


def disk_bytes(parameters: int, config: ResolvedConfig) -> int:
    """Return the space of the best weights and of the checkpoint.

    The checkpoint exists twice while it is rewritten.
    """
    copies = 1 + 2 * (1 + MOMENTS[config.optimizer] + (config.ema_decay > 0))
    return 4 * parameters * copies


def find_pace(config: ResolvedConfig, workspace: Workspace) -> Pace | None:
    """Return the pace of the newest run of the same network, images and kind of device.

    The first epoch warms up and counts only where it is the only one.
    """
    devices = {name.partition(":")[0] for name in find_devices(config.device)}
    for run in list_runs(workspace):
        with suppress(RequestError):  # settings of another version
            if run.meta["model"] == config.model and _is_comparable(run.config, config):
                pace = _pace_of(run, devices)
                if pace is not None:
                    return pace
    return None


def _is_comparable(one: ResolvedConfig, other: ResolvedConfig) -> bool:
    reads_signals = model_info(one.model).input == "signal"
    same_images = reads_signals or one.layout == other.layout
    return same_images and all(
        getattr(one, name) == getattr(other, name) for name in _PACE_SETTINGS
    )


def _pace_of(run: Run, devices: set[str]) -> Pace | None:
    status, history = run.status, run.history
    if not len(history) or str(status.get("device")).partition(":")[0] not in devices:
        return None
    records = run.meta["split"]["records"].get("train")
    seconds = history["seconds"].tolist()
    seconds = seconds[1:] or seconds
    return Pace(median(seconds) / records, run.id, len(seconds)) if records else None
