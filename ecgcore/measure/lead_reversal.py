"""Were limb electrodes exchanged? The chest leads tell what the limb leads should look like.

After Kors & van Herpen (2001, Am J Cardiol 88:396–399): the limb leads of a median beat are
compared with those that a linear map predicts from V1–V6, as recorded and with an exchange undone.
Here P wave, QRS complex and T wave each have a map (reversal.csv, fitted on PTB-XL's folds 1–3).
The exchange of left arm and left leg can't be told from a turned heart and isn't sought. A
dextrocardia looks like an exchange of the arms.
"""

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

RATE_HZ = 100.0
_TABLE = Path(__file__).with_name("lead_reversal.csv")
_BEFORE, _AFTER = 35, 45
_WAVES = {"P": (-26, -6), "QRS": (-6, 9), "T": (15, 43)}
"""Samples at 100 Hz from the R peak."""
_WEIGHTS = {"P": 1.0, "QRS": 1.0, "T": 0.5}
_FEWEST_BEATS = 3
_SILENT_MV = 1e-3
UNDONE = {
    "right and left arm": np.array([[-1, 0, 0], [0, 0, 1], [0, 1, 0]]),
    "right arm and left leg": np.array([[0, 0, -1], [0, -1, 0], [-1, 0, 0]]),
}
"""What makes (I, II, III) right again, by the electrodes that were exchanged."""


class Suspicion(NamedTuple):
    """How much better the limb leads fit the chest leads with an exchange undone (−5 to 5)."""

    electrodes: str
    gain: float


def beats(leads_mv: np.ndarray, moving_mv: np.ndarray) -> np.ndarray:
    """Return the samples of R peaks, roughly: where the leads together move fastest.

    Parameters
    ----------
    leads_mv, moving_mv
        (8, T) at 100 Hz: I, II, V1–V6, and their 5–20 Hz band.
    """
    energy = np.sqrt((moving_mv**2).mean(axis=0))
    energy = np.convolve(energy, np.full(5, 0.2), "same")
    around = np.lib.stride_tricks.sliding_window_view(np.pad(energy, 20), 41).max(axis=1)
    blocks = energy[: len(energy) // 150 * 150].reshape(-1, 150)
    usual = np.median(blocks.max(axis=1)) if len(blocks) else energy.max()
    at = np.flatnonzero((energy == around) & (energy > 0.4 * usual))
    return at[(at >= _BEFORE) & (at < leads_mv.shape[1] - _AFTER)]


def median_beat(leads_mv: np.ndarray, moving_mv: np.ndarray) -> np.ndarray | None:
    """Return (8, 80) mV, R peak at sample 35, or None from fewer than three beats."""
    at = beats(leads_mv, moving_mv)
    if len(at) < _FEWEST_BEATS:
        return None
    return np.median(leads_mv[:, at[:, None] + np.arange(-_BEFORE, _AFTER)], axis=1)


def suspicions(beat_mv: np.ndarray) -> list[Suspicion]:
    """Return for each exchange that can be told how likely it is, as correlations gained.

    Parameters
    ----------
    beat_mv
        (8, 80) from ``median_beat``.
    """
    gains = dict.fromkeys(UNDONE, 0.0)
    for wave, part in waves(beat_mv).items():
        limb = np.stack([part[0], part[1], part[1] - part[0]])  # I, II, III
        one, two = maps()[wave].T @ part[2:]
        expected = np.stack([one, two, two - one])
        size = np.linalg.norm(limb) * np.linalg.norm(expected)
        if size < _SILENT_MV**2:
            continue
        as_is = (limb * expected).sum()
        for electrodes, undo in UNDONE.items():
            gain = ((undo @ limb) * expected).sum() - as_is
            gains[electrodes] += _WEIGHTS[wave] * float(gain / size)
    return [Suspicion(*pair) for pair in gains.items()]


def waves(beat_mv: np.ndarray) -> dict[str, np.ndarray]:
    """Return (8, n) mV of P, QRS and T, each from the level beside it."""
    part = {w: beat_mv[:, _BEFORE + a : _BEFORE + b] for w, (a, b) in _WAVES.items()}
    ends = np.concatenate([part["P"][:, :3], part["P"][:, -2:]], axis=1)
    level = np.median(beat_mv[:, _BEFORE - 7 : _BEFORE - 4], axis=1, keepdims=True)
    return {
        "P": part["P"] - ends.mean(axis=1, keepdims=True),
        "QRS": part["QRS"] - level,
        "T": part["T"] - part["T"][:, -3:].mean(axis=1, keepdims=True),
    }


@cache
def maps() -> dict[str, np.ndarray]:
    """Return (6, 2) by wave: I and II from V1–V6."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        wave: np.array([[float(r["I"]), float(r["II"])] for r in rows if r["wave"] == wave])
        for wave in _WAVES
    }
