"""Where a lead rests at its largest value: cut off by saturation, or a calibration pulse."""

from typing import NamedTuple

import numpy as np

from ecgcore.measure.quality_thresholds import thresholds

_ONE_UV = 1e-3
_FEWEST_SAMPLES = 3


class Plateau(NamedTuple):
    """How long a lead rests at its end, and the steps by which it comes and goes."""

    length_s: float
    steps_mv: tuple[float, float]

    @property
    def is_calibration(self) -> bool:
        """Whether it is a pulse of 1 mV."""
        apart = max(abs(step - 1) for step in self.steps_mv)
        return 0.1 <= self.length_s <= 0.5 and apart <= thresholds()["calibration"]

    @property
    def is_abrupt(self) -> bool:
        """Whether the lead did not slow down before it came to rest."""
        return max(self.steps_mv) >= thresholds()["clipped_step"] and not self.is_calibration


def plateaus(lead_mv: np.ndarray, end_mv: float, fs_hz: float) -> list[Plateau]:
    """Return where a lead rests at its largest value for three samples or more."""
    there = lead_mv >= end_mv - _ONE_UV
    if there.sum() < _FEWEST_SAMPLES:
        return []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]])))
    found = []
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start >= _FEWEST_SAMPLES:
            before = end_mv - lead_mv[start - 1] if start else 0.0
            after = end_mv - lead_mv[stop] if stop < len(lead_mv) else 0.0
            found.append(Plateau((stop - start) / fs_hz, (float(before), float(after))))
    return found


def is_cut_off(found: list[Plateau]) -> bool:
    """Return whether a lead's plateaus are those of saturation: abrupt, or one very long."""
    abrupt_s = sum(plateau.length_s for plateau in found if plateau.is_abrupt)
    long = (p for p in found if p.length_s >= thresholds()["clipped_long"] and not p.is_calibration)
    return abrupt_s >= thresholds()["clipped_s"] or any(long)
