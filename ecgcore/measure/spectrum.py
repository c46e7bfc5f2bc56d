"""A recording's spectrum: one Fourier transform, from which bands are taken at a lower rate."""

import numpy as np
from numpy.fft import irfft, rfft


class Spectrum:
    """The spectrum of some leads.

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
        self._lines = rfft(signal_mv, axis=1)

    def band(self, low_hz: float, high_hz: float, rate_hz: float) -> np.ndarray:
        """Return (leads, T') in mV: what lies from ``low_hz`` up to ``high_hz``, at ``rate_hz``."""
        n_samples = max(2, round(self.duration_s * rate_hz))
        first, last = self._at(low_hz), min(self._at(high_hz), n_samples // 2 + 1)
        lines = np.zeros((len(self._lines), n_samples // 2 + 1), self._lines.dtype)
        lines[:, first:last] = self._lines[:, first:last]
        return irfft(lines, n_samples, axis=1) * (n_samples / self.n_samples)

    def hum_mv(self, line_hz: float) -> np.ndarray:
        """Return (leads,) the amplitude in mV of a sine at ``line_hz``, above its neighbourhood."""
        power = np.abs(self._lines[:, self._at(line_hz - 3) : self._at(line_hz + 3)]) ** 2
        middle, half = power.shape[1] // 2, max(1, round(0.5 * self.duration_s))
        line = power[:, middle - half : middle + half + 1]
        beside = (power.sum(axis=1) - line.sum(axis=1)) / max(1, power.shape[1] - line.shape[1])
        above = np.maximum(line.sum(axis=1) - beside * line.shape[1], 0)
        return 2 * np.sqrt(above) / self.n_samples

    def _at(self, hz: float) -> int:
        return min(int(np.ceil(hz * self.duration_s)), self._lines.shape[1])
