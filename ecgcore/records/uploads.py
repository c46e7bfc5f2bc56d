"""Reading recordings from bytes: uploads of a browser, or content that is already in memory.

The content lies in a private temporary folder while it is read, and nowhere afterwards.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from ecgcore.errors import UnreadableRecord
from ecgcore.records.budget import UPLOAD, Limit
from ecgcore.records.discover import find_records
from ecgcore.records.file_roles import SIGNAL_SUFFIXES, header_beside
from ecgcore.records.read import read_record
from ecgcore.records.record import Record
from ecgcore.records.unexpected_errors import refuse_unexpected_errors

_LONGEST_NAME = 150


def read_record_bytes(
    name: str,
    content: bytes,
    *,
    source_fs_hz: float | None = None,
    assume_order: bool = False,
    start_s: float = 0.0,
    duration_s: float | None = None,
) -> Record:
    """Read one 12-lead ECG from the bytes of a file.

    A WFDB record consists of several files; read it with ``read_uploads``.

    Parameters
    ----------
    name
        The file's name; of a path only the last part is used. It names the record, and its suffix
        tells the format where the content does not.
    content
        The file's content.
    source_fs_hz, assume_order, start_s, duration_s
        As in ``read_record``: Hz, order of unnamed leads, seconds.

    Returns
    -------
    Record
        (12, T) float32 in mV, rows in the order of LEADS, NaN where nothing was recorded.

    Raises
    ------
    UnreadableRecord
        The content is damaged, or no 12-lead ECG.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgcore.records.record import LEADS
    >>> from ecgcore.records.uploads import read_record_bytes
    >>> wave_mv = np.sin(np.arange(1000) / 10)
    >>> rows = [",".join(LEADS), *(",".join([f"{mv:.3f}"] * 12) for mv in wave_mv)]
    >>> read_record_bytes("ecg.csv", "\\n".join(rows).encode(), source_fs_hz=100)
    Record(name='ecg', 12 leads x 10.0 s at 100 Hz)
    """
    with tempfile.TemporaryDirectory(prefix="ecgcore-upload-") as folder:
        path = _write_upload(Path(folder), {}, name, content)
        return read_record(
            path,
            source_fs_hz=source_fs_hz,
            assume_order=assume_order,
            start_s=start_s,
            duration_s=duration_s,
        )


def read_uploads(
    files: Mapping[str, bytes],
    *,
    source_fs_hz: float | None = None,
    assume_order: bool = False,
    max_records: int | None = None,
    max_duration_s: float | None = None,
) -> list[tuple[str, Record | UnreadableRecord]]:
    """Read uploaded files: each record once, in the given order, or the error that refuses it.

    Of a name only its last part is used; files of one folder stay together, so that a header finds
    its signal file. A zip or HDF5 file gives each of its records.

    Parameters
    ----------
    files
        Content by name.
    source_fs_hz, assume_order
        As in ``read_record``.
    max_records
        Number of records to read; one further line reports all that are left out.
    max_duration_s
        Seconds to read of each record.

    Returns
    -------
    list
        Name of each record's own file, and the record or the error.
    """
    with tempfile.TemporaryDirectory(prefix="ecgcore-upload-") as folder:
        subfolders: dict[str, Path] = {}
        uploads = [_write_upload(Path(folder), subfolders, *file) for file in files.items()]
        record_paths = list(find_records([Path(folder)]))
        paths = [
            record
            for upload in dict.fromkeys(uploads)
            for record in (
                [r for r in record_paths if upload == r or upload in r.parents]
                or _unrecognised(upload)
            )
        ]
        results, reason = [], ""
        with Limit(UPLOAD, "The upload") as limit:
            for path in paths[:max_records]:
                if limit.left_s < 0:
                    break
                read = _read_or_refuse(path, source_fs_hz, assume_order, max_duration_s)
                results.append((path.name, read))
            reason = str(UPLOAD.refusal("The upload")) if limit.left_s < 0 else ""
        return results + _report_left_out(paths[len(results) :], len(paths), reason)


def _report_left_out(
    paths: list[Path], total: int, reason: str
) -> list[tuple[str, Record | UnreadableRecord]]:
    """Return one line for all records beyond the limit."""
    if not paths:
        return []
    line = (
        f"{total:,} records were given; the first {total - len(paths):,} are read here. "
        f"{reason or 'For all of them: ecgcore classify FOLDER --run RUN.'}"
    )
    return [(paths[0].name, UnreadableRecord(line))]


def _write_upload(folder: Path, subfolders: dict[str, Path], name: str, content: bytes) -> Path:
    """Write an upload below ``folder`` under the last part of its name, made harmless."""
    parent, _, last = name.replace("\\", "/").rpartition("/")
    subfolder = subfolders.setdefault(parent, folder / str(len(subfolders)))
    subfolder.mkdir(exist_ok=True)
    printable = "".join(c for c in last if c.isprintable())
    path = subfolder / (printable[-_LONGEST_NAME:].strip(". ") or "upload")
    path.write_bytes(content)
    return path


def _unrecognised(path: Path) -> list[Path]:
    """Return an upload that looks like no record, unless it is a companion of one."""
    suffix = path.suffix.lower()
    is_part = suffix in SIGNAL_SUFFIXES | {".hea"}
    return [] if is_part or header_beside(path) else [path]


def _read_or_refuse(
    path: Path, source_fs_hz: float | None, assume_order: bool, max_duration_s: float | None
) -> Record | UnreadableRecord:
    try:
        with refuse_unexpected_errors(path.stem):
            return read_record(
                path,
                source_fs_hz=source_fs_hz,
                assume_order=assume_order,
                duration_s=max_duration_s,
            )
    except UnreadableRecord as error:
        return error
