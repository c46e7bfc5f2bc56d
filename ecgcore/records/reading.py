"""Reading a 12-lead ECG from a file, whatever its format."""

from pathlib import Path
from typing import NamedTuple

from ecgcore.errors import UnreadableRecord
from ecgcore.records import csv_file
from ecgcore.records.csv_text import SUFFIXES as CSV_SUFFIXES
from ecgcore.records.record import Record
from ecgcore.records.sources import Origin, origin
from ecgcore.records.wfdb_file import read_wfdb
from ecgcore.records.wfdb_header import read_header


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
        return read_wfdb(path)
    return csv_file.read_csv(path, fs_hz=fs_hz, assume_order=assume_order)


def glance(path: Path) -> Glance:
    """Look at a file without reading its samples. Never fails: what is not seen is None."""
    try:
        if path.suffix.lower() == ".hea":
            header = read_header(path)
            return Glance(origin(header.name, header.comments), header.fs_hz)
        return Glance(origin(path.stem), csv_file.stated_fs_hz(path))
    except UnreadableRecord:
        return Glance(origin(path.stem), None)


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
