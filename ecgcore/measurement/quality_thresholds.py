"""Thresholds of the quality checks, each with its source: quality.csv."""

import csv
from functools import cache
from pathlib import Path

import numpy as np

_TABLE = Path(__file__).with_name("quality.csv")


@cache
def thresholds() -> dict[str, float]:
    """Return the thresholds of quality.csv by their code."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return {row["code"]: float(row["threshold"]) for row in csv.DictReader(file)}


def describe_impossible_voltage(signal_mv: np.ndarray) -> str:
    """Return in words that voltages are none from the skin, '' where they may be."""
    largest_mv = float(np.max(np.abs(signal_mv), initial=0, where=np.isfinite(signal_mv)))
    if largest_mv <= (limit := thresholds()["gain_voltage"]):
        return ""
    return f"up to {largest_mv:.3g} mV, and no electrode gives {limit:g} mV: gain or unit wrong?"


def is_slow(fs_hz: float) -> bool:
    """Return whether a sampling rate smooths QRS complexes so that waves cannot be measured."""
    return fs_hz < thresholds()["slow"]
