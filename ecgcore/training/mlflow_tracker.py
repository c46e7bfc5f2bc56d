"""A run as MLflow keeps it: parameters, numbers by epoch, and how it ended."""

import os
import time
from typing import Any

from ecgcore import RESEARCH_USE_ONLY, __version__
from ecgcore.runs.run import Run

AT_ONCE = 100  # rows in one request: MLflow takes 1,000 numbers
# A dead server is given up soon, nothing is sent to MLflow's makers, nothing printed between our
# lines, and a folder is taken where one is named. Whoever sets these otherwise is heeded.
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
}


class MLflow:
    """A run of MLflow, found again by the tag ``ecgcore.run`` when the training goes on."""

    name = "MLflow"

    def __init__(self, run: Run) -> None:
        self.run = run

    def begin(self, asked: dict[str, Any]) -> None:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        self.client = MlflowClient()
        self.id = self._found()
        params = [Param(name, str(value)) for name, value in asked.items()]
        self.client.log_batch(self.id, params=params)
        self.client.update_run(self.id, status="RUNNING")
        self.known = {one.step for one in self.client.get_metric_history(self.id, "train_loss")}

    def _found(self) -> str:
        """Return the id of the run that is already there, else of a new one."""
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or self.run.meta["cohort"]["name"]
        experiment = self.client.get_experiment_by_name(name)
        number = experiment.experiment_id if experiment else self.client.create_experiment(name)
        own = f"tags.`ecgcore.run` = '{self.run.id}'"
        for found in self.client.search_runs([number], own, max_results=1):
            return found.info.run_id
        tags = {"run": self.run.id, "version": __version__, "note": RESEARCH_USE_ONLY}
        made = self.client.create_run(
            number,
            run_name=self.run.id,
            tags={f"ecgcore.{key}": value for key, value in tags.items()}
            | {"mlflow.note.content": RESEARCH_USE_ONLY},
        )
        return made.info.run_id

    def tell(self, rows: list[dict[str, float]]) -> None:
        new = [row for row in rows if row["epoch"] not in self.known]
        for start in range(0, len(new), AT_ONCE):
            part = new[start : start + AT_ONCE]
            self._numbers([(row, int(row["epoch"])) for row in part])
            self.known |= {int(row["epoch"]) for row in part}

    def end(self, ending: str, scores: dict[str, float], epoch: int) -> None:
        self._numbers([(scores, epoch)])
        self.client.set_terminated(self.id, ending)

    def _numbers(self, rows: list[tuple[dict[str, float], int]]) -> None:
        from mlflow.entities import Metric

        now_ms = round(1000 * time.time())
        metrics = [
            Metric(name, value, now_ms, epoch)
            for row, epoch in rows
            for name, value in row.items()
            if name != "epoch"
        ]
        self.client.log_batch(self.id, metrics=metrics)
