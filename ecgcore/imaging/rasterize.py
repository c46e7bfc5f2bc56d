"""Rasterisation: column extents to pixel coverage, with its exact derivative.

A pixel row from r to r + 1 shares ``clamp(r + 1, top, bottom) − clamp(r, top, bottom)`` with an
extent from top to bottom: one clamp of the row edges, and the difference of neighbours.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ecgcore.imaging.geometry import RANGE_MV, Geometry

_ROUNDING = 1e-3  # tolerance of sums of ink; far less ink than an image resolves


class RowBands(NamedTuple):
    """Pixel rows that each row of traces can ink: ``rows`` of them from ``starts`` on.

    ``zero_px`` is the zero line within a band, the same for all.
    """

    starts: tuple[int, ...]
    channels: tuple[int, ...]
    rows: int
    zero_px: float

    @classmethod
    def of(cls, geometry: Geometry) -> "RowBands":
        """Return the bands of a geometry, whose zero lines all lie on pixel centres."""
        return _row_bands(geometry)

    def edges(self, like: Tensor) -> Tensor:
        """Return the edges of a band's rows below its zero line, (rows + 1, 1) in px."""
        edges = torch.arange(self.rows + 1, dtype=like.dtype, device=like.device)
        return edges[:, None] - self.zero_px

    def coverage(self, top_px: Tensor, bottom_px: Tensor) -> Tensor:
        """Return the inked share of each pixel of a band, (..., rows, W), from (..., W)."""
        clamped = torch.clamp(self.edges(top_px), top_px[..., None, :], bottom_px[..., None, :])
        return clamped.diff(dim=-2)


@lru_cache(maxsize=64)
def _row_bands(geometry: Geometry) -> RowBands:
    reach_px = RANGE_MV * geometry.px_per_mv + geometry.pen_px / 2
    above = math.ceil(reach_px - 0.5)  # whole rows above the one that contains the zero line
    starts = tuple(math.floor(row[0].baseline_px) - above for row in geometry.rows)
    channels = tuple(row[0].channel for row in geometry.rows)
    return RowBands(starts, channels, 2 * above + 1, above + 0.5)


def rasterize(top_px: Tensor, bottom_px: Tensor, geometry: Geometry, images: Tensor) -> Tensor:
    """Ink all rows of traces into ``images`` (B, 3, H, W), which holds zeros, and return it.

    Where two traces of one channel cross, ink stays 1.
    """
    return _add_ink(top_px, bottom_px, geometry, images).clamp_(0, 1)


def _add_ink(top_px: Tensor, bottom_px: Tensor, geometry: Geometry, images: Tensor) -> Tensor:
    """Add the ink of all rows to ``images``; above 1 where traces of one channel cross."""
    bands = RowBands.of(geometry)
    edges = bands.edges(top_px)
    spans = _inked_spans(top_px, bottom_px, bands)
    for row, (start, channel) in enumerate(zip(bands.starts, bands.channels, strict=True)):
        first, last = spans[row]
        clamped = torch.clamp(
            edges[first : last + 1], top_px[:, row, None], bottom_px[:, row, None]
        )
        images[:, channel, start + first : start + last] += clamped[:, 1:] - clamped[:, :-1]
    return images


def _inked_spans(top_px: Tensor, bottom_px: Tensor, bands: RowBands) -> list[list[int]]:
    """Return the pixel rows of each band, first and one past the last, inked in any record.

    On a GPU, where reading the values would force a synchronisation, all of them.
    """
    if top_px.device.type != "cpu" or not top_px.numel():
        return [[0, bands.rows]] * len(bands.starts)
    highest = (top_px.detach().amin(dim=(0, 2)) + bands.zero_px).floor()
    lowest = (bottom_px.detach().amax(dim=(0, 2)) + bands.zero_px).ceil()
    return torch.stack([highest, lowest], dim=1).int().clamp(0, bands.rows).tolist()


class Rasterize(torch.autograd.Function):
    """``rasterize`` with its derivative: moving an edge changes the one pixel that contains it."""

    @staticmethod
    def forward(ctx: Any, top_px: Tensor, bottom_px: Tensor, geometry: Geometry) -> Tensor:
        """Return the images (B, 3, H, W) of extents (B, rows, W)."""
        images = top_px.new_zeros(len(top_px), 3, geometry.height, geometry.width)
        _add_ink(top_px, bottom_px, geometry, images)
        ctx.geometry = geometry
        ctx.save_for_backward(top_px, bottom_px, images > 1 + _ROUNDING)
        return images.clamp_(0, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the derivatives with respect to top and bottom."""
        top_px, bottom_px, saturated = ctx.saved_tensors
        grad = grads[0].masked_fill(saturated, 0.0)
        bands = RowBands.of(ctx.geometry)
        grad_top, grad_bottom = torch.empty_like(top_px), torch.empty_like(bottom_px)
        for row, (start, channel) in enumerate(zip(bands.starts, bands.channels, strict=True)):
            band = grad[:, channel, start : start + bands.rows]
            grad_top[:, row] = -_value_at_edge(band, top_px[:, row], bands)
            grad_bottom[:, row] = _value_at_edge(band, bottom_px[:, row], bands)
        empty = bottom_px <= top_px
        return grad_top.masked_fill(empty, 0.0), grad_bottom.masked_fill(empty, 0.0), None


def _value_at_edge(band: Tensor, edge_px: Tensor, bands: RowBands) -> Tensor:
    """Return the band's value (B, W) in the row that contains ``edge_px`` (B, W)."""
    row = (edge_px + bands.zero_px).floor().long().clamp(0, bands.rows - 1)
    return band.gather(1, row[:, None])[:, 0]
