"""Simulated ECGs with known intervals: waves of finite length that begin and end at rest."""

import numpy as np

from ecgcore.records.record import Record

# Amplitude of each wave in I, II, V1 … V6 in mV; the other limb leads follow.
WAVES = {
    "p": (0.08, 0.12, 0.06, 0.07, 0.06, 0.06, 0.05, 0.05),
    "q": (-0.06, -0.05, 0.25, 0.3, 0.1, -0.05, -0.12, -0.1),
    "r": (0.7, 1.0, -0.3, -0.2, 0.6, 1.3, 1.4, 1.1),
    "s": (-0.15, -0.12, -1.0, -1.4, -0.9, -0.5, -0.2, -0.1),
    "t": (0.2, 0.3, -0.1, 0.4, 0.5, 0.45, 0.35, 0.25),
}
P_MS, T_MS = 100, 200


def beats(
    fs_hz: float,
    at_s: np.ndarray,
    duration_s: float,
    pr_ms: float | None = 160,
    qrs_ms: float = 100,
    qt_ms: float = 400,
) -> np.ndarray:
    """Return (12, T) in mV; QRS complexes begin at ``at_s``. Without ``pr_ms`` there is no P."""
    t = np.arange(round(duration_s * fs_hz)) / fs_hz
    spans = {
        "q": (0, 0.4 * qrs_ms),
        "r": (0.2 * qrs_ms, 0.8 * qrs_ms),
        "s": (0.6 * qrs_ms, qrs_ms),
        "t": (qt_ms - T_MS, qt_ms),
    }
    if pr_ms is not None:
        spans["p"] = (-pr_ms, P_MS - pr_ms)
    eight = np.zeros((8, len(t)))
    for onset_s in at_s:
        for wave, (start, stop) in spans.items():
            phase = (1000 * (t - onset_s) - start) / (stop - start)
            inside = (phase > 0) & (phase < 1)
            shape = np.sin(np.pi * phase[inside]) ** 2
            eight[:, inside] += np.array(WAVES[wave])[:, None] * shape
    return twelve(eight)


def twelve(eight: np.ndarray) -> np.ndarray:
    """Return twelve leads from I, II and V1 to V6."""
    one, two, chest = eight[0], eight[1], eight[2:]
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.vstack([*limb, chest]).astype(np.float32)


def with_pulse(signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return the signal with a calibration pulse of 1 mV for 0.2 s in its last 0.4 s."""
    n = signal_mv.shape[1]
    pulsed = signal_mv.copy()
    pulsed[:, n - round(0.4 * fs_hz) :] = 0
    pulsed[:, n - round(0.3 * fs_hz) : n - round(0.1 * fs_hz)] = 1
    return pulsed


def regular(duration_s: float, rate_bpm: float) -> np.ndarray:
    """Return the QRS onsets at a steady rate, in s."""
    return np.arange(0.4, duration_s, 60 / rate_bpm)


def record(signal_mv: np.ndarray, fs_hz: float) -> Record:
    """Return a record of a signal."""
    return Record(signal_mv=np.asarray(signal_mv, np.float32), fs_hz=fs_hz, name="simulated")
