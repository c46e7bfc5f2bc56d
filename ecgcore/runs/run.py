"""A run: one training's folder, and what can be read from it while it works and afterwards.

run.json            written once, at the start: what was asked, on what, with what
status.json         where it stands now
history.jsonl       one row an epoch
weights.safetensors the best epoch's weights
calibration.json    temperature, thresholds, refer band, and the part they come from
predictions.parquet validation, test and untouched records: targets, logits, probabilities
evaluation.json     the scores of its test part
learnt.parquet      names and hashes of its training and validation records (learnt.py)
log.txt             what its process printed
resume.safetensors  while it is not done: all that is needed to go on (going_on.py)
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore import resources
from ecgcore.atomic import read_json
from ecgcore.background import interrupted_status, is_alive, read_status, update_status
from ecgcore.errors import DamagedFile, NotFound, RequestError
from ecgcore.runs.config import ResolvedConfig
from ecgcore.workspace import Workspace

SHIPPED = resources.CHECKPOINTS
ALIVE = ("queued", "running")
CRASHED = "Its process ended without a word; `ecgcore runs resume {id}` goes on where it was."
CANCELLED = "Cancelled; the best epoch is kept. `ecgcore runs resume {id}` goes on."


class Cancelled(Exception):
    """Somebody asked the run to stop."""


@dataclass(frozen=True)
class Run:
    """One run folder. Everything is read from disk when asked for: another process may write it."""

    folder: Path

    @property
    def id(self) -> str:
        """The run's id, which is its folder's name."""
        return self.folder.name

    @property
    def weights(self) -> Path:
        """The file of the best epoch's weights."""
        return self.folder / "weights.safetensors"

    def require_weights(self) -> None:
        """Refuse a run that has no weights yet."""
        if not self.weights.exists():
            raise RequestError(
                f"Run {self.id} has no weights yet: it is {self.status['state']}. Wait for its "
                "first epoch, or choose another run."
            )

    @property
    def meta(self) -> dict[str, Any]:
        """What was fixed at the start (run.json)."""
        return read_json(self.folder / "run.json")

    @property
    def config(self) -> ResolvedConfig:
        """The training as it was asked for, defaults made explicit."""
        return ResolvedConfig.from_json(self.meta["config"])

    @property
    def status(self) -> dict[str, Any]:
        """Where the run stands: ``state`` (queued, running, done, cancelled, failed or crashed),
        ``epoch``, ``epochs``, ``eta_s``, ``message``.

        What a killed process left behind is put right: it crashed, or was to be cancelled anyway.
        """
        status = read_status(self.folder)
        heartbeat_at = (self.folder / "status.json").stat().st_mtime
        if status["state"] in ALIVE and not is_alive(status, heartbeat_at):
            messages = (text.format(id=self.id) for text in (CRASHED, CANCELLED))
            return interrupted_status(status, self.cancel_requested, *messages)
        return status

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch: losses, validation scores, seconds. Empty before the first ends."""
        file = self.folder / "history.jsonl"
        text = file.read_text("utf-8") if file.exists() else ""
        lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return pd.DataFrame([json.loads(line) for line in lines])

    @property
    def predictions(self) -> pd.DataFrame:
        """Targets ``y_``, logits ``z_`` and probabilities ``p_`` by class, a row a record."""
        file = self.folder / "predictions.parquet"
        if not file.exists():
            raise NotFound(
                f"Run {self.id} has no predictions yet: it is {self.status['state']}. "
                "They come when it is done."
            )
        return pd.read_parquet(file)

    @property
    def calibration(self) -> dict[str, Any]:
        """Temperature, per-class thresholds and refer band, and the part they come from."""
        return read_json(self.folder / "calibration.json")

    @property
    def evaluation(self) -> dict[str, Any] | None:
        """The scores of the test part, None before the run is done."""
        file = self.folder / "evaluation.json"
        return read_json(file) if file.exists() else None

    @property
    def log(self) -> str:
        """What the run's process printed."""
        file = self.folder / "log.txt"
        return file.read_text("utf-8", errors="replace") if file.exists() else ""

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody asked the run to stop."""
        return (self.folder / "cancel").exists()

    def cancel(self) -> None:
        """Ask the run to stop. It ends within a batch and keeps the best epoch so far."""
        state = self.status["state"]
        if state not in ALIVE:
            raise NotFound(f"Run {self.id} cannot be cancelled: it is {state}.")
        (self.folder / "cancel").touch()

    def clear_cancel(self) -> None:
        """Take back what ``cancel`` asked for."""
        (self.folder / "cancel").unlink(missing_ok=True)

    def require_idle(self, pid: int | None = None) -> None:
        """Refuse a run that is done, or that another process waits or works for.

        ``pid`` is the process that may work on it already, by default this one.
        """
        status = self.status
        if status["state"] == "done":
            raise RequestError(f"Run {self.id} is done; there is nothing to resume.")
        at_work = status["state"] in ALIVE and status.get("queued_at")
        if at_work and status["pid"] != (pid or os.getpid()):
            raise RequestError(
                f"Run {self.id} is {status['state']} already, in process {status['pid']}; there is "
                "nothing to resume."
            )

    def report(self, **changes: Any) -> None:
        """Change some entries of the run's status."""
        update_status(self.folder, **changes)


def list_runs(workspace: Workspace) -> list[Run]:
    """Return all runs of a home, the newest first."""
    return [
        Run(file.parent) for file in sorted(workspace.runs.glob("[!.]*/run.json"), reverse=True)
    ]


def shipped_models() -> list[Run]:
    """Return the models that come with the product."""
    return [Run(file.parent) for file in sorted(SHIPPED.glob("*/run.json"))]


def find_run(reference: str, workspace: Workspace) -> Run:
    """Return the run of that id, else of that folder, else the shipped model of that name."""
    places = (workspace.runs / reference, Path(reference), SHIPPED / reference)
    for place in places:
        if (place / "run.json").is_file():
            return Run(place.resolve())
    if Path(reference).is_dir():
        raise DamagedFile(f"The folder {Path(reference).name} is no run: it has no run.json.")
    known = [run.id for run in (*shipped_models(), *list_runs(workspace))]
    raise NotFound.among("run", reference, known, "`ecgcore runs list` shows all.")
