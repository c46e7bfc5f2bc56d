"""Tensors on disk: written whole, read without executing anything."""

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ecgcore.atomic import write_atomic
from ecgcore.errors import DamagedFile


def write_tensors(file: Path, tensors: Mapping[str, Tensor], told: str = "") -> None:
    """Write tensors (and a text that belongs to them) whole; they survive a loss of power.

    Raises
    ------
    NotWritten
        The disk is full or refuses; what was there before is left as it was.
    """
    content = {name: tensor.contiguous() for name, tensor in tensors.items()}

    def write(beside: Path) -> None:
        try:
            save_file(content, beside, metadata={"told": told})
        except SafetensorError as error:
            raise OSError(str(error)) from error
        handle = os.open(beside, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    write_atomic(file, write)


def read_tensors(file: Path) -> tuple[dict[str, Tensor], str]:
    """Return the tensors of a file and the text that belongs to them, or say what is wrong."""
    try:
        with safe_open(file, framework="pt") as opened:
            told = (opened.metadata() or {}).get("told", "")
            return {name: opened.get_tensor(name) for name in opened.keys()}, told
    except (SafetensorError, OSError) as error:
        raise DamagedFile(
            f"{file.parent.name}/{file.name} is no whole safetensors file ({error}); fetch it "
            "again or train anew."
        ) from error


def fill(model: nn.Module, tensors: Mapping[str, Tensor], file: Path, name: str) -> None:
    """Give a network its weights, or say in one line what does not fit."""
    own = model.state_dict()
    for wrong, said in (
        (sorted(set(own) - set(tensors)), "lacks"),
        (sorted(set(tensors) - set(own)), "has, beside what belongs there,"),
    ):
        if wrong:
            raise _unfit(file, name, f"it {said} {wrong[0]} and {len(wrong) - 1} more tensors")
    for key, tensor in tensors.items():
        if tensor.shape != own[key].shape:
            shapes = f"{tuple(tensor.shape)}, not {tuple(own[key].shape)}"
            raise _unfit(file, name, f"its {key} is {shapes}")
        if tensor.is_floating_point() != own[key].is_floating_point():
            raise _unfit(file, name, f"its {key} is of type {tensor.dtype}, not {own[key].dtype}")
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise _unfit(file, name, f"its {key} holds values that are no numbers")
    model.load_state_dict(
        {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    )


def _unfit(file: Path, name: str, why: str) -> DamagedFile:
    return DamagedFile(
        f"{file.parent.name}/{file.name} does not fit {name}: {why}. Fetch it again or train anew."
    )
