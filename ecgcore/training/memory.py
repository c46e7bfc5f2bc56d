"""Memory and computing time of a training: estimates from its network, and what there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil
import torch
from torch import Tensor, nn

from ecgcore.errors import RequestError
from ecgcore.models import create_model, model_info
from ecgcore.models.cost import cost
from ecgcore.runs.config import ResolvedConfig

LONGEST_S = 30 * 86_400.0
"""A training that is expected to take longer is refused."""
MOMENTS = {"sgd": 1, "adamw": 2}
"""Tensors of an optimiser for each parameter."""
_RUNTIME_BYTES = 600_000_000
"""Of a process that has loaded torch, beside the network."""
_FLOPS = {"cpu": 1e12, "cuda": 1e15}
"""Operations a second that no core and no GPU of today exceeds (bfloat16, dense)."""
_PASSES = 3
"""A step costs the forward pass, and about twice as much for the gradients."""
_CGROUP = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Files of a container's limit and use, of the two versions of Linux's control groups."""


@dataclass(frozen=True)
class Demand:
    """Least demand of a training.

    Attributes
    ----------
    memory_bytes
        Weights, gradients, the optimiser's moments, and the activations of a batch.
    fixed_bytes
        The part of it that does not depend on the batch.
    operations
        For one record and epoch, backward pass included.
    """

    memory_bytes: int
    fixed_bytes: int
    operations: float


@lru_cache(maxsize=32)
def demand(config: ResolvedConfig, classes: int, n_samples: int) -> Demand:
    """Return what a training needs at least, from shapes alone: nothing is allocated.

    Activations count in bfloat16 unless float32 is set, and once where a layer works in place.
    """
    with torch.device("meta"):
        model = create_model(config.model, classes, **config.model_options).eval()
    one_input = _input_shape(config, n_samples)
    parameters, multiply_adds = cost(model, one_input)
    copies = 2 + MOMENTS[config.optimizer] + (config.ema_decay > 0)
    fixed = _RUNTIME_BYTES + 4 * parameters * copies
    bytes_each = 4 if config.precision == "float32" else 2
    each = 4 * torch.Size(one_input).numel() + bytes_each * _activations(model, one_input)
    return Demand(fixed + each * config.batch_size, fixed, 2.0 * multiply_adds * _PASSES)


def _input_shape(config: ResolvedConfig, n_samples: int) -> tuple[int, ...]:
    return (12, n_samples) if model_info(config.model).input == "signal" else (3, *config.sides_px)


def _activations(model: nn.Module, one_input: tuple[int, ...]) -> int:
    """Return the number of values that the layers keep of one record for the backward pass."""
    count = 0

    def add(layer: nn.Module, _inputs: tuple, output: Tensor) -> None:
        nonlocal count
        count += 0 if getattr(layer, "inplace", False) else output.numel()

    leaves = [layer for layer in model.modules() if not list(layer.children())]
    handles = [layer.register_forward_hook(add) for layer in leaves]
    with torch.no_grad():
        model(torch.empty(1, *one_input, device="meta"))
    for handle in handles:
        handle.remove()
    return count


def available_bytes(device: str) -> int:
    """Return the memory for a training: a GPU's, else what the machine or container has left."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_properties(device).total_memory
    return min([psutil.virtual_memory().available, *_container_bytes()])


def _container_bytes() -> list[int]:
    """Return what a container's limit leaves, an empty list where there is none."""
    for limit, used in _CGROUP:
        try:
            left = int(Path(limit).read_text()) - int(Path(used).read_text())
        except (OSError, ValueError):  # no container, or its limit is "max"
            continue
        return [max(0, left)]
    return []


def require_resources(
    config: ResolvedConfig,
    needed: Demand,
    records: int,
    devices: Sequence[str],
    seconds: float | None,
) -> None:
    """Refuse a training that needs more memory than there is, or more than thirty days.

    Parameters
    ----------
    records
        Number of training records.
    devices
        Devices that may share its batches, all of one kind.
    seconds
        Expected duration by an earlier run; None: the fastest that any device computes.

    Raises
    ------
    RequestError
        In one line: the estimate, what there is, and what to change.
    """
    free, where = sum(map(available_bytes, devices)), devices[0].partition(":")[0]
    if needed.memory_bytes > free:
        causes = "--size, --width or --depth"
        if needed.fixed_bytes < free / 2:
            causes = f"--batch-size (now {config.batch_size:,}), {causes}"
        raise RequestError(
            f"This training needs at least {needed.memory_bytes / 1e9:,.1f} GB of memory, and "
            f"{where} has {free / 1e9:,.1f} GB to give; choose a smaller {causes}."
        )
    if seconds is None:
        units = (psutil.cpu_count() or 1) if where == "cpu" else len(devices)
        seconds = needed.operations * records * config.epochs / (_FLOPS[where] * units)
    if seconds > LONGEST_S:
        raise RequestError(
            f"This training would take at least {seconds / 86_400:,.0f} days on {where}, and "
            f"{LONGEST_S / 86_400:.0f} are accepted; lower --epochs (now {config.epochs:,}), or "
            "choose a smaller network or fewer records."
        )
