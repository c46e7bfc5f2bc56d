"""Databases that are known to share recordings or patients, as a table (overlaps.csv).

``recordings``: the same recordings are in both. ``hospital``: patients may be in both. Copies of
one database in another that keep its numbers (PTB-XL's and PTB's in the challenges of 2020 and
2021) have the same source and number here, and need no line.
"""

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd


class Overlap(NamedTuple):
    """One line: records ``first`` to ``last`` of ``other`` (all, where empty) and a ``source``."""

    source: str
    other: str
    first: str
    last: str
    kind: str
    evidence: str


@cache
def overlaps_of(source: str) -> tuple[Overlap, ...]:
    """Return what overlaps ``source``, each as ``other``.

    Of a part of ``source`` (JS00001–JS10646 of ecg-arrhythmia) all of the other database counts.
    """
    with (Path(__file__).parent / "known_overlaps.csv").open(encoding="utf-8", newline="") as file:
        lines = [Overlap(**row) for row in csv.DictReader(file)]
    turned = [
        line._replace(source=line.other, other=line.source, first="", last="") for line in lines
    ]
    return tuple(line for line in (*lines, *turned) if line.source == source)


def concerned(index: pd.DataFrame, overlap: Overlap) -> np.ndarray:
    """Return (N,) bool: the records of ``overlap.other`` that it speaks of."""
    is_other = (index["source"] == overlap.other).to_numpy()
    if not overlap.first:
        return is_other
    names = index["record"].astype(object)
    return is_other & ((names >= overlap.first) & (names <= overlap.last)).to_numpy(bool)
