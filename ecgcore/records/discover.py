"""Which files are recordings: each record's own file once, in a stable order.

Companions (``.dat``, ``.mat``, ``.atr``, LUDB's ``.i`` … ``.v6``, segments, RECORDS), tables and
licences give none. What lies in zip files and in HDF5 files of many records has a path that goes
through them (containers.py).
"""

import glob
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ecgcore.errors import UnreadableRecord
from ecgcore.records import archives, file_format
from ecgcore.records.archives import Archive
from ecgcore.records.file_roles import (
    COMPANION,
    OTHER,
    PAPER,
    RECORD,
    STANDALONE,
    TABLE,
    Role,
    role_alone,
    roles,
)

HIDDEN = "hidden"
CONTAINER = "container"
_WORDS = {
    RECORD: "record",
    TABLE: "table",
    PAPER: "licence or readme",
    OTHER: "other: no recording",
    HIDDEN: "hidden file",
    CONTAINER: "container of records",
}


class Place(NamedTuple):
    """A file that was found: its path, possibly through containers, and what it is."""

    path: Path
    role: Role


def find_records(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield each record's own file once (for WFDB its ``.hea``), as reached from the path given.

    Parameters
    ----------
    paths
        Files, folders and zip files (searched with all in them) or glob patterns; also paths that
        lead into a container. A signal or annotation file stands for the header beside it. What
        does not exist is yielded as it is, so that whoever reads it can say so, and so is a
        container that cannot be opened or holds no record.
    """
    paths = list(paths)
    if len(paths) == 1 and os.path.isdir(paths[0]):  # holds nothing twice
        yield from _records_of(Path(paths[0]))
        return
    seen: set[str] = set()
    for path in paths:
        for found in _records_of(Path(path)):
            if str(found) not in seen:
                seen.add(str(found))
                yield found


def account(folder: Path) -> list[tuple[Path, str]]:
    """Return every file of a folder (or zip file), those in its zip files too, and what it is.

    Returns
    -------
    list
        Path, and one of ``record``, ``container of records``, ``companion of NAME``, ``table``,
        ``licence or readme``, ``other: no recording``, ``hidden file``, or
        ``refused: …`` with the reason, for what is known by its kind alone not to be read.
    """
    folder = Path(folder)
    if folder.is_dir():
        places = _places(folder)
    else:
        places = _opened(folder, role_alone(folder.name, _heads(folder.parent)))
    return [(place.path, _words(place)) for place in places]


def _words(place: Place) -> str:
    role, of = place.role
    if role == COMPANION:
        return f"companion of {of}" if of else "annotations without their recording"
    if role == RECORD and (reason := _refusal(place.path)):
        return f"refused: {reason}"
    return _WORDS[role]


def _refusal(path: Path) -> str:
    """Return why a file is not read where its kind, or its container, says so; else ''."""
    if path.suffix.lower() == ".hea":
        return ""
    try:
        with archives.on_disk(path) as (file, member):
            kind = "" if member else file_format.kind(file)
            if kind == "zip":
                next(_in_archive(archives.opened(file)), None)
                return f"{file.name} holds no ECG"
            return str(file_format.refused(file, kind)) if kind in file_format.REFUSED else ""
    except UnreadableRecord as error:
        return str(error)


def _records_of(path: Path) -> Iterator[Path]:
    if os.path.isdir(path):
        yield from _only_records(_places(path))
    elif os.path.exists(path) or archives.parted(path):
        yield from _of_file(path)
    elif glob.has_magic(str(path)):
        for match in sorted(glob.glob(str(path), recursive=True)):
            yield from _of_match(Path(match))
    else:
        yield path


def _only_records(places: Iterator[Place]) -> Iterator[Path]:
    return (place.path for place in places if place.role.role == RECORD)


def _places(folder: Path) -> Iterator[Place]:
    """Yield what lies in a folder and below, in its containers too."""
    visited: set[str] = set()  # a link may lead in a circle
    for here, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if os.path.realpath(here) in visited:
            folders.clear()
            continue
        visited.add(os.path.realpath(here))
        place = Path(here)
        yield from (Place(place / n, Role(HIDDEN)) for n in sorted(names) if n.startswith("."))
        shown = sorted(name for name in names if not name.startswith("."))
        for name, role in roles(shown, _heads(place)):
            yield from _opened(place / name, role)


def _may_hold_records(path: Path, role: Role) -> bool:
    return role.role == RECORD and path.suffix.lower() not in (".hea", ".mat")


def _heads(folder: Path):
    def head(name: str, n_bytes: int) -> bytes:
        with (folder / name).open("rb") as file:
            return file.read(n_bytes)

    return head


def _opened(path: Path, role: Role) -> Iterator[Place]:
    """Yield a file, and if it is a container what is in it."""
    try:
        kind = file_format.kind(path) if _may_hold_records(path, role) else ""
        if kind == "zip":
            yield from _shown(path, role, _in_archive(archives.opened(path)))
        elif kind == "hdf5":
            yield from _shown(path, role, _in_hdf5(path, path))
        else:
            yield Place(path, role)
    except UnreadableRecord:
        yield Place(path, role)  # the reader says what is wrong with it


def _shown(path: Path, role: Role, inside: Iterator[Place]) -> Iterator[Place]:
    """Yield a container and what is in it; one that holds no record is itself what was found."""
    there = list(inside)
    holds = any(place.role.role == RECORD for place in there)
    yield Place(path, Role(CONTAINER) if holds else role)
    yield from there


def _in_archive(archive: Archive, below: str = "") -> Iterator[Place]:
    """Yield what lies in a zip file, or in one of its folders and below."""
    for folder, names in archive.folders.items():
        if below and folder != below and not folder.startswith(f"{below}/"):
            continue
        inner = f"{folder}/" if folder else ""
        heads = _archive_heads(archive, inner)
        for name, role in roles(names, heads):
            yield from _opened_inside(archive, f"{inner}{name}", role)


def _archive_heads(archive: Archive, inner: str):
    return lambda name, n_bytes: archive.head(f"{inner}{name}", n_bytes)


def _opened_inside(archive: Archive, name: str, role: Role) -> Iterator[Place]:
    path = archive.path / name
    try:
        kind = archive.kind(name) if _may_hold_records(path, role) else ""
        if kind == "zip":
            yield from _shown(path, role, _in_archive(archive.nested(name)))
        elif kind == "hdf5":
            yield from _shown(path, role, _in_hdf5(path, archive.container(name)))
        else:
            yield Place(path, role)
    except UnreadableRecord:
        yield Place(path, role)


def _in_hdf5(path: Path, file: Path) -> Iterator[Place]:
    """Yield the exams of an HDF5 file of many; none for a file of one record."""
    from ecgcore.records.formats.hdf5 import exams

    return (Place(path / exam, Role(RECORD)) for exam in exams(file))


def _of_match(path: Path) -> Iterator[Path]:
    """Yield the record that a file found by a pattern belongs to, if it is one at all."""
    if path.is_dir():
        yield from _records_of(path)
        return
    header = path.with_suffix(".hea")
    if path.suffix.lower() not in STANDALONE and header.is_file():
        yield header
        return
    [(_, role)] = roles([path.name], _heads(path.parent))
    yield from _only_records(_opened(path, role))


def _of_file(path: Path) -> Iterator[Path]:
    """Yield the record a named file belongs to, unless it is a table, a licence or the like."""
    found = archives.parted(path)
    if found and found[1]:
        yield from _of_inner(path, *found)
        return
    header = path.with_suffix(".hea")
    if path.suffix.lower() not in STANDALONE and header.is_file():
        yield header
    else:
        yield from _only_records(_opened(path, role_alone(path.name, _heads(path.parent))))


def _of_inner(path: Path, file: Path, rest: tuple[str, ...]) -> Iterator[Path]:
    """Yield the records that a path into a container leads to: one, or those of a folder in it."""
    try:
        archive, inner = archives.innermost(file, rest)
    except UnreadableRecord:
        yield path
        return
    if archive is None or not any(
        folder == inner or folder.startswith(f"{inner}/") for folder in archive.folders
    ):
        yield from _inner_file(path, archive, inner)
    else:
        found = _only_records(_in_archive(archive, inner))
        yield from (path / p.relative_to(archive.path / inner) for p in found)


def _inner_file(path: Path, archive: Archive | None, inner: str) -> Iterator[Path]:
    if archive is None or not archive.has(inner):
        yield path
        return
    own = archives.own_file(archive, inner)
    if own != inner:
        yield path.with_suffix(".hea")
        return
    folder = inner.rpartition("/")[0]
    heads = _archive_heads(archive, f"{folder}/" if folder else "")
    yield from _only_records(_opened_inside(archive, inner, role_alone(path.name, heads)))


def first_records(path: Path, n: int) -> list[Path]:
    """Return the first records that lie in a container."""
    return list(islice(find_records([path]), n))
