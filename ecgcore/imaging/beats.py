"""The median beat of each lead, in batches on the signal's device: what ``panels`` draws.

Beats are laid on one another to a fraction of a sample, so that a QRS stands at the same place
and has the same width at any rate. This is drawing, not measuring: measure/median_beat.py picks
beats of one shape and measures them.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ecgcore.imaging.interpolation import interpolated, picked_at

MOST_BEATS = 8  # of a record; of more, as many spread evenly over it
_FLAT_S, _REACH_S = 0.06, 0.10  # around an R peak: what counts fully, what counts at all
_FARTHEST_S = 0.02  # that an R peak is moved
_ROUNDS = 3
_PEAK_HZ = 250.0  # rate at which QRS complexes are looked at, or the signal's where it is less

Beats = Sequence[np.ndarray]


def found_beats(signal_mv: Tensor, fs_hz: float) -> list[np.ndarray]:
    """Return each record's R peaks, in seconds: (B, 12, T) → B arrays."""
    from ecgcore.measure.rpeaks import r_peaks

    return [r_peaks(record, fs_hz) for record in signal_mv.detach().cpu().float().numpy()]


def median_beats(
    signal_mv: Tensor, fs_hz: float, beats: Beats, start_s: float, step_s: float, steps: int
) -> Tensor:
    """Return the median beat of each lead, (B, 12, ``steps``) in mV.

    Sampled from ``start_s`` relative to the R peak on, every ``step_s``. Before the median each
    beat is brought to the usual level of its lead, so that baseline wander does not mix waves.
    NaN where a record has no beat, or a lead no signal. Differentiable with respect to the signal.

    Parameters
    ----------
    signal_mv
        (B, 12, T).
    beats
        B arrays of R peaks in seconds. Those whose window leaves the record are used only where
        there is no other.
    """
    end_s = start_s + (steps - 1) * step_s
    length_s = (signal_mv.shape[-1] - 1) / fs_hz
    chosen = [_chosen(np.asarray(b, float), start_s, end_s, length_s) for b in beats]
    counts = torch.tensor([len(b) for b in chosen])
    at_s = np.zeros((len(chosen), _even(max(map(len, chosen), default=0))))
    for row, times_s in zip(at_s, chosen, strict=True):
        row[:] = times_s[0] if len(times_s) else -start_s
        row[: len(times_s)] = times_s
    r_s = centred(signal_mv, fs_hz, torch.from_numpy(at_s).to(signal_mv))  # (B, N)
    offsets_s = start_s + step_s * torch.arange(steps, device=r_s.device, dtype=r_s.dtype)
    cut = interpolated(signal_mv, (r_s[..., None] + offsets_s) * fs_hz)  # (B, 12, N, steps)
    return _median(cut, counts)


def _even(count: int) -> int:
    """Return the next even number from 2 up."""
    return max(2, count + count % 2)


def _chosen(r_s: np.ndarray, start_s: float, end_s: float, length_s: float) -> np.ndarray:
    """Return the beats to use: whole ones, where there are any, and not too many."""
    r_s = r_s[(r_s >= 0) & (r_s <= length_s)]
    whole = r_s[(r_s + start_s >= 0) & (r_s + end_s <= length_s)]
    kept = whole if len(whole) else r_s
    if len(kept) <= MOST_BEATS:
        return kept
    return kept[np.linspace(0, len(kept) - 1, MOST_BEATS).round().astype(int)]


