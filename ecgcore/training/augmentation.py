"""Augmentation: recordings as they might have been taken, made anew for each training batch.

All is done on the signal, on its device, before it is drawn; pictures are never flipped, since a
mirrored ECG does not exist. What would change a label is kept small or left out: a crop keeps the
rate, a warp keeps the mean rate, noise comes from electrodes, so that Einthoven's law holds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ecgcore.imaging.interpolation import interpolated
from ecgcore.records.record import LEADS

SHIFT_S = 0.5
LEAST_CROP = 0.8  # share of the record that is kept
GAIN = 0.1
WANDER_MV, WANDER_HZ = 0.15, (0.05, 0.5)
MAINS_MV, MAINS_HZ = 0.05, (50.0, 60.0)
MUSCLE_MV = 0.03  # root mean square
MUSCLE_HZ = 20.0  # its slower parts are left out
WARP = 0.03  # faster or slower for a while

# Electrodes RA, LA, LL, V1 … V6 to leads (Kligfield et al. 2007, AHA/ACC/HRS I,
# doi:10.1161/CIRCULATIONAHA.106.180200).
_LIMB = [[-1, 1, 0], [-1, 0, 1], [0, -1, 1], [1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1]]
_TO_LEADS = torch.zeros(12, 9)
_TO_LEADS[:6, :3] = torch.tensor(_LIMB)
_TO_LEADS[6:, 3:] = torch.eye(6)
_TO_LEADS[6:, :3] = -1 / 3


@dataclass(frozen=True)
class Batch:
    """Some recordings on their way into training.

    Attributes
    ----------
    signal_mv
        (B, 12, T), NaN where missing.
    fs_hz
        Sampling rate.
    targets
        (B, classes): 1 present, 0 absent, between where two are mixed, NaN unknown.
    beats
        B arrays of R peaks in seconds, where they are known.
    """

    signal_mv: Tensor
    fs_hz: float
    targets: Tensor
    beats: list[np.ndarray] | None = None

    def some(self, rows: Tensor) -> "Batch":
        """Return the recordings of some rows."""
        beats = None if self.beats is None else [self.beats[int(i)] for i in rows]
        at = rows.to(self.signal_mv.device)
        return Batch(self.signal_mv[at], self.fs_hz, self.targets[at], beats)

    def part(self, share: slice) -> "Batch":
        """Return the recordings of some rows that stand side by side."""
        beats = None if self.beats is None else self.beats[share]
        return Batch(self.signal_mv[share], self.fs_hz, self.targets[share], beats)

    def put(self, rows: Tensor, part: "Batch") -> "Batch":
        """Return the batch with some rows replaced."""
        at = rows.to(self.signal_mv.device)
        beats = None if self.beats is None else list(self.beats)
        if beats is not None and part.beats is not None:
            for i, peaks_s in zip(rows.tolist(), part.beats, strict=True):
                beats[i] = peaks_s
        signal_mv, targets = self.signal_mv.clone(), self.targets.clone()
        signal_mv[at], targets[at] = part.signal_mv, part.targets
        return Batch(signal_mv, self.fs_hz, targets, beats)


class BatchRng:
    """Random numbers that follow from a seed; few come from the CPU, many from the device."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, *shape: int, between: tuple[float, float] = (0.0, 1.0)) -> Tensor:
        """Return numbers evenly spread between two."""
        low, high = between
        return low + (high - low) * torch.rand(shape, generator=self.generator)

    def whole(self, n: int, below: int) -> Tensor:
        """Return ``n`` whole numbers from 0 to before ``below``."""
        return torch.randint(below, (n,), generator=self.generator)

    def normal(self, *shape: int, like: Tensor) -> Tensor:
        """Return normal numbers of mean 0 and deviation 1, made on a tensor's device."""
        seed = int(torch.randint(2**62, (1,), generator=self.generator))
        on_device = torch.Generator(like.device).manual_seed(seed)
        return torch.randn(shape, generator=on_device, device=like.device, dtype=like.dtype)


Kind = Callable[[Batch, BatchRng], Batch]


def time_shift(batch: Batch, chance: BatchRng) -> Batch:
    """Begin up to half a second earlier or later; what was not recorded is missing."""
    by_s = chance.uniform(len(batch.signal_mv), 1, between=(-SHIFT_S, SHIFT_S))
    return _retimed(batch, _times_s(batch) + by_s)


def crop(batch: Batch, chance: BatchRng) -> Batch:
    """Keep 80 to 100 % of the recording at its own rate; the picture's end stays empty."""
    records, samples = batch.signal_mv.shape[0], batch.signal_mv.shape[2]
    kept = (chance.uniform(records, 1, between=(LEAST_CROP, 1.0)) * samples).ceil()
    start = (chance.uniform(records, 1) * (samples - kept)).floor()
    times_s = _times_s(batch)
    cut = times_s >= kept / batch.fs_hz
    return _retimed(batch, (times_s + start / batch.fs_hz).masked_fill(cut, math.inf))


