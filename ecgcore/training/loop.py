"""The one training loop: epochs of batches, the best one kept, progress told as it goes."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecgcore.calibration.scores import Scores
from ecgcore.errors import EcgError
from ecgcore.evaluation import metrics
from ecgcore.evaluation.evaluate import accuracy_of
from ecgcore.runs.run import Cancelled, Run
from ecgcore.runs.weights import write_tensors
from ecgcore.training import checkpoint
from ecgcore.training.context import TrainContext
from ecgcore.training.loss import Loss
from ecgcore.training.optim import freeze, lr_factor
from ecgcore.training.scoring import prediction_table
from ecgcore.training.state import TrainState

Progress = Callable[[Run, dict], None]
SCORES = ("val_loss", "val_macro_auc", "val_macro_f1", "val_accuracy")


def run_epochs(working: TrainContext, on_progress: Progress) -> int:
    """Train the epochs that are left of a run, keep the best one's weights, return its number.

    Of a team all go through it in step; the first alone judges and writes.
    """
    training, team = TrainState.of(working), working.team
    saver = checkpoint.CheckpointSaver(working.run.folder, training)
    checkpoint.restore(training, working)
    working.spread()
    clock = ProgressReporter(working.run, training, on_progress)
    while not training.is_done:
        _train_epoch(training, working, clock, saver)
        row: dict[str, Any] = {"epoch": training.epoch, "train_loss": training.mean_loss}
        started = time.monotonic()
        row |= _validate(working, training)
        row["seconds"] = round(training.seconds + time.monotonic() - started, 2)
        _judge(training, row)
        team.on_rank_zero(partial(_keep, working, training, row))
        training.next_epoch()
        team.on_rank_zero(saver.save if training.is_done else saver.save_in_time)
        team.on_rank_zero(partial(clock.tick, row))
    return training.best_epoch


def _train_epoch(
    training: TrainState,
    working: TrainContext,
    clock: "ProgressReporter",
    saver: checkpoint.CheckpointSaver,
) -> None:
    """Take the steps that are left of the epoch under way."""
    started, before = time.monotonic(), training.seconds
    working.model.train()
    if not working.config.backbone_lr_factor:
        freeze(working.model)
    for inputs, targets in training.batches_left():
        step(training, working, inputs, targets)
        training.seconds = before + time.monotonic() - started
        working.team.on_rank_zero(partial(_note_batch, clock, saver))


def _note_batch(clock: "ProgressReporter", saver: checkpoint.CheckpointSaver) -> None:
    """Tell and save what a finished batch brought, and notice when the training shall stop."""
    try:
        clock.tick()
    except Cancelled:
        saver.save()
        raise
    saver.save_in_time()


def step(training: TrainState, working: TrainContext, inputs: Tensor, targets: Tensor) -> None:
    """Take one step on a batch: the team's inputs are its members' shares of it."""
    config, team = working.config, working.team
    share = lr_factor(training.step, training.all_steps, config.schedule, config.warmup_fraction)
    for group in training.optimizer.param_groups:
        group["lr"] = config.learning_rate * share * group["share"]
    team.seed_dropout(config.seed, training.step, working.device)
    outputs = working.forward(inputs, working.learner)
    loss = training.objective(outputs, targets, team.share(len(targets)))
    training.optimizer.zero_grad(set_to_none=True)
    (loss * team.size if team.size > 1 else loss).backward()  # gradients are averaged, not summed
    if config.grad_clip is not None:
        torch.nn.utils.clip_grad_norm_(working.model.parameters(), config.grad_clip)
    training.optimizer.step()
    training.losses.append(team.sync_buffers(working.model, loss.detach(), len(inputs)))
    if training.average is not None:
        training.average.update_parameters(working.model)
    training.batch += 1


def _validate(working: TrainContext, training: TrainState) -> dict[str, Any]:
    """Return the scores on validation, None each where nothing validates."""
    if not (working.plan.part == "validation").any():
        return dict.fromkeys(SCORES)
    logits, targets = working.predict("validation", training.judged)
    return working.team.on_rank_zero(partial(_scores, working, logits, targets))


def _scores(working: TrainContext, logits: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    if not np.isfinite(logits).all():
        raise EcgError("The network's outputs are no longer numbers: lower --learning-rate.")
    mode = working.config.target_mode
    loss = Loss(mode)(torch.from_numpy(logits), torch.from_numpy(targets))
    table = prediction_table(working, "validation", logits, targets)
    scores = Scores.read(table, working.run.meta["classes"], mode, part="validation")
    classes = {c: metrics.class_metrics(scores, i) for i, c in enumerate(scores.classes)}
    macro = metrics.averages(classes)["macro"]
    return {
        "val_loss": float(loss),
        "val_macro_auc": macro["auc"],
        "val_macro_f1": macro["f1"],
        "val_accuracy": accuracy_of(scores),
    }


def _judge(training: TrainState, row: dict) -> None:
    """Note in the epoch's row whether it is the best by validation macro AUC.

    Where nothing validates, the last epoch is the one to keep.
    """
    auc, loss = row["val_macro_auc"], row["val_loss"]
    score = row["epoch"] if loss is None else -loss if auc is None else auc
    row["best"] = score > training.best
    if row["best"]:
        training.best, training.best_epoch = score, row["epoch"]


def _keep(working: TrainContext, training: TrainState, row: dict) -> None:
    """Append the epoch's row; keep the weights if it is the best."""
    if row["best"]:
        write_tensors(working.run.weights, training.judged.state_dict())
    with (working.run.folder / "history.jsonl").open("a", encoding="utf-8") as history:
        history.write(json.dumps(row) + "\n")


@dataclass
class ProgressReporter:
    """Tells about once a second how far the training is, and notices when it shall stop."""

    run: Run
    training: TrainState
    on_progress: Progress
    started: float = field(default_factory=time.monotonic)
    first_step: int = field(init=False)
    told: float = 0.0

    def __post_init__(self) -> None:
        self.first_step = self.training.step

    def tick(self, row: dict | None = None) -> None:
        """Note a finished batch, or with ``row`` a finished epoch."""
        if self.run.cancel_requested:
            raise Cancelled
        now = time.monotonic()
        if row is None and now - self.told < 1.0:
            return
        self.told = now
        step, steps = self.training.step, self.training.all_steps
        seconds_a_step = (now - self.started) / max(1, step - self.first_step)
        progress = {
            "epoch": self.training.epoch - 1,
            "step": step,
            "steps": steps,
            "eta_s": round(seconds_a_step * (steps - step)),
        }
        self.run.report(**progress)
        self.on_progress(self.run, progress | {"row": row})
