"""Knowing a recording again that is filed twice: at another rate, gain, in another format.

A fingerprint is a small sketch of what the heart did when: the spectrum of the eight independent
leads from 3 to 20 Hz, in four pieces of 2.5 s, each projected at random onto 128 numbers. Rate,
gain, baseline, mains filters and quantisation hardly touch that band, and the angle between two
spectra survives the projection (Johnson & Lindenstrauss 1984). Signs of the projections make keys
that the same recordings share by equality (Charikar 2002, doi:10.1145/509907.509965): of 24 signs,
as keys of 16 are shared by so many of 200,000 other records that comparing them would take longer
than reading. Two copies at a likeness of 0.97 share none of the 128 keys in 3 of 100,000 cases
(simulated; where only two pieces can be compared, in 5 of 1,000). The pieces stand at fixed times:
a copy that begins elsewhere, or was delayed by more than some 3 ms, is another recording here.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.fft import rfft

from ecgcore.records.record import LEADS

VERSION = 1
"""Rises whenever a recording's fingerprint changes: stored ones are then made anew."""
PIECE_S = 2.5
PIECES = 4
BAND_HZ = (3.0, 20.0)
"""Above baseline wander and the usual high-passes, below what 100 Hz copies and filters cut."""
NUMBERS = 128
"""Numbers kept of each piece."""
SIZE = PIECES * NUMBERS
"""Bytes of a fingerprint."""
LIKE = 0.97
"""Least likeness of two copies of one recording. Ours, from data/ptb-xl and data/challenge-2021:
copies at another rate, gain, filter or format 0.98 and more; among 59 million pairs of different
recordings the likest 0.95, of one patient whose beats happened to fall together."""
_INDEPENDENT = [LEADS.index(lead) for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]
_LARGEST_GAP = 0.05
"""A piece of which more is missing says nothing."""
_QUIETEST = 0.01
"""A piece with less than this share of the loudest one's size holds no heartbeat."""
_ROUNDING = 1e-6
_KEYS = (
    np.array([[i, i + 1, i + 3] for i in range(16)] + [[i, i + 4, i + 9] for i in range(16)]) % 16
)
"""Bytes of a piece's 16 bytes of signs that make a key; any two keys share one byte at most."""
_MOST_SIGNS_APART = 32
"""Of a piece's 128: 10 are expected at a likeness of 0.97, 64 by chance. Saves comparisons."""
_MOST_APART_ON_AVERAGE = 24
"""Likewise, over all pieces that both have: signs are at hand, the numbers behind them on disk."""
_AT_ONCE = 256
"""Pairs that are compared together: few, so that memory does not grow with the cohort."""
_STEPS = 32
"""Whole steps a standard deviation when numbers are rounded; the largest kept are four."""


def fingerprint(signal_mv: np.ndarray, fs_hz: float) -> bytes:
    """Return what a recording's first 10 s are known by.

    Parameters
    ----------
    signal_mv
        (12, T), mV or any other unit, rows in the order of LEADS, NaN where missing.
    fs_hz
        Hz, at least 50.

    Returns
    -------
    bytes
        512 of them, int8; 128 zeros for a piece of 2.5 s that is missing or silent. A fingerprint
        of zeros is like no other.
    """
    n_samples = round(PIECE_S * fs_hz)
    starts = [round(piece * PIECE_S * fs_hz) for piece in range(PIECES)]
    leads = signal_mv[_INDEPENDENT]
    bands = np.stack([_band(leads[:, at : at + n_samples], n_samples) for at in starts])
    sizes = np.linalg.norm(bands, axis=1)
    quietest = max(_QUIETEST * sizes.max(), _ROUNDING * np.nanmax(np.abs(leads), initial=0.0))
    heard = sizes > quietest
    sketch = np.zeros((PIECES, NUMBERS), np.int8)
    projected = bands[heard] / sizes[heard, None] @ _directions(bands.shape[1])
    sketch[heard] = np.clip(np.rint(projected * _STEPS), -127, 127)
    return sketch.tobytes()


def likeness(a: bytes, b: bytes) -> float:
    """Return how alike two recordings are, −1 to 1: the correlation over their common pieces.

    It is 0 where fewer than two pieces (5 s) can be compared.
    """
    return float(_likeness(_pieces(table([a])), _pieces(table([b])))[0])


def same(a: bytes, b: bytes) -> bool:
    """Return whether two fingerprints are of one recording (likeness of 0.97 or more)."""
    return likeness(a, b) >= LIKE


def find_same(tables: Sequence[np.ndarray]) -> list[list[int]]:
    """Return the groups of recordings that are the same, as rows counted through all tables.

    Only groups of two or more, members ascending, groups in order of their first member.

    Parameters
    ----------
    tables
        (n, SIZE) int8 each, a row a fingerprint. They may be memory-mapped: beyond the signs, only
        the rows of pairs in question are held.
    """
    from scipy.sparse import coo_array  # half a second that processes which only sketch save
    from scipy.sparse.csgraph import connected_components

    if not tables:
        return []
    starts = np.cumsum([0, *map(len, tables)])
    alike = [np.empty((2, 0), np.int64)]
    for a, b in _candidates(tables):
        true = _likeness(_rows(tables, starts, a), _rows(tables, starts, b)) >= LIKE
        alike.append(np.stack([a[true], b[true]]))
    a, b = np.concatenate(alike, axis=1)
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(starts[-1], starts[-1]))
    group_of = connected_components(graph, directed=False)[1]
    groups: dict[int, list[int]] = {}
    for place in np.unique(np.concatenate([a, b])):
        groups.setdefault(int(group_of[place]), []).append(int(place))
    return sorted(groups.values())


