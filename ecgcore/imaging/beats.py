"""Median beat of each lead for the ``panels`` layout, in batches on the signal's device.

Beats are aligned to a fraction of a sample, so that a QRS has the same position and width at any
sampling rate. This serves drawing, not measuring: measure/median_beat.py selects beats of one shape
and measures them.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ecgcore.imaging.interpolation import interpolate, samples_at

MAX_BEATS = 8  # used of a record, spread evenly over it
_FLAT_S, _REACH_S = 0.06, 0.10  # around an R peak: full weight, and end of the weight
_MAX_SHIFT_S = 0.02  # of an R peak
_ROUNDS = 3
_PEAK_HZ = 250.0  # rate at which QRS complexes are aligned; the signal's own if lower

Beats = Sequence[np.ndarray]


def detect_beats(signal_mv: Tensor, fs_hz: float) -> list[np.ndarray]:
    """Return each record's R peaks in seconds: (B, 12, T) → B arrays."""
    from ecgcore.measurement.rpeaks import r_peaks

    return [r_peaks(record, fs_hz) for record in signal_mv.detach().cpu().float().numpy()]


def median_beats(
    signal_mv: Tensor, fs_hz: float, beats: Beats, start_s: float, step_s: float, steps: int
) -> Tensor:
    """Return the median beat of each lead, (B, 12, ``steps``) in mV.

    Sampled every ``step_s`` from ``start_s`` relative to the R peak. Before the median each beat is
    shifted to the median level of its lead, so that baseline wander does not mix waves. NaN where a
    record has no beat or a lead no signal. Differentiable with respect to the signal.

    Parameters
    ----------
    signal_mv
        (B, 12, T).
    beats
        B arrays of R peaks in seconds. Beats whose window leaves the record are used only if there
        is no other.
    """
    end_s = start_s + (steps - 1) * step_s
    length_s = (signal_mv.shape[-1] - 1) / fs_hz
    chosen = [_select_beats(np.asarray(b, float), start_s, end_s, length_s) for b in beats]
    counts = torch.tensor([len(b) for b in chosen])
    at_s = np.zeros((len(chosen), _next_even(max(map(len, chosen), default=0))))
    for row, times_s in zip(at_s, chosen, strict=True):
        row[:] = times_s[0] if len(times_s) else -start_s
        row[: len(times_s)] = times_s
    r_s = qrs_centres(signal_mv, fs_hz, torch.from_numpy(at_s).to(signal_mv))  # (B, N)
    offsets_s = start_s + step_s * torch.arange(steps, device=r_s.device, dtype=r_s.dtype)
    cut = interpolate(signal_mv, (r_s[..., None] + offsets_s) * fs_hz)  # (B, 12, N, steps)
    return _median(cut, counts)


def _next_even(count: int) -> int:
    """Return the next even number, at least 2."""
    return max(2, count + count % 2)


def _select_beats(r_s: np.ndarray, start_s: float, end_s: float, length_s: float) -> np.ndarray:
    """Return at most MAX_BEATS beats, complete ones if there are any."""
    r_s = r_s[(r_s >= 0) & (r_s <= length_s)]
    complete = r_s[(r_s + start_s >= 0) & (r_s + end_s <= length_s)]
    usable = complete if len(complete) else r_s
    if len(usable) <= MAX_BEATS:
        return usable
    return usable[np.linspace(0, len(usable) - 1, MAX_BEATS).round().astype(int)]


@torch.no_grad()
def qrs_centres(signal_mv: Tensor, fs_hz: float, r_s: Tensor) -> Tensor:
    """Return the centre of the QRS energy in all leads near each R peak, (B, N) in seconds.

    The sample of a peak would be off by up to half a sample, and would jump between two peaks of
    about equal height; the centre does neither.
    """
    stride = max(1, round(fs_hz / _PEAK_HZ))
    half = round(_REACH_S * fs_hz / stride)
    offsets = stride * torch.arange(-half, half + 1, device=r_s.device)
    at = (r_s * fs_hz).round().long()[..., None] + offsets  # (B, N, n)
    at = at.clamp(0, signal_mv.shape[-1] - 1)
    near = samples_at(signal_mv.nan_to_num(0.0), at)  # (B, 12, N, n)
    baseline = (near[..., :1] + near[..., -1:]) / 2
    energy = (near - baseline).square().sum(dim=1)  # (B, N, n)
    at_s = at.to(r_s.dtype) / fs_hz
    centre_s = r_s
    for _ in range(_ROUNDS):
        distance_s = (at_s - centre_s[..., None]).abs()
        weight = energy * ((_REACH_S - distance_s) / (_REACH_S - _FLAT_S)).clamp(0, 1)
        centre_s = (weight * at_s).sum(-1) / weight.sum(-1).clamp(min=1e-12)
        centre_s = torch.minimum(torch.maximum(centre_s, r_s - _MAX_SHIFT_S), r_s + _MAX_SHIFT_S)
    return centre_s


