"""Discovery of recordings: each record's own file once, in a stable order.

Companions (``.dat``, ``.mat``, ``.atr``, LUDB's ``.i`` … ``.v6``, segments, RECORDS), tables and
licences give none. The path of a record in a zip file, or in an HDF5 file of many records, leads
through that file (``container_paths``).
"""

import glob
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ecgcore.errors import UnreadableRecord
from ecgcore.records import container_paths, file_format
from ecgcore.records.archives import Archive, open_archive
from ecgcore.records.budget import limit_container
from ecgcore.records.file_roles import (
    COMPANION,
    DOCUMENTATION,
    OTHER,
    RECORD,
    TABLE,
    HeadReader,
    Role,
    folder_roles,
    header_beside,
    single_file_role,
)
from ecgcore.records.regular_files import leads_out, read_head

HIDDEN = "hidden"
CONTAINER = "container"
REFUSED = "refused"
_DESCRIPTIONS = {
    RECORD: "record",
    TABLE: "table",
    DOCUMENTATION: "licence or readme",
    OTHER: "other: no recording",
    HIDDEN: "hidden file",
    CONTAINER: "container of records",
}


class FoundFile(NamedTuple):
    """A file's path, possibly through containers, and its role."""

    path: Path
    role: Role

    @property
    def description(self) -> str:
        """The role in words, as ``describe_files`` gives it."""
        role, detail = self.role
        if role == COMPANION:
            return f"companion of {detail}" if detail else "annotations without their recording"
        return f"refused: {detail}" if role == REFUSED else _DESCRIPTIONS[role]


def _ignore(file: FoundFile) -> None:
    """Do nothing about a file that is no record."""


def find_records(
    paths: Iterable[Path], on_other: Callable[[FoundFile], None] = _ignore
) -> Iterator[Path]:
    """Yield each record's own file once (for WFDB its ``.hea``), as reached from the given path.

    Parameters
    ----------
    paths
        Files, folders and zip files (searched recursively) or glob patterns; also paths that lead
        into a container. A signal or annotation file stands for the header next to it. A path that
        does not exist is yielded unchanged, so that its reader can report it, and so is a container
        that cannot be opened or holds no record.
    on_other
        Called with each file of a folder or container that is no record.
    """
    paths = list(paths)
    if len(paths) == 1 and os.path.isdir(paths[0]):  # holds nothing twice
        yield from _records_below(Path(paths[0]), on_other)
        return
    yielded: set[str] = set()
    for path in paths:
        for record in _records_below(Path(path), on_other):
            if str(record) not in yielded:
                yielded.add(str(record))
                yield record


def refusals(files: Iterable[FoundFile]) -> Iterator[tuple[Path, UnreadableRecord]]:
    """Yield the path of each file that is not opened (a link that leads out, a pipe), and why."""
    for file in files:
        if file.role.role == REFUSED:
            yield file.path, UnreadableRecord(f"{file.role.companion_of}.")


def first_records(path: Path, n: int) -> list[Path]:
    """Return the first ``n`` records of a container."""
    return list(islice(find_records([path]), n))


def describe_files(folder: Path) -> list[tuple[Path, str]]:
    """Return every file of a folder or zip file, nested zip files included, with its role.

    Returns
    -------
    list
        Path, and one of ``record``, ``container of records``, ``companion of NAME``, ``table``,
        ``licence or readme``, ``other: no recording``, ``hidden file``, or ``refused: …`` with the
        reason, for a format that is known not to be read.
    """
    folder = Path(folder)
    if folder.is_dir():
        files = _files_below(folder)
    else:
        role = single_file_role(folder.name, _folder_heads(folder.parent))
        files = _expand_file(folder, role)
    return [(file.path, _description(file)) for file in files]


def _description(file: FoundFile) -> str:
    reason = _refusal_reason(file.path) if file.role.role == RECORD else ""
    return f"refused: {reason}" if reason else file.description


