"""Reading HDF5 in the forms of SPH (one recording a file) and CODE (many: ``file.hdf5/1234567``).

SPH: ``ecg`` (12, T) in mV, 500 Hz. CODE: ``tracings`` (N, T, 12) in mV, 400 Hz, filled with zeros
to one length, beside ``exam_id`` (N).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.infer_units import in_mv_by_size, limb_leads_in_order, order_of_twelve
from ecgcore.records.leads import twelve_leads
from ecgcore.records.metadata import code15, sph
from ecgcore.records.parser_errors import LIBRARIES_RAISE
from ecgcore.records.record import LEADS, Record

_MOST_VALUES = 24_000_000
"""Half an hour of twelve leads at 1000 Hz."""
_MOST_EXAMS = 1_000_000
_ORDER_OF = "lead order assumed: I–III, aVR–aVF, V1–V6, as {} gives it"


def exams(path: Path) -> list[str]:
    """Return the exams of a file of many, in its order; none for a file of one recording.

    Rows without a number (0) are filling, not exams.

    Raises
    ------
    UnreadableRecord
        It is damaged.
    """
    return [exam for exam in _rows_by_exam(path, path.stat().st_mtime_ns) if exam != "0"]


def read_hdf5(
    path: Path, exam: str = "", *, fs_hz: float | None = None, assume_order: bool = False
) -> Record:
    """Read the recording of an HDF5 file, or one of its many.

    Parameters
    ----------
    path
        In the form of SPH or CODE.
    exam
        Which of a file of many.
    fs_hz
        Hz, for a file that is of neither source.
    assume_order
        Take twelve leads whose order the numbers do not prove for the standard one.

    Raises
    ------
    UnreadableRecord
        One line: what was found, what is accepted, what to do.
    """
    if exam:
        return _one_of_many(path, exam)
    with _opened(path) as file:
        if "tracings" in file:
            raise UnreadableRecord(
                f"{path.name} holds many recordings; name one: {path.name}/EXAM."
            )
        array = _array(path, file)
    rows = array if array.shape[0] == 12 else array.T
    is_sph = sph.table_of(path) is not None or array.dtype == np.float16
    if is_sph and not assume_order and not limb_leads_in_order(rows):
        notes: tuple[str, ...] = (_ORDER_OF.format("SPH"),)
    else:
        notes = order_of_twelve(path.stem, rows, assume_order)
    in_mv, scale_notes = in_mv_by_size(path.stem, rows.astype(np.float64), "Store it in mV.")
    signal_mv, lead_notes = twelve_leads(path.stem, list(LEADS), in_mv)
    rate, rate_notes = _rate(path, is_sph, fs_hz)
    record = Record(
        signal_mv=signal_mv,
        fs_hz=rate,
        name=path.stem,
        notes=notes + scale_notes + rate_notes + lead_notes,
    )
    return sph.completed(record, path)


def stated_fs_hz(path: Path, exam: str = "") -> float | None:
    """Return the rate of the source that a file is of, in Hz, or None."""
    if exam:
        return code15.FS_HZ
    return sph.FS_HZ if sph.table_of(path) else None


def _rate(path: Path, is_sph: bool, given_hz: float | None) -> tuple[float, tuple[str, ...]]:
    if is_sph:
        return sph.FS_HZ, ("rate assumed: 500 Hz, that of SPH",)
    if given_hz:
        return given_hz, ()
    raise UnreadableRecord(
        f"Record {path.stem}: {path.name} does not say its sampling rate; give it (--file-hz)."
    )


def _array(path: Path, file: Any) -> np.ndarray:
    """Return the one two-dimensional dataset of twelve leads."""
    if "ecg" not in file or not hasattr(file["ecg"], "shape"):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is HDF5 in a form that is not known; read are SPH's "
            "(a dataset ecg) and CODE's (tracings and exam_id)."
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


def _one_of_many(path: Path, exam: str) -> Record:
    row = _rows_by_exam(path, path.stat().st_mtime_ns).get(exam)
    if row is None:
        raise UnreadableRecord(f"There is no exam {exam[:40]} in {path.name}.")
    with _opened(path) as file:
        if np.prod(file["tracings"].shape[1:], dtype=float) > _MOST_VALUES:
            raise UnreadableRecord(f"Record {exam}: its tracing is too large to be one ECG.")
        tracing = np.asarray(file["tracings"][row]).astype(np.float64).T  # (12, T)
    if tracing.shape[0] != 12:
        raise UnreadableRecord(
            f"Record {exam}: its tracing in {path.name} has {tracing.shape[0]} leads; "
            "12 are needed."
        )
    tracing, notes = _without_filling(exam, tracing)
    in_mv, scale_notes = in_mv_by_size(exam, tracing, "Store it in mV.")
    signal_mv, lead_notes = twelve_leads(exam, list(LEADS), in_mv)
    order = (_ORDER_OF.format("CODE-15"),)
    record = Record(signal_mv=signal_mv, fs_hz=code15.FS_HZ, name=exam)
    record = replace(record, notes=order + scale_notes + notes + lead_notes)
    return code15.completed(record, path, exam)


def _without_filling(exam: str, tracing: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return a tracing without the zeros that fill it to the file's length, and a note of it."""
    there = np.flatnonzero((tracing != 0).any(axis=0))
    if not there.size:
        raise UnreadableRecord(f"Record {exam} is filling: all its samples are zero.")
    kept = tracing[:, there[0] : there[-1] + 1]
    cut = tracing.shape[1] - kept.shape[1]
    return kept, (f"{cut} samples of filling zeros left out",) if cut else ()


@lru_cache(maxsize=8)
def _rows_by_exam(path: Path, changed_ns: int) -> dict[str, int]:
    """Return the row of each exam; ``changed_ns`` makes a new file be read."""
    with _opened(path) as file:
        if not {"tracings", "exam_id"}.issubset(file):
            return {}
        numbers = file["exam_id"]
        if len(numbers.shape) != 1 or numbers.shape[0] > _MOST_EXAMS:
            raise ValueError("its exam_id is no list")
        rows = min(len(numbers), len(file["tracings"]))
        return {_exam(number): row for row, number in enumerate(numbers[:rows])}


def _exam(number: Any) -> str:
    return number.decode("utf-8", "replace") if isinstance(number, bytes) else str(int(number))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except LIBRARIES_RAISE as error:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is a damaged HDF5 file; fetch it again."
        ) from error
