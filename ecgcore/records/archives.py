"""Zip files of recordings: opened once, refused where unsafe, unpacked a record at a time.

Unpacked files lie in a private temporary folder for as long as they are read. Paths that lead
through archives are resolved in ``container_paths``.
"""

import os
import shutil
import struct
import tempfile
import threading
import weakref
import zipfile
import zlib
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ecgcore.errors import UnreadableRecord
from ecgcore.records import file_format
from ecgcore.records.budget import limit_container
from ecgcore.records.formats.wfdb_header import parse_wfdb_header
from ecgcore.records.metadata.tables import METADATA_TABLES
from ecgcore.records.zip_limits import refuse_large_directory

LARGEST_MEMBER_BYTES = 1 << 30
"""Unpacked size of a recording's file; the longest at hand, a Holter's, has 0.5 GB."""
LARGEST_CONTAINER_BYTES = 16 << 30
"""Unpacked size of a container in a container; a part of CODE-15 has 4 GB."""
LARGEST_RATIO = 200
"""Factor by which a file of more than 10 MB may grow; recordings grow 2 to 20 times."""
DEEPEST = 3
MOST_MEMBERS = 250_000
"""Files in a zip, those of zips inside it included; PTB-XL's own has 88,000."""
MOST_ZIPS_INSIDE = 2_000
_RATIO_COUNTS_FROM = 10_000_000
_OPEN_AT_ONCE = 4
_COPY_BYTES = 1 << 20
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError),
    *(RuntimeError, OSError, ValueError, IndexError),
)
"""Errors that unpacking a damaged zip raises."""


