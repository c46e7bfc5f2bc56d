"""Paths through files: ``x.zip/sub/rec.hea``, ``outer.zip/inner.zip/a.csv``, ``e.hdf5/1234567``.

A path may lead *through* a zip, HDF5 or NumPy file as if it were a folder: its container.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ecgcore.errors import UnreadableRecord
from ecgcore.records import file_format
from ecgcore.records.archives import Archive, open_archive
from ecgcore.records.file_roles import STANDALONE


class LocalFile(NamedTuple):
    """An ordinary file to read a record from, and the record's key in it ('' if it holds one)."""

    file: Path
    member: str


def split_at_file(path: Path) -> tuple[Path, tuple[str, ...]] | None:
    """Return the file that a path leads to or through, and the rest; None if there is none.

    ``split_at_file(Path("a/x.zip/sub/rec.hea"))`` is ``(Path("a/x.zip"), ("sub", "rec.hea"))``.
    """
    for file in (path, *path.parents):
        mode = _file_mode(file)
        if stat.S_ISREG(mode):
            return file, path.parts[len(file.parts) :]
        if mode:
            return None
    return None


def outermost_file(path: Path) -> Path:
    """Return the ordinary file that a record lies in: itself, or its outermost container."""
    split = split_at_file(path)
    return split[0] if split else path


def innermost_archive(file: Path, rest: tuple[str, ...]) -> tuple[Archive | None, str]:
    """Return the last zip file that a path leads into (None for HDF5), and the name in it.

    Raises
    ------
    UnreadableRecord
        A container on the way is damaged or unsafe.
    """
    if file_format.detect_format(file) != "zip":
        return None, "/".join(rest)
    archive = open_archive(file)
    while True:
        name, below = archive.split(rest)
        if not name or not below or archive.member_format(name) != "zip":
            return (None if below and name else archive), "/".join(rest)
        archive, rest = archive.nested(name), below


def header_or_self(archive: Archive, name: str) -> str:
    """Return the header next to a signal or annotation file, else the name itself."""
    if PurePosixPath(name).suffix.lower() in STANDALONE:
        return name
    return archive.spelling(str(PurePosixPath(name).with_suffix(".hea"))) or name


@contextmanager
def as_local_file(path: Path) -> Iterator[LocalFile]:
    """Yield a record's file as an ordinary file, unpacked where it lies inside containers.

    Raises
    ------
    UnreadableRecord
        A container is damaged, unsafe or no container, or holds no such file.
    """
    split = split_at_file(path)
    if split is None or not split[1]:
        yield LocalFile(path, "")
        return
    file, rest = split
    container = file_format.detect_format(file)
    if container == "zip":
        with _unpacked(open_archive(file), rest) as local:
            yield local
    elif container in file_format.CONTAINERS and len(rest) == 1:
        yield LocalFile(file, rest[0])
    else:
        raise UnreadableRecord(
            f"{file.name} is a file, not a folder; a path leads into zip, HDF5 or NumPy files."
        )


@contextmanager
def _unpacked(archive: Archive, parts: tuple[str, ...]) -> Iterator[LocalFile]:
    name, rest = archive.split(parts)
    if not name:
        raise UnreadableRecord(f"There is no file {'/'.join(parts)} in {archive.path.name}.")
    container = archive.member_format(name) if rest else ""
    if container == "zip":
        with _unpacked(archive.nested(name), rest) as local:
            yield local
    elif container in file_format.CONTAINERS and len(rest) == 1:
        yield LocalFile(archive.container(name), rest[0])
    elif rest:
        raise UnreadableRecord(f"There is no file {'/'.join(parts)} in {archive.path.name}.")
    else:
        archive.refuse_too_deep(name)
        with archive.extracted(header_or_self(archive, name)) as file:
            yield LocalFile(file, "")


def _file_mode(path: Path) -> int:
    try:
        return os.stat(path).st_mode
    except (OSError, ValueError):
        return 0