def _refusal_reason(path: Path) -> str:
    """Return why a file's format, or its container, rules out reading it; else ''."""
    if path.suffix.lower() == ".hea":
        return ""
    try:
        with container_paths.as_local_file(path) as (file, member):
            format_name = "" if member else file_format.detect_format(file)
            if format_name == "zip":
                next(_files_in_archive(open_archive(file)), None)
                return f"{file.name} holds no ECG"
            is_refused = format_name in file_format.REFUSALS
            return str(file_format.refusal(file, format_name)) if is_refused else ""
    except UnreadableRecord as error:
        return str(error)


def _records_below(path: Path, on_other: Callable[[FoundFile], None] = _ignore) -> Iterator[Path]:
    if os.path.isdir(path):
        yield from _records_among(_files_below(path), on_other)
    elif os.path.exists(path) or container_paths.split_at_file(path):
        yield from _record_of_file(path)
    elif glob.has_magic(str(path)):
        for match in sorted(glob.glob(str(path), recursive=True)):
            yield from _record_of_match(Path(match))
    else:
        yield path


def _records_among(
    files: Iterator[FoundFile], on_other: Callable[[FoundFile], None] = _ignore
) -> Iterator[Path]:
    for file in files:
        if file.role.role == RECORD:
            yield file.path
        else:
            on_other(file)


def _files_below(folder: Path) -> Iterator[FoundFile]:
    """Yield the files of a folder and its subfolders, those inside containers too."""
    visited: set[str] = set()  # links may form a circle
    for parent, subfolders, names in os.walk(folder, followlinks=True):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        if os.path.realpath(parent) in visited:
            subfolders.clear()
            continue
        visited.add(os.path.realpath(parent))
        path = Path(parent)
        refused = {
            name: reason
            for name in sorted((*subfolders, *names))
            if not name.startswith(".") and (reason := _reason_to_avoid(path / name, folder))
        }
        subfolders[:] = [name for name in subfolders if name not in refused]
        yield from (FoundFile(path / name, Role(REFUSED, why)) for name, why in refused.items())
        hidden = sorted(name for name in names if name.startswith("."))
        yield from (FoundFile(path / name, Role(HIDDEN)) for name in hidden)
        visible = sorted(n for n in names if not n.startswith(".") and n not in refused)
        for name, role in folder_roles(visible, _folder_heads(path)):
            yield from _expand_file(path / name, role)


