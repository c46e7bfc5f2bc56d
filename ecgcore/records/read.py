"""Reading a 12-lead ECG from a file, whatever its format."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ecgcore.errors import UnreadableRecord
from ecgcore.records import file_format
from ecgcore.records.archives import on_disk, opened
from ecgcore.records.discover import find_records, first_records
from ecgcore.records.file_roles import SIGNAL_SUFFIXES, STANDALONE
from ecgcore.records.formats import csv
from ecgcore.records.formats.wfdb import read_wfdb
from ecgcore.records.formats.wfdb_header import read_header
from ecgcore.records.metadata import code15, sph
from ecgcore.records.record import Record
from ecgcore.records.sources import Origin, origin

RATES_HZ = (50, 40_000)
"""Below, no QRS complex is left; above, no electrocardiograph samples."""


class Header(NamedTuple):
    """What a file shows without its samples: where it is from, and its rate."""

    origin: Origin | None
    fs_hz: float | None


class ReadOptions(NamedTuple):
    """What a caller says of files that leave it open, as ``read_record`` takes it."""

    fs_hz: float | None = None
    assume_order: bool = False
    start_s: float = 0.0


AS_STATED = ReadOptions()


def read_record(
    path: Path,
    *,
    fs_hz: float | None = None,
    assume_order: bool = False,
    start_s: float = 0.0,
    duration_s: float | None = None,
) -> Record:
    """Read one record.

    Parameters
    ----------
    path
        A file of any format that is read, one of a WFDB record's files, or a path into a zip or
        HDF5 file (containers.py).
    fs_hz
        Hz, for a file that does not say its rate; the record of another one notes that it was not
        used.
    assume_order
        Take twelve unnamed leads for I, II, III, aVR, aVL, aVF, V1–V6.
    start_s, duration_s
        Seconds: which part of a long recording; by default all of it (of a Holter recording, what
        its reader takes from ``start_s`` on).

    Raises
    ------
    UnreadableRecord
        One line: what was found, what is accepted, what to do.
    """
    with on_disk(Path(path)) as (file, member):
        record = _read(_own_file(file), member, fs_hz, assume_order, start_s)
    if not RATES_HZ[0] <= record.fs_hz <= RATES_HZ[1]:
        raise UnreadableRecord(
            f"Record {record.name} is sampled at {record.fs_hz:g} Hz; rates from {RATES_HZ[0]} to "
            f"{RATES_HZ[1]:,} Hz are read. Correct the rate that the file states."
        )
    if fs_hz is not None and record.fs_hz != fs_hz:
        unused = f"the {fs_hz:g} Hz given are not used: the file says {record.fs_hz:g} Hz"
        record = replace(record, notes=(*record.notes, unused))
    return record if duration_s is None else _part(record, 0.0, duration_s)


def _read(
    path: Path, member: str, fs_hz: float | None, assume_order: bool, start_s: float
) -> Record:
    kind = "hdf5" if member else _kind(path)
    if read_vendor := file_format.reader(kind):
        return read_vendor(path, start_s=start_s)
    if kind == "wfdb":
        return read_wfdb(path, start_s=start_s)
    if kind == "csv":
        record = csv.read_csv(path, fs_hz=fs_hz, assume_order=assume_order)
    elif kind == "mat" or (kind == "hdf5" and path.suffix.lower() == ".mat"):
        from ecgcore.records.formats.mat import read_mat

        record = read_mat(path, fs_hz=fs_hz, assume_order=assume_order)
    elif kind == "hdf5":
        from ecgcore.records.formats.hdf5 import read_hdf5

        record = read_hdf5(path, member, fs_hz=fs_hz, assume_order=assume_order)
    elif kind == "zip":
        record = _only_one(path, fs_hz, assume_order)
    else:
        raise file_format.refused(path, kind)
    return _part(record, start_s, None) if start_s else record


def _kind(path: Path) -> str:
    return "wfdb" if path.suffix.lower() == ".hea" else file_format.kind(path)


def _only_one(path: Path, fs_hz: float | None, assume_order: bool) -> Record:
    """Read the record of a zip file that holds one."""
    opened(path)
    inside = first_records(path, 2)
    if len(inside) == 1 and inside[0] != path:
        return read_record(inside[0], fs_hz=fs_hz, assume_order=assume_order)
    if inside and inside[0] != path:
        raise UnreadableRecord(
            f"{path.name} holds several records; name one of them: {path.name}/"
            f"{inside[0].relative_to(path)}."
        )
    raise UnreadableRecord(f"{path.name} holds no ECG that is read.")


def _part(record: Record, start_s: float, duration_s: float | None) -> Record:
    """Return a part of a record, and say so; all of it if it is no longer."""
    first = round(start_s * record.fs_hz)
    last = (
        record.signal_mv.shape[1]
        if duration_s is None
        else first + round(duration_s * record.fs_hz)
    )
    if first == 0 and last >= record.signal_mv.shape[1]:
        return record
    if not 0 <= first < record.signal_mv.shape[1] or last <= first:
        raise UnreadableRecord(
            f"Record {record.name} is {record.duration_s:g} s long; there is nothing from "
            f"{start_s:g} s on."
        )
    told = f"from {start_s:g} s on" if first else f"first {duration_s:g} s"
    return replace(
        record,
        signal_mv=record.signal_mv[:, first:last],
        notes=(*record.notes, f"{told} of {record.duration_s:g} s"),
    )


def glance(path: Path) -> Header:
    """Look at a file without reading its samples. Never fails: what is not seen is None."""
    try:
        with on_disk(path) as (file, member):
            return _glance(_own_file(file), member)
    except UnreadableRecord:
        return Header(origin(path.stem), None)


def _glance(path: Path, member: str) -> Header:
    if member:
        return Header(Origin(code15.SOURCE, member), code15.FS_HZ)
    kind = _kind(path)
    if kind == "wfdb":
        header = read_header(path)
        return Header(origin(header.name, header.comments), header.fs_hz)
    if kind == "csv":
        return Header(origin(path.stem), csv.stated_fs_hz(path))
    if kind == "hdf5" and path.suffix.lower() != ".mat":
        known = sph.table_of(path) is not None
        return Header(
            Origin(sph.SOURCE, path.stem) if known else None,
            sph.FS_HZ if known else None,
        )
    record = _read(path, "", None, False, 0.0)
    return Header(origin(path.stem), record.fs_hz)


def read_upload(
    files: Mapping[str, bytes],
    *,
    fs_hz: float | None = None,
    assume_order: bool = False,
    most: int | None = None,
    longest_s: float | None = None,
) -> list[tuple[str, Record | UnreadableRecord]]:
    """Read uploaded files: each record's own file once, in the order given, with what came of it.

    They lie in a private folder while they are read, and nowhere afterwards. Of a name only its
    last part is used; files of one folder stay together, so that a header finds its signal file. A
    zip or HDF5 file gives each of its records.

    Parameters
    ----------
    files
        Content by name.
    fs_hz, assume_order
        As in ``read_record``.
    most, longest_s
        Records that are read (of more, the first, and a line that says so), and seconds of each.
    """
    with tempfile.TemporaryDirectory(prefix="ecgcore-upload-") as place:
        folders: dict[str, Path] = {}
        paths = list(dict.fromkeys(_put(Path(place), folders, *file) for file in files.items()))
        found = list(find_records([Path(place)]))
        own = [
            record
            for path in paths
            for record in ([r for r in found if path == r or path in r.parents] or _alone(path))
        ]
        read = [(p.name, _read_or_why(p, fs_hz, assume_order, longest_s)) for p in own[:most]]
        return read + _left_out(own[len(read) :], len(own))


def _left_out(paths: list[Path], found: int) -> list[tuple[str, Record | UnreadableRecord]]:
    """Return one line for all that were too many."""
    if not paths:
        return []
    why = (
        f"{found:,} records were given; the first {found - len(paths):,} are read here. For all of "
        "them: ecgcore classify FOLDER --run RUN."
    )
    return [(paths[0].name, UnreadableRecord(why))]


def _put(place: Path, folders: dict[str, Path], name: str, content: bytes) -> Path:
    """Write an upload below ``place`` under the last part of its name, made harmless."""
    above, _, last = name.replace("\\", "/").rpartition("/")
    folder = folders.setdefault(above, place / str(len(folders)))
    folder.mkdir(exist_ok=True)
    path = folder / ("".join(c for c in last if c.isprintable())[-150:].strip(". ") or "upload")
    path.write_bytes(content)
    return path


def _alone(path: Path) -> list[Path]:
    """Return an upload that looks like no record, unless it is a companion of one."""
    suffix = path.suffix.lower()
    is_part = suffix in SIGNAL_SUFFIXES | {".hea"}
    has_header = suffix not in STANDALONE and path.with_suffix(".hea").exists()
    return [] if is_part or has_header else [path]


def _read_or_why(
    path: Path, fs_hz: float | None, assume_order: bool, longest_s: float | None
) -> Record | UnreadableRecord:
    try:
        return read_record(path, fs_hz=fs_hz, assume_order=assume_order, duration_s=longest_s)
    except UnreadableRecord as error:
        return error


def _own_file(path: Path) -> Path:
    """Return the record's own file for one of its files, or say why there is none to read."""
    suffix = path.suffix.lower()
    if os.path.isdir(path):
        raise UnreadableRecord(f"{path.name} is a folder; a record's file is needed.")
    if suffix not in STANDALONE and os.path.isfile(path.with_suffix(".hea")):
        return path.with_suffix(".hea")
    if not os.path.isfile(path):
        raise UnreadableRecord(f"Record {path.stem}: there is no file {path.name}.")
    if suffix == ".dat":
        raise UnreadableRecord(
            f"Record {path.stem} has no header: {path.stem}.hea is missing "
            f"beside {path.name}, and without it the signal is not read."
        )
    return path
