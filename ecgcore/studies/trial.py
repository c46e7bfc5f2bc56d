"""A cell: one training of a study, and the small file that is kept of it.

``NAME.json`` holds configuration, split, history and versions; ``NAME.parquet``, where the study
scores test records, labels (int8) and logits (float16: 0.1 % of a logit) of every scored part, and
what subgroups are made of. No weights are kept. A patient is named by the first of her records in
the cohort, so that cells which were trained in different homes go together.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.atomic import read_json, write_atomic, write_json
from ecgcore.calibration.calibration import with_probabilities
from ecgcore.calibration.scores import Scores
from ecgcore.cohort.store import Cohort
from ecgcore.evaluation.subgroups import TRAITS
from ecgcore.runs.config import ResolvedConfig, TrainConfig
from ecgcore.runs.run import Run
from ecgcore.workspace import Workspace

UNKNOWN = -1
OF_PARENT = {"only": "where", "epochs": "epochs"}
"""Keys stored of a parent's configuration, and the settings that they hold."""


@dataclass(frozen=True)
class Cell:
    """One training that a study asks for.

    Attributes
    ----------
    parent
        One that is trained before it.
    role
        What of its configuration names the parent: ``init`` (it starts from the parent's weights)
        or ``teacher``.
    """

    name: str
    config: TrainConfig
    parent: "Cell | None" = None
    role: str = "init"

    def after(self, parent: str) -> "Cell":
        """Return the cell with its parent's run named."""
        if self.role == "teacher":
            return replace(self, config=replace(self.config, teacher=parent))
        return replace(self, config=replace(self.config, pretrained=parent))

    @property
    def recipe(self) -> ResolvedConfig:
        """The configuration with every default made explicit."""
        return self.config.filled()


@dataclass(frozen=True)
class TrialResult:
    """What is kept of a finished cell."""

    file: Path
    content: dict[str, Any]

    @classmethod
    def read(cls, file: Path) -> "TrialResult":
        """Read a cell's ``NAME.json``."""
        return cls(file, read_json(file))

    @property
    def name(self) -> str:
        """The cell's name."""
        return self.content["cell"]

    @property
    def config(self) -> ResolvedConfig:
        """How it was trained."""
        return ResolvedConfig.from_json(self.content["config"])

    @property
    def state(self) -> tuple[str, str]:
        """Of which state of its cohort and of the label tables it is."""
        return self.content["cohort"]["hash"], self.content["labels"]["hash"]

    def is_of(self, cell: Cell) -> bool:
        """Whether it was trained as ``cell`` asks, and its parent, too."""
        told = self.content.get("parent") or {}
        asked = {} if cell.parent is None else _of_parent(cell.parent.recipe)
        return self.config == cell.recipe and {k: told[k] for k in OF_PARENT if k in told} == asked

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch, as in a run."""
        return pd.DataFrame(self.content["history"])

    @property
    def predictions(self) -> pd.DataFrame:
        """The table of ``predictions.parquet`` without probabilities: labels float, NaN unknown."""
        kept = pd.read_parquet(self.file.with_suffix(".parquet"))
        labels = [f"y_{c}" for c in self.content["classes"]]
        known = kept[labels].astype(np.float32)
        return kept.assign(**known.where(known != UNKNOWN))

    def scores(self, part: str) -> Scores:
        """Return labels and probabilities of a part, at the cell's own thresholds."""
        told = self.content
        classes, mode = told["classes"], told["target_mode"]
        table = with_probabilities(self.predictions, classes, mode, told.get("temperature"))
        return Scores.read(table, classes, mode, told["thresholds"], self.name, part)


def keep(
    cell: Cell,
    run: Run,
    folder: Path,
    workspace: Workspace,
    scored: bool,
    parent: Run | None = None,
) -> None:
    """Write what is kept of a cell's finished run; predictions where it is ``scored``.

    ``parent`` is the run of its parent.
    """
    meta, name = run.meta, cell.name
    if scored:
        index = Cohort.open(run.config.cohort, workspace).index
        first = index.groupby("patient")["record"].min()
        rows = run.predictions
        rows = rows.assign(patient=rows["patient"].map(first))
        write_atomic(folder / f"{name}.parquet", _compact(rows, meta["classes"]))
    content = {
        "cell": name,
        "parent": None if parent is None else _told_of(parent) | {"role": cell.role},
        "config": asdict(cell.recipe),
        **{name: meta[name] for name in ("parameters", "classes", "target_mode")},
        **{name: meta[name] for name in ("input", "cohort", "labels", "split", "versions")},
        "best_epoch": run.status["best_epoch"],
        "device": run.status["device"],
        "precision": run.status["precision"],
        "temperature": run.calibration["temperature"] if scored else None,
        "thresholds": run.calibration["thresholds"] if scored else {},
        "history": run.history.to_dict("records"),
    }
    write_json(folder / f"{name}.json", content)


def _told_of(parent: Run) -> dict[str, Any]:
    """Return what a cell tells of its parent's run."""
    return _of_parent(parent.config) | {"records": parent.meta["split"]["records"]["train"]}


def _of_parent(recipe: ResolvedConfig) -> dict[str, Any]:
    return {key: getattr(recipe, name) for key, name in OF_PARENT.items()}


def _compact(predictions: pd.DataFrame, classes: Sequence[str]) -> Any:
    """Return a writer of the table without probabilities, which the logits give again."""
    labels = predictions[[f"y_{c}" for c in classes]].fillna(UNKNOWN).astype(np.int8)
    logits = predictions[[f"z_{c}" for c in classes]].astype(np.float16)
    told = [c for c in ("record", "patient", "part", *TRAITS) if c in predictions]
    table = pd.concat([predictions[told], labels, logits], axis=1)
    return lambda path: table.to_parquet(path, index=False, compression="zstd")