def _median(cut: Tensor, counts: Tensor) -> Tensor:
    """Return the median (B, 12, n) over the first ``counts`` (B,) of the beats (B, 12, N, n)."""
    if not bool(cut.detach().sum().isnan()):
        return _median_without_gaps(cut, counts)
    has_gap = cut.detach().isnan().flatten(1).any(dim=1).cpu()
    rows = [
        _median_with_gaps(beat[:, : int(n)])
        if gap
        else _median_without_gaps(beat[None], n[None])[0]
        for beat, n, gap in zip(cut, counts, has_gap, strict=True)
    ]
    return torch.stack(rows)


def _median_with_gaps(cut: Tensor) -> Tensor:
    """Return the median (12, n) over the beats (12, N, n) present at each sample."""
    if not cut.shape[1]:
        return cut.new_full((len(cut), cut.shape[2]), math.nan)
    levels = cut.nanmean(dim=-1, keepdim=True)
    median_level = levels.nanquantile(0.5, dim=1, keepdim=True)
    return (cut - levels + median_level).nanquantile(0.5, dim=1)


def _median_without_gaps(cut: Tensor, counts: Tensor) -> Tensor:
    """Return the median of beats without gaps, each shifted to the median level of its lead."""
    padding = _padding(counts, cut.shape[2]).to(cut)[:, None, :, None]
    levels = cut.mean(dim=-1, keepdim=True)  # (B, 12, N, 1)
    median_level = _median_of_rows((levels + padding).unbind(dim=2), counts)[:, :, None]
    shifted = cut + (median_level - levels + padding)
    return _median_of_rows(shifted.unbind(dim=2), counts)


def _padding(counts: Tensor, slots: int) -> Tensor:
    """Return (B, ``slots``) that keeps the slots beyond ``counts`` out of the median.

    0 for a beat; beyond them as many −∞ as ∞, one −∞ more where the count is odd, so that the
    median is the middle value for every record.
    """
    slot, counts = torch.arange(slots), counts[:, None]
    is_low = slot < counts + (slots - counts + 1) // 2
    fill = torch.where(is_low, -math.inf, math.inf)
    return torch.where(slot < counts, 0.0, fill)


def _median_of_rows(rows: tuple[Tensor, ...], counts: Tensor) -> Tensor:
    """Return the median of an even number of tensors (B, 12, n), of which ``counts`` are beats.

    A network of minima and maxima over whole arrays: sorting short rows takes ten times as long.
    NaN where there is no beat.
    """
    lower, upper = _middle_two(list(rows))
    counts = counts.to(upper.device)[:, None, None]
    median = torch.where(counts % 2 == 1, upper, (lower + upper) / 2)
    return median.masked_fill(counts == 0, math.nan)


def _middle_two(rows: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the two middle values of an even number of tensors, element by element."""
    for a, b, need_min, need_max in _median_network(len(rows)):
        low, high = rows[a], rows[b]
        if need_min:
            rows[a] = torch.minimum(low, high)
        if need_max:
            rows[b] = torch.maximum(low, high)
    return rows[len(rows) // 2 - 1], rows[len(rows) // 2]


@lru_cache(maxsize=16)
def _median_network(size: int) -> tuple[tuple[int, int, bool, bool], ...]:
    """Return those steps of Batcher's odd–even merge sort (1968) that the two middles need.

    Each compares rows a < b; the flags tell whether the minimum and the maximum are needed.
    """
    needed = {size // 2 - 1, size // 2}
    steps = []
    for a, b in reversed(_merge_sort(size)):
        if a in needed or b in needed:
            steps.append((a, b, a in needed, b in needed))
            needed |= {a, b}
    return tuple(reversed(steps))


def _merge_sort(size: int) -> list[tuple[int, int]]:
    """Return the comparisons of Batcher's network (Knuth, TAOCP 3, 5.2.2, algorithm M)."""
    pairs = []
    p = 1
    while p < size:
        k = p
        while k >= 1:
            for j in range(k % p, size - k, 2 * k):
                for i in range(min(k, size - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        pairs.append((i + j, i + j + k))
            k //= 2
        p *= 2
    return pairs
