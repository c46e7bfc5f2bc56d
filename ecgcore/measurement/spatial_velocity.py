"""Spatial velocity of a median beat: its rests and valleys, at which waves begin and end."""

from functools import lru_cache

import numpy as np

QRS_HZ, P_HZ, T_HZ, SPIKE_HZ = 22.0, 15.0, 12.0, 80.0
"""Low-pass of each wave (−6 dB), so that the sampling rate does not matter."""
_EDGE_S = 0.1


def spatial_velocities(leads: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return the spatial velocity: the root mean square over leads of their slopes.

    Parameters
    ----------
    leads
        (leads, n) in mV, without gaps.
    fs_hz
        Hz.

    Returns
    -------
    np.ndarray
        (4, n) in mV/s: low-passed for QRS, P, T and pacing spikes.
    """
    n, edge = leads.shape[1], round(_EDGE_S * fs_hz)
    before = 2 * leads[:, :1] - leads[:, edge:0:-1]
    after = 2 * leads[:, -1:] - leads[:, -2 : -edge - 2 : -1]
    spectrum = np.fft.rfft(np.concatenate([before, leads, after], axis=1))  # (leads, f)
    slopes = np.fft.irfft(spectrum * _responses(n + 2 * edge, fs_hz)[:, None], n + 2 * edge)
    return np.sqrt(np.mean(slopes[:, :, edge : edge + n] ** 2, axis=1))


@lru_cache(maxsize=8)
def _responses(n: int, fs_hz: float) -> np.ndarray:
    """Return (4, f): differentiation and a Gaussian low-pass for each wave."""
    f_hz = np.fft.rfftfreq(n, 1 / fs_hz)
    low = [0.5 ** ((f_hz / hz) ** 2) for hz in (QRS_HZ, P_HZ, T_HZ, SPIKE_HZ)]
    return 2j * np.pi * f_hz * np.stack(low)


def noise_level(velocity: np.ndarray) -> float:
    """Return the 20th percentile of the velocity over a beat, in mV/s."""
    return float(np.percentile(velocity, 20))


def fast_segment(velocity: np.ndarray, top: int, share: float, reach: int) -> tuple[int, int]:
    """Return the first and last sample within ``reach`` of top with that share of its velocity."""
    low = max(0, top - reach)
    fast = low + np.flatnonzero(velocity[low : top + reach + 1] >= share * velocity[top])
    return int(fast[0]), int(fast[-1])


def find_rest(
    velocity: np.ndarray, start: int, stop: int, level: float, quiet: int
) -> float | None:
    """Return the beginning of the first rest of ``quiet`` samples on the way from start to stop.

    Parameters
    ----------
    velocity
        (n,).
    start, stop
        Samples; ``stop`` is exclusive and may lie before ``start``.
    level
        Velocity of a rest, at most.
    quiet
        Samples.

    Returns
    -------
    float or None
        Half a sample before the first sample at rest in the direction of search; None without rest.
    """
    step = 1 if stop > start else -1
    below = velocity[start:stop:step] <= level
    if len(below) < quiet:
        return None
    at_rest = np.convolve(below, np.ones(quiet), "valid") > quiet - 0.5
    return start + step * (float(at_rest.argmax()) - 0.5) if at_rest.any() else None


def find_valley(
    velocity: np.ndarray, start: int, stop: int, level: float, reach: int
) -> float | None:
    """Return the first local minimum of the velocity on the way from start to stop.

    Parameters
    ----------
    velocity
        (n,).
    start, stop
        Samples; ``stop`` is exclusive and may lie before ``start``.
    level
        Velocity of the minimum, at most.
    reach
        Samples to either side, all between start and stop, none of which may be lower.

    Returns
    -------
    float or None
        None without such a minimum.
    """
    step = 1 if stop > start else -1
    segment = velocity[start:stop:step]
    if len(segment) < 2 * reach + 1:
        return None
    lowest = np.lib.stride_tricks.sliding_window_view(segment, 2 * reach + 1).min(axis=1)
    middle = segment[reach : len(segment) - reach]
    minima = np.flatnonzero((middle <= lowest) & (middle <= level))
    return float(start + step * (reach + minima[0])) if len(minima) else None
