"""Experiment tracking: TensorBoard and MLflow follow a training, where they are installed.

TensorBoard, where its package is installed: event files in the run's folder ``tensorboard``.
MLflow, where MLFLOW_TRACKING_URI is set: a run in an experiment of the cohort's name. Both receive
the settings, each epoch's row of history.jsonl and the scores at the end, but no record or path.
Each tracker has a thread of its own: its failures and delays never affect the training.
"""

import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from math import isfinite
from textwrap import shorten
from typing import Any, Protocol

from ecgcore.runs.run import Cancelled, Run
from ecgcore.training.loop import Progress
from ecgcore.training.mlflow_tracker import MLflow
from ecgcore.training.optim import lr_factor
from ecgcore.training.pretrained import Parent
from ecgcore.training.tensorboard_tracker import TensorBoard

WAIT_S = 3.0
"""Longest time that a training waits for a tracker, once at its beginning and once at its end."""
URI = "MLFLOW_TRACKING_URI"


class Tracker(Protocol):
    """Receiver of one training's settings and numbers. Any method may raise any error."""

    name: str

    def begin(self, settings: dict[str, Any]) -> None:
        """Receive the settings; called again after every failure."""

    def log_epochs(self, rows: list[dict[str, float]]) -> None:
        """Receive the rows of all epochs so far, and log the new ones."""

    def finish(self, outcome: str, scores: dict[str, float], epoch: int) -> None:
        """Receive the outcome (FINISHED, KILLED or FAILED) and the scores of that epoch."""


class TrackerThread:
    """One tracker in its thread; rows that it missed are sent again with the next ones."""

    def __init__(self, tracker: Tracker, run: Run) -> None:
        self.tracker, self.run = tracker, run
        self.has_begun = self.has_complained = False
        self.thread = ThreadPoolExecutor(1)
        self.pending = self.thread.submit(self._begin)
        self._is_done(self.pending)

    def log_epochs(self) -> None:
        """Send the epochs so far, unless the tracker is still busy with earlier ones."""
        if self.pending.done():
            self._is_done(self.pending)
            self.pending = self.thread.submit(self._log_epochs)

    def finish(self, outcome: str) -> None:
        """Send the outcome of the training."""
        if not self._is_done(self.thread.submit(self._finish, outcome)):
            self._complain(f"no answer within {WAIT_S:.0f} s")
        self.thread.shutdown(wait=False)

    def _begin(self) -> None:
        if not self.has_begun:
            self.tracker.begin(tracked_settings(self.run))
        self.has_begun = True

    def _log_epochs(self) -> None:
        self._begin()
        self.has_begun = False  # until all rows are logged
        self.tracker.log_epochs(epoch_rows(self.run))
        self.has_begun = True

    def _finish(self, outcome: str) -> None:
        self._log_epochs()
        self.tracker.finish(outcome, *final_scores(self.run))

    def _is_done(self, call: Future) -> bool:
        """Wait briefly for a call, report its failure, and tell whether it is done."""
        wait_for([call], WAIT_S)
        if call.done() and (error := call.exception()):
            self._complain(str(error) or type(error).__name__)
        return call.done()

    def _complain(self, reason: str) -> None:
        if not self.has_complained:
            reason = shorten(re.sub("//[^/@ ]+@", "//", reason), 400)  # URIs may hold a password
            log_line(
                self.run,
                f"{self.tracker.name} could not follow this training ({reason}). The training "
                "continues; history.jsonl has every epoch.",
            )
        self.has_complained = True


@contextmanager
def track(run: Run) -> Iterator["Trackers"]:
    """Make all enabled trackers follow a training from its beginning to its end."""
    trackers, outcome = Trackers(run), "FAILED"
    try:
        yield trackers
        outcome = "FINISHED"
    except (Cancelled, KeyboardInterrupt):
        outcome = "KILLED"
        raise
    finally:
        for thread in trackers.threads:
            thread.finish(outcome)


class Trackers:
    """All enabled trackers of one training."""

    def __init__(self, run: Run) -> None:
        self.threads = [TrackerThread(tracker(run), run) for tracker in enabled_trackers(run)]

    def with_callback(self, on_progress: Progress | None) -> Progress:
        """Return a callback that informs the trackers of each epoch, then calls ``on_progress``."""

        def callback(run: Run, progress: dict) -> None:
            if progress["row"]:
                for thread in self.threads:
                    thread.log_epochs()
            if on_progress:
                on_progress(run, progress)

        return callback


def enabled_trackers(run: Run) -> list[type[TensorBoard] | type[MLflow]]:
    """Return the trackers that are installed and configured; warn of one that is not installed."""
    trackers: list[type[TensorBoard] | type[MLflow]] = []
    if find_spec("tensorboard"):
        trackers.append(TensorBoard)
    if os.environ.get(URI):
        if find_spec("mlflow"):
            trackers.append(MLflow)
        else:
            log_line(run, f"{URI} is set, but MLflow is not installed: pip install mlflow-skinny.")
    return trackers


def log_line(run: Run, line: str) -> None:
    """Write a line into the run's log and, if it is watched at a terminal, to standard error."""
    with suppress(OSError), (run.folder / "log.txt").open("a", encoding="utf-8") as log:
        log.write(line + "\n")
    if sys.stderr.isatty():
        print(line, file=sys.stderr)


def tracked_settings(run: Run) -> dict[str, Any]:
    """Return settings and data of a run; earlier runs by id, since a reference may be a path."""
    meta = run.meta
    source_runs = {"pretrained": meta.get(Parent.role), "teacher": meta.get("teacher")}
    settings = meta["config"] | {
        **{name: source and source["run"] for name, source in source_runs.items()},
        "parameters": meta["parameters"],
        "cohort_hash": meta["cohort"]["hash"],
        "labels_hash": meta["labels"]["hash"],
        "split_hash": meta["split"]["hash"],
    }
    return {name: value for name, value in settings.items() if value is not None}


def epoch_rows(run: Run) -> list[dict[str, float]]:
    """Return the numbers of each epoch so far, with the learning rate of its last step."""
    config, steps = run.config, run.status.get("steps", 0)
    rows = []
    for row in run.history.drop(columns="best", errors="ignore").to_dict("records"):
        last_step = round(steps * row["epoch"] / config.epochs) - 1
        factor = lr_factor(last_step, steps, config.schedule, config.warmup_fraction)
        rows.append(_finite(row | {"learning_rate": config.learning_rate * factor}))
    return rows


def final_scores(run: Run) -> tuple[dict[str, float], int]:
    """Return the scores of the test records, none before they exist, and the best epoch."""
    evaluation, history = run.evaluation or {}, run.history
    best = int(history.loc[history["best"], "epoch"].iloc[-1]) if len(history) else 0
    scores = {name: evaluation.get(name) for name in ("accuracy", "macro_f1")}
    scores["macro_auc"] = (evaluation.get("macro_auc") or {}).get("value")
    return {f"test_{name}": value for name, value in _finite(scores).items()}, best


def _finite(row: dict[str, Any]) -> dict[str, float]:
    return {k: v for k, v in row.items() if v is not None and isfinite(v)}
