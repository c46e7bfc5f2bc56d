"""Going on where a training was: all that changes in it, saved whole from time to time.

``resume.safetensors`` holds network, optimiser, running average, random states and, as text, the
numbers that belong to them: one file, so that no part can be older than another. A training that
goes on takes the same steps, to the bit on a CPU, as one that was never interrupted.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ecgcore.atomic import write_atomic
from ecgcore.errors import DamagedFile
from ecgcore.runs.weights import read_tensors, write_tensors
from ecgcore.training.context import TrainContext
from ecgcore.training.state import TrainState

FILE = "resume.safetensors"
NUMBERS = ("epoch", "batch", "best", "best_epoch", "seconds")
SAVING_SHARE = 0.01
"""Of the time of a training that goes into saving, at most."""


@dataclass
class CheckpointSaver:
    """Saves a training, but not more often than pays."""

    folder: Path
    training: TrainState
    next_at: float = 0.0

    def save_in_time(self) -> None:
        """Save if the last time is long enough ago."""
        if time.monotonic() >= self.next_at:
            self.save()

    def save(self) -> None:
        """Save now."""
        started, training = time.monotonic(), self.training
        write_tensors(self.folder / FILE, _tensors(training), json.dumps(_numbers(training)))
        now = time.monotonic()
        self.next_at = now + (now - started) / SAVING_SHARE


def restore(training: TrainState, working: TrainContext) -> None:
    """Bring a training to where it was saved; without a saved state it stays at its beginning."""
    file, team = working.run.folder / FILE, working.team
    if team.on_rank_zero(file.exists):
        tensors, told = team.broadcast_tensors(lambda: read_tensors(file))
        try:
            _put(training, tensors, json.loads(told))
        except (KeyError, IndexError, RuntimeError, TypeError, ValueError) as error:
            raise DamagedFile(
                f"{working.run.id}/{FILE} is not of this training ({error}); delete it to begin "
                "anew."
            ) from error
    history = working.run.folder / "history.jsonl"
    team.on_rank_zero(lambda: _shorten_history(history, training.epoch - 1))


def _numbers(training: TrainState) -> dict[str, Any]:
    return {name: getattr(training, name) for name in NUMBERS}


def _tensors(training: TrainState) -> dict[str, Tensor]:
    """Return all tensors of a training, each in memory of its own."""
    found = {f"model.{k}": v for k, v in training.model.state_dict().items()}
    if training.average is not None:
        found |= {f"average.{k}": v for k, v in training.average.state_dict().items()}
    for i, state in training.optimizer.state_dict()["state"].items():
        found |= {f"optimiser.{i}.{k}": v for k, v in state.items() if v is not None}
    if training.losses:
        found["losses"] = torch.stack(training.losses)
    found["random.torch"] = torch.get_rng_state()
    found["random.order"] = training.order_at
    if training.augmenter is not None:
        found["random.augment"] = training.augmenter.chance.generator.get_state()
    if torch.cuda.is_available():
        found["random.cuda"] = torch.cuda.get_rng_state()
    return found


def _put(training: TrainState, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
    training.model.load_state_dict(_under("model.", tensors))
    if training.average is not None:
        training.average.load_state_dict(_under("average.", tensors))
    moments = _moments(_under("optimiser.", tensors), training.optimizer)
    training.optimizer.load_state_dict(training.optimizer.state_dict() | {"state": moments})
    device = training.feed.device
    training.losses = list(tensors.get("losses", torch.empty(0)).to(device))
    torch.set_rng_state(tensors["random.torch"])
    training.order_at = tensors["random.order"]
    training.order.generator.set_state(training.order_at)
    if training.augmenter is not None:
        training.augmenter.chance.generator.set_state(tensors["random.augment"])
    if torch.cuda.is_available() and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"])
    for name in NUMBERS:
        setattr(training, name, numbers[name])


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _moments(
    flat: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> dict[int, dict[str, Tensor]]:
    """Return an optimiser's state by parameter.

    Each moment lies in memory as its parameter does: fused optimisers go through both in step, and
    a network on images has its channels last.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in flat.items():
        number, name = key.split(".", 1)
        like = parameters[int(number)]
        as_it = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor
        state.setdefault(int(number), {})[name] = as_it
    return state


def _shorten_history(file: Path, epochs: int) -> None:
    """Keep the rows of the epochs that are done; a row cut off in the middle goes, too."""
    rows = file.read_text("utf-8").splitlines(keepends=True)[:epochs] if file.exists() else []
    write_atomic(file, lambda beside: beside.write_text("".join(rows), encoding="utf-8"))
