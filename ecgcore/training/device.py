"""Devices that a training may use, and the precision in which it computes there."""

import torch

from ecgcore.errors import RequestError


def find_devices(name: str) -> list[str]:
    """Return the devices that a name stands for: ``cuda`` is any GPU, ``cuda:1`` that one.

    ``auto`` is ``cuda`` where there is a GPU, else ``cpu``.
    """
    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    known = {"auto": gpus or ["cpu"], "cpu": ["cpu"], "cuda": gpus} | {gpu: [gpu] for gpu in gpus}
    if not known.get(name):
        accepted = ", ".join(other for other, devices in known.items() if devices)
        raise RequestError(f"There is no device '{name}' here; accepted: {accepted}.")
    return known[name]


def use_device(name: str) -> torch.device:
    """Return a device, and make it this process's default CUDA device where it is one."""
    device = torch.device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def find_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the type that convolutions compute in.

    ``auto`` is bfloat16 where the device has instructions for it (1.5–2 times as fast on the CPUs
    and GPUs measured), else float32.
    """
    if name == "auto":
        if device.type == "cuda":
            has_bfloat16 = torch.cuda.is_bf16_supported()
        else:
            capabilities = torch.cpu.get_capabilities()
            has_bfloat16 = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
        name = "bfloat16" if has_bfloat16 else "float32"
    return torch.bfloat16 if name == "bfloat16" else torch.float32
