"""A trial: one training of a study, and the small file that stores its result.

``NAME.json`` holds configuration, split, history and versions; ``NAME.parquet``, where the study
scores test records, holds labels (int8) and logits (float16: 0.1 % of a logit) of every scored
part, and the traits that subgroups need. No weights are stored. A patient is named by their first
record in the cohort, so that trials which were trained in different workspaces are comparable.

The stored files call a trial ``cell`` and stand in a folder ``cells``.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.atomic import read_json, sha256_file, write_atomic, write_json
from ecgcore.calibration.calibration import with_probabilities
from ecgcore.calibration.scores import Scores
from ecgcore.cohort.store import Cohort
from ecgcore.evaluation.subgroups import TRAITS
from ecgcore.runs.config import ResolvedConfig, TrainConfig
from ecgcore.runs.run import Run, with_current_names, with_current_parts
from ecgcore.workspace import Workspace

UNKNOWN = -1
PARENT_SETTINGS = {"only": "where", "epochs": "epochs"}
"""Keys stored of a parent's configuration, and the settings that they hold."""


@dataclass(frozen=True)
class TrialConfig:
    """One training that a study requests.

    Attributes
    ----------
    parent
        A trial that is trained before it.
    role
        Use of the parent: ``init`` (its weights initialise this one) or ``teacher``.
    """

    name: str
    config: TrainConfig
    parent: "TrialConfig | None" = None
    role: str = "init"

    def with_parent_run(self, run_id: str) -> "TrialConfig":
        """Return the trial with the run of its parent in its configuration."""
        if self.role == "teacher":
            return replace(self, config=replace(self.config, teacher=run_id))
        return replace(self, config=replace(self.config, pretrained=run_id))

    @property
    def resolved(self) -> ResolvedConfig:
        """The configuration with every default made explicit."""
        return self.config.resolve()


@dataclass(frozen=True)
class TrialResult:
    """Stored result of a finished trial."""

    file: Path
    content: dict[str, Any]

    @classmethod
    def read(cls, file: Path) -> "TrialResult":
        """Read a trial's ``NAME.json``."""
        return cls(file, with_current_names(read_json(file)))

    @property
    def name(self) -> str:
        """Name of the trial."""
        return self.content["cell"]

    @property
    def config(self) -> ResolvedConfig:
        """Configuration of its training."""
        return ResolvedConfig.from_json(self.content["config"])

    @property
    def state(self) -> tuple[str, str]:
        """Hashes of its cohort and of the label tables."""
        return self.content["cohort"]["hash"], self.content["labels"]["hash"]

    def matches(self, trial: TrialConfig) -> bool:
        """Return whether it was trained as ``trial`` requests, and its parent, too."""
        parent = self.content.get("parent") or {}
        stored = {key: parent[key] for key in PARENT_SETTINGS if key in parent}
        requested = {} if trial.parent is None else _parent_settings(trial.parent.resolved)
        return self.config == trial.resolved and stored == requested

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch, as in a run."""
        return pd.DataFrame(self.content["history"])

    @property
    def predictions(self) -> pd.DataFrame:
        """The table of ``predictions.parquet`` without probabilities: labels float, NaN unknown."""
        table = with_current_parts(pd.read_parquet(self.file.with_suffix(".parquet")))
        columns = [f"y_{c}" for c in self.content["classes"]]
        labels = table[columns].astype(np.float32)
        return table.assign(**labels.where(labels != UNKNOWN))

    def scores(self, part: str) -> Scores:
        """Return labels and probabilities of a part, at the trial's own thresholds."""
        classes, mode = self.content["classes"], self.content["target_mode"]
        temperature, thresholds = self.content.get("temperature"), self.content["thresholds"]
        table = with_probabilities(self.predictions, classes, mode, temperature)
        return Scores.from_predictions(table, classes, mode, thresholds, self.name, part)


def store_trial(
    trial: TrialConfig,
    run: Run,
    folder: Path,
    workspace: Workspace,
    scored: bool,
    parent: Run | None = None,
) -> None:
    """Write the result of a trial's finished run, with its predictions if it is ``scored``.

    ``parent`` is the run of its parent.
    """
    meta, name = run.meta, trial.name
    if scored:
        index = Cohort.open(run.config.cohort, workspace).index
        first_record = index.groupby("patient")["record"].min()
        rows = run.predictions
        rows = rows.assign(patient=rows["patient"].map(first_record))
        write_atomic(folder / f"{name}.parquet", _compact_writer(rows, meta["classes"]))
    content = {
        "cell": name,
        "parent": None if parent is None else _parent_content(parent) | {"role": trial.role},
        "config": asdict(trial.resolved),
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


def _parent_content(parent: Run) -> dict[str, Any]:
    """Return what is stored of a parent's run.

    ``weights``: SHA-256 of the weights that the trial used; ``split``: hash of the split that they
    were trained on. Both prove that a teacher, or a start, saw no record that the trial scores;
    trials of earlier versions have neither.
    """
    return _parent_settings(parent.config) | {
        "run": parent.id,
        "records": parent.meta["split"]["records"]["train"],
        "split": parent.meta["split"]["hash"],
        "weights": sha256_file(parent.weights),
    }


def _parent_settings(config: ResolvedConfig) -> dict[str, Any]:
    return {key: getattr(config, name) for key, name in PARENT_SETTINGS.items()}


def _compact_writer(predictions: pd.DataFrame, classes: Sequence[str]) -> Any:
    """Return a writer of the table without probabilities, which follow from the logits."""
    labels = predictions[[f"y_{c}" for c in classes]].fillna(UNKNOWN).astype(np.int8)
    logits = predictions[[f"z_{c}" for c in classes]].astype(np.float16)
    columns = [c for c in ("record", "patient", "part", *TRAITS) if c in predictions]
    table = pd.concat([predictions[columns], labels, logits], axis=1)
    return lambda path: table.to_parquet(path, index=False, compression="zstd")
