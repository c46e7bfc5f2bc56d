"""Spectrum of a recording: one Fourier transform, from which bands are taken at a lower rate."""

import numpy as np
from numpy.fft import irfft, rfft


class Spectrum:
    """Spectrum of several leads.

    Parameters
    ----------
    signal_mv
        (leads, T) mV, without gaps. The median of each lead should be zero.
    fs_hz
        Hz.
    """

    def __init__(self, signal_mv: np.ndarray, fs_hz: float):
        self.n_samples = signal_mv.shape[1]
        self.duration_s = self.n_samples / fs_hz
        self._coefficients = rfft(signal_mv, axis=1)

    def band(self, low_hz: float, high_hz: float, rate_hz: float) -> np.ndarray:
        """Return (leads, T') in mV: the band from ``low_hz`` up to ``high_hz``, at ``rate_hz``."""
        n_samples = max(2, round(self.duration_s * rate_hz))
        first, last = self._index(low_hz), min(self._index(high_hz), n_samples // 2 + 1)
        band = np.zeros((len(self._coefficients), n_samples // 2 + 1), self._coefficients.dtype)
        band[:, first:last] = self._coefficients[:, first:last]
        return irfft(band, n_samples, axis=1) * (n_samples / self.n_samples)

    def mains_amplitude_mv(self, line_hz: float) -> np.ndarray:
        """Return (leads,) the amplitude in mV of a sine at ``line_hz`` above its neighbourhood."""
        band = slice(self._index(line_hz - 3), self._index(line_hz + 3))
        power = np.abs(self._coefficients[:, band]) ** 2
        middle, half = power.shape[1] // 2, max(1, round(0.5 * self.duration_s))
        line = power[:, middle - half : middle + half + 1]
        n_around = max(1, power.shape[1] - line.shape[1])
        background = (power.sum(axis=1) - line.sum(axis=1)) / n_around
        excess = np.maximum(line.sum(axis=1) - background * line.shape[1], 0)
        return 2 * np.sqrt(excess) / self.n_samples

    def _index(self, hz: float) -> int:
        return min(int(np.ceil(hz * self.duration_s)), self._coefficients.shape[1])
