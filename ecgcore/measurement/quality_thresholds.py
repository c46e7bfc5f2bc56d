"""Thresholds of the quality checks, each with its source: quality.csv."""

import csv
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("quality.csv")


@cache
def thresholds() -> dict[str, float]:
    """Return the thresholds of quality.csv by their code."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return {row["code"]: float(row["threshold"]) for row in csv.DictReader(file)}


def is_slow(fs_hz: float) -> bool:
    """Return whether a sampling rate smooths QRS complexes so that waves cannot be measured."""
    return fs_hz < thresholds()["slow"]