def _reason_to_avoid(path: Path, root: Path) -> str:
    """Return why a file or folder below ``root`` is not opened, '' for an ordinary one."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return ""  # the reader reports the reason
    if stat.S_ISLNK(mode) and leads_out(path, root):
        return f"{path.name} is a link that leads out of the folder, which is not followed"
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
        return ""
    return f"{path.name} is a pipe, a socket or a device"


def _may_hold_records(path: Path, role: Role) -> bool:
    return role.role == RECORD and path.suffix.lower() not in (".hea", ".mat")


def _folder_heads(folder: Path) -> HeadReader:
    return lambda name, n_bytes: read_head(folder / name, n_bytes)


def _archive_heads(archive: Archive, prefix: str) -> HeadReader:
    return lambda name, n_bytes: archive.head(f"{prefix}{name}", n_bytes)


def _expand_file(path: Path, role: Role) -> Iterator[FoundFile]:
    """Yield a file, followed by its content if it is a container."""
    try:
        format_name = file_format.detect_format(path) if _may_hold_records(path, role) else ""
        if format_name == "zip":
            archive = open_archive(path)
            yield from _expand_container(path, role, _files_in_archive(archive), archive)
        elif format_name in file_format.CONTAINERS:
            yield from _expand_container(path, role, _recordings_in(path, path, format_name))
        elif file_format.is_other_table(path, format_name):
            yield FoundFile(path, Role(TABLE))
        else:
            yield FoundFile(path, role)
    except UnreadableRecord:
        yield FoundFile(path, role)  # the reader reports the reason


def _expand_container(
    path: Path, role: Role, content: Iterator[FoundFile], archive: Archive | None = None
) -> Iterator[FoundFile]:
    """Yield a container and its content; one without a record keeps its own role."""
    try:
        with limit_container(path.name):
            files = list(content)
    except UnreadableRecord as error:
        if archive:
            archive.budget.refusal = error  # not opened again
        raise
    holds_records = any(file.role.role == RECORD for file in files)
    if archive:
        archive.holds_records = holds_records
    yield FoundFile(path, Role(CONTAINER) if holds_records else role)
    yield from files


def _files_in_archive(archive: Archive, below: str = "") -> Iterator[FoundFile]:
    """Yield the files of an archive, or of one of its folders and its subfolders."""
    for folder, names in archive.folders.items():
        if below and folder != below and not folder.startswith(f"{below}/"):
            continue
        prefix = f"{folder}/" if folder else ""
        for name, role in folder_roles(names, _archive_heads(archive, prefix)):
            yield from _expand_member(archive, f"{prefix}{name}", role)


def _expand_member(archive: Archive, name: str, role: Role) -> Iterator[FoundFile]:
    path = archive.path / name
    try:
        format_name = archive.member_format(name) if _may_hold_records(path, role) else ""
        if format_name == "zip":
            yield from _expand_container(path, role, _files_in_archive(archive.nested(name)))
        elif format_name in file_format.CONTAINERS:
            content = _recordings_in(path, archive.container(name), format_name)
            yield from _expand_container(path, role, content)
        elif format_name in file_format.RECOGNIZERS and file_format.is_other_table(
            archive.container(name), format_name
        ):
            yield FoundFile(path, Role(TABLE))
        else:
            yield FoundFile(path, role)
    except UnreadableRecord:
        if archive.budget.refusal:  # of the outermost file as a whole
            raise
        yield FoundFile(path, role)


def _recordings_in(path: Path, file: Path, format_name: str) -> Iterator[FoundFile]:
    """Yield the recordings of an HDF5 or NumPy file of many; none for a file of one record."""
    names = file_format.recordings_in(file, format_name)
    return (FoundFile(path / name, Role(RECORD)) for name in names)


def _record_of_match(path: Path) -> Iterator[Path]:
    """Yield the record to which a file matched by a pattern belongs, if any."""
    if path.is_dir():
        yield from _records_below(path)
        return
    if header := header_beside(path):
        yield header
        return
    [(_, role)] = folder_roles([path.name], _folder_heads(path.parent))
    yield from _records_among(_expand_file(path, role))


def _record_of_file(path: Path) -> Iterator[Path]:
    """Yield the record to which a named file belongs, unless it is a table, a licence or the
    like."""
    split = container_paths.split_at_file(path)
    if split and split[1]:
        yield from _records_in_container(path, *split)
        return
    if header := header_beside(path):
        yield header
    else:
        role = single_file_role(path.name, _folder_heads(path.parent))
        yield from _records_among(_expand_file(path, role))


def _records_in_container(path: Path, file: Path, rest: tuple[str, ...]) -> Iterator[Path]:
    """Yield the records to which a path into a container leads: one, or those of a folder in it."""
    try:
        archive, inner = container_paths.innermost_archive(file, rest)
    except UnreadableRecord:
        yield path
        return
    if archive is None or not any(
        folder == inner or folder.startswith(f"{inner}/") for folder in archive.folders
    ):
        yield from _record_of_member(path, archive, inner)
    else:
        with limit_container(file.name):
            records = list(_records_among(_files_in_archive(archive, inner)))
        yield from (path / record.relative_to(archive.path / inner) for record in records)


def _record_of_member(path: Path, archive: Archive | None, inner: str) -> Iterator[Path]:
    if archive is None or not archive.has(inner):
        yield path
        return
    if (header := container_paths.header_or_self(archive, inner)) != inner:
        yield path.with_name(PurePosixPath(header).name)
        return
    folder = inner.rpartition("/")[0]
    heads = _archive_heads(archive, f"{folder}/" if folder else "")
    yield from _records_among(_expand_member(archive, inner, single_file_role(path.name, heads)))
