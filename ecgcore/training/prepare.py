"""Preparing a training: check the request, draw its split, and write its run folder."""

import platform
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from ecgcore.atomic import atomic_dir, write_json
from ecgcore.background import process_stamp
from ecgcore.cohort.label_versions import AS_INGESTED
from ecgcore.cohort.leakage import LeakCheck, check_leakage
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import Split
from ecgcore.errors import EcgError
from ecgcore.imaging import make_geometry
from ecgcore.labels.code_tables import tables_hash
from ecgcore.labels.label_set_file import find_label_set, stored_set
from ecgcore.labels.label_sets import LabelSet
from ecgcore.models import model_info
from ecgcore.records.record import LEADS
from ecgcore.runs.config import ResolvedConfig, TrainConfig
from ecgcore.runs.provenance import lineage_of
from ecgcore.runs.run import Run
from ecgcore.runs.split import make_split, write_split
from ecgcore.training.device import find_devices
from ecgcore.training.distillation import Teacher
from ecgcore.training.forecast import count_parameters, disk_bytes, forecast
from ecgcore.training.pretrained import Parent, SourceRun
from ecgcore.workspace import Workspace

VERSIONED_PACKAGES = ("ecgcore", "torch", "torchvision", "numpy", "pandas", "wfdb", "captum")


@dataclass(frozen=True)
class TrainingPlan:
    """A checked training request with its split; nothing is written yet."""

    config: ResolvedConfig
    cohort: Cohort
    split: Split
    parent: Parent | None
    teacher: Teacher | None
    leak_check: LeakCheck
    label_set: LabelSet

    @property
    def source_runs(self) -> tuple[SourceRun, ...]:
        """Earlier runs that the training builds on."""
        return tuple(source for source in (self.parent, self.teacher) if source is not None)


def plan_training(config: TrainConfig, workspace: Workspace) -> TrainingPlan:
    """Resolve and check a configuration, and draw its split.

    Raises
    ------
    EcgError
        The request cannot be fulfilled; the message says why.
    """
    parent = Parent.find(config.pretrained, workspace)
    teacher = Teacher.find(config.teacher, workspace)
    find_devices(config.device)
    label_set = find_label_set(config.label_set, workspace.label_sets)
    if config.target_mode is None and label_set.mode is not None:
        config = replace(config, target_mode=label_set.mode)
    resolved = config.resolve()
    if parent is not None:
        resolved = parent.inherit(resolved)
    cohort, split = make_split(resolved, workspace)
    if teacher is not None:
        teacher.check_classes(resolved, split)
    leak_check = check_leakage(cohort.index, split)
    plan = TrainingPlan(resolved, cohort, split, parent, teacher, leak_check, label_set)
    for source in plan.source_runs:
        source.check_cohort(cohort)
    notes = [source.check_contamination(cohort, split, workspace) for source in plan.source_runs]
    return replace(plan, split=replace(split, notes=(*split.notes, *notes)))


def prepare(
    config: TrainConfig, workspace: Workspace, launch: str | None = None, is_local: bool = True
) -> Run:
    """Write the folder of a run that is ready for training, or refuse the request.

    Parameters
    ----------
    launch
        Identifies the launch of several workers, so that a restarted one finds its run.
    is_local
        Whether it trains on this machine, whose memory is then checked.
    """
    plan = plan_training(config, workspace)
    if not plan.leak_check.passed:
        raise EcgError(plan.leak_check.text)
    resolved, cohort = plan.config, plan.cohort
    if is_local:
        forecast(resolved, cohort, plan.split, workspace)
    parameters = count_parameters(resolved, len(plan.split.classes))
    _require_disk(workspace, parameters, resolved)
    now = datetime.now(UTC)
    name = f"{resolved.model}-{cohort.name}-{resolved.level}-s{resolved.seed}"
    run = Run(workspace.runs / f"{now:%Y%m%d-%H%M%S}-{name}-{secrets.token_hex(2)}")
    status = {
        "state": "queued",
        "queued_at": None,
        "epoch": 0,
        "epochs": resolved.epochs,
        "eta_s": None,
        "message": "Not started yet.",
        **process_stamp(),
        **({"launch": launch} if launch else {}),
    }
    with atomic_dir(run.folder) as folder:
        write_json(folder / "run.json", _metadata(run.id, now, plan, parameters))
        inherited = (lineage_of(source.run, workspace) for source in plan.source_runs)
        write_split(folder, cohort, plan.split, inherited)
        write_json(folder / "status.json", status)
    return run


def _require_disk(workspace: Workspace, parameters: int, config: ResolvedConfig) -> None:
    needed, free = disk_bytes(parameters, config), workspace.free_bytes()
    if free < needed:
        raise EcgError(
            f"This training needs {needed / 1e9:.1f} GB of disk and {free / 1e9:.1f} GB are free; "
            "make room or choose another --home."
        )


def _metadata(run_id: str, now: datetime, plan: TrainingPlan, parameters: int) -> dict[str, Any]:
    """Return the content of run.json."""
    config, cohort, split = plan.config, plan.cohort, plan.split
    metadata = {
        "run": run_id,
        "created": now.isoformat(timespec="seconds"),
        "config": asdict(config),
        "model": config.model,
        "parameters": parameters,
        "classes": list(split.classes),
        "leads": list(LEADS),
        "input": _input(config, cohort) if plan.parent is None else plan.parent.input,
        "target_mode": config.target_mode,
        "tier": config.label_tier,
        "cohort": {"name": cohort.location, "hash": cohort.hash, "fs_hz": cohort.fs_hz},
        "labels": _labels(config, cohort, plan.label_set),
        "split": {
            "hash": split.hash,
            "notes": list(split.notes),
            "left_out": split.left_out,
            "patients": split.patients,
            "records": {p: int((split.part == p).sum()) for p in sorted(set(split.part))},
        },
        "seed": config.seed,
        "versions": {name: version(name) for name in VERSIONED_PACKAGES}
        | {"python": platform.python_version()},
    }
    for source in plan.source_runs:
        metadata |= source.meta
    return metadata


def _input(config: ResolvedConfig, cohort: Cohort) -> dict[str, Any]:
    """Return the network's input: signals, or the layout and geometry of images."""
    signals = {"fs_hz": cohort.fs_hz, "duration_s": cohort.duration_s}
    if config.highpass_hz:
        signals |= {"highpass_hz": config.highpass_hz}
    if model_info(config.model).input == "signal":
        return signals
    images = make_geometry(config.layout, config.size, cohort.duration_s, config.rhythm)
    return signals | {
        "layout": images.layout,
        "size": [images.height, images.width],
        "rhythm": images.rhythm,
        "pen": images.stroke_version,
        "geometry": {"px_per_s": images.px_per_s, "px_per_mv": images.px_per_mv},
    }


def _labels(config: ResolvedConfig, cohort: Cohort, label_set: LabelSet) -> dict[str, Any]:
    """Return the label source, the hash of all tables behind the labels, and what was imported.

    ``version`` names the state of the imported labels, ``set`` holds a label set of one's own.
    """
    labels = {"policy": config.label_source, "hash": tables_hash()}
    if config.label_source == "criteria":
        labels |= {"thresholds": config.thresholds}
    if (version := cohort.overlay.hash) != AS_INGESTED:
        labels |= {"version": version}
    return labels | ({"set": stored_set(label_set)} if label_set.rules else {})
