"""Records of a cohort that are one recording filed twice: which copy stays, and which is listed.

Copies are known by their shape (see ``likeness``), so another rate, gain or format hides none.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.cohort import fingerprints
from ecgcore.cohort.duplicates import find_same
from ecgcore.cohort.scan import is_below
from ecgcore.cohort.signal_format import Form

_TOLD = ["record", "source", "fold", "fs_hz", "statements"]


def find_twins(cohort: Path, shards: list[str], form: Form) -> dict[str, str]:
    """Return the records that are another's copy, by name, and the name of the one that stays.

    That is the one with statements, of a known source, with a published fold, of the nearest rate
    not below the cohort's; among equals the one that came first.
    """
    folders = [cohort / "shards" / shard for shard in shards]
    prints = [fingerprints.read(folder, form.fs_hz) for folder in folders]
    groups = find_same(prints)
    if not groups:
        return {}
    index = _rows(folders, np.cumsum([0, *map(len, prints)]), np.unique(np.concatenate(groups)))
    twins: dict[str, str] = {}
    for group in groups:
        ranked = sorted(group, key=lambda row: _rank(index.loc[row], form.fs_hz))
        first, *others = index.loc[ranked, "record"]
        twins |= dict.fromkeys(others, first)
    return twins


def _rows(folders: list[Path], starts: np.ndarray, rows: np.ndarray) -> pd.DataFrame:
    """Return some rows of the index over all shards, labelled by their number."""
    tables = []
    for folder, start, end in zip(folders, starts[:-1], starts[1:], strict=True):
        here = rows[(rows >= start) & (rows < end)]
        if len(here):
            table = pd.read_parquet(folder / "index.parquet", columns=_TOLD)
            tables.append(table.iloc[here - start].set_axis(here))
    return pd.concat(tables)


def _rank(told: pd.Series, fs_hz: float) -> tuple[bool, bool, bool, bool, float]:
    return (
        told["statements"] == "[]",
        told["source"] == "unknown",
        pd.isna(told["fold"]),
        is_below(told["fs_hz"], fs_hz),
        abs(told["fs_hz"] - fs_hz),
    )
