"""Records inside files: ``x.zip/sub/rec.hea``, ``outer.zip/inner.zip/a.csv``, ``e.hdf5/1234567``.

A path may lead *through* a file as if it were a folder; the component that is a file is the
container. What is read out of a zip lies in a private temporary folder for as long as it is read.
Knows nothing of what a recording is (roles.py, reading.py).
"""

import os
import shutil
import stat
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
from typing import BinaryIO, NamedTuple

from ecgcore.errors import UnreadableRecord
from ecgcore.records import file_format
from ecgcore.records.file_roles import STANDALONE
from ecgcore.records.formats.wfdb_header import parse_header
from ecgcore.records.metadata.tables import TABLES

LARGEST_MEMBER_BYTES = 1 << 30
"""Unpacked size of a file of a recording; the longest at hand, a Holter's, has 0.5 GB."""
LARGEST_CONTAINER_BYTES = 16 << 30
"""Unpacked size of a container in a container; a part of CODE-15 has 4 GB."""
LARGEST_RATIO = 200
"""Times that a file of more than 10 MB may grow; recordings grow 2 to 20 times."""
LARGEST_DIRECTORY_BYTES = 100_000_000
"""Size of a zip's list of files: about a million names."""
DEEPEST = 3
_RATIO_COUNTS_FROM = 10_000_000
_KEPT_OPEN = 4
_COPY_BYTES = 1 << 20
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError),
    *(RuntimeError, OSError, ValueError, IndexError),
)
"""What unpacking a damaged zip raises."""


class OnDisk(NamedTuple):
    """An ordinary file to read a record from, and which of its records ('' if it is but one)."""

    file: Path
    member: str


