"""The spatial velocity of a median beat, and where it comes to rest."""

from functools import lru_cache

import numpy as np

QRS_HZ, P_HZ, T_HZ, SPIKE_HZ = 22.0, 15.0, 12.0, 80.0
"""Each wave is followed on the beat low-passed here (−6 dB), so that the rate has no say."""
_EDGE_S = 0.1


def velocities(leads: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return spatial velocity: the root mean square over leads of their slopes.

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


def noise_of(velocity: np.ndarray) -> float:
    """Return the velocity in the quietest fifth of a beat, in mV/s."""
    return float(np.percentile(velocity, 20))


def fast_part(velocity: np.ndarray, top: int, share: float, reach: int) -> tuple[int, int]:
    """Return the first and last sample, within ``reach`` of top, of that share of its movement."""
    low = max(0, top - reach)
    fast = low + np.flatnonzero(velocity[low : top + reach + 1] >= share * velocity[top])
    return int(fast[0]), int(fast[-1])


def rest(velocity: np.ndarray, start: int, stop: int, level: float, quiet: int) -> float | None:
    """Return where, on the way from start to stop, a rest of ``quiet`` samples begins.

    Parameters
    ----------
    velocity
        (n,).
    start, stop
        Samples; ``stop`` may lie before ``start``, and is not looked at.
    level
        Rest is at or below it.
    quiet
        Samples.

    Returns
    -------
    float or None
        Half a sample before the first at rest as one goes; None where there is no rest.
    """
    step = 1 if stop > start else -1
    below = velocity[start:stop:step] <= level
    if len(below) < quiet:
        return None
    run = np.convolve(below, np.ones(quiet), "valid") > quiet - 0.5
    return start + step * (float(run.argmax()) - 0.5) if run.any() else None


def valley(velocity: np.ndarray, start: int, stop: int, level: float, reach: int) -> float | None:
    """Return the first sample on the way from start to stop where the movement is slowest.

    Parameters
    ----------
    velocity
        (n,).
    start, stop
        Samples; ``stop`` may lie before ``start``, and is not looked at.
    level
        It must be at or below it.
    reach
        Samples either way, all between start and stop, of which none may be slower.

    Returns
    -------
    float or None
        None where it is nowhere slowest.
    """
    step = 1 if stop > start else -1
    part = velocity[start:stop:step]
    if len(part) < 2 * reach + 1:
        return None
    slowest = np.lib.stride_tricks.sliding_window_view(part, 2 * reach + 1).min(axis=1)
    middle = part[reach : len(part) - reach]
    found = np.flatnonzero((middle <= slowest) & (middle <= level))
    return float(start + step * (reach + found[0])) if len(found) else None
