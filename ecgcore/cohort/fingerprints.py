"""The fingerprints of a shard's records (``fingerprints.npy``), by which a second copy is known.

See ``likeness`` for what a fingerprint is. Shards of earlier versions have none: theirs are made
from the stored signals when they are first asked for.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecgcore.cohort.likeness import SIZE, fingerprint
from ecgcore.cohort.stored import in_mv
from ecgcore.home import write_whole

_FILE = "fingerprints.npy"


def write(shard: Path, prints: Sequence[bytes]) -> None:
    """Write the fingerprints of a shard, in the order of its index."""
    table = np.frombuffer(b"".join(prints), np.int8).reshape(len(prints), SIZE)
    _save(shard, table)


def read(shard: Path, fs_hz: float) -> np.ndarray:
    """Return (n, SIZE) int8, made from the signals (at ``fs_hz``) and kept where there are none."""
    if not _is_there(shard):
        signals = np.load(shard / "signals.npy", mmap_mode="r")
        write(shard, [fingerprint(in_mv(stored), fs_hz) for stored in signals])
    return np.load(shard / _FILE)


def _is_there(shard: Path) -> bool:
    """Return whether a shard has fingerprints of today's size."""
    file = shard / _FILE
    return file.exists() and np.load(file, mmap_mode="r").shape[1] == SIZE


def copy(old: Path, new: Path, kept: np.ndarray) -> None:
    """Copy the ``kept`` (n,) bool rows of a shard's fingerprints to another shard."""
    if (old / _FILE).exists():
        _save(new, np.load(old / _FILE)[kept])


def _save(shard: Path, table: np.ndarray) -> None:
    def save(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, table)

    write_whole(shard / _FILE, save)
