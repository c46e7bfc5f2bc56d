"""Reading HDF5: one recording a file (SPH), or many (CODE: ``file.hdf5/1234567``).

One: a dataset ``ecg`` or another of SIGNAL_VARIABLES, twelve leads in rows or columns. Many: a
three-dimensional one (``tracings``), with their numbers in ``exam_id``, or none: then a recording
is named by its row, from 0 on. Names of leads, rate and unit are taken from datasets and attributes
beside them. SPH: 500 Hz, float16, mV. CODE: 400 Hz, 4096 samples padded with zeros, mV.
"""

import re
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats import hdf5_file, variables
from ecgcore.records.formats.arrays import MOST_VALUES, record_of_array
from ecgcore.records.formats.variables import SIGNAL_VARIABLES, ArrayFile
from ecgcore.records.metadata import code15, samitrop, sph
from ecgcore.records.record import Record

_MOST_EXAMS, _MOST_WORDS = 1_000_000, 100
_CODE_SAMPLES = 4096
"""Length to which CODE pads each tracing."""
_SPH_NAME, _SPH_FEWEST_SAMPLES = re.compile(r"A\d{5}$"), 5000
_ID_DATASETS = ("exam_id", "exam_ids", "id_exam", "ecg_id", "record_id")
_ORDER_NOTE = "lead order assumed: I–III, aVR–aVF, V1–V6, as {} gives it"


class _Exams(NamedTuple):
    """The recordings of a file of many.

    ``rows`` gives the row of each by its name; ``have_ids`` tells that the names are exam numbers.
    """

    dataset: str
    rows: dict[str, int]
    have_ids: bool
    is_code: bool


def exams(path: Path) -> list[str]:
    """Return the recordings of a file of many, in its order; none for a file of one.

    They are exam numbers (``77#1``, ``77#2`` where one occurs twice), or row numbers where the file
    has none. Rows with the exam number 0 are padding, not exams.

    Raises
    ------
    UnreadableRecord
        It is damaged.
    """
    many = _exams_of(path)
    if many is None:
        return []
    return [exam for exam in many.rows if not many.have_ids or exam.partition("#")[0] != "0"]


def is_code_exam(path: Path) -> bool:
    """Return whether the exams of a file of many are CODE's, by its table or its padding."""
    many = _exams_of(path)
    return many is not None and many.is_code and many.have_ids


def read_hdf5(
    path: Path, exam: str = "", *, source_fs_hz: float | None = None, assume_order: bool = False
) -> Record:
    """Read the recording of an HDF5 file, or one of its many.

    Parameters
    ----------
    path
        Holds one recording or many.
    exam
        The exam's or the row's number in a file of many.
    source_fs_hz
        Hz, for a file that does not state its rate.
    assume_order
        Take twelve leads whose order the numbers do not prove for the standard order.

    Raises
    ------
    UnreadableRecord
        One line: the finding, the accepted values, the next step.
    """
    if exam:
        return _read_exam(path, exam, source_fs_hz, assume_order)
    if (many := _exams_of(path)) is not None:
        raise UnreadableRecord(
            f"{path.name} holds many recordings; name one: {path.name}/"
            f"{next(iter(many.rows), 'EXAM')}."
        )
    file = _read_array(path)
    is_sph = sph.find_table(path) is not None or _looks_like_sph(path, file.array)
    if is_sph:
        file = replace(
            file,
            known_order=_ORDER_NOTE.format("SPH"),
            usual_hz=("that of SPH", sph.FS_HZ),
        )
    record = record_of_array(path, file, source_fs_hz=source_fs_hz, assume_order=assume_order)
    return sph.add_metadata(record, path)


def _looks_like_sph(path: Path, array: np.ndarray) -> bool:
    is_long = max(array.shape) >= _SPH_FEWEST_SAMPLES
    return array.dtype == np.float16 and is_long and _SPH_NAME.match(path.stem) is not None


def _read_array(path: Path) -> ArrayFile:
    """Return the dataset of twelve leads with the datasets and attributes beside it."""
    with hdf5_file.open_hdf5(path) as file:
        members = hdf5_file.members(path, file)
        signals = [name for name in SIGNAL_VARIABLES if hasattr(members.get(name), "shape")]
        for name in signals:
            _refuse_shape(path, name, members[name])
        leads = [name for name in members if variables.is_lead(name)]
        values = hdf5_file.attributes(file)
        for name in (*signals, *leads, *members):
            if name in signals or name in leads or _may_describe(name, members[name]):
                values |= hdf5_file.attributes(members[name]) if name in signals else {}
                values[name] = hdf5_file.values(path, members[name])
    recording = variables.find_recording(path, values)
    if recording is None:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is HDF5 in a form that is not known; accepted are "
            "SPH's (a dataset ecg) and CODE's (tracings and exam_id)."
        )
    return recording


def _may_describe(name: str, item: Any) -> bool:
    """Return whether a dataset may describe a recording: by its name, or as a few words."""
    if not hasattr(item, "shape"):
        return False
    return variables.is_wanted(name) or (item.dtype.kind in "SO" and item.size <= _MOST_WORDS)


