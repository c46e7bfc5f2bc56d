"""Trackers: TensorBoard and MLflow are told how a training goes, where they are there.

TensorBoard, where its package is installed: event files in the run's folder ``tensorboard``.
MLflow, where MLFLOW_TRACKING_URI is set: a run in an experiment of the cohort's name. Both hear
what was asked, each epoch's row of history.jsonl and the scores at the end; no record, no path.
Each is told in a thread of its own: whatever it does or fails to do, the training goes on.
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
from ecgcore.training.tensorboard_tracker import TensorBoard

WAIT_S = 3.0
"""What a training waits for a tracker, once at its beginning and once at its end, at most."""
URI = "MLFLOW_TRACKING_URI"


class Tracker(Protocol):
    """What is told of one training. Any method may fail with any error."""

    name: str

    def begin(self, asked: dict[str, Any]) -> None:
        """Tell what was asked; once more after every failure."""

    def tell(self, rows: list[dict[str, float]]) -> None:
        """Tell what is new in the rows of all epochs so far."""

    def end(self, ending: str, scores: dict[str, float], epoch: int) -> None:
        """Tell how it ended: FINISHED, KILLED or FAILED, and the scores of that epoch."""


class Listener:
    """One tracker in its thread. What it could not be told is told when it answers again."""

    def __init__(self, tracker: Tracker, run: Run) -> None:
        self.tracker, self.run = tracker, run
        self.listens = self.complained = False
        self.thread = ThreadPoolExecutor(1)
        self.under_way = self.thread.submit(self._begin)
        self._heard(self.under_way)

    def epoch(self) -> None:
        """Tell of the epochs so far, unless it still hears of those before."""
        if self.under_way.done():
            self._heard(self.under_way)
            self.under_way = self.thread.submit(self._tell)

    def end(self, ending: str) -> None:
        """Tell how the training ended."""
        if not self._heard(self.thread.submit(self._end, ending)):
            self._complain(f"no answer within {WAIT_S:.0f} s")
        self.thread.shutdown(wait=False)

    def _begin(self) -> None:
        if not self.listens:
            self.tracker.begin(settings(self.run))
        self.listens = True

    def _tell(self) -> None:
        self._begin()
        self.listens = False  # until all of it went well
        self.tracker.tell(epoch_rows(self.run))
        self.listens = True

    def _end(self, ending: str) -> None:
        self._tell()
        self.tracker.end(ending, *final_scores(self.run))

    def _heard(self, call: Future) -> bool:
        """Wait a little for what is under way, notice if it failed, and say whether it is done."""
        wait_for([call], WAIT_S)
        if call.done() and (error := call.exception()):
            self._complain(str(error) or type(error).__name__)
        return call.done()

    def _complain(self, why: str) -> None:
        if not self.complained:
            reason = shorten(re.sub("//[^/@ ]+@", "//", why), 400)  # URIs may hold a password
            say(
                self.run,
                f"{self.tracker.name} was not told of this training ({reason}). The training goes "
                "on; history.jsonl has every epoch.",
            )
        self.complained = True


@contextmanager
def track(run: Run) -> Iterator["Trackers"]:
    """Tell the trackers that are there how a training begins, goes and ends."""
    trackers, ending = Trackers(run), "FAILED"
    try:
        yield trackers
        ending = "FINISHED"
    except (Cancelled, KeyboardInterrupt):
        ending = "KILLED"
        raise
    finally:
        for listener in trackers.listeners:
            listener.end(ending)


class Trackers:
    """All trackers that are there, told of one training."""

    def __init__(self, run: Run) -> None:
        self.listeners = [Listener(tracker(run), run) for tracker in enabled_trackers(run)]

    def beside(self, on_progress: Progress | None) -> Progress:
        """Return what tells the trackers of each epoch, and ``on_progress`` of everything."""

        def progress(run: Run, now: dict) -> None:
            if now["row"]:
                for listener in self.listeners:
                    listener.epoch()
            if on_progress:
                on_progress(run, now)

        return progress


def enabled_trackers(run: Run) -> list[type[TensorBoard] | type[MLflow]]:
    """Return the trackers that are installed and asked for; say if one is only asked for."""
    here: list[type[TensorBoard] | type[MLflow]] = []
    if find_spec("tensorboard"):
        here.append(TensorBoard)
    if os.environ.get(URI):
        if find_spec("mlflow"):
            here.append(MLflow)
        else:
            say(run, f"{URI} is set, but MLflow is not installed: pip install mlflow-skinny.")
    return here


def say(run: Run, line: str) -> None:
    """Write a line into the run's log, and to whoever looks on at a terminal."""
    with suppress(OSError), (run.folder / "log.txt").open("a", encoding="utf-8") as log:
        log.write(line + "\n")
    if sys.stderr.isatty():
        print(line, file=sys.stderr)


def settings(run: Run) -> dict[str, Any]:
    """Return what was asked, and of what: earlier runs by id, since they may be named by a path."""
    meta = run.meta
    asked = meta["config"] | {
        "pretrained": meta["init"]["run"] if "init" in meta else None,
        "teacher": meta["teacher"]["run"] if "teacher" in meta else None,
        "parameters": meta["parameters"],
        "cohort_hash": meta["cohort"]["hash"],
        "labels_hash": meta["labels"]["hash"],
        "split_hash": meta["split"]["hash"],
    }
    return {name: value for name, value in asked.items() if value is not None}


def epoch_rows(run: Run) -> list[dict[str, float]]:
    """Return the numbers of each epoch so far, with the learning rate of its last step."""
    config, steps = run.config, run.status.get("steps", 0)
    rows = []
    for row in run.history.drop(columns="best", errors="ignore").to_dict("records"):
        last = round(steps * row["epoch"] / config.epochs) - 1
        share = lr_factor(last, steps, config.schedule, config.warmup_fraction)
        rows.append(_numbers(row | {"learning_rate": config.learning_rate * share}))
    return rows


def final_scores(run: Run) -> tuple[dict[str, float], int]:
    """Return the scores of the test records, none before they are there, and the best epoch."""
    found, history = run.evaluation or {}, run.history
    best = int(history.loc[history["best"], "epoch"].iloc[-1]) if len(history) else 0
    scores = {name: found.get(name) for name in ("accuracy", "macro_f1")}
    scores["macro_auc"] = (found.get("macro_auc") or {}).get("value")
    return {f"test_{name}": value for name, value in _numbers(scores).items()}, best


def _numbers(row: dict[str, Any]) -> dict[str, float]:
    return {k: v for k, v in row.items() if v is not None and isfinite(v)}
