"""Augmentation: plausible variants of recordings, made anew for each training batch.

Every transform works on the signal, on its device, before it is drawn; images are never flipped,
since a mirrored ECG does not exist. Changes that could affect a label are small or left out: a crop
keeps the heart rate, a warp keeps the mean rate, and noise comes from electrodes, so that
Einthoven's law holds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ecgcore.imaging.interpolation import interpolate
from ecgcore.records.record import LEADS

SHIFT_S = 0.5
MIN_CROP = 0.8  # share of the record that remains
GAIN = 0.1
WANDER_MV, WANDER_HZ = 0.15, (0.05, 0.5)
MAINS_MV, MAINS_HZ = 0.05, (50.0, 60.0)
MUSCLE_MV = 0.03  # root mean square
MUSCLE_HZ = 20.0  # lower frequencies are left out
MAX_WARP = 0.03  # relative change of speed

# Electrodes RA, LA, LL, V1 … V6 to leads (Kligfield et al. 2007, AHA/ACC/HRS I,
# doi:10.1161/CIRCULATIONAHA.106.180200).
_LIMB = [[-1, 1, 0], [-1, 0, 1], [0, -1, 1], [1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1]]
_ELECTRODES_TO_LEADS = torch.zeros(12, 9)
_ELECTRODES_TO_LEADS[:6, :3] = torch.tensor(_LIMB)
_ELECTRODES_TO_LEADS[6:, 3:] = torch.eye(6)
_ELECTRODES_TO_LEADS[6:, :3] = -1 / 3


@dataclass(frozen=True)
class Batch:
    """Recordings of one training batch.

    Attributes
    ----------
    signal_mv
        (B, 12, T), NaN where missing.
    fs_hz
        Sampling rate.
    targets
        (B, classes): 1 present, 0 absent, between for mixed recordings, NaN unknown.
    beats
        B arrays of R peaks in seconds, None where they are not needed.
    """

    signal_mv: Tensor
    fs_hz: float
    targets: Tensor
    beats: list[np.ndarray] | None = None

    def select(self, rows: Tensor) -> "Batch":
        """Return the recordings of some rows."""
        beats = None if self.beats is None else [self.beats[int(i)] for i in rows]
        rows = rows.to(self.signal_mv.device)
        return Batch(self.signal_mv[rows], self.fs_hz, self.targets[rows], beats)

    def slice(self, rows: slice) -> "Batch":
        """Return the recordings of consecutive rows."""
        beats = None if self.beats is None else self.beats[rows]
        return Batch(self.signal_mv[rows], self.fs_hz, self.targets[rows], beats)

    def replace_rows(self, rows: Tensor, new: "Batch") -> "Batch":
        """Return the batch with some rows replaced by the recordings of ``new``."""
        beats = None if self.beats is None else list(self.beats)
        if beats is not None and new.beats is not None:
            for i, peaks_s in zip(rows.tolist(), new.beats, strict=True):
                beats[i] = peaks_s
        rows = rows.to(self.signal_mv.device)
        signal_mv, targets = self.signal_mv.clone(), self.targets.clone()
        signal_mv[rows], targets[rows] = new.signal_mv, new.targets
        return Batch(signal_mv, self.fs_hz, targets, beats)


class BatchRng:
    """Seeded random numbers: few of them from the CPU, large tensors from the device."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, *shape: int, between: tuple[float, float] = (0.0, 1.0)) -> Tensor:
        """Return numbers of a uniform distribution."""
        low, high = between
        return low + (high - low) * torch.rand(shape, generator=self.generator)

    def integers(self, n: int, stop: int) -> Tensor:
        """Return ``n`` integers from 0 up to, but not including, ``stop``."""
        return torch.randint(stop, (n,), generator=self.generator)

    def normal(self, *shape: int, like: Tensor) -> Tensor:
        """Return standard normal numbers, made on the device of ``like``."""
        seed = int(torch.randint(2**62, (1,), generator=self.generator))
        on_device = torch.Generator(like.device).manual_seed(seed)
        return torch.randn(shape, generator=on_device, device=like.device, dtype=like.dtype)


Transform = Callable[[Batch, BatchRng], Batch]
"""A function that returns changed recordings and draws its random numbers from the generator."""


def time_shift(batch: Batch, rng: BatchRng) -> Batch:
    """Shift by up to half a second either way; samples outside the recording are missing."""
    shift_s = rng.uniform(len(batch.signal_mv), 1, between=(-SHIFT_S, SHIFT_S))
    return _retimed(batch, _times_s(batch) + shift_s)


def crop(batch: Batch, rng: BatchRng) -> Batch:
    """Keep 80 to 100 % of the recording at its own rate; the end of the image stays empty."""
    records, samples = batch.signal_mv.shape[0], batch.signal_mv.shape[2]
    n_kept = (rng.uniform(records, 1, between=(MIN_CROP, 1.0)) * samples).ceil()
    start = (rng.uniform(records, 1) * (samples - n_kept)).floor()
    times_s = _times_s(batch)
    is_cut = times_s >= n_kept / batch.fs_hz
    return _retimed(batch, (times_s + start / batch.fs_hz).masked_fill(is_cut, math.inf))


