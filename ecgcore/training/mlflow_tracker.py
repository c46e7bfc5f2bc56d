"""The MLflow tracker: parameters, metrics by epoch, and the outcome of a run."""

import os
import time
from typing import Any

from ecgcore.runs.run import Run
from ecgcore.version import RESEARCH_USE_ONLY, __version__

ROWS_PER_REQUEST = 100
"""MLflow accepts 1,000 numbers in a request."""
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
}
"""Defaults of MLflow's variables: give up a dead server soon, send no telemetry, print no lines of
its own, and accept a folder as a store. Values that are already set take precedence."""


class MLflow:
    """A run of MLflow, found again by the tag ``ecgcore.run`` when the training is resumed."""

    name = "MLflow"

    def __init__(self, run: Run) -> None:
        self.run = run

    def begin(self, settings: dict[str, Any]) -> None:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        self.client = MlflowClient()
        self.id = self._find_or_create()
        params = [Param(name, str(value)) for name, value in settings.items()]
        self.client.log_batch(self.id, params=params)
        self.client.update_run(self.id, status="RUNNING")
        logged = self.client.get_metric_history(self.id, "train_loss")
        self.logged_epochs = {metric.step for metric in logged}

    def _find_or_create(self) -> str:
        """Return the id of the existing MLflow run, else of a new one."""
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or self.run.meta["cohort"]["name"]
        experiment = self.client.get_experiment_by_name(name)
        number = experiment.experiment_id if experiment else self.client.create_experiment(name)
        own_tag = f"tags.`ecgcore.run` = '{self.run.id}'"
        for existing in self.client.search_runs([number], own_tag, max_results=1):
            return existing.info.run_id
        tags = {"run": self.run.id, "version": __version__, "note": RESEARCH_USE_ONLY}
        created = self.client.create_run(
            number,
            run_name=self.run.id,
            tags={f"ecgcore.{key}": value for key, value in tags.items()}
            | {"mlflow.note.content": RESEARCH_USE_ONLY},
        )
        return created.info.run_id

    def log_epochs(self, rows: list[dict[str, float]]) -> None:
        new = [row for row in rows if row["epoch"] not in self.logged_epochs]
        for start in range(0, len(new), ROWS_PER_REQUEST):
            part = new[start : start + ROWS_PER_REQUEST]
            self._log_metrics([(row, int(row["epoch"])) for row in part])
            self.logged_epochs |= {int(row["epoch"]) for row in part}

    def finish(self, outcome: str, scores: dict[str, float], epoch: int) -> None:
        self._log_metrics([(scores, epoch)])
        self.client.set_terminated(self.id, outcome)

    def _log_metrics(self, rows: list[tuple[dict[str, float], int]]) -> None:
        from mlflow.entities import Metric

        now_ms = round(1000 * time.time())
        metrics = [
            Metric(name, value, now_ms, epoch)
            for row, epoch in rows
            for name, value in row.items()
            if name != "epoch"
        ]
        self.client.log_batch(self.id, metrics=metrics)
