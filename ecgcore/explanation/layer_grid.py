"""Positions of a convolutional layer's cells on the image.

A layer's h × w cells are not h × w equal parts of the image. Strides and paddings put AlexNet's
13 × 13 at 15.5, 31.5 … 207.5 of 224 px, not at 8.6 … 215.4; at the edges that is half a cell, more
than half a lead.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

_WINDOW_LAYERS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


@dataclass
class Axis:
    """One axis of a chain of windows: centre of the first cell, step and size, in px."""

    first_centre_px: float
    step_px: float
    size: int

    @classmethod
    def of(cls, size: int) -> "Axis":
        """Return the image's own axis."""
        return cls(0.5, 1.0, size)

    def apply(self, kernel: int, stride: int, padding: int, dilation: int, size: int) -> None:
        """Apply one window layer (Dumoulin & Visin 2016, arXiv:1603.07285)."""
        self.first_centre_px += ((kernel - 1) * dilation / 2 - padding) * self.step_px
        self.step_px *= stride
        self.size = size


def cell_centres(
    model: nn.Module, layer: nn.Module, images: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres of a layer's rows (h,) and columns (w,) on the image, in px.

    They follow from the kernels, strides and paddings before it. Where the network branches, so
    that they cannot be followed, the image is divided evenly.
    """
    axes = (Axis.of(images.shape[2]), Axis.of(images.shape[3]))
    followed, done = True, False
    shape: tuple[int, ...] = ()

    def on_window(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        nonlocal followed
        before, after = inputs[0].shape[2:], output.shape[2:]
        if done or tuple(before) == (1, 1):  # Squeeze-and-Excitation has no position
            return
        followed = followed and tuple(before) == (axes[0].size, axes[1].size)
        for i, axis in enumerate(axes):
            kernel, stride, padding, dilation = _window_parameters(module, i)
            axis.apply(kernel, stride, padding, dilation, after[i])

    def on_layer(_module: nn.Module, _inputs: tuple, output: Tensor) -> None:
        nonlocal shape, done
        shape, done = tuple(output.shape[2:]), True

    windows = [m for m in model.modules() if isinstance(m, _WINDOW_LAYERS)]
    hooks = [m.register_forward_hook(on_window) for m in windows]
    hooks.append(layer.register_forward_hook(on_layer))
    try:
        with torch.no_grad():
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    if followed and shape == (axes[0].size, axes[1].size):
        rows, columns = (a.first_centre_px + a.step_px * np.arange(a.size) for a in axes)
    else:
        rows, columns = _even_centres(shape, images.shape[2:])
    return rows, columns


def _even_centres(cells: Sequence[int], size: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres of (h, w) cells that divide an image (H, W) evenly, in px."""
    rows, columns = ((np.arange(n) + 0.5) * side / n for n, side in zip(cells, size, strict=True))
    return rows, columns


def interpolate_cells(
    cells: np.ndarray, rows_px: np.ndarray, columns_px: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Return (H, W) of (h, w) cells with given centres, linear between them, constant beyond."""
    height, width = size
    at_rows = np.stack(
        [np.interp(np.arange(height) + 0.5, rows_px, column) for column in cells.T], axis=1
    )
    return np.stack([np.interp(np.arange(width) + 0.5, columns_px, row) for row in at_rows])


def _window_parameters(module: nn.Module, axis: int) -> tuple[int, ...]:
    """Return kernel, stride, padding and dilation of a layer along one axis."""
    names = ("kernel_size", "stride", "padding", "dilation")
    values = (getattr(module, name, 1) for name in names)
    return tuple(v[axis] if isinstance(v, tuple) else v for v in values)
