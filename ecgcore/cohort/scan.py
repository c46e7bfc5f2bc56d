"""Scan of a folder: its recordings, their headers, and which files belong to one record.

Two files are the same record when their source numbers them so (PTB-XL's ``00001_lr`` and
``00001_hr``) or, without a known source, when their bytes are equal.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ecgcore.atomic import sha256_file
from ecgcore.errors import UnreadableRecord
from ecgcore.records.container_paths import as_local_file, outermost_file
from ecgcore.records.discover import FoundFile, find_records
from ecgcore.records.metadata.tables import METADATA_TABLES, find_above
from ecgcore.records.read import read_header
from ecgcore.records.regular_files import sibling
from ecgcore.records.sources import PTB_XL_NAME

READER = 2
"""Version of reading; a higher one makes every file be read again."""
RATES_HZ = (100, 500)
_RATE_TOLERANCE = 0.99
"""A rate at least this share of another counts as equal (499.9 Hz and 500 Hz)."""


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """A recording's file as the scan of its header shows it.

    Attributes
    ----------
    path
        Absolute; it may lead through a container (see ``records.archives``).
    stamp
        Changes when the file or its container, its companions or its tables change.
    key
        Equal for files of one record.
    record
        Name of the record: the source's own, or one derived from the bytes if no source is known,
        because file names may hold patients' names.
    fs_hz
        Sampling rate in Hz, None if the header does not show it.
    """

    path: str
    stamp: str
    key: str
    record: str
    fs_hz: float | None


def scan_folder(
    folder: Path,
    known: dict[str, ScannedFile],
    secret: bytes,
    on_other: Callable[[FoundFile], None] = lambda file: None,
) -> list[ScannedFile]:
    """Return the recordings of a folder in stable order; unchanged ``known`` ones stay unopened.

    Parameters
    ----------
    known
        Results of an earlier scan, by path.
    secret
        Key of names derived from bytes.
    on_other
        Called with each file that is no record.
    """
    files, stamps = [], FileStamps()
    for path in find_records([folder.absolute()], on_other):
        earlier = known.get(str(path))
        stamp = stamps.of(path)
        is_unchanged = earlier is not None and earlier.stamp == stamp
        files.append(earlier if earlier and is_unchanged else scan_file(path, stamp, secret))
    return files


def with_unique_names(
    files: Iterable[ScannedFile], known: Iterable[ScannedFile]
) -> list[ScannedFile]:
    """Return the files with record names prefixed by their source where names would collide."""
    key_of_name = {file.record: file.key for file in known}
    unique = []
    for file in files:
        if key_of_name.setdefault(file.record, file.key) != file.key:
            source = file.key.partition("/")[0]
            file = replace(file, record=f"{source}-{file.record}")
            key_of_name[file.record] = file.key
        unique.append(file)
    return unique


def file_exists(path: Path) -> bool:
    """Return whether a recording's file, or the container that its path leads through, exists."""
    return outermost_file(path).is_file()


def common_rate_hz(files: Iterable[ScannedFile]) -> int:
    """Return the higher of RATES_HZ if 90 % of the records have it, else the lower."""
    highest_hz: dict[str, float] = {}
    for file in files:
        if file.fs_hz:
            highest_hz[file.key] = max(file.fs_hz, highest_hz.get(file.key, 0.0))
    low, high = RATES_HZ
    is_high = [rate >= _RATE_TOLERANCE * high for rate in highest_hz.values()]
    return high if is_high and sum(is_high) >= 0.9 * len(is_high) else low


def sort_by_preference(files: Iterable[ScannedFile], fs_hz: float) -> list[ScannedFile]:
    """Return the files of one record, the best first.

    Preferred are files not below ``fs_hz``, then with a header, from their original source, with
    their source's table, and of the nearest rate.
    """

    def rank(file: ScannedFile) -> tuple[bool, bool, bool, bool, float, str]:
        rate_hz, path = file.fs_hz or 0.0, Path(file.path)
        has_no_header = path.suffix.lower() != ".hea"
        is_copy = not PTB_XL_NAME.match(file.record)  # the challenge's copy has lost the table
        has_no_table = not any(find_above(path, table) for table in METADATA_TABLES)
        return (
            is_lower_rate(rate_hz, fs_hz),
            has_no_header,
            is_copy,
            has_no_table,
            abs(rate_hz - fs_hz),
            file.path,
        )

    files = list(files)
    return sorted(files, key=rank) if len(files) > 1 else files


def is_lower_rate(fs_hz: float, target_hz: float) -> bool:
    """Return whether a signal would have to be upsampled to reach a rate."""
    return fs_hz < _RATE_TOLERANCE * target_hz


def _files_of(path: Path) -> list[Path]:
    """Return the files of an ordinary recording: its own and a header's signal files."""
    if path.suffix.lower() != ".hea":
        return [path]
    signals = (sibling(path.with_suffix(suffix)) for suffix in (".dat", ".mat"))
    return [path, *(file for file in signals if file)]


class FileStamps:
    """Stamps of recordings; containers and tables that many share are looked up once."""

    def __init__(self) -> None:
        self._shared: dict[Path, str] = {}

    def of(self, path: Path) -> str:
        """Return a hash that changes when a recording, its companions or its tables do."""
        file = outermost_file(path)
        own = [self._shared_text(file)]
        if file == path:
            own = [_stat_text(part) for part in _files_of(path)]
        text = ";".join([str(READER), *own, self._shared_text(file.parent)])
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def _shared_text(self, path: Path) -> str:
        if path not in self._shared:
            files: list[Path | None] = [path]
            if path.is_dir():
                files = [find_above(path / "any", table) for table in METADATA_TABLES]
            self._shared[path] = ";".join(_stat_text(file) for file in files if file)
        return self._shared[path]


def _stat_text(file: Path) -> str:
    try:
        stat = file.stat()
    except OSError:
        return "gone"
    return f"{stat.st_size},{stat.st_mtime_ns}"


def scan_file(path: Path, stamp: str, secret: bytes) -> ScannedFile:
    """Return what a recording's header shows; ``secret`` keys names derived from bytes."""
    header = read_header(path)
    if header.origin is None:
        name = _name_from_bytes(path, secret)
        return ScannedFile(str(path), stamp, name, name, header.fs_hz)
    name = f"{header.origin.source}-{path.stem}" if path.stem.isdigit() else path.stem
    return ScannedFile(str(path), stamp, "/".join(header.origin), name, header.fs_hz)


def _name_from_bytes(path: Path, secret: bytes) -> str:
    """Return a name derived from a recording's bytes, or from its path if it cannot be opened."""
    digest = hmac.new(secret, digestmod="sha256")
    try:
        with as_local_file(path) as (file, member):
            for part in _files_of(file):
                digest.update(bytes.fromhex(sha256_file(part)))
            digest.update(member.encode())
    except (OSError, UnreadableRecord):
        digest.update(str(path).encode())
    return f"r{digest.hexdigest()[:12]}"