def _band(part: np.ndarray, n_samples: int) -> np.ndarray:
    """Return a piece's spectrum in the band as one row of numbers, zeros where it is missing.

    Weighted by frequency: steep waves tell recordings of one patient apart better than tall ones.
    """
    first, last = (round(hz * PIECE_S) for hz in BAND_HZ)
    missing = ~np.isfinite(part) | (part == 0).all(axis=0)  # short recordings are filled with zeros
    if part.shape[1] < n_samples or missing.mean() > _LARGEST_GAP:
        return np.zeros(2 * len(part) * (last - first))
    bridged = np.where(missing, 0.0, part)
    level = bridged.mean(axis=1, keepdims=True)
    spectrum = rfft((bridged - level) * _taper(n_samples), axis=1)[:, first:last] / n_samples
    spectrum *= np.arange(first, last) / last
    return np.concatenate([spectrum.real, spectrum.imag], axis=1).ravel()


@lru_cache(maxsize=16)
def _taper(n_samples: int) -> np.ndarray:
    return np.hanning(n_samples)


@lru_cache(maxsize=2)
def _directions(n_numbers: int) -> np.ndarray:
    """Return (n, 128) fixed random directions (RandomState: its stream never changes)."""
    return np.random.RandomState(12).standard_normal((n_numbers, NUMBERS))


def table(fingerprints: Sequence[bytes]) -> np.ndarray:
    """Return (n, SIZE) int8, a row a fingerprint."""
    return np.frombuffer(b"".join(fingerprints), np.int8).reshape(len(fingerprints), SIZE)


def _pieces(rows: np.ndarray) -> np.ndarray:
    """Return (n, PIECES, NUMBERS) of (n, SIZE)."""
    return rows.reshape(len(rows), PIECES, NUMBERS)


def _rows(tables: Sequence[np.ndarray], starts: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the pieces of some rows counted through all tables."""
    found = np.empty((len(places), SIZE), np.int8)
    of = np.searchsorted(starts, places, side="right") - 1
    for number in np.unique(of):
        here = of == number
        found[here] = tables[number][places[here] - starts[number]]
    return _pieces(found)


def _likeness(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (N,) correlations over the pieces that both rows of (N, PIECES, NUMBERS) have."""
    both = (a.any(axis=2, keepdims=True) & b.any(axis=2, keepdims=True)).astype(np.float32)
    x, y = a * both, b * both
    product = np.einsum("npk,npk->n", x, y)
    sizes = np.einsum("npk,npk->n", x, x) * np.einsum("npk,npk->n", y, y)
    enough = both.sum(axis=(1, 2)) >= 2
    return np.where(enough, product / np.sqrt(np.maximum(sizes, 1e-9)), 0.0)


def _candidates(tables: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield places (a, b) of recordings that share a key, and most signs."""
    there = np.concatenate([np.any(_pieces(rows), axis=2) for rows in tables])  # (N, PIECES)
    signs = np.concatenate([np.packbits(_pieces(rows) > 0, axis=2) for rows in tables])
    words = signs.view(np.uint64)  # (N, PIECES, 2)
    for piece in range(PIECES):
        rows = np.flatnonzero(there[:, piece])
        bits = np.ascontiguousarray(signs[rows, piece])
        for high, middle, low in _KEYS:
            key = bits[:, [high, middle, low]] @ np.array([1 << 16, 1 << 8, 1], np.uint32)
            for first, second in _pairs(key):
                a, b = rows[first], rows[second]
                near = _apart(words[a, piece], words[b, piece]) <= _MOST_SIGNS_APART
                a, b = _near_throughout(a[near], b[near], words, there)
                for start in range(0, len(a), _AT_ONCE):
                    yield a[start : start + _AT_ONCE], b[start : start + _AT_ONCE]


def _near_throughout(
    a: np.ndarray, b: np.ndarray, words: np.ndarray, there: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return those of the pairs whose signs agree over all pieces that both have."""
    both = there[a] & there[b]
    apart = _apart(words[a], words[b])
    near = (apart * both).sum(axis=1) <= _MOST_APART_ON_AVERAGE * both.sum(axis=1)
    return a[near], b[near]


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return in how many signs two pieces differ, (…) from (…, 2) words."""
    return np.bitwise_count(a ^ b).sum(axis=-1, dtype=np.int64)


def _pairs(keys: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield all pairs of places with equal keys: each beside the next, the one after that …"""
    order = np.argsort(keys)
    ordered = keys[order]
    step, left = 1, np.arange(len(keys))
    while len(left):
        left = left[left + step < len(keys)]
        left = left[ordered[left] == ordered[left + step]]
        yield order[left], order[left + step]
        step += 1
