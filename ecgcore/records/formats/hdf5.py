"""Reading HDF5 in the forms of SPH (one recording a file) and CODE (many: ``file.hdf5/1234567``).

SPH: ``ecg`` (12, T) in mV, 500 Hz. CODE: ``tracings`` (N, T, 12) in mV, 400 Hz, padded with zeros
to one length, and ``exam_id`` (N).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.leads import confirm_lead_order, limb_leads_in_order, twelve_leads
from ecgcore.records.metadata import code15, sph
from ecgcore.records.parser_errors import LIBRARY_ERRORS
from ecgcore.records.record import LEADS, Record
from ecgcore.records.units import infer_mv

_MOST_VALUES = 24_000_000
"""Half an hour of twelve leads at 1000 Hz."""
_MOST_EXAMS = 1_000_000
_ORDER_NOTE = "lead order assumed: I–III, aVR–aVF, V1–V6, as {} gives it"


def exams(path: Path) -> list[str]:
    """Return the exams of a file of many, in its order; none for a file of one recording.

    Rows without a number (0) are padding, not exams.

    Raises
    ------
    UnreadableRecord
        It is damaged.
    """
    return [exam for exam in _rows_by_exam(path, path.stat().st_mtime_ns) if exam != "0"]


def read_hdf5(
    path: Path, exam: str = "", *, source_fs_hz: float | None = None, assume_order: bool = False
) -> Record:
    """Read the recording of an HDF5 file, or one of its many.

    Parameters
    ----------
    path
        In the form of SPH or CODE.
    exam
        The exam's number in a file of many.
    source_fs_hz
        Hz, for a file that is of neither source.
    assume_order
        Take twelve leads whose order the numbers do not prove for the standard order.

    Raises
    ------
    UnreadableRecord
        One line: the finding, the accepted values, the next step.
    """
    if exam:
        return _read_exam(path, exam)
    with _open(path) as file:
        if "tracings" in file:
            raise UnreadableRecord(
                f"{path.name} holds many recordings; name one: {path.name}/EXAM."
            )
        array = _read_array(path, file)
    rows = array if array.shape[0] == 12 else array.T
    is_sph = sph.find_table(path) is not None or array.dtype == np.float16
    if is_sph and not assume_order and not limb_leads_in_order(rows):
        order_notes: tuple[str, ...] = (_ORDER_NOTE.format("SPH"),)
    else:
        order_notes = confirm_lead_order(path.stem, rows, assume_order)
    rows_mv, scale_notes = infer_mv(path.stem, rows.astype(np.float64), "Store it in mV.")
    signal_mv, lead_notes = twelve_leads(path.stem, list(LEADS), rows_mv)
    fs_hz, rate_notes = _rate(path, is_sph, source_fs_hz)
    record = Record(
        signal_mv=signal_mv,
        fs_hz=fs_hz,
        name=path.stem,
        notes=order_notes + scale_notes + rate_notes + lead_notes,
    )
    return sph.add_metadata(record, path)


def _rate(path: Path, is_sph: bool, source_fs_hz: float | None) -> tuple[float, tuple[str, ...]]:
    if is_sph:
        return sph.FS_HZ, ("rate assumed: 500 Hz, that of SPH",)
    if source_fs_hz:
        return source_fs_hz, ()
    raise UnreadableRecord(
        f"Record {path.stem}: {path.name} does not say its sampling rate; give it (--source-fs-hz)."
    )


def _read_array(path: Path, file: Any) -> np.ndarray:
    """Return the one two-dimensional dataset of twelve leads."""
    if "ecg" not in file or not hasattr(file["ecg"], "shape"):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is HDF5 in a form that is not known; accepted are "
            "SPH's (a dataset ecg) and CODE's (tracings and exam_id)."
        )
    dataset = file["ecg"]
    if len(dataset.shape) != 2 or 12 not in dataset.shape or dataset.dtype.kind not in "iuf":
        raise UnreadableRecord(
            f"Record {path.stem}: its dataset ecg is {' by '.join(map(str, dataset.shape))}; "
            "twelve leads of numbers are needed."
        )
    if dataset.size > _MOST_VALUES:
        raise UnreadableRecord(f"Record {path.stem}: its dataset ecg is too large to be one ECG.")
    return np.asarray(dataset[()])


def _read_exam(path: Path, exam: str) -> Record:
    row = _rows_by_exam(path, path.stat().st_mtime_ns).get(exam)
    if row is None:
        raise UnreadableRecord(f"There is no exam {exam[:40]} in {path.name}.")
    with _open(path) as file:
        if np.prod(file["tracings"].shape[1:], dtype=float) > _MOST_VALUES:
            raise UnreadableRecord(f"Record {exam}: its tracing is too large to be one ECG.")
        tracing = np.asarray(file["tracings"][row]).astype(np.float64).T  # (12, T)
    if tracing.shape[0] != 12:
        raise UnreadableRecord(
            f"Record {exam}: its tracing in {path.name} has {tracing.shape[0]} leads; "
            "12 are needed."
        )
    tracing, padding_notes = _without_padding(exam, tracing)
    tracing_mv, scale_notes = infer_mv(exam, tracing, "Store it in mV.")
    signal_mv, lead_notes = twelve_leads(exam, list(LEADS), tracing_mv)
    order_notes = (_ORDER_NOTE.format("CODE-15"),)
    record = Record(signal_mv=signal_mv, fs_hz=code15.FS_HZ, name=exam)
    record = replace(record, notes=order_notes + scale_notes + padding_notes + lead_notes)
    return code15.add_metadata(record, path, exam)


def _without_padding(exam: str, tracing: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return a tracing without the zeros that pad it to the file's length, and a note of it."""
    nonzero = np.flatnonzero((tracing != 0).any(axis=0))
    if not nonzero.size:
        raise UnreadableRecord(f"Record {exam} is filling: all its samples are zero.")
    recorded = tracing[:, nonzero[0] : nonzero[-1] + 1]
    n_padding = tracing.shape[1] - recorded.shape[1]
    return recorded, (f"{n_padding} samples of filling zeros left out",) if n_padding else ()


@lru_cache(maxsize=8)
def _rows_by_exam(path: Path, modified_ns: int) -> dict[str, int]:
    """Return the row of each exam; ``modified_ns`` renews the cache for a new file."""
    with _open(path) as file:
        if not {"tracings", "exam_id"}.issubset(file):
            return {}
        numbers = file["exam_id"]
        if len(numbers.shape) != 1 or numbers.shape[0] > _MOST_EXAMS:
            raise ValueError("its exam_id is no list")
        n_rows = min(len(numbers), len(file["tracings"]))
        return {_exam_name(number): row for row, number in enumerate(numbers[:n_rows])}


def _exam_name(number: Any) -> str:
    return number.decode("utf-8", "replace") if isinstance(number, bytes) else str(int(number))


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except LIBRARY_ERRORS as error:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is a damaged HDF5 file; fetch it again."
        ) from error
