"""Duplicates: recordings that are filed twice, at another rate, gain or in another format.

Copies are found by their fingerprints. Signs of the fingerprints' numbers form keys that copies
share by equality (Charikar 2002, doi:10.1145/509907.509965): keys of 24 signs, because so many of
200,000 other records share a key of 16 that comparing them would take longer than reading. Two
copies at a likeness of 0.97 share none of the 128 keys in 3 of 100,000 cases (simulated; if only
two pieces can be compared, in 5 of 1,000).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.atomic import read_parquet
from ecgcore.cohort import fingerprints
from ecgcore.cohort.fingerprints import (
    MIN_LIKENESS,
    PIECES,
    SIZE,
    as_pieces,
    likeness_of_pieces,
)
from ecgcore.cohort.scan import is_lower_rate
from ecgcore.cohort.signal_format import SignalFormat

_KEYS = (
    np.array([[i, i + 1, i + 3] for i in range(16)] + [[i, i + 4, i + 9] for i in range(16)]) % 16
)
"""Bytes of a piece's 16 bytes of signs that form a key; any two keys share at most one byte."""
_MAX_SIGNS_APART = 32
"""Of a piece's 128 signs: 10 are expected at a likeness of 0.97, 64 by chance. Saves comparisons.
"""
_MAX_MEAN_SIGNS_APART = 24
"""The same over all common pieces: signs are in memory, the numbers behind them on disk."""
_BATCH_PAIRS = 256
"""Pairs that are compared together: few, so that memory does not grow with the cohort."""
_INDEX_COLUMNS = ["record", "source", "fold", "fs_hz", "statements"]


def find_duplicates(tables: Sequence[np.ndarray]) -> list[list[int]]:
    """Return groups of equal recordings, as row numbers counted over all tables.

    Only groups of two or more; members ascending, groups in order of their first member.

    Parameters
    ----------
    tables
        (n, SIZE) int8 each, one row per fingerprint. They may be memory-mapped: beyond the signs,
        only the rows of candidate pairs are read.
    """
    from scipy.sparse import coo_array  # half a second, which processes that only sketch save
    from scipy.sparse.csgraph import connected_components

    if not tables:
        return []
    starts = np.cumsum([0, *map(len, tables)])
    pairs = [np.empty((2, 0), np.int64)]
    for a, b in _candidate_pairs(tables):
        pieces = _read_pieces(tables, starts, a), _read_pieces(tables, starts, b)
        is_copy = likeness_of_pieces(*pieces) >= MIN_LIKENESS
        pairs.append(np.stack([a[is_copy], b[is_copy]]))
    a, b = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(starts[-1], starts[-1]))
    group_of = connected_components(graph, directed=False)[1]
    groups: dict[int, list[int]] = {}
    for row in np.unique(np.concatenate([a, b])):
        groups.setdefault(int(group_of[row]), []).append(int(row))
    return sorted(groups.values())


def find_duplicate_records(
    cohort: Path, shards: list[str], signal_format: SignalFormat
) -> dict[str, str]:
    """Return the names of records that copy another one, with the name of the record that stays.

    The preferred record has statements, a known source, a published fold and the nearest rate not
    below the cohort's; among equals it is the first.
    """
    folders = [cohort / "shards" / shard for shard in shards]
    tables = [fingerprints.read(folder, signal_format.fs_hz) for folder in folders]
    groups = find_duplicates(tables)
    if not groups:
        return {}
    starts = np.cumsum([0, *map(len, tables)])
    index = _read_index(folders, starts, np.unique(np.concatenate(groups)))
    copies: dict[str, str] = {}
    for group in groups:
        ranked = sorted(group, key=lambda row: _rank(index.loc[row], signal_format.fs_hz))
        preferred, *others = index.loc[ranked, "record"]
        copies |= dict.fromkeys(others, preferred)
    return copies


def _read_index(folders: list[Path], starts: np.ndarray, rows: np.ndarray) -> pd.DataFrame:
    """Return some rows of the index over all shards, labelled by their number."""
    tables = []
    for folder, start, end in zip(folders, starts[:-1], starts[1:], strict=True):
        shard_rows = rows[(rows >= start) & (rows < end)]
        if len(shard_rows):
            table = read_parquet(folder / "index.parquet", columns=_INDEX_COLUMNS)
            tables.append(table.iloc[shard_rows - start].set_axis(shard_rows))
    return pd.concat(tables)


def _rank(row: pd.Series, fs_hz: float) -> tuple[bool, bool, bool, bool, float]:
    return (
        row["statements"] == "[]",
        row["source"] == "unknown",
        pd.isna(row["fold"]),
        is_lower_rate(row["fs_hz"], fs_hz),
        abs(row["fs_hz"] - fs_hz),
    )


def _read_pieces(tables: Sequence[np.ndarray], starts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the pieces of some rows counted over all tables."""
    selected = np.empty((len(rows), SIZE), np.int8)
    table_of_row = np.searchsorted(starts, rows, side="right") - 1
    for number in np.unique(table_of_row):
        of_table = table_of_row == number
        selected[of_table] = tables[number][rows[of_table] - starts[number]]
    return as_pieces(selected)


def _candidate_pairs(tables: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows (a, b) of recordings that share a key and most signs."""
    is_used = np.concatenate([np.any(as_pieces(table), axis=2) for table in tables])  # (N, PIECES)
    signs = np.concatenate([np.packbits(as_pieces(table) > 0, axis=2) for table in tables])
    words = signs.view(np.uint64)  # (N, PIECES, 2)
    for piece in range(PIECES):
        rows = np.flatnonzero(is_used[:, piece])
        sign_bytes = np.ascontiguousarray(signs[rows, piece])
        for high, middle, low in _KEYS:
            key = sign_bytes[:, [high, middle, low]] @ np.array([1 << 16, 1 << 8, 1], np.uint32)
            for first, second in _equal_pairs(key):
                a, b = rows[first], rows[second]
                is_near = _signs_apart(words[a, piece], words[b, piece]) <= _MAX_SIGNS_APART
                a, b = _near_pairs(a[is_near], b[is_near], words, is_used)
                for start in range(0, len(a), _BATCH_PAIRS):
                    yield a[start : start + _BATCH_PAIRS], b[start : start + _BATCH_PAIRS]


def _near_pairs(
    a: np.ndarray, b: np.ndarray, words: np.ndarray, is_used: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs whose signs agree over all common pieces."""
    both = is_used[a] & is_used[b]
    apart = _signs_apart(words[a], words[b])
    is_near = (apart * both).sum(axis=1) <= _MAX_MEAN_SIGNS_APART * both.sum(axis=1)
    return a[is_near], b[is_near]


def _signs_apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the number of signs in which two pieces differ, (…) from (…, 2) words."""
    return np.bitwise_count(a ^ b).sum(axis=-1, dtype=np.int64)


def _equal_pairs(keys: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield all pairs of positions with equal keys: first neighbours, then the next but one …"""
    order = np.argsort(keys)
    ordered = keys[order]
    step, positions = 1, np.arange(len(keys))
    while len(positions):
        positions = positions[positions + step < len(keys)]
        positions = positions[ordered[positions] == ordered[positions + step]]
        yield order[positions], order[positions + step]
        step += 1
