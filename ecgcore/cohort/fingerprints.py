"""Fingerprints: a sketch of a recording that survives another rate, gain or format.

A fingerprint sketches the timing of the heart's activity: the spectrum of the eight independent
leads from 3 to 20 Hz, in four pieces of 2.5 s, each projected at random onto 128 numbers. Rate,
gain, baseline, mains filters and quantisation hardly affect that band, and the projection preserves
the angle between two spectra (Johnson & Lindenstrauss 1984). The pieces have fixed times: a copy
that starts elsewhere, or is delayed by more than about 3 ms, counts as another recording.

The fingerprints of a shard are in ``fingerprints-VERSION.npy``. Shards without this version's file
get it from the stored signals on first use.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.fft import rfft

from ecgcore.atomic import map_array, write_atomic
from ecgcore.cohort.codec import decode_signals_mv
from ecgcore.records.record import LEADS

VERSION = 1
"""Increases whenever the fingerprint of a recording changes; stored ones are then made again."""
PIECE_S = 2.5
PIECES = 4
BAND_HZ = (3.0, 20.0)
"""Above baseline wander and the usual high-pass filters, below the cut-off of 100 Hz copies."""
NUMBERS = 128
"""Numbers stored per piece."""
SIZE = PIECES * NUMBERS
"""Bytes per fingerprint."""
MIN_LIKENESS = 0.97
"""Smallest likeness of two copies of one recording.

Our choice, from data/ptb-xl and data/challenge-2021: copies at another rate, gain, filter or format
reach 0.98 and more; the most similar of 59 million pairs of different recordings reach 0.95, in
one patient whose beats happen to coincide."""
_INDEPENDENT = [LEADS.index(lead) for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]
_MAX_GAP = 0.05
"""Share of missing samples above which a piece is not used."""
_MIN_RELATIVE_NORM = 0.01
"""A piece with less than this share of the strongest piece's norm holds no heartbeat."""
_ROUNDING = 1e-6
_STEPS_PER_SD = 32
"""Rounding steps per standard deviation; stored values reach four standard deviations."""
_FILE = f"fingerprints-{VERSION}.npy"


def fingerprint(signal_mv: np.ndarray, fs_hz: float) -> bytes:
    """Return the fingerprint of a recording's first 10 s.

    Parameters
    ----------
    signal_mv
        (12, T), mV or any other unit, rows in the order of LEADS, NaN where missing.
    fs_hz
        Hz, at least 50.

    Returns
    -------
    bytes
        512 bytes, int8; 128 zeros for a piece of 2.5 s that is missing or silent. A fingerprint
        of zeros matches no other.
    """
    n_samples = round(PIECE_S * fs_hz)
    starts = [round(piece * PIECE_S * fs_hz) for piece in range(PIECES)]
    leads = signal_mv[_INDEPENDENT]
    spectra = np.stack([_spectrum(leads[:, at : at + n_samples], n_samples) for at in starts])
    norms = np.linalg.norm(spectra, axis=1)
    smallest = max(
        _MIN_RELATIVE_NORM * norms.max(), _ROUNDING * np.nanmax(np.abs(leads), initial=0.0)
    )
    is_used = norms > smallest
    sketch = np.zeros((PIECES, NUMBERS), np.int8)
    projected = spectra[is_used] / norms[is_used, None] @ _directions(spectra.shape[1])
    sketch[is_used] = np.clip(np.rint(projected * _STEPS_PER_SD), -127, 127)
    return sketch.tobytes()


def likeness(a: bytes, b: bytes) -> float:
    """Return the similarity of two recordings, −1 to 1: the correlation over common pieces.

    It is 0 if fewer than two pieces (5 s) can be compared.
    """
    return float(likeness_of_pieces(as_pieces(as_table([a])), as_pieces(as_table([b])))[0])


def is_duplicate(a: bytes, b: bytes) -> bool:
    """Return whether two fingerprints are of one recording (likeness of 0.97 or more)."""
    return likeness(a, b) >= MIN_LIKENESS


def as_table(fingerprints: Sequence[bytes]) -> np.ndarray:
    """Return (n, SIZE) int8, one row per fingerprint."""
    return np.frombuffer(b"".join(fingerprints), np.int8).reshape(len(fingerprints), SIZE)


def as_pieces(table: np.ndarray) -> np.ndarray:
    """Return (n, PIECES, NUMBERS) of (n, SIZE)."""
    return table.reshape(len(table), PIECES, NUMBERS)


def likeness_of_pieces(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (N,) correlations over the common pieces of two (N, PIECES, NUMBERS) arrays."""
    both = (a.any(axis=2, keepdims=True) & b.any(axis=2, keepdims=True)).astype(np.float32)
    x, y = a * both, b * both
    product = np.einsum("npk,npk->n", x, y)
    norms = np.einsum("npk,npk->n", x, x) * np.einsum("npk,npk->n", y, y)
    is_comparable = both.sum(axis=(1, 2)) >= 2
    return np.where(is_comparable, product / np.sqrt(np.maximum(norms, 1e-9)), 0.0)


def write(shard: Path, fingerprints: Sequence[bytes]) -> None:
    """Write the fingerprints of a shard, in the order of its index."""
    _save(shard, as_table(fingerprints))


def read(shard: Path, fs_hz: float) -> np.ndarray:
    """Return (n, SIZE) int8, memory-mapped; computed from the signals (at ``fs_hz``) if missing."""
    if not (shard / _FILE).exists():
        signals = map_array(shard / "signals.npy")
        write(shard, [fingerprint(decode_signals_mv(stored), fs_hz) for stored in signals])
        for earlier in set(shard.glob("fingerprints*.npy")) - {shard / _FILE}:
            earlier.unlink()
    return map_array(shard / _FILE)


def copy(old: Path, new: Path, keep: np.ndarray) -> None:
    """Copy the rows of a shard's fingerprints where ``keep`` (n,) bool is True to another shard."""
    if (old / _FILE).exists():
        _save(new, map_array(old / _FILE)[keep])


def _save(shard: Path, table: np.ndarray) -> None:
    def save(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, table)

    write_atomic(shard / _FILE, save)


def _spectrum(piece: np.ndarray, n_samples: int) -> np.ndarray:
    """Return a piece's spectrum in the band as one row of numbers, zeros if it is missing.

    Weighted by frequency: steep waves distinguish recordings of one patient better than tall ones.
    """
    first, last = (round(hz * PIECE_S) for hz in BAND_HZ)
    missing = ~np.isfinite(piece) | (piece == 0).all(axis=0)  # short recordings are zero-padded
    if piece.shape[1] < n_samples or missing.mean() > _MAX_GAP:
        return np.zeros(2 * len(piece) * (last - first))
    filled = np.where(missing, 0.0, piece)
    level = filled.mean(axis=1, keepdims=True)
    spectrum = rfft((filled - level) * _taper(n_samples), axis=1)[:, first:last] / n_samples
    spectrum *= np.arange(first, last) / last
    return np.concatenate([spectrum.real, spectrum.imag], axis=1).ravel()


@lru_cache(maxsize=16)
def _taper(n_samples: int) -> np.ndarray:
    return np.hanning(n_samples)


@lru_cache(maxsize=2)
def _directions(n_numbers: int) -> np.ndarray:
    """Return (n, 128) fixed random directions (RandomState: its stream never changes)."""
    return np.random.RandomState(12).standard_normal((n_numbers, NUMBERS))
