"""Signals to network images, in batches, on the signal's device.

Ink is 1 on a ground of 0, in three channels; neighbouring rows stand in different channels. In
each column a lead inks what its polyline (samples joined by straight lines) reaches there, from
lowest to highest, plus half the pen on either side; a pixel's value is the exact share of its
height that is inked. So peaks stay whole at any rate, steep strokes stay unbroken, and the
picture changes smoothly with the signal.
"""

import math

import numpy as np
import torch
from torch import Tensor

from ecgcore.errors import RequestError
from ecgcore.imaging.columns import reach
from ecgcore.imaging.geometry import RANGE_MV, Geometry, geometry
from ecgcore.imaging.ink import Bands, Ink, inked
from ecgcore.records.record import LEADS

CHUNK = 32  # images drawn together on a CPU: more leave its cache, fewer cost more calls


def draw(
    signal_mv: Tensor,
    fs_hz: float,
    layout: str = "stacked",
    size: int | tuple[int, int] = 224,
    beats: object = None,
    duration_s: float = 10.0,
) -> Tensor:
    """Return the pictures of a batch of signals.

    Parameters
    ----------
    signal_mv
        (B, 12, T) float, in mV, leads in the order of LEADS. NaN is missing and leaves no ink.
    fs_hz
        Sampling rate.
    layout
        One of LAYOUTS.
    size
        Side of a square picture, or (height, width), in pixels.
    beats
        Median beats, for the layouts that show them; ``stacked`` does not.
    duration_s
        The seconds that the width stands for. A shorter signal leaves the right side empty.

    Returns
    -------
    Tensor
        (B, 3, H, W), of the signal's type and device, 0 (ground) to 1 (ink). Differentiable with
        respect to the signal. Beyond ±5 mV a trace runs along its limit: see ``out_of_range``.

    Raises
    ------
    NotFound
        No such layout.
    RequestError
        Another shape, or a signal longer than the picture.
    """
    measures = geometry(layout, size, duration_s)
    _check(signal_mv, fs_hz, duration_s)
    if signal_mv.requires_grad and torch.is_grad_enabled():
        top_px, bottom_px = _extents(signal_mv, fs_hz, measures)
        return Ink.apply(top_px, bottom_px, measures)
    images = _paper(signal_mv, (len(signal_mv), 3, measures.height, measures.width))
    step = CHUNK if signal_mv.device.type == "cpu" else len(signal_mv) or 1
    for part, image in zip(signal_mv.split(step), images.split(step), strict=True):
        inked(*_extents(part, fs_hz, measures), measures, image.zero_())
    return images


def lead_ink(
    signal_mv: Tensor,
    fs_hz: float,
    layout: str = "stacked",
    size: int | tuple[int, int] = 224,
    duration_s: float = 10.0,
) -> Tensor:
    """Return each lead's own ink, (B, 12, H, W), 0 to 1: which lead a pixel's ink belongs to."""
    measures = geometry(layout, size, duration_s)
    _check(signal_mv, fs_hz, duration_s)
    bands = Bands.of(measures)
    coverage = bands.coverage(*_extents(signal_mv, fs_hz, measures))
    ink = signal_mv.new_zeros(len(signal_mv), len(LEADS), measures.height, measures.width)
    for lead, start in enumerate(bands.starts):
        ink[:, lead, start : start + bands.rows] = coverage[:, lead]
    return ink


def out_of_range(signal_mv: Tensor) -> Tensor:
    """Return which leads exceed ±5 mV somewhere, (..., 12) bool for a (..., 12, T) signal."""
    return (signal_mv.abs() > RANGE_MV).any(dim=-1)


def _paper(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return an unfilled tensor of the type and device of ``like``.

    On a CPU its memory comes from NumPy, which asks Linux for large pages: above 32 MB torch's
    own takes longer to be first touched than the whole drawing.
    """
    if like.device.type != "cpu" or 0 in shape:
        return like.new_empty(shape)
    memory = np.empty(math.prod(shape) * like.element_size(), np.uint8)
    return torch.from_numpy(memory).view(like.dtype).view(shape)


def _check(signal_mv: Tensor, fs_hz: float, duration_s: float) -> None:
    """Refuse what cannot be drawn, in one line."""
    if signal_mv.ndim != 3 or signal_mv.shape[1] != len(LEADS) or not signal_mv.shape[2]:
        raise RequestError(
            f"A batch of signals has shape (B, 12, T), not {tuple(signal_mv.shape)}: "
            "twelve leads in the order I … V6."
        )
    if signal_mv.shape[2] > round(duration_s * fs_hz) + 1:
        long_s = signal_mv.shape[2] / fs_hz
        raise RequestError(
            f"A signal of {long_s:g} s does not fit a picture of {duration_s:g} s: "
            f"cut a window, or draw with duration_s={long_s:g}."
        )


def _extents(signal_mv: Tensor, fs_hz: float, measures: Geometry) -> tuple[Tensor, Tensor]:
    """Return where each lead's ink begins and ends in each column, in px below its zero line.

    Two tensors (B, 12, W), top and bottom; equal where there is none.
    """
    low_mv, high_mv, empty = reach(signal_mv, fs_hz, measures.px_per_s, measures.width)
    limit_px, half_pen_px = RANGE_MV * measures.px_per_mv, measures.pen_px / 2
    top_px = (high_mv * -measures.px_per_mv).clamp(-limit_px, limit_px) - half_pen_px
    bottom_px = (low_mv * -measures.px_per_mv).clamp(-limit_px, limit_px) + half_pen_px
    if empty is not None:
        top_px, bottom_px = top_px.masked_fill(empty, 0.0), bottom_px.masked_fill(empty, 0.0)
    return top_px, bottom_px
