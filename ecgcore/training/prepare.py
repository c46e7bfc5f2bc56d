"""Before a training: check what was asked, draw its records, and write its run folder."""

import platform
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from ecgcore.atomic import atomic_dir, write_json
from ecgcore.background import process_stamp
from ecgcore.cohort.leakage import LeakCheck, check_sides
from ecgcore.cohort.measure_job import ensure_measured
from ecgcore.cohort.splits import validates
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import Split, plan
from ecgcore.errors import EcgError, RequestError
from ecgcore.imaging import geometry
from ecgcore.labels.code_tables import tables_hash
from ecgcore.models import model_info
from ecgcore.records.record import LEADS
from ecgcore.runs.config import ResolvedConfig, TrainConfig
from ecgcore.runs.provenance import keep_learnt, training_records
from ecgcore.runs.run import Run
from ecgcore.training.device import find_devices
from ecgcore.training.distillation import Teacher
from ecgcore.training.finetune import Parent
from ecgcore.training.forecast import count_parameters, disk_bytes
from ecgcore.training.pretrained import SourceRun
from ecgcore.workspace import Workspace

STAMPED = ("ecgcore", "torch", "torchvision", "numpy", "pandas", "wfdb", "captum")


def make_split(config: TrainConfig, workspace: Workspace) -> tuple[Cohort, Split]:
    """Return the cohort and which of its records train, validate and test.

    Labels by criteria need measurements: those that are missing are made now.
    """
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps what was freed
    asked = config.filled()
    by_criteria = asked.label_source == "criteria"
    cohort = (ensure_measured if by_criteria else Cohort.open)(asked.cohort, workspace)
    level = "all" if asked.level == "all" else int(asked.level)
    drawn = plan(
        cohort, level, asked.target_mode, asked.label_tier, asked.split, asked.seed,
        asked.label_source, asked.thresholds, asked.label_set, asked.where,
    )  # fmt: skip
    for part in needed_parts(asked.split):
        if not (drawn.part == part).any():
            raise RequestError(
                f"Cohort '{cohort.name}' leaves no record for {part} at level {level} "
                f"({len(drawn.part)} records with a target); choose another level or cohort."
            )
    return cohort, drawn


def needed_parts(split: str) -> tuple[str, ...]:
    """Return the parts that a training by this way to split cannot do without."""
    if split == "none":
        return ("train",)
    return ("train", "validation", "test") if validates(split) else ("train", "test")


@dataclass(frozen=True)
class TrainingPlan:
    """A training that can be begun: nothing is written yet."""

    recipe: ResolvedConfig
    cohort: Cohort
    plan: Split
    parent: Parent | None
    teacher: Teacher | None
    leaks: LeakCheck

    @property
    def elders(self) -> tuple[SourceRun, ...]:
        """The earlier runs that it takes something from."""
        return tuple(elder for elder in (self.parent, self.teacher) if elder is not None)


def plan_training(config: TrainConfig, workspace: Workspace) -> TrainingPlan:
    """Return what a training would be, or say what is wrong with the request."""
    parent, teacher = (
        Parent.find(config.pretrained, workspace),
        Teacher.find(config.teacher, workspace),
    )
    find_devices(config.device)
    recipe = config.filled() if parent is None else parent.followed_by(config.filled())
    cohort, drawn = make_split(recipe, workspace)
    if teacher is not None:
        teacher.check_classes(recipe, drawn)
    found = TrainingPlan(recipe, cohort, drawn, parent, teacher, check_sides(cohort.index, drawn))
    for elder in found.elders:
        elder.check(cohort)
    notes = tuple(elder.note(cohort, drawn, workspace) for elder in found.elders)
    return replace(found, plan=replace(drawn, notes=drawn.notes + notes))


def prepare(config: TrainConfig, workspace: Workspace, launch: str | None = None) -> Run:
    """Write the folder of a run that is ready to be worked on, or say what is wrong.

    ``launch`` names what a team's first worker was started by, so that it finds the run again.
    """
    found = plan_training(config, workspace)
    recipe, cohort, drawn = found.recipe, found.cohort, found.plan
    if not found.leaks.passed:
        raise EcgError(found.leaks.text)
    parameters = count_parameters(recipe, len(drawn.classes))
    _need_disk(workspace, parameters, recipe)
    now = datetime.now(UTC)
    name = f"{recipe.model}-{cohort.name}-{recipe.level}-s{recipe.seed}"
    run = Run(workspace.runs / f"{now:%Y%m%d-%H%M%S}-{name}-{secrets.token_hex(2)}")
    meta = _meta(run.id, now, recipe, cohort, drawn, parameters)
    if found.parent is not None:
        meta |= {"input": found.parent.input}
    for elder in found.elders:
        meta |= elder.told
    with atomic_dir(run.folder) as folder:
        write_json(folder / "run.json", meta)
        before = (training_records(elder.run, workspace) for elder in found.elders)
        keep_learnt(folder, cohort, drawn, before)
        waiting = {"state": "queued", "queued_at": None, "epoch": 0, "epochs": recipe.epochs}
        waiting |= {"eta_s": None, "message": "Not started yet.", **process_stamp()}
        waiting |= {"launch": launch} if launch else {}
        write_json(folder / "status.json", waiting)
    return run


def _need_disk(workspace: Workspace, parameters: int, recipe: ResolvedConfig) -> None:
    needed, free = disk_bytes(parameters, recipe), workspace.free_bytes()
    if free < needed:
        raise EcgError(
            f"This training needs {needed / 1e9:.1f} GB of disk and {free / 1e9:.1f} GB are free; "
            "make room or choose another --home."
        )


def _meta(
    run: str, now: datetime, config: ResolvedConfig, cohort: Cohort, drawn: Split, parameters: int
) -> dict[str, Any]:
    return {
        "run": run,
        "created": now.isoformat(timespec="seconds"),
        "config": asdict(config),
        "model": config.model,
        "parameters": parameters,
        "classes": list(drawn.classes),
        "leads": list(LEADS),
        "input": _input(config, cohort),
        "target_mode": config.target_mode,
        "tier": config.label_tier,
        "cohort": {"name": cohort.where, "hash": cohort.hash, "fs_hz": cohort.fs_hz},
        "labels": _labels(config),
        "split": {
            "hash": drawn.hash,
            "notes": list(drawn.notes),
            "left_out": drawn.left_out,
            "patients": drawn.patients,
            "records": {p: int((drawn.part == p).sum()) for p in sorted(set(drawn.part))},
        },
        "seed": config.seed,
        "versions": {name: version(name) for name in STAMPED}
        | {"python": platform.python_version()},
    }


def _input(config: ResolvedConfig, cohort: Cohort) -> dict[str, Any]:
    """Return what the network reads: signals, or how they are drawn."""
    recorded = {"fs_hz": cohort.fs_hz, "duration_s": cohort.duration_s}
    if model_info(config.model).input == "signal":
        return recorded
    drawn_as = geometry(config.layout, config.size, cohort.duration_s, config.rhythm)
    return recorded | {
        "layout": drawn_as.layout,
        "size": [drawn_as.height, drawn_as.width],
        "rhythm": drawn_as.rhythm,
        "pen": drawn_as.pen,
        "geometry": {"px_per_s": drawn_as.px_per_s, "px_per_mv": drawn_as.px_per_mv},
    }


def _labels(config: ResolvedConfig) -> dict[str, Any]:
    """Return by what the labels were made; ``hash`` is that of all tables behind them."""
    by = {"thresholds": config.thresholds} if config.label_source == "criteria" else {}
    return {"policy": config.label_source, **by, "hash": tables_hash()}
