"""Mixing near the borderlines: recordings between two classes that networks confuse.

Paper 001 asks at its end for "targeted augmentation/examples for STEMI versus ST-depression (and
ST-like changes adjacent RVH)" and for the confusion of LVH and RVH. A recording keeps its beats,
and a part of each beat, ST segment or QRS complex, is moved towards that of another recording's
median beat; the targets of these classes move by the same share.
"""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ecgcore.imaging.beats import median_beats, qrs_centres
from ecgcore.labels.classes import CODES
from ecgcore.training.augmentation import Batch, BatchRng

ST_CLASSES = ("STEMI", "STD")
VOLTAGE_CLASSES = ("LVH", "RVH")
MIXING_SHARE = (0.2, 0.8)  # of the other recording: near the borderline, not beyond
# Seconds from the R peak at which a window begins, is full, starts to fade, and ends.
ST_S = (0.05, 0.09, 0.34, 0.42)
QRS_S = (-0.07, -0.05, 0.05, 0.07)
_BASELINE_S = (-0.09, -0.06)  # before the QRS complex
_START_S, _END_S = -0.1, 0.45


def st_mix(batch: Batch, rng: BatchRng) -> Batch:
    """Move the ST segments of some recordings towards those of one with STEMI or ST depression."""
    return _mix(batch, rng, ST_CLASSES, ST_S)


def voltage_mix(batch: Batch, rng: BatchRng) -> Batch:
    """Move the QRS complexes of some recordings towards those of one with LVH or RVH."""
    return _mix(batch, rng, VOLTAGE_CLASSES, QRS_S)


def _mix(
    batch: Batch, rng: BatchRng, classes: tuple[str, ...], window_s: tuple[float, ...]
) -> Batch:
    """Mix each eligible recording with one of the batch that is of another of the classes.

    Recordings of one of the classes and normal ones are eligible. Without a partner or known beats
    a recording stays unchanged.
    """
    columns = [CODES.index(code) for code in classes]
    beats = batch.beats or [np.empty(0)] * len(batch.targets)
    pairs = _partners(batch.targets.cpu(), beats, columns, rng)
    shares = rng.uniform(len(pairs), between=MIXING_SHARE)
    if not pairs:
        return batch
    step_s = 1 / batch.fs_hz
    steps = math.ceil((_END_S - _START_S) * batch.fs_hz) + 1
    rows = torch.tensor(pairs)  # (P, 2)
    own, other = (
        _baseline_corrected(
            median_beats(side.signal_mv, side.fs_hz, side.beats or [], _START_S, step_s, steps)
        )
        for side in (batch.select(rows[:, 0]), batch.select(rows[:, 1]))
    )
    offsets_s = _START_S + step_s * torch.arange(steps)
    change_mv = (other - own).nan_to_num(0.0) * _window(offsets_s, window_s).to(own)
    signal_mv, targets = batch.signal_mv.clone(), batch.targets.clone()
    for (a, b), share, change in zip(pairs, shares.tolist(), change_mv, strict=True):
        peaks_s = torch.tensor(beats[a])[None].to(signal_mv)
        for peak_s in qrs_centres(batch.signal_mv[a, None], batch.fs_hz, peaks_s)[0].tolist():
            _add(signal_mv[a], share * change, round((peak_s + _START_S) * batch.fs_hz))
        targets[a] = mixed_targets(batch.targets[a], batch.targets[b], share, columns)
    return replace(batch, signal_mv=signal_mv, targets=targets)


def mixed_targets(own: Tensor, other: Tensor, share: float, columns: list[int]) -> Tensor:
    """Return the targets (classes,) of a recording of which ``share`` comes from another.

    The targets of ``columns`` move towards the other's by that share; a normal recording becomes
    less normal by as much as the other is not; all other targets stay.
    """
    mixed = own.clone()
    mixed[columns] = (1 - share) * own[columns] + share * other[columns]
    normal = CODES.index("NSR")
    mixed[normal] = own[normal] * (1 - share + share * other[normal])
    return mixed


def _partners(
    targets: Tensor, beats: list[np.ndarray], columns: list[int], rng: BatchRng
) -> list[tuple[int, int]]:
    """Return pairs of rows: recording and partner."""
    has_beats = torch.tensor([len(peaks_s) > 0 for peaks_s in beats])
    present = (targets[:, columns] > 0.5) & has_beats[:, None]  # an unknown class does not count
    is_candidate = present.any(dim=1)
    is_eligible = is_candidate | ((targets[:, CODES.index("NSR")] > 0.5) & has_beats)
    pairs = []
    for a, choice in enumerate(rng.uniform(len(targets)).tolist()):
        others = np.flatnonzero((is_candidate & (present != present[a]).any(dim=1)).numpy())
        if is_eligible[a] and len(others):
            pairs.append((a, int(others[int(choice * len(others))])))
    return pairs


def _baseline_corrected(beat_mv: Tensor) -> Tensor:
    """Return median beats (B, 12, n) relative to the baseline before the QRS complex."""
    low, high = (
        (s - _START_S) / (_END_S - _START_S) * (beat_mv.shape[-1] - 1) for s in _BASELINE_S
    )
    return beat_mv - beat_mv[..., round(low) : round(high) + 1].mean(dim=-1, keepdim=True)


def _window(seconds: Tensor, edges_s: tuple[float, ...]) -> Tensor:
    """Return a window: 0 outside the edges, 1 within, half a cosine between."""
    begin, full, fade, end = edges_s
    rise = ((seconds - begin) / (full - begin)).clamp(0, 1)
    fall = ((end - seconds) / (end - fade)).clamp(0, 1)
    return (1 - torch.cos(math.pi * torch.minimum(rise, fall))) / 2


def _add(signal_mv: Tensor, change_mv: Tensor, first: int) -> None:
    """Add (12, n) in place to a signal (12, T) from sample ``first``, up to the signal's end."""
    start, stop = max(0, first), min(signal_mv.shape[-1], first + change_mv.shape[-1])
    if start < stop:
        signal_mv[:, start:stop] += change_mv[:, start - first : stop - first]