def gain(batch: Batch, rng: BatchRng, limit: float = GAIN) -> Batch:
    """Scale all leads by 0.9 to 1.1 (``limit`` 0.1), as a miscalibrated amplifier does."""
    factor = rng.uniform(len(batch.signal_mv), 1, 1, between=(1 - limit, 1 + limit))
    return replace(batch, signal_mv=batch.signal_mv * factor.to(batch.signal_mv))


def baseline_wander(batch: Batch, rng: BatchRng, limit_mv: float = WANDER_MV) -> Batch:
    """Add slow waves of 0.05 to 0.5 Hz to each electrode, as breathing and movement cause."""
    noise_mv = torch.zeros(())
    for _ in range(3):
        noise_mv = noise_mv + _waves_mv(batch, rng, WANDER_HZ, limit_mv / 3)
    return _with_noise(batch, noise_mv)


def mains_noise(batch: Batch, rng: BatchRng) -> Batch:
    """Add mains interference of 50 or 60 Hz, unless the sampling rate cannot represent it."""
    if max(MAINS_HZ) > 0.45 * batch.fs_hz:
        return batch
    hz = torch.tensor(MAINS_HZ)[rng.integers(len(batch.signal_mv), len(MAINS_HZ))]
    phase = rng.uniform(len(batch.signal_mv), 1, 1, between=(0, 2 * math.pi))
    amplitude_mv = rng.uniform(len(batch.signal_mv), 9, 1, between=(0, MAINS_MV))
    angle = 2 * math.pi * hz[:, None, None] * _times_s(batch)
    return _with_noise(batch, amplitude_mv * torch.sin(angle + phase))


def muscle_noise(batch: Batch, rng: BatchRng, limit_mv: float = MUSCLE_MV) -> Batch:
    """Add muscle noise: irregular, above 20 Hz, of varying amplitude."""
    records, _, samples = batch.signal_mv.shape
    noise = rng.normal(records, 9, samples, like=batch.signal_mv)
    width = 2 * round(batch.fs_hz / MUSCLE_HZ / 2) + 1
    slow = torch.nn.functional.avg_pool1d(noise, width, 1, width // 2, count_include_pad=False)
    amplitude_mv = rng.uniform(records, 9, 1, between=(0, limit_mv))
    envelope = 1 + _waves_mv(batch, rng, (0.1, 1.0), 1.0)
    return _with_noise(batch, (noise - slow) * (amplitude_mv * envelope).to(noise))


def lead_dropout(batch: Batch, rng: BatchRng, leads: int = 1) -> Batch:
    """Remove one lead, or up to a number of ``leads``, as when electrodes come off."""
    signal_mv = batch.signal_mv.clone()
    for _ in range(leads):  # the same lead may be drawn twice
        lead = rng.integers(len(signal_mv), len(LEADS))
        signal_mv[torch.arange(len(signal_mv)), lead] = math.nan
    return replace(batch, signal_mv=signal_mv)


def time_warp(batch: Batch, rng: BatchRng) -> Batch:
    """Run up to 3 % faster in places and slower in others; the mean rate stays."""
    records = len(batch.signal_mv)
    times_s = _times_s(batch)
    cycles = 1 + rng.integers(records, 3)[:, None]
    per_s = 2 * math.pi * cycles / float(times_s[-1])
    warp = rng.uniform(records, 1, between=(-MAX_WARP, MAX_WARP))
    return _retimed(batch, times_s + warp / per_s * torch.sin(per_s * times_s))


def _times_s(batch: Batch) -> Tensor:
    return torch.arange(batch.signal_mv.shape[-1], dtype=torch.float32) / batch.fs_hz


def _retimed(batch: Batch, source_s: Tensor) -> Batch:
    """Return the recordings resampled at the times ``source_s`` (B, T), which ascend."""
    position = (source_s.clamp(max=1e6) * batch.fs_hz).to(batch.signal_mv)
    signal_mv = interpolate(batch.signal_mv, position[:, None])[:, :, 0]
    if batch.beats is None:
        return replace(batch, signal_mv=signal_mv)
    times_s = _times_s(batch).numpy()
    moved_beats = []
    for peaks_s, source in zip(batch.beats, source_s.numpy(), strict=True):
        is_valid = np.isfinite(source)
        new_s = np.interp(peaks_s, source[is_valid], times_s[is_valid], left=np.nan, right=np.nan)
        moved_beats.append(new_s[np.isfinite(new_s)])
    return replace(batch, signal_mv=signal_mv, beats=moved_beats)


def _waves_mv(
    batch: Batch, rng: BatchRng, between_hz: tuple[float, float], max_mv: float
) -> Tensor:
    """Return a sine for each electrode (B, 9, T), of random frequency, phase and amplitude."""
    shape = (len(batch.signal_mv), 9, 1)
    hz = rng.uniform(*shape, between=between_hz)
    phase = rng.uniform(*shape, between=(0, 2 * math.pi))
    amplitude_mv = rng.uniform(*shape, between=(0, max_mv))
    return amplitude_mv * torch.sin(2 * math.pi * hz * _times_s(batch) + phase)


def _with_noise(batch: Batch, electrodes_mv: Tensor) -> Batch:
    """Return the recordings with noise (B, 9, T) added at the electrodes."""
    noise_mv = torch.einsum(
        "le,bet->blt", _ELECTRODES_TO_LEADS.to(batch.signal_mv), electrodes_mv.to(batch.signal_mv)
    )
    return replace(batch, signal_mv=batch.signal_mv + noise_mv)
