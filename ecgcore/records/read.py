"""Reading a 12-lead ECG from a file of any supported format."""

import os
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ecgcore.errors import UnreadableRecord
from ecgcore.records import file_format, reading_process
from ecgcore.records.archives import open_archive
from ecgcore.records.budget import limit_record
from ecgcore.records.container_paths import as_local_file
from ecgcore.records.discover import first_records
from ecgcore.records.file_roles import header_beside
from ecgcore.records.formats.wfdb import read_wfdb
from ecgcore.records.formats.wfdb_header import read_wfdb_header
from ecgcore.records.metadata import code15, sph
from ecgcore.records.record import Record
from ecgcore.records.regular_files import require_regular
from ecgcore.records.sources import Origin, identify_origin
from ecgcore.records.unexpected_errors import refuse_unexpected_errors

RATES_HZ = (50, 40_000)
"""Below, no QRS complex is left; above, no electrocardiograph samples."""


class Header(NamedTuple):
    """Origin and sampling rate of a file, None where it does not show them."""

    origin: Origin | None
    fs_hz: float | None


class ReadOptions(NamedTuple):
    """Assumptions and start of a reading, as ``read_record`` takes them."""

    source_fs_hz: float | None = None
    assume_order: bool = False
    start_s: float = 0.0


DEFAULT_READ_OPTIONS = ReadOptions()


def read_record(
    path: str | Path,
    *,
    source_fs_hz: float | None = None,
    assume_order: bool = False,
    start_s: float = 0.0,
    duration_s: float | None = None,
) -> Record:
    """Read one 12-lead ECG.

    The format is detected by content: WFDB, tables (CSV, Parquet, Feather, .xlsx), arrays (MATLAB,
    HDF5, NumPy), DICOM, SCP-ECG, EDF, ISHNE, MFER, HL7 aECG and the XML of GE, Philips, Mortara and
    Schiller.

    Parameters
    ----------
    path
        A file of any of these formats, any file of a WFDB record, or a path that leads into a zip,
        HDF5 or NumPy file (``x.zip/sub/rec.hea``, ``x.hdf5/1234567``, ``x.npy/0``).
    source_fs_hz
        Sampling rate in Hz of a file that does not state it. A table or array that states another
        one is refused; a recording with a header keeps its own, and the notes say so.
    assume_order
        Take twelve unnamed leads for I, II, III, aVR, aVL, aVF, V1–V6.
    start_s, duration_s
        Start and length of the part to read, in seconds; by default the whole recording (of a
        Holter recording, the window that its reader takes from ``start_s`` on).

    Returns
    -------
    Record
        (12, T) float32 in mV, rows in the order of LEADS, NaN where nothing was recorded.

    Raises
    ------
    UnreadableRecord
        The file is missing, damaged, or no 12-lead ECG. One line: the finding, the accepted
        values, the next step.
    """
    path = Path(path)
    with limit_record(path.name), as_local_file(path) as (file, member):
        record = _read(_primary_file(file), member, source_fs_hz, assume_order, start_s)
    if not RATES_HZ[0] <= record.fs_hz <= RATES_HZ[1]:
        raise UnreadableRecord(
            f"Record {record.name} is sampled at {record.fs_hz:g} Hz; rates from {RATES_HZ[0]} to "
            f"{RATES_HZ[1]:,} Hz are read. Correct the rate that the file states."
        )
    if source_fs_hz is not None and record.fs_hz != source_fs_hz:
        note = f"the {source_fs_hz:g} Hz given are not used: the file says {record.fs_hz:g} Hz"
        record = replace(record, notes=(*record.notes, note))
    return record if duration_s is None else _crop(record, 0.0, duration_s)


def read_header(path: Path) -> Header:
    """Return a file's origin and sampling rate, without reading its samples where possible.

    Never fails: unknown values are None.
    """
    try:
        with (
            refuse_unexpected_errors(path.stem),
            limit_record(path.name),
            as_local_file(path) as (file, member),
        ):
            return _header(_primary_file(file), member)
    except UnreadableRecord:
        return Header(identify_origin(path.stem), None)