def gain(batch: Batch, chance: BatchRng) -> Batch:
    """Scale all leads by 0.9 to 1.1: an amplifier that is not quite calibrated."""
    by = chance.uniform(len(batch.signal_mv), 1, 1, between=(1 - GAIN, 1 + GAIN))
    return replace(batch, signal_mv=batch.signal_mv * by.to(batch.signal_mv))


def baseline_wander(batch: Batch, chance: BatchRng) -> Batch:
    """Add slow waves of each electrode, of 0.05 to 0.5 Hz, as breathing and movement make them."""
    noise_mv = torch.zeros(())
    for _ in range(3):
        noise_mv = noise_mv + _waves_mv(batch, chance, WANDER_HZ, WANDER_MV / 3)
    return _with_noise(batch, noise_mv)


def mains_noise(batch: Batch, chance: BatchRng) -> Batch:
    """Add the hum of the mains, 50 or 60 Hz; nothing where the sampling rate cannot hold it."""
    if max(MAINS_HZ) > 0.45 * batch.fs_hz:
        return batch
    hz = torch.tensor(MAINS_HZ)[chance.whole(len(batch.signal_mv), len(MAINS_HZ))]
    phase = chance.uniform(len(batch.signal_mv), 1, 1, between=(0, 2 * math.pi))
    high_mv = chance.uniform(len(batch.signal_mv), 9, 1, between=(0, MAINS_MV))
    turns = 2 * math.pi * hz[:, None, None] * _times_s(batch)
    return _with_noise(batch, high_mv * torch.sin(turns + phase))


def muscle_noise(batch: Batch, chance: BatchRng) -> Batch:
    """Add the noise of muscles: irregular, above 20 Hz, swelling and fading."""
    records, _, samples = batch.signal_mv.shape
    noise = chance.normal(records, 9, samples, like=batch.signal_mv)
    width = 2 * round(batch.fs_hz / MUSCLE_HZ / 2) + 1
    slow = torch.nn.functional.avg_pool1d(noise, width, 1, width // 2, count_include_pad=False)
    high_mv = chance.uniform(records, 9, 1, between=(0, MUSCLE_MV))
    swelling = 1 + _waves_mv(batch, chance, (0.1, 1.0), 1.0)
    return _with_noise(batch, (noise - slow) * (high_mv * swelling).to(noise))


def lead_dropout(batch: Batch, chance: BatchRng) -> Batch:
    """Lose one lead: its electrode came off."""
    signal_mv = batch.signal_mv.clone()
    lead = chance.whole(len(signal_mv), len(LEADS))
    signal_mv[torch.arange(len(signal_mv)), lead] = math.nan
    return replace(batch, signal_mv=signal_mv)


def time_warp(batch: Batch, chance: BatchRng) -> Batch:
    """Run up to 3 % faster for a while and slower for another; the mean rate stays."""
    records = len(batch.signal_mv)
    times_s = _times_s(batch)
    turns = 1 + chance.whole(records, 3)[:, None]
    per_s = 2 * math.pi * turns / float(times_s[-1])
    most = chance.uniform(records, 1, between=(-WARP, WARP))
    return _retimed(batch, times_s + most / per_s * torch.sin(per_s * times_s))


def _times_s(batch: Batch) -> Tensor:
    return torch.arange(batch.signal_mv.shape[-1], dtype=torch.float32) / batch.fs_hz


def _retimed(batch: Batch, source_s: Tensor) -> Batch:
    """Return the recordings with, at each sample, what stood at ``source_s`` (B, T), ascending."""
    at = (source_s.clamp(max=1e6) * batch.fs_hz).to(batch.signal_mv)
    signal_mv = interpolated(batch.signal_mv, at[:, None])[:, :, 0]
    if batch.beats is None:
        return replace(batch, signal_mv=signal_mv)
    times_s = _times_s(batch).numpy()
    moved = []
    for peaks_s, source in zip(batch.beats, source_s.numpy(), strict=True):
        there = np.isfinite(source)
        new_s = np.interp(peaks_s, source[there], times_s[there], left=np.nan, right=np.nan)
        moved.append(new_s[np.isfinite(new_s)])
    return replace(batch, signal_mv=signal_mv, beats=moved)


def _waves_mv(
    batch: Batch, chance: BatchRng, between_hz: tuple[float, float], highest_mv: float
) -> Tensor:
    """Return a sine of each electrode, (B, 9, T), of random frequency, phase and height."""
    shape = (len(batch.signal_mv), 9, 1)
    hz = chance.uniform(*shape, between=between_hz)
    phase = chance.uniform(*shape, between=(0, 2 * math.pi))
    high_mv = chance.uniform(*shape, between=(0, highest_mv))
    return high_mv * torch.sin(2 * math.pi * hz * _times_s(batch) + phase)


def _with_noise(batch: Batch, electrodes_mv: Tensor) -> Batch:
    """Return the recordings with noise (B, 9, T) that the electrodes picked up."""
    noise_mv = torch.einsum(
        "le,bet->blt", _TO_LEADS.to(batch.signal_mv), electrodes_mv.to(batch.signal_mv)
    )
    return replace(batch, signal_mv=batch.signal_mv + noise_mv)
