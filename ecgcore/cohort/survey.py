"""Which files a folder holds, what each shows at first sight, and which of them are one record.

Two files are the same record when their source numbers them so (PTB-XL's ``00001_lr`` and
``00001_hr``), or, without a known source, when their bytes are equal.
"""

import hashlib
import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ecgcore.records.finding import find_records
from ecgcore.records.ptbxl_table import table_of
from ecgcore.records.reading import glance
from ecgcore.records.sources import PTB_XL_NAME

READER = 1
"""Rises whenever records are read differently: every file is then read anew."""
RATES_HZ = (100, 500)
_NEARLY = 0.99
"""A rate this near below another is taken for it (499.9 Hz for 500)."""


@dataclass(frozen=True)
class Seen:
    """A recording's file at first sight.

    Attributes
    ----------
    path
        Absolute.
    stamp
        Changes when the file, its companions or its table change.
    key
        Equal for files of one record.
    record
        The name the record would carry: the source's own, or one made from the bytes where no
        source is known, as file names may hold patients' names.
    fs_hz
        None where it is not seen.
    """

    path: str
    stamp: str
    key: str
    record: str
    fs_hz: float | None


def survey(folder: Path, known: dict[str, Seen], secret: bytes) -> list[Seen]:
    """Return the recordings of a folder in stable order; unchanged ``known`` ones unopened.

    Parameters
    ----------
    known
        What was seen before, by path.
    secret
        Key of names made from bytes.
    """
    seen = []
    for path in find_records([folder.absolute()]):
        before = known.get(str(path))
        stamp = _stamp(path)
        seen.append(before if before and before.stamp == stamp else _look(path, stamp, secret))
    return seen


def uniquely_named(found: list[Seen], known: Iterable[Seen]) -> list[Seen]:
    """Return the files, a record's name led by its source where another record has that name."""
    owner = {seen.record: seen.key for seen in known}
    unique = []
    for seen in found:
        if owner.setdefault(seen.record, seen.key) != seen.key:
            source = seen.key.partition("/")[0]
            seen = replace(seen, record=f"{source}-{seen.record}")
            owner[seen.record] = seen.key
        unique.append(seen)
    return unique


def is_there(path: Path) -> bool:
    """Return whether a recording's file is there, or the container that its path leads through."""
    nearest = next(place for place in (path, *path.parents) if place.exists())
    return nearest == path or nearest.is_file()


def rate_of(seen: Iterable[Seen]) -> int:
    """Return the higher of RATES_HZ if 90 % of the records have it, else the lower."""
    highest: dict[str, float] = {}
    for file in seen:
        if file.fs_hz:
            highest[file.key] = max(file.fs_hz, highest.get(file.key, 0.0))
    low, high = RATES_HZ
    enough = [rate >= _NEARLY * high for rate in highest.values()]
    return high if enough and sum(enough) >= 0.9 * len(enough) else low


def by_preference(files: Iterable[Seen], fs_hz: float) -> list[Seen]:
    """Return the files of one record, that of the nearest rate not below ``fs_hz`` first."""

    def rank(file: Seen) -> tuple[bool, float, bool, str]:
        rate = file.fs_hz or 0.0
        copied = not PTB_XL_NAME.match(file.record)  # the challenge's copy has lost the table
        return rate < _NEARLY * fs_hz, abs(rate - fs_hz), copied, file.path

    return sorted(files, key=rank)


def is_below(fs_hz: float, wanted_hz: float) -> bool:
    """Return whether a rate would have to be raised to reach another."""
    return fs_hz < _NEARLY * wanted_hz


def _files_of(path: Path) -> list[Path]:
    """Return a recording's files: its own, and the signal files beside a header."""
    beside = [path.with_suffix(s) for s in (".dat", ".mat")] if path.suffix == ".hea" else []
    return [path, *(file for file in beside if file.is_file())]


def _stamp(path: Path) -> str:
    table = table_of(path) if PTB_XL_NAME.match(path.stem) else None
    files = [file for file in (*_files_of(path), table) if file and file.exists()]
    told = ";".join(f"{s.st_size},{s.st_mtime_ns}" for s in (file.stat() for file in files))
    return hashlib.sha256(f"{READER};{told}".encode()).hexdigest()[:24]


def _look(path: Path, stamp: str, secret: bytes) -> Seen:
    from_where, fs_hz = glance(path)
    if from_where is None:
        made = _from_bytes(path, secret)
        return Seen(str(path), stamp, made, made, fs_hz)
    name = f"{from_where.source}-{path.stem}" if path.stem.isdigit() else path.stem
    return Seen(str(path), stamp, "/".join(from_where), name, fs_hz)


def _from_bytes(path: Path, secret: bytes) -> str:
    """Return a name made from a recording's bytes; of its path where it cannot be opened."""
    files = [file for file in _files_of(path) if os.access(file, os.R_OK)]
    digest = hmac.new(secret, b"" if files else str(path).encode(), digestmod="sha256")
    for file in files:
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return f"r{digest.hexdigest()[:12]}"
