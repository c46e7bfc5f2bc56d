"""Checkpoints: the whole state of a training, saved from time to time, and resuming from one.

``checkpoint.safetensors`` holds network, optimiser, moving average, random states and, as text, the
counters that belong to them: one file, so that no part can be older than another. A resumed
training takes the same steps, to the bit on a CPU, as an uninterrupted one.
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
from ecgcore.training.state import TrainContext, TrainState

FILE = "checkpoint.safetensors"
OLD_FILE = "resume.safetensors"
"""Name of the same file in version 0.1.0."""
COUNTERS = ("epoch", "batch", "best", "best_epoch", "seconds")
MAX_TIME_SHARE = 0.01
"""Largest share of a training's time that goes into saving."""


@dataclass
class CheckpointSaver:
    """Saves checkpoints of a training, at intervals that follow from the time that saving takes."""

    folder: Path
    state: TrainState
    due_at: float = 0.0

    def save_if_due(self) -> None:
        """Save if the last checkpoint is old enough."""
        if time.monotonic() >= self.due_at:
            self.save()

    def save(self) -> None:
        """Save now."""
        started, state = time.monotonic(), self.state
        write_tensors(self.folder / FILE, _tensors(state), json.dumps(_counters(state)))
        now = time.monotonic()
        self.due_at = now + (now - started) / MAX_TIME_SHARE


def find_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint of a run's folder, None where there is none."""
    files = (folder / FILE, folder / OLD_FILE)
    return next((file for file in files if file.exists()), None)


def remove_checkpoints(folder: Path) -> None:
    """Remove the checkpoint of a finished run."""
    for name in (FILE, OLD_FILE):
        (folder / name).unlink(missing_ok=True)


def restore_checkpoint(state: TrainState, context: TrainContext) -> None:
    """Restore the state from the run's checkpoint; without one it stays as it is."""
    team, folder = context.team, context.run.folder
    file = team.on_rank_zero(lambda: find_checkpoint(folder))
    if file is not None:
        tensors, text = team.broadcast_tensors(lambda: read_tensors(file))
        try:
            _restore(state, tensors, json.loads(text))
        except (KeyError, IndexError, RuntimeError, TypeError, ValueError) as error:
            raise DamagedFile(
                f"{context.run.id}/{file.name} is not of this training ({error}); delete it to "
                "begin anew."
            ) from error
    history = folder / "history.jsonl"
    team.on_rank_zero(lambda: _truncate_history(history, state.epoch - 1))


def _counters(state: TrainState) -> dict[str, Any]:
    return {name: getattr(state, name) for name in COUNTERS}


def _tensors(state: TrainState) -> dict[str, Tensor]:
    """Return all tensors of a training, each with its own memory."""
    tensors = {f"model.{k}": v for k, v in state.model.state_dict().items()}
    if state.ema is not None:
        tensors |= {f"average.{k}": v for k, v in state.ema.state_dict().items()}
    for i, moments in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimiser.{i}.{k}": v for k, v in moments.items() if v is not None}
    if state.losses:
        tensors["losses"] = torch.stack(state.losses)
    tensors["random.torch"] = torch.get_rng_state()
    tensors["random.order"] = state.sampler_state
    if state.augmenter is not None:
        tensors["random.augment"] = state.augmenter.rng.generator.get_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    return tensors


def _restore(state: TrainState, tensors: dict[str, Tensor], counters: dict[str, Any]) -> None:
    state.model.load_state_dict(_with_prefix("model.", tensors))
    if state.ema is not None:
        state.ema.load_state_dict(_with_prefix("average.", tensors))
    moments = _moments(_with_prefix("optimiser.", tensors), state.optimizer)
    state.optimizer.load_state_dict(state.optimizer.state_dict() | {"state": moments})
    state.losses = list(tensors.get("losses", torch.empty(0)).to(state.loader.device))
    torch.set_rng_state(tensors["random.torch"])
    state.sampler_state = tensors["random.order"]
    state.sampler.generator.set_state(state.sampler_state)
    if state.augmenter is not None:
        state.augmenter.rng.generator.set_state(tensors["random.augment"])
    if torch.cuda.is_available() and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"])
    for name in COUNTERS:
        setattr(state, name, counters[name])


def _with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _moments(
    tensors: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> dict[int, dict[str, Tensor]]:
    """Return an optimiser's state by parameter.

    Each moment gets the memory layout of its parameter: fused optimisers step through both
    together, and a network on images has its channels last.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, name = key.split(".", 1)
        parameter = parameters[int(number)]
        if tensor.shape == parameter.shape:
            tensor = torch.empty_like(parameter).copy_(tensor)
        moments.setdefault(int(number), {})[name] = tensor
    return moments


def _truncate_history(file: Path, epochs: int) -> None:
    """Keep the rows of the finished epochs; an incomplete row is removed as well."""
    rows = file.read_text("utf-8").splitlines(keepends=True)[:epochs] if file.exists() else []
    write_atomic(file, lambda path: path.write_text("".join(rows), encoding="utf-8"))
