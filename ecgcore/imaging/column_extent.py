"""What a sampled trace reaches in each pixel column: its lowest and highest voltage there.

The trace is the polyline through its samples. A column is looked at in parts; in a part the
polyline reaches the samples that lie there and its two crossings of the part's edges; the pen
widens that over neighbouring parts, and the column gets the mean of its parts. All is found by a
few whole-array steps, whatever the rate.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ecgcore.imaging.geometry import Pen
from ecgcore.imaging.layouts import RANGE_MV

Pick = Callable[[Tensor, Tensor], Tensor]


class Sampling(NamedTuple):
    """Which samples fall into which part, by trace (n is 1 where all traces start together).

    ``around`` (n, 2 (P + 1)) gives the sample before each part's edge, then the one after, and
    ``share`` (n, P + 1) how far the edge lies between them; ``windows`` (n, 2 P) starts two windows
    of 2**``doublings`` samples that together cover the samples in a part; ``filled`` (n, P) tells
    the parts that hold a sample.
    """

    around: Tensor
    share: Tensor
    windows: Tensor
    filled: Tensor
    doublings: int
    every_part: bool


def reach(
    signal_mv: Tensor,
    fs_hz: float,
    starts_s: tuple[float, ...],
    px_per_s: float,
    width: int,
    pen: Pen,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return the lowest and highest voltage in each column, and where there is none.

    Parameters
    ----------
    signal_mv
        (B, L, T) in mV; NaN is missing, and no line is drawn from or to a missing sample.
    fs_hz
        Sampling rate.
    starts_s
        The time at the left edge of the first column, by trace, or one for all.
    px_per_s, width
        Pixels a second, number of columns.
    pen
        How wide a stroke is, and over how many parts a column is averaged.

    Returns
    -------
    tuple
        Low and high, (B, L, W) in mV within ±5, and a mask (B, L, W) of columns without a trace,
        which is None when every column has one.
    """
    longest_s = max(starts_s) + width / px_per_s
    signal_mv = _filled_up(signal_mv, math.ceil(longest_s * fs_hz - 1e-9))
    plan = _sampling(
        signal_mv.shape[-1],
        tuple(start * fs_hz for start in starts_s),
        fs_hz / (px_per_s * pen.parts),
        width * pen.parts,
        signal_mv.device,
    )
    before, after = _picked(signal_mv, plan.around)
    edges_mv = torch.lerp(before, after, plan.share.to(signal_mv.dtype))
    if not bool(signal_mv.detach().sum().isnan()):
        low = _extreme(signal_mv, edges_mv, plan, pen, torch.minimum, math.inf)
        high = _extreme(signal_mv, edges_mv, plan, pen, torch.maximum, -math.inf)
        return _mean(low, pen.parts), _mean(high, pen.parts), None
    low, high = (
        _extreme(_without(signal_mv, none), _without(edges_mv, none), plan, pen, pick, none)
        for pick, none in ((torch.minimum, math.inf), (torch.maximum, -math.inf))
    )
    return _mean_of_there(low, high, pen.parts)


def _extreme(
    samples: Tensor, edges: Tensor, plan: Sampling, pen: Pen, pick: Pick, none: float
) -> Tensor:
    """Return ``pick`` (minimum or maximum) over what the pen reaches in each part."""
    run = _run(samples, 2**plan.doublings, pick)
    inside = pick(*_picked(run, plan.windows))
    crossing = pick(edges[..., :-1], edges[..., 1:])
    if plan.every_part:
        reached = pick(inside, crossing)
    else:
        reached = torch.where(plan.filled, pick(inside, crossing), crossing)
    half = pen.breadth_parts // 2
    if half:
        reached = _run(
            torch.nn.functional.pad(reached, (half, half), value=none), pen.breadth_parts, pick
        )
    return reached


def _run(values: Tensor, length: int, pick: Pick) -> Tensor:
    """Return ``pick`` over every ``length`` neighbours, (..., T − length + 1)."""
    reached, covered = values, 1
    while covered < length:
        step = min(covered, length - covered)
        reached = pick(reached[..., :-step], reached[..., step:])
        covered += step
    return reached


def _mean(values_mv: Tensor, parts: int) -> Tensor:
    """Return the mean over each column's parts, cut at the range that is drawn."""
    values_mv = values_mv.clamp(-RANGE_MV, RANGE_MV)
    if parts == 1:
        return values_mv
    total = values_mv[..., 0::parts] + values_mv[..., 1::parts]
    for part in range(2, parts):
        total = total + values_mv[..., part::parts]
    return total / parts


def _mean_of_there(low: Tensor, high: Tensor, parts: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the means over those parts of each column that have a trace, and where none has."""
    missing = low > high
    there = _total(~missing, parts)
    weight = parts / there.clamp(min=1).to(low.dtype)
    low, high = (_mean(v.masked_fill(missing, 0.0), parts) * weight for v in (low, high))
    return low, high, there == 0


def _total(flags: Tensor, parts: int) -> Tensor:
    return flags.unflatten(-1, (-1, parts)).sum(-1)


def _picked(values: Tensor, places: Tensor) -> tuple[Tensor, ...]:
    """Return ``values`` (B, L, T) at the first and the second half of ``places`` (n, P).

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
def _sampling(
    samples: int,
    starts: tuple[float, ...],
    samples_a_part: float,
    parts: int,
    device: torch.device,
) -> Sampling:
    """Return the plan for ``samples`` samples in ``parts`` parts from each of ``starts`` on."""
    edges = np.array(starts)[:, None] + np.arange(parts + 1) * samples_a_part  # in samples
    before = np.clip(np.floor(edges), 0, samples - 1).astype(np.int64)
    after = np.minimum(before + 1, samples - 1)
    first = np.clip(np.ceil(edges[:, :-1] - 1e-9), 0, samples - 1).astype(np.int64)
    last = np.clip(np.floor(edges[:, 1:] + 1e-9), 0, samples - 1).astype(np.int64)
    count = last - first + 1
    doublings = int(math.log2(max(1, count.min())))
    second = np.maximum(first, last + 1 - 2**doublings)
    with torch.inference_mode(False):  # kept for later calls, which may want derivatives
        return Sampling(
            torch.from_numpy(np.concatenate([before, after], axis=1)).to(device),
            torch.from_numpy(edges - before).clamp(0, 1).to(device),
            torch.from_numpy(np.concatenate([first, second], axis=1)).to(device),
            torch.from_numpy(count > 0).to(device),
            doublings,
            bool((count > 0).all()),
        )
