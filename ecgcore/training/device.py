"""Which device trains, in which precision, and whose turn it is there."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from filelock import FileLock, Timeout

from ecgcore.errors import RequestError
from ecgcore.home import Home
from ecgcore.training.run import Run


class Cancelled(Exception):
    """Somebody asked the run to stop."""


def find_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is the GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise RequestError(
            f"There is no device '{name}': auto, cpu and cuda are accepted."
        ) from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RequestError("There is no CUDA device here; leave --device at auto, or say cpu.")
    return device


def find_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the type that convolutions compute in.

    ``auto`` is bfloat16 where the device has instructions for it (1.5–2 times as quick on the
    CPUs and GPUs measured), else float32.
    """
    if name == "auto":
        if device.type == "cuda":
            name = "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
        else:
            able = torch.cpu.get_capabilities()
            name = "bfloat16" if able.get("avx512_bf16") or able.get("amx_bf16") else "float32"
    return torch.bfloat16 if name == "bfloat16" else torch.float32


@contextmanager
def turn_on(device: torch.device, run: Run, home: Home) -> Iterator[None]:
    """Wait until no other run of this home works on the device, then hold it.

    Two people who press Train do not slow each other down; whoever waits can be cancelled.
    """
    lock = FileLock(home.runs / f".{device.type}.lock")
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            run.report(message=f"Waiting for another training on this {device.type}.")
            if run.cancel_asked:
                raise Cancelled from None
    try:
        yield
    finally:
        lock.release()
