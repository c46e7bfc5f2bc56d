"""High-pass of signals before a network sees them: the baseline is subtracted, without a phase.

The baseline is a mean around each sample with weights that fall exponentially to both sides, which
is a first-order low-pass run forwards and backwards, as measurements use it. AHA 2007
(doi:10.1161/CIRCULATIONAHA.106.180200) allows zero-phase filters up to 0.67 Hz. Weights are
normalised over the samples there are, so that gaps and ends need no padding.
"""

import math

import torch
from torch import Tensor

_REACH = 10.0
"""Time constants after which a weight is nil (e⁻¹⁰)."""


def high_pass(signal_mv: Tensor, fs_hz: float, cutoff_hz: float) -> Tensor:
    """Return signals without their baseline; NaN stays NaN, a cut-off of 0 changes nothing.

    Parameters
    ----------
    signal_mv
        (…, T) in mV, NaN where missing.
    fs_hz
        Sampling rate.
    cutoff_hz
        Frequency of which half the amplitude remains.
    """
    if not cutoff_hz:
        return signal_mv
    is_known = ~signal_mv.isnan()
    samples = signal_mv.shape[-1]
    weights = _weights(samples, fs_hz, cutoff_hz).to(signal_mv)
    total = _convolved(signal_mv.nan_to_num(0.0), weights)
    baseline_mv = total / _convolved(is_known.to(signal_mv), weights).clamp(min=1e-6)
    return signal_mv - baseline_mv


def _weights(samples: int, fs_hz: float, cutoff_hz: float) -> Tensor:
    """Return (n,) weights, in the middle 1, of an odd number of samples."""
    per_sample = 2 * math.pi * cutoff_hz / fs_hz
    reach = min(samples - 1, math.ceil(_REACH / per_sample))
    return torch.exp(-per_sample * torch.arange(-reach, reach + 1).abs())


def _convolved(values: Tensor, weights: Tensor) -> Tensor:
    """Return (…, T) the weighted sums around each sample."""
    length = values.shape[-1] + len(weights) - 1
    spectrum = torch.fft.rfft(values, length) * torch.fft.rfft(weights, length)
    start = len(weights) // 2
    return torch.fft.irfft(spectrum, length)[..., start : start + values.shape[-1]]
