"""Databases known to share recordings or patients, as a table (known_overlaps.csv).

``recordings``: both contain the same recordings. ``hospital``: both may contain the same patients.
Copies of one database in another that keep its numbers (PTB-XL's and PTB's in the challenges of
2020 and 2021) get the same source and number here, and need no entry.
"""

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd


class Overlap(NamedTuple):
    """Overlap of a source with records ``first`` to ``last`` of ``other`` (all, if empty)."""

    source: str
    other: str
    first: str
    last: str
    kind: str
    evidence: str


@cache
def overlaps_of(source: str) -> tuple[Overlap, ...]:
    """Return the overlaps of ``source``, each with the other database as ``other``.

    An overlap with a part of ``source`` (JS00001–JS10646 of ecg-arrhythmia) concerns all of the
    other database.
    """
    with (Path(__file__).parent / "known_overlaps.csv").open(encoding="utf-8", newline="") as file:
        overlaps = [Overlap(**row) for row in csv.DictReader(file)]
    reversed_overlaps = [
        overlap._replace(source=overlap.other, other=overlap.source, first="", last="")
        for overlap in overlaps
    ]
    return tuple(o for o in (*overlaps, *reversed_overlaps) if o.source == source)


def overlapping_rows(index: pd.DataFrame, overlap: Overlap) -> np.ndarray:
    """Return (N,) bool: the records of ``overlap.other`` that overlap."""
    is_other = (index["source"] == overlap.other).to_numpy()
    if not overlap.first:
        return is_other
    names = index["record"].astype(object)
    return is_other & ((names >= overlap.first) & (names <= overlap.last)).to_numpy(bool)