def _read(
    path: Path, member: str, source_fs_hz: float | None, assume_order: bool, start_s: float
) -> Record:
    format_name = _format(path)
    if read_vendor := file_format.vendor_reader(format_name):
        return read_vendor(path, start_s=start_s)
    if format_name == "wfdb":
        return read_wfdb(path, source_fs_hz=source_fs_hz, start_s=start_s)
    if file_format.needs_own_process(format_name):
        options = (member, source_fs_hz, assume_order, start_s)
        return reading_process.call("read:_read", path, *options)
    if format_name == "zip":
        record = _read_only_member(path, source_fs_hz, assume_order)
    elif read_array := file_format.array_reader(format_name):
        source = (path, member) if member else (path,)
        record = read_array(*source, source_fs_hz=source_fs_hz, assume_order=assume_order)
    else:
        raise file_format.refusal(path, format_name)
    return _crop(record, start_s, None) if start_s else record


def _format(path: Path) -> str:
    suffix = path.suffix.lower()
    format_name = "wfdb" if suffix == ".hea" else file_format.detect_format(path)
    return "mat" if format_name == "hdf5" and suffix == ".mat" else format_name  # MATLAB 7.3


def _read_only_member(path: Path, source_fs_hz: float | None, assume_order: bool) -> Record:
    """Read the record of a zip file that holds one."""
    members = first_records(path, 2) if open_archive(path).holds_records else []
    if len(members) == 1 and members[0] != path:
        return read_record(members[0], source_fs_hz=source_fs_hz, assume_order=assume_order)
    if members and members[0] != path:
        raise UnreadableRecord(
            f"{path.name} holds several records; name one of them: {path.name}/"
            f"{members[0].relative_to(path)}."
        )
    raise UnreadableRecord(f"{path.name} holds no ECG that is read.")


def _crop(record: Record, start_s: float, duration_s: float | None) -> Record:
    """Return a part of a record, with a note; the record itself if it is no longer."""
    n_samples = record.signal_mv.shape[1]
    first = round(start_s * record.fs_hz)
    last = n_samples if duration_s is None else first + round(duration_s * record.fs_hz)
    if first == 0 and last >= n_samples:
        return record
    if not 0 <= first < n_samples or last <= first:
        raise UnreadableRecord(
            f"Record {record.name} is {record.duration_s:g} s long; there is nothing from "
            f"{start_s:g} s on."
        )
    window = f"from {start_s:g} s on" if first else f"first {duration_s:g} s"
    return replace(
        record,
        signal_mv=record.signal_mv[:, first:last],
        notes=(*record.notes, f"{window} of {record.duration_s:g} s"),
    )


def _header(path: Path, member: str) -> Header:
    from ecgcore.records.formats import csv, hdf5  # pandas comes with them

    format_name = _format(path)
    if file_format.needs_own_process(format_name):
        origin, fs_hz = reading_process.call("read:_header", path, member)
        return Header(Origin(*origin) if origin else None, fs_hz)
    if member and format_name == "hdf5" and hdf5.is_code_exam(path):
        return Header(Origin(code15.SOURCE, member.partition("#")[0]), code15.FS_HZ)
    if format_name == "wfdb":
        header = read_wfdb_header(path)
        return Header(identify_origin(header.name, header.comments), header.fs_hz)
    if format_name == "csv":
        return Header(identify_origin(path.stem), csv.stated_fs_hz(path))
    if format_name == "hdf5" and not member and sph.find_table(path) is not None:
        return Header(Origin(sph.SOURCE, path.stem), sph.FS_HZ)
    record = _read(path, member, None, False, 0.0)
    return Header(None if member else identify_origin(path.stem), record.fs_hz)


def _primary_file(path: Path) -> Path:
    """Return a record's header for any of its files, else the file itself; refuse others."""
    suffix = path.suffix.lower()
    if header := header_beside(path):
        return header
    require_regular(path)
    if not os.path.isfile(path):
        raise UnreadableRecord(f"Record {path.stem}: there is no file {path.name}.")
    if suffix == ".dat":
        raise UnreadableRecord(
            f"Record {path.stem} has no header: {path.stem}.hea is missing "
            f"beside {path.name}, and without it the signal is not read."
        )
    return path
