"""Which devices a training may use, and in which precision it computes there."""

import torch

from ecgcore.errors import RequestError


def find_devices(name: str) -> list[str]:
    """Return the devices that a name stands for: ``cuda`` is any GPU, ``cuda:1`` that one.

    ``auto`` is ``cuda`` where there is a GPU, else ``cpu``.
    """
    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    meant = {"auto": gpus or ["cpu"], "cpu": ["cpu"], "cuda": gpus} | {gpu: [gpu] for gpu in gpus}
    if not meant.get(name):
        accepted = ", ".join(known for known, devices in meant.items() if devices)
        raise RequestError(f"There is no device '{name}' here; accepted: {accepted}.")
    return meant[name]


def use(name: str) -> torch.device:
    """Return a device, for all that this process computes without saying where."""
    device = torch.device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
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
