"""What a sampled trace reaches in each pixel column: its lowest and highest voltage there.

The trace is the polyline through its samples. In a column it reaches the samples that lie there
and its two crossings of the column's edges; all are found by a few whole-array steps, whatever
the rate.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Sampling(NamedTuple):
    """Which samples fall into which column.

    ``around`` (2 (W + 1),) gives the sample before each column edge, then the one after, and
    ``share`` (W + 1,) how far the edge lies between them; ``windows`` (2 W,) starts two windows
    of 2**``doublings`` samples that together cover the samples in a column; ``filled`` (W,)
    tells the columns that hold a sample.
    """

    around: Tensor
    share: Tensor
    windows: Tensor
    filled: Tensor
    doublings: int
    every_column: bool


def reach(
    signal_mv: Tensor, fs_hz: float, px_per_s: float, width: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return the lowest and highest voltage in each column, and where there is none.

    Parameters
    ----------
    signal_mv
        (..., T) in mV; NaN is missing, and no line is drawn from or to a missing sample.
    fs_hz, px_per_s, width
        Sampling rate, pixels a second, number of columns.

    Returns
    -------
    tuple
        Low and high, (..., W) in mV, and a mask (..., W) of columns without a trace, which is
        None when every column has one. Low and high are infinite there.
    """
    signal_mv = _filled_up(signal_mv, math.ceil(width / px_per_s * fs_hz - 1e-9))
    plan = _sampling(signal_mv.shape[-1], fs_hz / px_per_s, width, signal_mv.device)
    before, after = _picked(signal_mv, plan.around)
    edges_mv = torch.lerp(before, after, plan.share.to(signal_mv.dtype))
    if not bool(signal_mv.detach().sum().isnan()):
        low = _extreme(signal_mv, edges_mv, plan, torch.minimum)
        return low, _extreme(signal_mv, edges_mv, plan, torch.maximum), None
    low = _extreme(_without(signal_mv, math.inf), _without(edges_mv, math.inf), plan, torch.minimum)
    high = _extreme(
        _without(signal_mv, -math.inf), _without(edges_mv, -math.inf), plan, torch.maximum
    )
    return low, high, low > high


def _extreme(
    samples: Tensor, edges: Tensor, plan: Sampling, pick: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Return ``pick`` (minimum or maximum) over each column's samples and two edges."""
    run = samples
    for doubling in range(plan.doublings):
        run = pick(run[..., : -(2**doubling)], run[..., 2**doubling :])
    inside = pick(*_picked(run, plan.windows))
    crossing = pick(edges[..., :-1], edges[..., 1:])
    if plan.every_column:
        return pick(inside, crossing)
    return torch.where(plan.filled, pick(inside, crossing), crossing)


def _picked(values: Tensor, places: Tensor) -> tuple[Tensor, ...]:
    """Return ``values`` (..., T) at the first and the second half of ``places``.

    ``gather`` does this five times as quickly as indexing.
    """
    return values.gather(-1, places.expand(*values.shape[:-1], -1)).chunk(2, dim=-1)


def _filled_up(signal_mv: Tensor, samples: int) -> Tensor:
    """Return the signal with missing samples appended until it fills the picture."""
    lacking = samples - signal_mv.shape[-1]
    if lacking <= 0:
        return signal_mv
    return torch.nn.functional.pad(signal_mv, (0, lacking), value=math.nan)


def _without(values: Tensor, stand_in: float) -> Tensor:
    """Return ``values`` with ``stand_in`` where they are missing."""
    return values.masked_fill(values.isnan(), stand_in)


@lru_cache(maxsize=32)
def _sampling(samples: int, samples_per_px: float, width: int, device: torch.device) -> Sampling:
    """Return the plan for ``samples`` samples at ``samples_per_px`` in ``width`` columns."""
    edges = np.arange(width + 1) * samples_per_px  # in samples
    before = np.clip(np.floor(edges), 0, samples - 1).astype(np.int64)
    after = np.minimum(before + 1, samples - 1)
    first = np.clip(np.ceil(edges[:-1] - 1e-9), 0, samples - 1).astype(np.int64)
    last = np.clip(np.floor(edges[1:] + 1e-9), 0, samples - 1).astype(np.int64)
    count = last - first + 1
    doublings = int(math.log2(max(1, count.min())))
    second = np.maximum(first, last + 1 - 2**doublings)
    with torch.inference_mode(False):  # kept for later calls, which may want derivatives
        return Sampling(
            torch.from_numpy(np.concatenate([before, after])).to(device),
            torch.from_numpy(edges - before).clamp(0, 1).to(device),
            torch.from_numpy(np.concatenate([first, second])).to(device),
            torch.from_numpy(count > 0).to(device),
            doublings,
            bool((count > 0).all()),
        )
