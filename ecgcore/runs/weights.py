"""Tensors on disk: written atomically, read without executing anything."""

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ecgcore.atomic import write_atomic
from ecgcore.errors import DamagedFile

_TEXT = "told"
"""Key of the text among a file's metadata."""


def write_tensors(file: Path, tensors: Mapping[str, Tensor], text: str = "") -> None:
    """Write tensors and an accompanying text atomically; they survive a loss of power.

    Raises
    ------
    NotWritten
        The disk is full or refuses; the old content of ``file`` is unchanged.
    """
    content = {name: tensor.contiguous() for name, tensor in tensors.items()}

    def write(path: Path) -> None:
        try:
            save_file(content, path, metadata={_TEXT: text})
        except SafetensorError as error:
            raise OSError(str(error)) from error
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    write_atomic(file, write)


def read_tensors(file: Path) -> tuple[dict[str, Tensor], str]:
    """Return the tensors of a file and the accompanying text.

    Raises
    ------
    DamagedFile
        The file is missing or is not a complete safetensors file.
    """
    try:
        with safe_open(file, framework="pt") as opened:
            text = (opened.metadata() or {}).get(_TEXT, "")
            return {name: opened.get_tensor(name) for name in opened.keys()}, text
    except (SafetensorError, OSError) as error:
        raise DamagedFile(
            f"{file.parent.name}/{file.name} is no whole safetensors file ({error}); fetch it "
            "again or train anew."
        ) from error


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], file: Path, name: str) -> None:
    """Load tensors of ``file`` into the network called ``name``.

    Raises
    ------
    DamagedFile
        A tensor is missing, superfluous, of another shape or type, or not finite.
    """
    own = model.state_dict()
    for names, problem in (
        (sorted(set(own) - set(tensors)), "lacks"),
        (sorted(set(tensors) - set(own)), "has the unexpected"),
    ):
        if names:
            raise _unfit(file, name, f"it {problem} {names[0]} and {len(names) - 1} more tensors")
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


def _unfit(file: Path, name: str, reason: str) -> DamagedFile:
    return DamagedFile(
        f"{file.parent.name}/{file.name} does not fit {name}: {reason}. Fetch it again or train "
        "anew."
    )
