"""Ink: column extents to pixel coverage, with its exact derivative.

A pixel row from r to r + 1 shares ``clamp(r + 1, top, bottom) − clamp(r, top, bottom)`` with an
extent from top to bottom: one clamp of the row edges, and the difference of neighbours.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ecgcore.imaging.geometry import RANGE_MV, Geometry

_ROUNDING = 1e-3  # of sums of ink; far less ink than a picture shows


class Bands(NamedTuple):
    """The pixels that each row of traces can ink: ``rows`` of them from ``starts`` on.

    ``zero_px`` is the zero line within a band, the same for all.
    """

    starts: tuple[int, ...]
    channels: tuple[int, ...]
    rows: int
    zero_px: float

    @classmethod
    def of(cls, measures: Geometry) -> "Bands":
        """Return the bands of a geometry, whose zero lines all stand on pixel middles."""
        return _bands(measures)

    def edges(self, like: Tensor) -> Tensor:
        """Return the edges of a band's rows below its zero line, (rows + 1, 1) in px."""
        edges = torch.arange(self.rows + 1, dtype=like.dtype, device=like.device)
        return edges[:, None] - self.zero_px

    def coverage(self, top_px: Tensor, bottom_px: Tensor) -> Tensor:
        """Return the inked share of each pixel of a band, (..., rows, W), from (..., W)."""
        reached = torch.clamp(self.edges(top_px), top_px[..., None, :], bottom_px[..., None, :])
        return reached.diff(dim=-2)


@lru_cache(maxsize=64)
def _bands(measures: Geometry) -> Bands:
    """Return the bands of a geometry."""
    reach_px = RANGE_MV * measures.px_per_mv + measures.pen_px / 2
    above = math.ceil(reach_px - 0.5)  # whole rows above the one that holds the zero line
    starts = tuple(math.floor(row[0].baseline_px) - above for row in measures.rows)
    channels = tuple(row[0].channel for row in measures.rows)
    return Bands(starts, channels, 2 * above + 1, above + 0.5)


def inked(top_px: Tensor, bottom_px: Tensor, measures: Geometry, images: Tensor) -> Tensor:
    """Ink all rows of traces into ``images`` (B, 3, H, W), which holds zeros, and return it.

    Where two traces of one channel cross, ink stays 1.
    """
    return _summed(top_px, bottom_px, measures, images).clamp_(0, 1)


def _summed(top_px: Tensor, bottom_px: Tensor, measures: Geometry, images: Tensor) -> Tensor:
    """Add the ink of all rows to ``images``; above 1 where traces of one channel cross."""
    bands = Bands.of(measures)
    edges = bands.edges(top_px)
    spans = _spans(top_px, bottom_px, bands)
    for row, (start, channel) in enumerate(zip(bands.starts, bands.channels, strict=True)):
        first, last = spans[row]
        reached = torch.clamp(
            edges[first : last + 1], top_px[:, row, None], bottom_px[:, row, None]
        )
        images[:, channel, start + first : start + last] += reached[:, 1:] - reached[:, :-1]
    return images


def _spans(top_px: Tensor, bottom_px: Tensor, bands: Bands) -> list[list[int]]:
    """Return which rows of each band, from first to before last, are inked in some record.

    On a GPU, where asking would make it wait, all of them.
    """
    if top_px.device.type != "cpu" or not top_px.numel():
        return [[0, bands.rows]] * len(bands.starts)
    highest = (top_px.detach().amin(dim=(0, 2)) + bands.zero_px).floor()
    lowest = (bottom_px.detach().amax(dim=(0, 2)) + bands.zero_px).ceil()
    return torch.stack([highest, lowest], dim=1).int().clamp(0, bands.rows).tolist()


class Ink(torch.autograd.Function):
    """``inked`` with its derivative: an edge that moves changes the one pixel it lies in."""

    @staticmethod
    def forward(ctx: Any, top_px: Tensor, bottom_px: Tensor, measures: Geometry) -> Tensor:
        """Return the images (B, 3, H, W) of extents (B, rows, W)."""
        images = top_px.new_zeros(len(top_px), 3, measures.height, measures.width)
        _summed(top_px, bottom_px, measures, images)
        ctx.measures = measures
        ctx.save_for_backward(top_px, bottom_px, images > 1 + _ROUNDING)
        return images.clamp_(0, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the derivatives with respect to top and bottom."""
        top_px, bottom_px, crossed = ctx.saved_tensors
        grad = grads[0].masked_fill(crossed, 0.0)
        bands = Bands.of(ctx.measures)
        to_top, to_bottom = torch.empty_like(top_px), torch.empty_like(bottom_px)
        for row, (start, channel) in enumerate(zip(bands.starts, bands.channels, strict=True)):
            band = grad[:, channel, start : start + bands.rows]
            to_top[:, row] = -_at_edge(band, top_px[:, row], bands)
            to_bottom[:, row] = _at_edge(band, bottom_px[:, row], bands)
        nothing = bottom_px <= top_px
        return to_top.masked_fill(nothing, 0.0), to_bottom.masked_fill(nothing, 0.0), None


def _at_edge(band: Tensor, edge_px: Tensor, bands: Bands) -> Tensor:
    """Return the band's value (B, W) in the row where ``edge_px`` (B, W) lies."""
    row = (edge_px + bands.zero_px).floor().long().clamp(0, bands.rows - 1)
    return band.gather(1, row[:, None])[:, 0]