@torch.no_grad()
def centred(signal_mv: Tensor, fs_hz: float, r_s: Tensor) -> Tensor:
    """Return the middle of the QRS's energy in all leads near each R peak, (B, N) in seconds.

    A peak's sample would be off by up to half a sample, and would jump between two peaks of about
    equal height; the middle is neither.
    """
    stride = max(1, round(fs_hz / _PEAK_HZ))
    half = round(_REACH_S * fs_hz / stride)
    places = stride * torch.arange(-half, half + 1, device=r_s.device)
    at = (r_s * fs_hz).round().long()[..., None] + places  # (B, N, n)
    at = at.clamp(0, signal_mv.shape[-1] - 1)
    near = picked_at(signal_mv.nan_to_num(0.0), at)  # (B, 12, N, n)
    rest = (near[..., :1] + near[..., -1:]) / 2
    energy = (near - rest).square().sum(dim=1)  # (B, N, n)
    at_s = at.to(r_s.dtype) / fs_hz
    middle_s = r_s
    for _ in range(_ROUNDS):
        away_s = (at_s - middle_s[..., None]).abs()
        weight = energy * ((_REACH_S - away_s) / (_REACH_S - _FLAT_S)).clamp(0, 1)
        middle_s = (weight * at_s).sum(-1) / weight.sum(-1).clamp(min=1e-12)
        middle_s = torch.minimum(torch.maximum(middle_s, r_s - _FARTHEST_S), r_s + _FARTHEST_S)
    return middle_s


def _median(cut: Tensor, counts: Tensor) -> Tensor:
    """Return the median (B, 12, n) over the first ``counts`` (B,) of the beats (B, 12, N, n)."""
    if not bool(cut.detach().sum().isnan()):
        return _median_of_whole(cut, counts)
    holed = cut.detach().isnan().flatten(1).any(dim=1).cpu()
    rows = [
        _median_of_holed(beat[:, : int(n)]) if hole else _median_of_whole(beat[None], n[None])[0]
        for beat, n, hole in zip(cut, counts, holed, strict=True)
    ]
    return torch.stack(rows)


def _median_of_holed(cut: Tensor) -> Tensor:
    """Return the median (12, n) over the beats (12, N, n) that are there, sample by sample."""
    if not cut.shape[1]:
        return cut.new_full((len(cut), cut.shape[2]), math.nan)
    levels = cut.nanmean(dim=-1, keepdim=True)
    usual = levels.nanquantile(0.5, dim=1, keepdim=True)
    return (cut - levels + usual).nanquantile(0.5, dim=1)


def _median_of_whole(cut: Tensor, counts: Tensor) -> Tensor:
    """Return the same of beats without holes, each first brought to the usual level of its lead."""
    beyond = _beyond(counts, cut.shape[2]).to(cut)[:, None, :, None]
    levels = cut.mean(dim=-1, keepdim=True)  # (B, 12, N, 1)
    usual = _middle((levels + beyond).unbind(dim=2), counts)[:, :, None]
    return _middle((cut + (usual - levels + beyond)).unbind(dim=2), counts)


def _beyond(counts: Tensor, places: int) -> Tensor:
    """Return what puts the places beyond ``counts`` of (B, ``places``) out of the median's way.

    0 for a beat; beyond them as many −∞ as ∞, one −∞ more where the count is odd, so that the
    median stands in the middle for every record.
    """
    place, counts = torch.arange(places), counts[:, None]
    lowest = place < counts + (places - counts + 1) // 2
    lacking = torch.where(lowest, -math.inf, math.inf)
    return torch.where(place < counts, 0.0, lacking)


def _middle(rows: tuple[Tensor, ...], counts: Tensor) -> Tensor:
    """Return the median of an even number of tensors (B, 12, n), of which ``counts`` are beats.

    It is found by a network of minima and maxima over whole arrays: a sort of short rows takes
    ten times as long. NaN where there is no beat.
    """
    lower, upper = _middles(list(rows))
    counts = counts.to(upper.device)[:, None, None]
    middle = torch.where(counts % 2 == 1, upper, (lower + upper) / 2)
    return middle.masked_fill(counts == 0, math.nan)


def _middles(rows: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the two middle values of an even number of tensors, place by place."""
    for a, b, least, most in _network(len(rows)):
        low, high = rows[a], rows[b]
        if least:
            rows[a] = torch.minimum(low, high)
        if most:
            rows[b] = torch.maximum(low, high)
    return rows[len(rows) // 2 - 1], rows[len(rows) // 2]


@lru_cache(maxsize=16)
def _network(size: int) -> tuple[tuple[int, int, bool, bool], ...]:
    """Return those steps of Batcher's odd–even merge sort (1968) that the two middles need.

    Each compares places a < b; the flags tell whether the lesser and the greater are needed.
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
