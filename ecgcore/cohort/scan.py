"""Which files a folder holds, what each shows at first sight, and which of them are one record.

Two files are the same record when their source numbers them so (PTB-XL's ``00001_lr`` and
``00001_hr``), or, without a known source, when their bytes are equal.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ecgcore.atomic import sha256_file
from ecgcore.errors import UnreadableRecord
from ecgcore.records.archives import on_disk, real_file
from ecgcore.records.discover import find_records
from ecgcore.records.metadata.tables import TABLES, above
from ecgcore.records.read import glance
from ecgcore.records.sources import PTB_XL_NAME

READER = 2
"""Rises whenever records are read differently: every file is then read anew."""
RATES_HZ = (100, 500)
_NEARLY = 0.99
"""A rate this near below another is taken for it (499.9 Hz for 500)."""


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A recording's file at first sight.

    Attributes
    ----------
    path
        Absolute; it may lead through a container (see ``records.archives``).
    stamp
        Changes when the file or its container, its companions or its tables change.
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


def survey(folder: Path, known: dict[str, SeenFile], secret: bytes) -> list[SeenFile]:
    """Return the recordings of a folder in stable order; unchanged ``known`` ones unopened.

    Parameters
    ----------
    known
        What was seen before, by path.
    secret
        Key of names made from bytes.
    """
    seen, stamps = [], Stamps()
    for path in find_records([folder.absolute()]):
        before = known.get(str(path))
        stamp = stamps.of(path)
        seen.append(before if before and before.stamp == stamp else look(path, stamp, secret))
    return seen


def uniquely_named(found: list[SeenFile], known: Iterable[SeenFile]) -> list[SeenFile]:
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
    return real_file(path).is_file()


def rate_of(seen: Iterable[SeenFile]) -> int:
    """Return the higher of RATES_HZ if 90 % of the records have it, else the lower."""
    highest: dict[str, float] = {}
    for file in seen:
        if file.fs_hz:
            highest[file.key] = max(file.fs_hz, highest.get(file.key, 0.0))
    low, high = RATES_HZ
    enough = [rate >= _NEARLY * high for rate in highest.values()]
    return high if enough and sum(enough) >= 0.9 * len(enough) else low


def by_preference(files: Iterable[SeenFile], fs_hz: float) -> list[SeenFile]:
    """Return the files of one record: first those not below ``fs_hz``, with a header, with their
    source's table, of the nearest rate."""

    def rank(file: SeenFile) -> tuple[bool, bool, bool, bool, float, str]:
        rate, path = file.fs_hz or 0.0, Path(file.path)
        bare = path.suffix != ".hea"
        copied = not PTB_XL_NAME.match(file.record)  # the challenge's copy has lost the table
        untold = not any(above(path, table) for table in TABLES)
        return is_below(rate, fs_hz), bare, copied, untold, abs(rate - fs_hz), file.path

    files = list(files)
    return sorted(files, key=rank) if len(files) > 1 else files


def is_below(fs_hz: float, wanted_hz: float) -> bool:
    """Return whether a rate would have to be raised to reach another."""
    return fs_hz < _NEARLY * wanted_hz


def _files_of(path: Path) -> list[Path]:
    """Return an ordinary recording's files: its own, and the signal files beside a header."""
    beside = [path.with_suffix(s) for s in (".dat", ".mat")] if path.suffix == ".hea" else []
    return [path, *(file for file in beside if file.is_file())]


class Stamps:
    """Stamps of recordings; what many share (containers, tables) is looked at once."""

    def __init__(self) -> None:
        self._shared: dict[Path, str] = {}

    def of(self, path: Path) -> str:
        """Return what changes when a recording, its companions or its tables do."""
        file = real_file(path)
        own = [_told(f) for f in _files_of(path)] if file == path else [self._once(file)]
        told = ";".join([str(READER), *own, self._once(file.parent)])
        return hashlib.sha256(told.encode()).hexdigest()[:24]

    def _once(self, path: Path) -> str:
        if path not in self._shared:
            tables = [above(path / "any", table) for table in TABLES] if path.is_dir() else [path]
            self._shared[path] = ";".join(_told(table) for table in tables if table)
        return self._shared[path]


def _told(file: Path) -> str:
    try:
        found = file.stat()
    except OSError:
        return "gone"
    return f"{found.st_size},{found.st_mtime_ns}"


def look(path: Path, stamp: str, secret: bytes) -> SeenFile:
    """Return what a recording shows at first sight; ``secret`` keys names made from bytes."""
    from_where, fs_hz = glance(path)
    if from_where is None:
        made = _from_bytes(path, secret)
        return SeenFile(str(path), stamp, made, made, fs_hz)
    name = f"{from_where.source}-{path.stem}" if path.stem.isdigit() else path.stem
    return SeenFile(str(path), stamp, "/".join(from_where), name, fs_hz)


def _from_bytes(path: Path, secret: bytes) -> str:
    """Return a name made from a recording's bytes; of its path where it cannot be opened."""
    digest = hmac.new(secret, digestmod="sha256")
    try:
        with on_disk(path) as (file, member):
            for part in _files_of(file):
                digest.update(bytes.fromhex(sha256_file(part)))
            digest.update(member.encode())
    except (OSError, UnreadableRecord):
        digest.update(str(path).encode())
    return f"r{digest.hexdigest()[:12]}"
