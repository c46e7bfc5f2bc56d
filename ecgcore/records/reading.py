"""Reading a 12-lead ECG from a file, whatever its format."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ecgcore.errors import UnreadableRecord
from ecgcore.records import csv_file
from ecgcore.records.csv_text import SUFFIXES as CSV_SUFFIXES
from ecgcore.records.finding import SIGNAL_SUFFIXES, find_records
from ecgcore.records.record import Record
from ecgcore.records.sources import Origin, origin
from ecgcore.records.wfdb_file import read_wfdb
from ecgcore.records.wfdb_header import read_header

RATES_HZ = (50, 40_000)
"""Below, no QRS complex is left; above, no electrocardiograph samples."""


class Glance(NamedTuple):
    """What a file shows without its samples: where it is from, and its rate."""

    origin: Origin | None
    fs_hz: float | None


def read_record(path: Path, *, fs_hz: float | None = None, assume_order: bool = False) -> Record:
    """Read one record.

    Parameters
    ----------
    path
        A WFDB header (or its signal file), or a CSV, TSV or TXT file.
    fs_hz
        Hz, for a CSV that does not say its rate.
    assume_order
        Take twelve unnamed columns of a CSV for I, II, III, aVR, aVL, aVF, V1–V6.

    Raises
    ------
    UnreadableRecord
        One line: what was found, what is accepted, what to do.
    """
    path = _own_file(Path(path))
    if path.suffix.lower() == ".hea":
        record = read_wfdb(path)
    else:
        record = csv_file.read_csv(path, fs_hz=fs_hz, assume_order=assume_order)
    if not RATES_HZ[0] <= record.fs_hz <= RATES_HZ[1]:
        raise UnreadableRecord(
            f"Record {record.name} is sampled at {record.fs_hz:g} Hz; rates from {RATES_HZ[0]} to "
            f"{RATES_HZ[1]:,} Hz are read. Correct the rate that the file states."
        )
    return record


def glance(path: Path) -> Glance:
    """Look at a file without reading its samples. Never fails: what is not seen is None."""
    try:
        if path.suffix.lower() == ".hea":
            header = read_header(path)
            return Glance(origin(header.name, header.comments), header.fs_hz)
        return Glance(origin(path.stem), csv_file.stated_fs_hz(path))
    except UnreadableRecord:
        return Glance(origin(path.stem), None)


def read_upload(
    files: Mapping[str, bytes], *, fs_hz: float | None = None, assume_order: bool = False
) -> list[tuple[str, Record | UnreadableRecord]]:
    """Read uploaded files: each record's own file once, in the order given, with what came of it.

    They lie in a private folder while they are read, and nowhere afterwards. Of a name only its
    last part is used; files of one folder stay together, so that a header finds its signal file.

    Parameters
    ----------
    files
        Content by name.
    fs_hz, assume_order
        As in ``read_record``.
    """
    with tempfile.TemporaryDirectory(prefix="ecgcore-upload-") as place:
        folders: dict[str, Path] = {}
        paths = [_put(Path(place), folders, *file) for file in files.items()]
        records = set(find_records([Path(place)]))
        own = [path for path in dict.fromkeys(paths) if path in records or _stands_alone(path)]
        return [(path.name, _read_or_why(path, fs_hz, assume_order)) for path in own]


def _put(place: Path, folders: dict[str, Path], name: str, content: bytes) -> Path:
    """Write an upload below ``place`` under the last part of its name, made harmless."""
    above, _, last = name.replace("\\", "/").rpartition("/")
    folder = folders.setdefault(above, place / str(len(folders)))
    folder.mkdir(exist_ok=True)
    path = folder / ("".join(c for c in last if c.isprintable())[-150:].strip(". ") or "upload")
    path.write_bytes(content)
    return path


def _stands_alone(path: Path) -> bool:
    """Return whether an upload that looks like no record is none's companion, either."""
    suffix = path.suffix.lower()
    return suffix not in SIGNAL_SUFFIXES | {".hea"} and not path.with_suffix(".hea").exists()


def _read_or_why(path: Path, fs_hz: float | None, assume_order: bool) -> Record | UnreadableRecord:
    try:
        return read_record(path, fs_hz=fs_hz, assume_order=assume_order)
    except UnreadableRecord as error:
        return error


def _own_file(path: Path) -> Path:
    """Return the record's own file for one of its files, or say why there is none to read."""
    suffix = path.suffix.lower()
    if path.is_dir():
        raise UnreadableRecord(f"{path.name} is a folder; a record's file is needed.")
    if suffix not in {".hea", *CSV_SUFFIXES} and path.with_suffix(".hea").is_file():
        return path.with_suffix(".hea")
    if not path.is_file():
        raise UnreadableRecord(f"Record {path.stem}: there is no file {path.name}.")
    if suffix in {".mat", ".dat"}:
        raise UnreadableRecord(
            f"Record {path.stem} has no header: {path.stem}.hea is missing "
            f"beside {path.name}, and without it the signal is not read."
        )
    if suffix not in {".hea", *CSV_SUFFIXES}:
        raise UnreadableRecord(
            f"Record {path.stem}: files named {suffix or 'without a suffix'} are not read; "
            "accepted are WFDB (.hea with .dat or .mat) and CSV (.csv, .tsv, .txt)."
        )
    return path
