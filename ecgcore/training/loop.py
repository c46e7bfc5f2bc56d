"""The one training loop: epochs of batches, the best one kept, progress told as it goes."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import cos, pi
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from ecgcore.errors import EcgError
from ecgcore.evaluation import metrics
from ecgcore.evaluation.evaluate import accuracy_of
from ecgcore.evaluation.scores import Scores
from ecgcore.home import write_whole
from ecgcore.training.augmenting import Augmenter
from ecgcore.training.config import Recipe
from ecgcore.training.device import Cancelled
from ecgcore.training.run import Run
from ecgcore.training.scoring import prediction_table
from ecgcore.training.working import Working

Progress = Callable[[Run, dict], None]
WARM_UP_SHARE = 0.05
LAST_RATE_SHARE = 0.01


def loss_of(logits: Tensor, targets: Tensor, target_mode: str) -> Tensor:
    """Return the mean loss; unknown targets (NaN) have no part in it.

    Sigmoid and binary cross-entropy per class for ``multilabel``, else softmax. Targets between
    0 and 1 are shares of a mixed record.
    """
    if target_mode != "multilabel":
        return functional.cross_entropy(logits, targets)
    known = ~targets.isnan()
    each = functional.binary_cross_entropy_with_logits(
        logits, targets.nan_to_num(0.0), reduction="none"
    )
    return (each * known).sum() / known.sum().clamp(min=1)


def rate_share(step: int, steps: int, schedule: str) -> float:
    """Return the share of the learning rate at a step: linear warm-up, then half a cosine."""
    if schedule == "constant":
        return 1.0
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    gone = (step - warm_up) / max(1, steps - warm_up)
    return LAST_RATE_SHARE + (1 - LAST_RATE_SHARE) * (1 + cos(pi * gone)) / 2


def make_optimiser(model: nn.Module, config: Recipe) -> torch.optim.Optimizer:
    """Return the optimiser asked for, fused: one pass over the parameters instead of several."""
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimiser == "adamw":
        return torch.optim.AdamW(model.parameters(), rate, weight_decay=decay, fused=True)
    return torch.optim.SGD(model.parameters(), rate, momentum=0.9, weight_decay=decay, fused=True)


def run_epochs(working: Working, on_progress: Progress) -> None:
    """Train all epochs of a run and keep the best one's weights."""
    config, run = working.config, working.run
    training = working.feed("train")
    optimiser = make_optimiser(working.model, config)
    order = torch.Generator().manual_seed(config.seed)
    augmenter = None if config.augment == "none" else Augmenter(config.augment, config.seed)
    steps = training.steps(config.batch)
    clock = Clock(run, config.epochs, steps, on_progress)
    step = 0
    for epoch in range(1, config.epochs + 1):
        started, losses = time.monotonic(), []
        working.model.train()
        for images, targets in training.batches(config.batch, order, augmenter):
            share = rate_share(step, config.epochs * steps, config.schedule)
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * share
            loss = loss_of(working.forward(images), targets, config.target_mode)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            losses.append(loss.detach())
            step += 1
            clock.tick(epoch, step)
        row: dict[str, Any] = {"epoch": epoch, "train_loss": float(torch.stack(losses).mean())}
        row |= _validate(working)
        row["seconds"] = round(time.monotonic() - started, 2)
        _keep(working, row)
        clock.tick(epoch, step, row)


def _validate(working: Working) -> dict[str, Any]:
    logits, targets = working.predict("validation")
    if not np.isfinite(logits).all():
        raise EcgError("The network's outputs are no longer numbers: lower --learning-rate.")
    mode = working.config.target_mode
    loss = loss_of(torch.from_numpy(logits), torch.from_numpy(targets), mode)
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


def _keep(working: Working, row: dict) -> None:
    """Append the epoch's row; keep the weights if it is the best by validation macro AUC."""
    auc = row["val_macro_auc"]
    score = -row["val_loss"] if auc is None else auc
    row["best"] = score > working.best
    if row["best"]:
        working.best, working.best_epoch = score, row["epoch"]
        weights = {k: v.contiguous() for k, v in working.model.state_dict().items()}
        write_whole(
            working.run.folder / "weights.safetensors", lambda path: save_file(weights, path)
        )
    with (working.run.folder / "history.jsonl").open("a", encoding="utf-8") as history:
        history.write(json.dumps(row) + "\n")


@dataclass
class Clock:
    """Tells about once a second how far the training is, and notices when it shall stop."""

    run: Run
    epochs: int
    steps: int
    on_progress: Progress
    started: float = field(default_factory=time.monotonic)
    told: float = 0.0

    def tick(self, epoch: int, step: int, row: dict | None = None) -> None:
        """Note a finished batch, or with ``row`` a finished epoch."""
        if self.run.cancel_asked:
            raise Cancelled
        now = time.monotonic()
        if row is None and now - self.told < 1.0:
            return
        self.told = now
        left = self.epochs * self.steps - step
        progress = {
            "epoch": epoch if row else epoch - 1,
            "step": step,
            "steps": self.epochs * self.steps,
            "eta_s": round((now - self.started) / step * left),
        }
        self.run.report(**progress)
        self.on_progress(self.run, progress | {"row": row})