def _refuse_shape(path: Path, name: str, dataset: Any) -> None:
    if len(dataset.shape) != 2 or dataset.dtype.kind not in "iuf":
        raise UnreadableRecord(
            f"Record {path.stem}: its dataset {name} is {' by '.join(map(str, dataset.shape))}; "
            "twelve leads of numbers are needed."
        )
    if dataset.size > MOST_VALUES:
        raise UnreadableRecord(
            f"Record {path.stem}: its dataset {name} is too large to be one ECG."
        )


def _read_exam(path: Path, exam: str, source_fs_hz: float | None, assume_order: bool) -> Record:
    many = _exams_of(path)
    row = many.rows.get(exam) if many else None
    if many is None or row is None:
        raise _no_such_exam(path, exam, many)
    with hdf5_file.open_hdf5(path) as file:
        members = hdf5_file.members(path, file)
        dataset = members[many.dataset]
        if np.prod(dataset.shape[1:], dtype=float) > MOST_VALUES:
            raise UnreadableRecord(f"Record {exam}: its tracing is too large to be one ECG.")
        tracing = hdf5_file.values(path, dataset, row)
        others = {**hdf5_file.attributes(file), **hdf5_file.attributes(dataset)}
        for name in members:
            if _may_describe(name, members[name]) and members[name].size <= _MOST_EXAMS:
                others[name] = hdf5_file.values(path, members[name])
    tracing = np.squeeze(tracing)
    if 12 not in tracing.shape:
        raise UnreadableRecord(
            f"Record {exam}: its tracing in {path.name} is {' by '.join(map(str, tracing.shape))}; "
            "12 leads are needed."
        )
    tracing = tracing if tracing.shape[0] == 12 else tracing.T
    recorded, padding_notes = _without_padding(exam, tracing)
    file_of_one = ArrayFile(
        recorded,
        many.dataset,
        _of_row(others, row, len(many.rows)),
        known_order=_ORDER_NOTE.format("CODE-15") if many.is_code else "",
        usual_hz=("that of CODE-15", code15.FS_HZ) if many.is_code else None,
    )
    record = record_of_array(
        path, file_of_one, name=exam, source_fs_hz=source_fs_hz, assume_order=assume_order
    )
    record = replace(record, notes=(*record.notes, *padding_notes))
    if many.is_code and many.have_ids:
        return code15.add_metadata(record, path, exam.partition("#")[0])
    return record if many.have_ids else samitrop.add_metadata(record, path, row, len(many.rows))


def _no_such_exam(path: Path, exam: str, many: _Exams | None) -> UnreadableRecord:
    if many and f"{exam}#1" in many.rows:
        return UnreadableRecord(
            f"Exam {exam[:40]} occurs more than once in {path.name}; name one: "
            f"{path.name}/{exam[:40]}#1, {path.name}/{exam[:40]}#2 …"
        )
    return UnreadableRecord(f"There is no exam {exam[:40]} in {path.name}.")


def _of_row(others: dict[str, Any], row: int, n_rows: int) -> dict[str, Any]:
    """Return the values beside one recording of many: its own of numbers with one for each."""
    return {
        name: value[row]
        if np.shape(value)[:1] == (n_rows,) and value.dtype.kind in "iuf"
        else value
        for name, value in others.items()
    }


def _without_padding(exam: str, tracing: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return a tracing without the zeros that pad it to the file's length, and a note of it."""
    nonzero = np.flatnonzero((tracing != 0).any(axis=0))
    if not nonzero.size:
        raise UnreadableRecord(f"Record {exam} is filling: all its samples are zero.")
    recorded = tracing[:, nonzero[0] : nonzero[-1] + 1]
    n_padding = tracing.shape[1] - recorded.shape[1]
    return recorded, (f"{n_padding} samples of filling zeros left out",) if n_padding else ()


def _exams_of(path: Path) -> _Exams | None:
    return _read_exams(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read_exams(path: Path, modified_ns: int) -> _Exams | None:
    """Return the recordings of a file of many; ``modified_ns`` renews the cache for a new file."""
    with hdf5_file.open_hdf5(path) as file:
        members = hdf5_file.members(path, file)
        names = [name for name in SIGNAL_VARIABLES if hasattr(members.get(name), "shape")]
        name = next((name for name in names if len(members[name].shape) in (3, 4)), None)
        if name is None:
            return None
        shape = members[name].shape
        ids = next((members[key] for key in _ID_DATASETS if key in members), None)
        if shape[0] > _MOST_EXAMS or (ids is not None and len(ids.shape) != 1):
            raise ValueError("its exam_id is no list")
        is_code = name == "tracings" and (_CODE_SAMPLES in shape or code15.has_table(path))
        if ids is None:
            rows = {str(row): row for row in range(shape[0])}
            return _Exams(name, rows, False, is_code)
        numbers = [_exam_name(number) for number in hdf5_file.values(path, ids)[: shape[0]]]
        return _Exams(name, _rows_by_name(numbers), True, is_code)


def _rows_by_name(numbers: list[str]) -> dict[str, int]:
    """Return the row of each exam; those of one number are told apart as ``77#1``, ``77#2``."""
    times, met = Counter(numbers), Counter[str]()
    rows = {}
    for row, number in enumerate(numbers):
        met[number] += 1
        is_padding = number == "0"
        rows[f"{number}#{met[number]}" if times[number] > 1 and not is_padding else number] = row
    return rows


def _exam_name(number: Any) -> str:
    return number.decode("utf-8", "replace") if isinstance(number, bytes) else str(int(number))