class Archive:
    """A zip file whose names and sizes were checked, with its directory read once.

    Attributes
    ----------
    path
        As reached from outside, through other containers where it lies in one.
    holds_records
        False once a search has found none.
    folders
        Names of the files in each folder (``''`` is the root), in stable order.
    """

    def __init__(
        self, path: Path, content: Path | BinaryIO, depth: int = 1, budget: "_Budget | None" = None
    ):
        self.path, self._depth = path, depth
        try:
            refuse_large_directory(path, content)
            self._zip = zipfile.ZipFile(content)
            members = [info for info in self._zip.infolist() if not info.is_dir()]
        except _ZIP_ERRORS as error:
            raise UnreadableRecord(f"{path.name} is a damaged zip file; fetch it again.") from error
        for info in self._zip.infolist():
            _refuse_unsafe(path, info)
        self.budget = budget or _Budget(path, _size_bytes(content))
        self.budget.add(path, _size_bytes(content), members)
        by_name = {_plain_name(info): info for info in members}
        self._members = {
            name: info for name, info in by_name.items() if not _is_packing_residue(name)
        }
        self.folders: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self._members, key=lambda name: name.split("/")):
            folder, _, last = name.rpartition("/")
            self.folders[folder].append(last)
        self._unpacked: OrderedDict[str, Archive | Path] = OrderedDict()
        self._last_head = "", 0, b""
        self.holds_records = True

    @cached_property
    def _by_small_letters(self) -> dict[str, str]:
        return {name.lower(): name for name in self._members}

    @cached_property
    def _temp_folder(self) -> Path:
        """A private folder for unpacked files, removed with this object or with the process."""
        folder = tempfile.mkdtemp(prefix="ecgcore-zip-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    def head(self, name: str, n_bytes: int) -> bytes:
        """Return the first bytes of a member; the last one's stay known."""
        known, length, content = self._last_head
        if known != name or length < min(n_bytes, self._members[name].file_size):
            try:
                with self._zip.open(self._members[name]) as file:
                    content = file.read(n_bytes)
            except _ZIP_ERRORS as error:
                raise self._damaged(name) from error
            self._last_head = name, n_bytes, content
        return content[:n_bytes]

    def has(self, name: str) -> bool:
        """Return whether a member has that name."""
        return name in self._members

    def spelling(self, name: str) -> str | None:
        """Return the member of that name, in capital or small letters if need be."""
        return name if name in self._members else self._by_small_letters.get(name.lower())

    def split(self, parts: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        """Return the member that a path leads to or through ('' if none), and the rest."""
        for i in range(1, len(parts) + 1):
            if (name := "/".join(parts[:i])) in self._members:
                return name, parts[i:]
        return "", parts

    def member_format(self, name: str) -> str:
        """Return a member's format (see ``file_format``)."""
        return file_format.format_from_head(self.head(name, file_format.HEAD_BYTES), name)

    def nested(self, name: str) -> "Archive":
        """Return a zip file inside this one, opened."""
        known = self._unpacked.get(name)
        if isinstance(known, Archive):
            return known
        self.refuse_too_deep(name)
        content = tempfile.TemporaryFile(prefix="ecgcore-zip-")
        weakref.finalize(content, content.close)
        self.budget.add_zip()
        with limit_container(self.path.name):
            self._copy(name, content, LARGEST_CONTAINER_BYTES)
            inner = Archive(self.path / name, content, self._depth + 1, self.budget)
        return self._remember(name, inner)

    def refuse_too_deep(self, name: str) -> None:
        """Refuse a zip file nested deeper than DEEPEST; some contain themselves without end."""
        if self._depth == DEEPEST and self.member_format(name) == "zip":
            raise UnreadableRecord(
                f"{self.path.name} holds zip files inside zip files, {DEEPEST} deep and more; "
                "unpack the outer ones."
            )

    def container(self, name: str) -> Path:
        """Return an ordinary copy of a large member, which stays while this archive is open."""
        known = self._unpacked.get(name)
        if isinstance(known, Path):
            return known
        folder = Path(tempfile.mkdtemp(dir=self._temp_folder))
        with limit_container(self.path.name):
            copy = self._extract(name, folder, LARGEST_CONTAINER_BYTES)
        self._link_tables(name, folder)
        return self._remember(name, copy)

    @contextmanager
    def extracted(self, name: str) -> Iterator[Path]:
        """Yield a recording's file, unpacked together with its companions and tables."""
        with tempfile.TemporaryDirectory(dir=self._temp_folder) as folder:
            for companion in self._companions(name):
                self._extract(companion, Path(folder), LARGEST_MEMBER_BYTES)
            self._link_tables(name, Path(folder))
            yield self._extract(name, Path(folder), LARGEST_MEMBER_BYTES)

    def _companions(self, name: str) -> set[str]:
        """Return the members that a WFDB header refers to."""
        if not name.lower().endswith(".hea"):
            return set()
        folder, stem = name.rpartition("/")[0], name[:-4]
        companions = {f"{stem}{suffix}" for suffix in (".dat", ".mat")}
        try:
            header = parse_wfdb_header(Path(name), self.head(name, 1_000_000).decode("latin-1"))
        except UnreadableRecord:
            return set()
        for file in header.signal_files:
            companions.add(str(PurePosixPath(folder, file)))
        for segment in set(header.segments) - {"~"}:
            segment_header = self.spelling(str(PurePosixPath(folder, f"{segment}.hea")))
            if segment_header and segment_header != name:
                companions |= {segment_header, *self._companions(segment_header)}
        members = map(self.spelling, companions)
        return {member for member in members if member is not None}

    def _link_tables(self, name: str, folder: Path) -> None:
        """Link the metadata tables of a member's folder and those above to its unpacked copy."""
        for parent in PurePosixPath(name).parents:
            for table in METADATA_TABLES:
                member = str(parent / table)
                if member not in self._members:
                    continue
                known = self._unpacked.get(member)
                if not isinstance(known, Path):
                    table_folder = Path(tempfile.mkdtemp(dir=self._temp_folder))
                    copy = self._extract(member, table_folder, LARGEST_MEMBER_BYTES)
                    known = self._remember(member, copy)
                link = folder / member
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(known)

    def _remember(self, name, unpacked):
        """Cache an unpacked member; of more than four large ones the oldest is removed."""
        self._unpacked[name] = unpacked
        large = [n for n in self._unpacked if PurePosixPath(n).name not in METADATA_TABLES]
        for oldest in large[:-_OPEN_AT_ONCE]:
            removed = self._unpacked.pop(oldest)
            if isinstance(removed, Path):
                subfolder = removed.relative_to(self._temp_folder).parts[0]
                shutil.rmtree(self._temp_folder / subfolder, ignore_errors=True)
        return unpacked

    def _extract(self, name: str, folder: Path, largest_bytes: int) -> Path:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            self._copy(name, file, largest_bytes)
        return target

    def _copy(self, name: str, target: BinaryIO, largest_bytes: int) -> None:
        info = self._members[name]
        if info.file_size > largest_bytes:
            raise UnreadableRecord(
                f"{PurePosixPath(name).name} in {self.path.name} has {info.file_size / 1e9:,.1f} "
                f"GB unpacked; {largest_bytes / 1e9:,.1f} GB are read. Unpack it and point at the "
                "folder."
            )
        if info.file_size > shutil.disk_usage(self._temp_folder).free - _RATIO_COUNTS_FROM:
            raise UnreadableRecord(
                f"{PurePosixPath(name).name} in {self.path.name} does not fit into the temporary "
                f"folder {tempfile.gettempdir()}; unpack it, or set TMPDIR to a larger disk."
            )
        try:
            with self._zip.open(info) as member:
                shutil.copyfileobj(member, target, _COPY_BYTES)
        except _ZIP_ERRORS as error:
            raise self._damaged(name) from error

    def _damaged(self, name: str) -> UnreadableRecord:
        return UnreadableRecord(
            f"Record {PurePosixPath(name).stem}: {PurePosixPath(name).name} is damaged inside "
            f"{self.path.name}; fetch the zip file again."
        )


class _Budget:
    """Counts of all that one zip file holds, zips inside it included, and their limits."""

    def __init__(self, path: Path, size_bytes: int):
        self.path, self.size_bytes = path, size_bytes
        self.refusal: UnreadableRecord | None = None
        self._n_members = self._n_zips = self._unpacked_bytes = 0

    def add(self, path: Path, size_bytes: int, members: list[zipfile.ZipInfo]) -> None:
        """Count the members of one zip of that size; refuse it, or the whole, beyond the limits."""
        packed_bytes = sum(info.compress_size for info in members)
        if packed_bytes > size_bytes:
            self._refuse(f"{path.name} has members that share the same packed bytes")
        self._n_members += len(members)
        if self._n_members > MOST_MEMBERS:
            self._refuse(f"it holds more than {MOST_MEMBERS:,} files")
        self._unpacked_bytes += sum(info.file_size for info in members)
        largest_bytes = max(_RATIO_COUNTS_FROM, LARGEST_RATIO * self.size_bytes)
        if self._unpacked_bytes > largest_bytes:
            growth = self._unpacked_bytes / max(1, self.size_bytes)
            self._refuse(f"it would grow {growth:,.0f} times unpacked, and {LARGEST_RATIO} is most")
        n_zips = sum(info.filename.lower().endswith(".zip") for info in members)
        if self._n_zips + n_zips > MOST_ZIPS_INSIDE:
            self._refuse_zips()

    def add_zip(self) -> None:
        """Count one zip inside that is opened."""
        self._n_zips += 1
        if self._n_zips > MOST_ZIPS_INSIDE:
            self._refuse_zips()

    def _refuse_zips(self) -> None:
        self._refuse(f"it holds more than {MOST_ZIPS_INSIDE:,} zip files")

    def _refuse(self, reason: str) -> None:
        self.refusal = UnreadableRecord(
            f"{self.path.name} is not opened: {reason}. Unpack it where there is room, and point "
            "at the folder."
        )
        raise self.refusal


_archives: OrderedDict[tuple[str, int, int], Archive] = OrderedDict()
_lock = threading.Lock()


def open_archive(path: Path) -> Archive:
    """Return an open zip file; the last four stay open, so that each directory is read once.

    Raises
    ------
    UnreadableRecord
        It is damaged, encrypted, packed absurdly tight, or holds names that lead out of it.
    """
    status = path.stat()
    key = str(path), status.st_mtime_ns, status.st_size
    with _lock:
        if key not in _archives:
            with limit_container(path.name):
                _archives[key] = Archive(path, path)
        _archives.move_to_end(key)
        while len(_archives) > _OPEN_AT_ONCE:
            _archives.popitem(last=False)
        archive = _archives[key]
    if archive.budget.refusal:
        raise archive.budget.refusal
    return archive


def close_archives() -> None:
    """Close all zip files that stay open, and remove their unpacked files."""
    with _lock:
        _archives.clear()


def _size_bytes(content: Path | BinaryIO) -> int:
    if isinstance(content, Path):
        return content.stat().st_size
    return content.seek(0, os.SEEK_END)


def _is_packing_residue(name: str) -> bool:
    """Return whether a name is residue of packing: ``__MACOSX/``, hidden files."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _plain_name(info: zipfile.ZipInfo) -> str:
    return "/".join(part for part in info.filename.replace("\\", "/").split("/") if part != ".")


def _refuse_unsafe(path: Path, info: zipfile.ZipInfo) -> None:
    name = info.orig_filename
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or name.startswith(("/", "\\")) or name[1:2] == ":" or "\0" in name:
        raise UnreadableRecord(
            f"{path.name} holds a file whose name leads out of it; it is not opened. "
            "Such a file is made to overwrite others."
        )
    if info.flag_bits & 1:
        raise UnreadableRecord(
            f"{path.name} is encrypted; unpack it with its password and point at the folder."
        )
    packed_bytes = max(info.compress_size, 1)
    if info.file_size > _RATIO_COUNTS_FROM and info.file_size > LARGEST_RATIO * packed_bytes:
        raise UnreadableRecord(
            f"{path.name} holds a file that would grow {info.file_size / packed_bytes:,.0f} times "
            f"unpacked; {LARGEST_RATIO} times are accepted. It is not opened."
        )