class Archive:
    """A zip file that was found to be safe, with its directory read once.

    Attributes
    ----------
    path
        As reached from outside, through other containers where it lies in one.
    folders
        Names of the files in each folder (``''`` is the root), in stable order.
    """

    def __init__(self, path: Path, content: Path | BinaryIO, depth: int = 1):
        self.path, self._depth = path, depth
        try:
            _refuse_large_directory(path, content)
            self._zip = zipfile.ZipFile(content)
            members = [info for info in self._zip.infolist() if not info.is_dir()]
        except BROKEN as error:
            raise UnreadableRecord(f"{path.name} is a damaged zip file; fetch it again.") from error
        for info in self._zip.infolist():
            _refuse_unsafe(path, info)
        named = {_plain_name(info): info for info in members}
        self._members = {name: info for name, info in named.items() if not _is_noise(name)}
        self.folders: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self._members, key=lambda name: name.split("/")):
            folder, _, last = name.rpartition("/")
            self.folders[folder].append(last)
        self._inner: OrderedDict[str, Archive | Path] = OrderedDict()

    @cached_property
    def _place(self) -> Path:
        """A private folder for what is unpacked; it goes with this object or with the process."""
        place = tempfile.mkdtemp(prefix="ecgcore-zip-")
        weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
        return Path(place)

    def head(self, name: str, n_bytes: int) -> bytes:
        """Return the first bytes of a file inside."""
        try:
            with self._zip.open(self._members[name]) as file:
                return file.read(n_bytes)
        except BROKEN as error:
            raise self._damaged(name) from error

    def has(self, name: str) -> bool:
        """Return whether there is a file of that name."""
        return name in self._members

    def parted(self, parts: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        """Return the file that a path inside leads to or through ('' if none), and the rest."""
        for i in range(1, len(parts) + 1):
            if (name := "/".join(parts[:i])) in self._members:
                return name, parts[i:]
        return "", parts

    def kind(self, name: str) -> str:
        """Return what a file inside is (sniffing.py)."""
        return file_format.kind_of(self.head(name, file_format.HEAD_BYTES), name)

    def nested(self, name: str) -> "Archive":
        """Return the zip file inside this one."""
        known = self._inner.get(name)
        if isinstance(known, Archive):
            return known
        self.refuse_too_deep(name)
        content = tempfile.TemporaryFile(prefix="ecgcore-zip-")
        weakref.finalize(content, content.close)
        self._copy(name, content, LARGEST_CONTAINER_BYTES)
        return self._keep(name, Archive(self.path / name, content, self._depth + 1))

    def refuse_too_deep(self, name: str) -> None:
        """Refuse a zip file inside the last that is opened; some hold themselves, without end."""
        if self._depth == DEEPEST and self.kind(name) == "zip":
            raise UnreadableRecord(
                f"{self.path.name} holds zip files inside zip files, {DEEPEST} deep and more; "
                "unpack the outer ones."
            )

    def container(self, name: str) -> Path:
        """Return an ordinary copy of a large file inside, which stays while this is open."""
        known = self._inner.get(name)
        if isinstance(known, Path):
            return known
        place = Path(tempfile.mkdtemp(dir=self._place))
        copy = self._extract(name, place, LARGEST_CONTAINER_BYTES)
        self._link_tables(name, place)
        return self._keep(name, copy)

    @contextmanager
    def extracted(self, name: str) -> Iterator[Path]:
        """Give a recording's file, its companions and tables as ordinary files, for a while."""
        with tempfile.TemporaryDirectory(dir=self._place) as place:
            for companion in self._companions(name):
                self._extract(companion, Path(place), LARGEST_MEMBER_BYTES)
            self._link_tables(name, Path(place))
            yield self._extract(name, Path(place), LARGEST_MEMBER_BYTES)

    def _companions(self, name: str) -> set[str]:
        """Return the files inside that a header speaks of."""
        if not name.lower().endswith(".hea"):
            return set()
        folder, stem = name.rpartition("/")[0], name[:-4]
        found = {f"{stem}{suffix}" for suffix in (".dat", ".mat")}
        try:
            header = parse_header(Path(name), self.head(name, 1_000_000).decode("latin-1"))
        except UnreadableRecord:
            return set()
        for file in header.signal_files:
            found.add(str(PurePosixPath(folder, file)))
        for segment in set(header.segments) - {"~"}:
            inner = str(PurePosixPath(folder, f"{segment}.hea"))
            if inner in self._members and inner != name:
                found |= {inner, *self._companions(inner)}
        return {file for file in found if file in self._members}

    def _link_tables(self, name: str, place: Path) -> None:
        """Let the tables of a file's own folder and of those above stand above its copy, too."""
        for folder in PurePosixPath(name).parents:
            for table in TABLES:
                inner = str(folder / table)
                if inner not in self._members:
                    continue
                known = self._inner.get(inner)
                if not isinstance(known, Path):
                    own = Path(tempfile.mkdtemp(dir=self._place))
                    copy = self._extract(inner, own, LARGEST_MEMBER_BYTES)
                    known = self._keep(inner, copy)
                link = place / inner
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(known)

    def _keep(self, name, made):
        """Remember what was made of a file inside; of many large ones the oldest goes."""
        self._inner[name] = made
        large = [n for n, kept in self._inner.items() if PurePosixPath(n).name not in TABLES]
        for oldest in large[:-_KEPT_OPEN]:
            gone = self._inner.pop(oldest)
            if isinstance(gone, Path):
                shutil.rmtree(self._place / gone.relative_to(self._place).parts[0], True)
        return made

    def _extract(self, name: str, place: Path, largest: int) -> Path:
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            self._copy(name, file, largest)
        return target

    def _copy(self, name: str, to: BinaryIO, largest: int) -> None:
        info = self._members[name]
        if info.file_size > largest:
            raise UnreadableRecord(
                f"{PurePosixPath(name).name} in {self.path.name} has {info.file_size / 1e9:,.1f} "
                f"GB unpacked; {largest / 1e9:,.1f} GB are read. Unpack it and point at the folder."
            )
        if info.file_size > shutil.disk_usage(self._place).free - _RATIO_COUNTS_FROM:
            raise UnreadableRecord(
                f"{PurePosixPath(name).name} in {self.path.name} does not fit into the temporary "
                f"folder {tempfile.gettempdir()}; unpack it, or set TMPDIR to a larger disk."
            )
        try:
            with self._zip.open(info) as member:
                shutil.copyfileobj(member, to, _COPY_BYTES)
        except BROKEN as error:
            raise self._damaged(name) from error

    def _damaged(self, name: str) -> UnreadableRecord:
        return UnreadableRecord(
            f"Record {PurePosixPath(name).stem}: {PurePosixPath(name).name} is damaged inside "
            f"{self.path.name}; fetch the zip file again."
        )


_archives: OrderedDict[tuple[str, int, int], Archive] = OrderedDict()
_lock = threading.Lock()


def opened(path: Path) -> Archive:
    """Return a zip file opened; the last few stay open, so that a record costs no new directory.

    Raises
    ------
    UnreadableRecord
        It is damaged, encrypted, packed absurdly tight, or holds names that lead out of it.
    """
    found = path.stat()
    key = str(path), found.st_mtime_ns, found.st_size
    with _lock:
        if key not in _archives:
            _archives[key] = Archive(path, path)
        _archives.move_to_end(key)
        while len(_archives) > _KEPT_OPEN:
            _archives.popitem(last=False)
        return _archives[key]


def forget() -> None:
    """Close all zip files that are kept open, and remove what was unpacked of them."""
    with _lock:
        _archives.clear()


def parted(path: Path) -> tuple[Path, tuple[str, ...]] | None:
    """Return the file that a path leads to or through, and the rest of it; None if there is none.

    ``parted(Path("a/x.zip/sub/rec.hea"))`` is ``(Path("a/x.zip"), ("sub", "rec.hea"))``.
    """
    for file in (path, *path.parents):
        kind = _mode(file)
        if stat.S_ISREG(kind):
            return file, path.parts[len(file.parts) :]
        if kind:
            return None
    return None


def innermost(file: Path, rest: tuple[str, ...]) -> tuple[Archive | None, str]:
    """Return the zip file that a path leads into last, and the name in it; None in an HDF5 file.

    Raises
    ------
    UnreadableRecord
        A container on the way is damaged or unsafe.
    """
    if file_format.kind(file) != "zip":
        return None, "/".join(rest)
    archive = opened(file)
    while True:
        name, below = archive.parted(rest)
        if not name or not below or archive.kind(name) != "zip":
            return (None if below and name else archive), "/".join(rest)
        archive, rest = archive.nested(name), below


def real_file(path: Path) -> Path:
    """Return the ordinary file that a record lies in: itself, or its outermost container."""
    found = parted(path)
    return found[0] if found else path


@contextmanager
def on_disk(path: Path) -> Iterator[OnDisk]:
    """Give a record's file, or that of a record inside containers, as an ordinary file.

    Raises
    ------
    UnreadableRecord
        A container is damaged, unsafe or no container, or holds no such file.
    """
    found = parted(path)
    if found is None or not found[1]:
        yield OnDisk(path, "")
        return
    file, rest = found
    kind = file_format.kind(file)
    if kind == "zip":
        with _inside(opened(file), rest) as there:
            yield there
    elif kind == "hdf5" and len(rest) == 1:
        yield OnDisk(file, rest[0])
    else:
        raise UnreadableRecord(
            f"{file.name} is a file, not a folder; a path leads into zip and HDF5 files only."
        )


@contextmanager
def _inside(archive: Archive, parts: tuple[str, ...]) -> Iterator[OnDisk]:
    name, rest = archive.parted(parts)
    if not name:
        raise UnreadableRecord(f"There is no file {'/'.join(parts)} in {archive.path.name}.")
    kind = archive.kind(name) if rest else ""
    if kind == "zip":
        with _inside(archive.nested(name), rest) as there:
            yield there
    elif kind == "hdf5" and len(rest) == 1:
        yield OnDisk(archive.container(name), rest[0])
    elif rest:
        raise UnreadableRecord(f"There is no file {'/'.join(parts)} in {archive.path.name}.")
    else:
        archive.refuse_too_deep(name)
        with archive.extracted(own_file(archive, name)) as file:
            yield OnDisk(file, "")


def own_file(archive: Archive, name: str) -> str:
    """Return the header beside a signal or annotation file, where there is one."""
    header = str(PurePosixPath(name).with_suffix(".hea"))
    stands_alone = PurePosixPath(name).suffix.lower() in STANDALONE
    return header if archive.has(header) and not stands_alone else name


def _mode(path: Path) -> int:
    try:
        return os.stat(path).st_mode
    except (OSError, ValueError):
        return 0


def _is_noise(name: str) -> bool:
    """Return whether a name is what packing leaves behind: ``__MACOSX/``, hidden files."""
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
    packed = max(info.compress_size, 1)
    if info.file_size > _RATIO_COUNTS_FROM and info.file_size > LARGEST_RATIO * packed:
        raise UnreadableRecord(
            f"{path.name} holds a file that would grow {info.file_size / packed:,.0f} times "
            f"unpacked; {LARGEST_RATIO} times are accepted. It is not opened."
        )


def _refuse_large_directory(path: Path, content: Path | BinaryIO) -> None:
    """Refuse a zip whose end claims a list of files too long for memory."""
    if isinstance(content, Path):
        with content.open("rb") as file:
            return _refuse_large_directory(path, file)
    size = content.seek(0, os.SEEK_END)
    content.seek(max(0, size - 66_000))
    tail = content.read()
    end = tail.rfind(b"PK\x05\x06")
    longer = tail.rfind(b"PK\x06\x06", 0, max(end, 0))
    claimed = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0
    if longer >= 0:
        claimed = int.from_bytes(tail[longer + 40 : longer + 48], "little")
    if min(claimed, size) > LARGEST_DIRECTORY_BYTES:
        raise UnreadableRecord(
            f"{path.name} lists more files than are read from one zip; unpack it and point at the "
            "folder."
        )
    return None
