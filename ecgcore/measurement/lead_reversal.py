"""Detection of limb lead reversal from the chest leads.

After Kors & van Herpen (2001, Am J Cardiol 88:396–399): the limb leads of a median beat are
compared with those that a linear map predicts from V1–V6, as recorded and with a reversal undone.
P wave, QRS complex and T wave each have a map (lead_reversal.csv, fitted on PTB-XL's folds 1–3).
A reversal of left arm and left leg cannot be distinguished from a rotated heart and is not sought;
a dextrocardia looks like a reversal of the arms.
"""

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecgcore.measurement.median_beat import COARSE_BEFORE

_TABLE = Path(__file__).with_name("lead_reversal.csv")
_WAVES = {"P": (-26, -6), "QRS": (-6, 9), "T": (15, 43)}
"""Samples at 100 Hz from the R peak."""
_WEIGHTS = {"P": 1.0, "QRS": 1.0, "T": 0.5}
_SILENT_MV = 1e-3
CORRECTIONS = {
    "right and left arm": np.array([[-1, 0, 0], [0, 0, 1], [0, 1, 0]]),
    "right arm and left leg": np.array([[0, 0, -1], [0, -1, 0], [-1, 0, 0]]),
}
"""Matrices that correct (I, II, III), by the electrodes that were exchanged."""


class ReversalGain(NamedTuple):
    """Margin by which the limb leads fit the chest leads with a reversal undone (−5 to 5)."""

    electrodes: str
    gain: float


def reversal_gains(beat_mv: np.ndarray) -> list[ReversalGain]:
    """Return the gain in correlation for each reversal that can be detected.

    Parameters
    ----------
    beat_mv
        (8, 80) from ``median_beat.coarse_median_beat``.
    """
    gains = dict.fromkeys(CORRECTIONS, 0.0)
    for wave, segment in _wave_segments(beat_mv).items():
        limb = np.stack([segment[0], segment[1], segment[1] - segment[0]])  # I, II, III
        one, two = limb_lead_maps()[wave].T @ segment[2:]
        expected = np.stack([one, two, two - one])
        size = np.linalg.norm(limb) * np.linalg.norm(expected)
        if size < _SILENT_MV**2:
            continue
        as_recorded = (limb * expected).sum()
        for electrodes, correction in CORRECTIONS.items():
            gain = ((correction @ limb) * expected).sum() - as_recorded
            gains[electrodes] += _WEIGHTS[wave] * float(gain / size)
    return [ReversalGain(electrodes, gain) for electrodes, gain in gains.items()]


def _wave_segments(beat_mv: np.ndarray) -> dict[str, np.ndarray]:
    """Return (8, n) mV of P, QRS and T, each relative to its own baseline."""
    segments = {
        wave: beat_mv[:, COARSE_BEFORE + start : COARSE_BEFORE + stop]
        for wave, (start, stop) in _WAVES.items()
    }
    p_ends = np.concatenate([segments["P"][:, :3], segments["P"][:, -2:]], axis=1)
    pr_segment = beat_mv[:, COARSE_BEFORE - 7 : COARSE_BEFORE - 4]
    return {
        "P": segments["P"] - p_ends.mean(axis=1, keepdims=True),
        "QRS": segments["QRS"] - np.median(pr_segment, axis=1, keepdims=True),
        "T": segments["T"] - segments["T"][:, -3:].mean(axis=1, keepdims=True),
    }


@cache
def limb_lead_maps() -> dict[str, np.ndarray]:
    """Return the (6, 2) map of each wave from V1–V6 to I and II."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        wave: np.array([[float(r["I"]), float(r["II"])] for r in rows if r["wave"] == wave])
        for wave in _WAVES
    }
