"""Plateaus at a lead's largest value: clipping by saturation, or a calibration pulse."""

from typing import NamedTuple

import numpy as np

from ecgcore.measurement.quality_thresholds import thresholds

_ONE_UV = 1e-3
_MIN_SAMPLES = 3


class Plateau(NamedTuple):
    """Length of a plateau at the lead's extreme value, and the steps into and out of it."""

    length_s: float
    steps_mv: tuple[float, float]

    @property
    def is_calibration(self) -> bool:
        """True if the plateau is a calibration pulse of 1 mV."""
        deviation_mv = max(abs(step - 1) for step in self.steps_mv)
        return 0.1 <= self.length_s <= 0.5 and deviation_mv <= thresholds()["calibration"]

    @property
    def is_abrupt(self) -> bool:
        """True if the lead reaches or leaves the plateau in a step instead of slowing down."""
        return max(self.steps_mv) >= thresholds()["clipped_step"] and not self.is_calibration


def find_plateaus(lead_mv: np.ndarray, end_mv: float, fs_hz: float) -> list[Plateau]:
    """Return the plateaus of three samples or more at a lead's largest value."""
    at_end = lead_mv >= end_mv - _ONE_UV
    if at_end.sum() < _MIN_SAMPLES:
        return []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], at_end, [False]])))
    plateaus = []
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start >= _MIN_SAMPLES:
            before = end_mv - lead_mv[start - 1] if start else 0.0
            after = end_mv - lead_mv[stop] if stop < len(lead_mv) else 0.0
            plateaus.append(Plateau((stop - start) / fs_hz, (float(before), float(after))))
    return plateaus


def is_clipped(plateaus: list[Plateau]) -> bool:
    """Return whether a lead's plateaus are those of saturation: abrupt, or one very long."""
    abrupt_s = sum(plateau.length_s for plateau in plateaus if plateau.is_abrupt)
    is_long = (
        plateau.length_s >= thresholds()["clipped_long"] and not plateau.is_calibration
        for plateau in plateaus
    )
    return abrupt_s >= thresholds()["clipped_s"] or any(is_long)
