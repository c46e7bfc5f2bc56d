"""The fingerprints of a shard's records, by which a second copy is known.

See ``likeness`` for what a fingerprint is; its version stands in the file's name. Shards that have
none of this version get theirs from the stored signals when they are first asked for.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecgcore.atomic import write_atomic
from ecgcore.cohort.codec import in_mv
from ecgcore.cohort.duplicates import VERSION, fingerprint, table

_FILE = f"fingerprints-{VERSION}.npy"


def write(shard: Path, prints: Sequence[bytes]) -> None:
    """Write the fingerprints of a shard, in the order of its index."""
    _save(shard, table(prints))


def read(shard: Path, fs_hz: float) -> np.ndarray:
    """Return (n, SIZE) int8, memory-mapped; made from the signals (at ``fs_hz``) where there are
    none."""
    if not (shard / _FILE).exists():
        signals = np.load(shard / "signals.npy", mmap_mode="r")
        write(shard, [fingerprint(in_mv(stored), fs_hz) for stored in signals])
        for earlier in set(shard.glob("fingerprints*.npy")) - {shard / _FILE}:
            earlier.unlink()
    return np.load(shard / _FILE, mmap_mode="r")


def copy(old: Path, new: Path, kept: np.ndarray) -> None:
    """Copy the ``kept`` (n,) bool rows of a shard's fingerprints to another shard."""
    if (old / _FILE).exists():
        _save(new, np.load(old / _FILE)[kept])


def _save(shard: Path, rows: np.ndarray) -> None:
    def save(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, rows)

    write_atomic(shard / _FILE, save)
