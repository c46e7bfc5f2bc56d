"""Cost of a training step by precision, memory format, optimizer and compilation."""

import time
from collections.abc import Callable
from math import inf

import torch

from ecgcore.models import create_model
from ecgcore.training.loss import Loss

SIDE_PX = 224
CLASSES = 10
STEPS = 4
# variant → precision, channels last, fused optimizer, compiled
VARIANTS: dict[str, tuple[torch.dtype, bool, bool, bool]] = {
    "bfloat16, channels last, fused": (torch.bfloat16, True, True, False),
    "float32": (torch.float32, True, True, False),
    "channels first": (torch.bfloat16, False, True, False),
    "not fused": (torch.bfloat16, True, False, False),
    "compiled": (torch.bfloat16, True, True, True),
}


def step_ms(model: str, batch: int, device: torch.device) -> dict[str, float]:
    """Return milliseconds a step of each of VARIANTS; the first is the product's.

    The others differ from it in the one property that they name. Variants take turns; the best time
    of each counts, since other work on the machine can only slow a step down.
    """
    steps = {name: _make_step(model, batch, device, *variant) for name, variant in VARIANTS.items()}
    best = dict.fromkeys(steps, inf)
    for turn in range(1 + STEPS):  # the first turn builds caches
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            if turn:
                best[name] = min(best[name], time.perf_counter() - started)
    return {name: round(1000 * seconds, 1) for name, seconds in best.items()}


def _make_step(
    name: str,
    batch: int,
    device: torch.device,
    precision: torch.dtype,
    channels_last: bool,
    fused: bool,
    compiled: bool,
) -> Callable[[], object]:
    """Return a function that takes one step on a random batch and waits for it to finish."""
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    model = create_model(name, CLASSES).to(device).to(memory_format=memory_format)
    if compiled:
        model.compile()
    optimizer = torch.optim.SGD(model.parameters(), 1e-4, momentum=0.9, fused=fused)
    images = torch.rand(batch, 3, SIDE_PX, SIDE_PX, device=device).to(memory_format=memory_format)
    targets = torch.eye(CLASSES, device=device)[torch.arange(batch) % CLASSES]

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision is torch.bfloat16):
            logits = model(images).float()
        optimizer.zero_grad(set_to_none=True)
        Loss("exclusive")(logits, targets).backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step
