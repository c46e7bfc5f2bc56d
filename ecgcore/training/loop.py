"""The training loop: epochs of batches, validation after each, the best epoch's weights stored."""

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
from ecgcore.runs.run import Cancelled, Run
from ecgcore.runs.weights import write_tensors
from ecgcore.training.checkpoint import CheckpointSaver, restore_checkpoint
from ecgcore.training.loss import Loss
from ecgcore.training.optim import freeze_backbone, lr_factor, set_learning_rate
from ecgcore.training.scoring import prediction_table
from ecgcore.training.state import TrainContext, TrainState

Progress = Callable[[Run, dict], None]
"""Receives the run and ``epoch``, ``step``, ``steps`` and ``row``, the latter once an epoch."""
REPORT_INTERVAL_S = 1.0
VALIDATION_SCORES = ("val_loss", "val_macro_auc", "val_macro_f1", "val_accuracy")


def run_epochs(context: TrainContext, on_progress: Progress) -> int:
    """Train the remaining epochs of a run, store the best one's weights, and return its number.

    All workers run it in step; rank 0 alone selects the best epoch and writes files.
    """
    team, state = context.team, TrainState.initial(context)
    saver = CheckpointSaver(context.run.folder, state)
    restore_checkpoint(state, context)
    context.wrap_ddp()
    reporter = ProgressReporter(context.run, state, on_progress)
    while not state.is_done:
        train_epoch(context, state, reporter, saver)
        row: dict[str, Any] = {"epoch": state.epoch, "train_loss": state.mean_loss}
        started = time.monotonic()
        row |= validate(context, state)
        row["seconds"] = round(state.seconds + time.monotonic() - started, 2)
        select_best(state, row)
        team.on_rank_zero(partial(_write_epoch, context, state, row))
        state.next_epoch()
        team.on_rank_zero(saver.save if state.is_done else saver.save_if_due)
        team.on_rank_zero(partial(reporter.tick, row))
    return state.best_epoch


def train_epoch(
    context: TrainContext, state: TrainState, reporter: "ProgressReporter", saver: CheckpointSaver
) -> None:
    """Train on the remaining batches of the current epoch."""
    started, seconds_before = time.monotonic(), state.seconds
    context.model.train()
    if not context.config.backbone_lr_factor:
        freeze_backbone(context.model)
    for inputs, targets in state.remaining_batches():
        train_step(context, state, inputs, targets)
        state.seconds = seconds_before + time.monotonic() - started
        context.team.on_rank_zero(partial(_after_batch, reporter, saver))


def train_step(context: TrainContext, state: TrainState, inputs: Tensor, targets: Tensor) -> None:
    """Take one optimiser step on a batch: this worker's inputs, all targets."""
    config, team = context.config, context.team
    factor = lr_factor(state.step, state.total_steps, config.schedule, config.warmup_fraction)
    set_learning_rate(state.optimizer, config.learning_rate * factor)
    team.seed_dropout(config.seed, state.step, context.device)

    logits = context.forward(inputs, context.ddp_model)  # (B, classes)
    loss = state.loss(logits, targets, team.slice_of(len(targets)))
    state.optimizer.zero_grad(set_to_none=True)
    (loss * team.size if team.size > 1 else loss).backward()  # gradients are averaged, not summed
    if config.grad_clip is not None:
        torch.nn.utils.clip_grad_norm_(context.model.parameters(), config.grad_clip)
    state.optimizer.step()

    state.losses.append(team.sync_buffers(context.model, loss.detach(), len(inputs)))
    if state.ema is not None:
        state.ema.update_parameters(context.model)
    state.batch += 1


def _after_batch(reporter: "ProgressReporter", saver: CheckpointSaver) -> None:
    """Report and save the progress; before a cancelled training stops, save it in any case."""
    try:
        reporter.tick()
    except Cancelled:
        saver.save()
        raise
    saver.save_if_due()


def validate(context: TrainContext, state: TrainState) -> dict[str, Any]:
    """Return the validation scores, None each where the split has no validation records."""
    if not (context.split.part == "validation").any():
        return dict.fromkeys(VALIDATION_SCORES)
    logits, targets = context.predict("validation", state.validated_model)
    return context.team.on_rank_zero(partial(_validation_scores, context, logits, targets))


def _validation_scores(
    context: TrainContext, logits: np.ndarray, targets: np.ndarray
) -> dict[str, Any]:
    if not np.isfinite(logits).all():
        raise EcgError("The network's outputs are no longer numbers: lower --learning-rate.")
    mode = context.config.target_mode
    loss = Loss(mode)(torch.from_numpy(logits), torch.from_numpy(targets))
    table = prediction_table(context, "validation", logits, targets)
    scores = Scores.from_predictions(table, context.run.meta["classes"], mode, part="validation")
    classes = metrics.per_class_metrics(scores)
    macro = metrics.averages(classes)["macro"]
    return {
        "val_loss": float(loss),
        "val_macro_auc": macro["auc"],
        "val_macro_f1": macro["f1"],
        "val_accuracy": metrics.accuracy_of(scores),
    }


def select_best(state: TrainState, row: dict) -> None:
    """Note in the epoch's row whether it is the best so far by validation macro AUC.

    Without validation the last epoch counts as the best.
    """
    auc, loss = row["val_macro_auc"], row["val_loss"]
    score = row["epoch"] if loss is None else -loss if auc is None else auc
    row["best"] = score > state.best
    if row["best"]:
        state.best, state.best_epoch = score, row["epoch"]


def _write_epoch(context: TrainContext, state: TrainState, row: dict) -> None:
    """Append the epoch's row to the history, and write the weights of the best epoch."""
    if row["best"]:
        write_tensors(context.run.weights, state.validated_model.state_dict())
    with (context.run.folder / "history.jsonl").open("a", encoding="utf-8") as history:
        history.write(json.dumps(row) + "\n")


@dataclass
class ProgressReporter:
    """Reports progress about once a second, and raises ``Cancelled`` on a request to stop."""

    run: Run
    state: TrainState
    on_progress: Progress
    started: float = field(default_factory=time.monotonic)
    first_step: int = field(init=False)
    reported_at: float = 0.0

    def __post_init__(self) -> None:
        self.first_step = self.state.step

    def tick(self, row: dict | None = None) -> None:
        """Note a finished batch or, with its ``row`` of the history, a finished epoch."""
        if self.run.cancel_requested:
            raise Cancelled
        now = time.monotonic()
        if row is None and now - self.reported_at < REPORT_INTERVAL_S:
            return
        self.reported_at = now
        step, steps = self.state.step, self.state.total_steps
        seconds_per_step = (now - self.started) / max(1, step - self.first_step)
        progress = {
            "epoch": self.state.epoch - 1,
            "step": step,
            "steps": steps,
            "eta_s": round(seconds_per_step * (steps - step)),
        }
        self.run.update_status(**progress)
        self.on_progress(self.run, progress | {"row": row})
