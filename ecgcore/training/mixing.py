"""Mixing near the borderlines: recordings between two classes that networks confuse.

Paper 001 asks at its end for "targeted augmentation/examples for STEMI versus ST-depression (and
ST-like changes adjacent RVH)" and for the confusion of LVH and RVH. Its beats are kept, and a part
of each, ST segment or QRS complex, is moved towards that of another recording's median beat; the
targets of the classes in question move as far.
"""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ecgcore.imaging.beats import centred, median_beats
from ecgcore.labels.classes import CODES
from ecgcore.training.augmentation import Batch, BatchRng

ST_CLASSES = ("STEMI", "STD")
VOLTAGE_CLASSES = ("LVH", "RVH")
MIXED = (0.2, 0.8)  # share of the other recording: near the borderline, not beyond
# Seconds from the R peak: where a part begins, is whole, is whole no more, and has ended.
ST_S = (0.05, 0.09, 0.34, 0.42)
QRS_S = (-0.07, -0.05, 0.05, 0.07)
_LEVEL_S = (-0.09, -0.06)  # before the QRS, where the line is at rest
_START_S, _END_S = -0.1, 0.45


def st_mix(batch: Batch, chance: BatchRng) -> Batch:
    """Move the ST segments of some recordings towards those of one with STEMI or ST depression."""
    return _mixed(batch, chance, ST_CLASSES, ST_S)


def voltage_mix(batch: Batch, chance: BatchRng) -> Batch:
    """Move the QRS complexes of some recordings towards those of one with LVH or RVH."""
    return _mixed(batch, chance, VOLTAGE_CLASSES, QRS_S)


def _mixed(
    batch: Batch, chance: BatchRng, classes: tuple[str, ...], window_s: tuple[float, ...]
) -> Batch:
    """Mix each recording that may be with one of the batch that is of another of the classes.

    May be mixed: what is of one of the classes or normal. Where there is no partner, or the beats
    are not known, a recording stays as it is.
    """
    columns = [CODES.index(code) for code in classes]
    beats = batch.beats or [np.empty(0)] * len(batch.targets)
    pairs = _partners(batch.targets.cpu(), beats, columns, chance)
    shares = chance.uniform(len(pairs), between=MIXED)
    if not pairs:
        return batch
    step_s = 1 / batch.fs_hz
    steps = math.ceil((_END_S - _START_S) * batch.fs_hz) + 1
    rows = torch.tensor(pairs)  # (P, 2)
    own, other = (
        _levelled(
            median_beats(part.signal_mv, part.fs_hz, part.beats or [], _START_S, step_s, steps)
        )
        for part in (batch.some(rows[:, 0]), batch.some(rows[:, 1]))
    )
    offsets_s = _START_S + step_s * torch.arange(steps)
    change_mv = (other - own).nan_to_num(0.0) * _window(offsets_s, window_s).to(own)
    signal_mv, targets = batch.signal_mv.clone(), batch.targets.clone()
    for (a, b), share, change in zip(pairs, shares.tolist(), change_mv, strict=True):
        found_s = torch.tensor(beats[a])[None].to(signal_mv)
        for peak_s in centred(batch.signal_mv[a, None], batch.fs_hz, found_s)[0].tolist():
            _add(signal_mv[a], share * change, round((peak_s + _START_S) * batch.fs_hz))
        targets[a] = mixed_targets(batch.targets[a], batch.targets[b], share, columns)
    return replace(batch, signal_mv=signal_mv, targets=targets)


def mixed_targets(own: Tensor, other: Tensor, share: float, columns: list[int]) -> Tensor:
    """Return the targets (classes,) of a recording of which ``share`` comes from another.

    The classes in question move to the other's by that share; a normal recording is less normal
    by as much as the other is not; all else stays.
    """
    mixed = own.clone()
    mixed[columns] = (1 - share) * own[columns] + share * other[columns]
    normal = CODES.index("NSR")
    mixed[normal] = own[normal] * (1 - share + share * other[normal])
    return mixed


def _partners(
    targets: Tensor, beats: list[np.ndarray], columns: list[int], chance: BatchRng
) -> list[tuple[int, int]]:
    """Return (recording, partner) rows."""
    has_beats = torch.tensor([len(peaks_s) > 0 for peaks_s in beats])
    there = (targets[:, columns] > 0.5) & has_beats[:, None]  # unknown is no candidate
    may = there.any(dim=1) | ((targets[:, CODES.index("NSR")] > 0.5) & has_beats)
    pairs = []
    for a, choice in enumerate(chance.uniform(len(targets)).tolist()):
        others = np.flatnonzero((there.any(dim=1) & (there != there[a]).any(dim=1)).numpy())
        if may[a] and len(others):
            pairs.append((a, int(others[int(choice * len(others))])))
    return pairs


def _levelled(beat_mv: Tensor) -> Tensor:
    """Return median beats (B, 12, n) relative to their rest before the QRS."""
    low, high = ((s - _START_S) / (_END_S - _START_S) * (beat_mv.shape[-1] - 1) for s in _LEVEL_S)
    return beat_mv - beat_mv[..., round(low) : round(high) + 1].mean(dim=-1, keepdim=True)


def _window(seconds: Tensor, edges_s: tuple[float, ...]) -> Tensor:
    """Return 0 outside the edges, 1 within, half a cosine between."""
    begin, full, end, gone = edges_s
    rise = ((seconds - begin) / (full - begin)).clamp(0, 1)
    fall = ((gone - seconds) / (gone - end)).clamp(0, 1)
    return (1 - torch.cos(math.pi * torch.minimum(rise, fall))) / 2


def _add(signal_mv: Tensor, change_mv: Tensor, first: int) -> None:
    """Add (12, n) to a signal (12, T) from a sample on, as far as the signal goes."""
    start, stop = max(0, first), min(signal_mv.shape[-1], first + change_mv.shape[-1])
    if start < stop:
        signal_mv[:, start:stop] += change_mv[:, start - first : stop - first]
