"""Interpolation of signals between their samples, in batches on their device."""

import math

from torch import Tensor, addcmul


def interpolate(signal_mv: Tensor, at: Tensor) -> Tensor:
    """Return the signal (B, 12, T) at fractional samples ``at`` (B, N, n): (B, 12, N, n).

    Cubic through four samples (Catmull & Rom 1974): exact at the samples, and between them it
    preserves narrow peaks better than a straight line. NaN beyond the ends.
    """
    last = signal_mv.shape[-1] - 1
    before = at.floor()
    t = (at - before)[:, None].to(signal_mv.dtype)
    weights = (
        ((-0.5 * t + 1) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1,
        ((-1.5 * t + 2) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )
    first = before.long() - 1
    total = weights[0] * samples_at(signal_mv, first.clamp(0, last))
    for tap in (1, 2, 3):
        total = addcmul(total, weights[tap], samples_at(signal_mv, (first + tap).clamp(0, last)))
    beyond = (at < -1e-3) | (at > last + 1e-3)
    return total.masked_fill(beyond[:, None], math.nan) if bool(beyond.any()) else total


def samples_at(signal_mv: Tensor, indices: Tensor) -> Tensor:
    """Return the signal (B, 12, T) at samples ``indices`` (B, N, n): (B, 12, N, n)."""
    flat = indices.flatten(1)[:, None].expand(-1, signal_mv.shape[1], -1)
    return signal_mv.gather(-1, flat).unflatten(-1, indices.shape[1:])
