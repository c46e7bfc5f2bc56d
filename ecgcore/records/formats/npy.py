"""Reading NumPy files: one recording (``.npy``, ``.npz``), or many (``file.npy/12``, by row).

An ``.npy`` file names neither leads nor rate: both are given by the caller, or the numbers prove
the order. An ``.npz`` file may hold them as ``fs``, ``leads``, ``units``. Nothing is unpickled.
"""

import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats import variables
from ecgcore.records.formats.arrays import MOST_VALUES, record_of_array
from ecgcore.records.formats.variables import SIGNAL_VARIABLES, ArrayFile
from ecgcore.records.parser_errors import LIBRARY_ERRORS
from ecgcore.records.record import Record
from ecgcore.records.zip_limits import part_sizes

_SMALL_BYTES = 100_000
_ERRORS = (
    *(*LIBRARY_ERRORS, zipfile.BadZipFile, zlib.error, EOFError),
    *(SyntaxError, tokenize.TokenError),
)


def rows(path: Path) -> list[str]:
    """Return the names of a file's recordings, ``0`` on; none for a file of one.

    Raises
    ------
    UnreadableRecord
        It is damaged, or holds objects.
    """
    shape = _open(path).shape
    return [str(row) for row in range(shape[0])] if len(shape) > 2 else []


def is_recording(head: bytes) -> bool:
    """Return whether an ``.npy`` file holds twelve leads, by its first bytes."""
    from io import BytesIO

    try:
        file = BytesIO(head)
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else (np.lib.format.read_array_header_2_0)
        )
        shape, _, dtype = read(file)
    except _ERRORS:
        return True  # the reader reports the reason
    return dtype.kind in "iuf" and 2 <= len(shape) <= 4 and 12 in shape[-2:] and max(shape) >= 100


def read_npy(
    path: Path, row: str = "", *, source_fs_hz: float | None = None, assume_order: bool = False
) -> Record:
    """Read the recording of an ``.npy`` file, or one of its many.

    Parameters
    ----------
    path
        Holds (12, T) or (T, 12), or many of them: (N, 12, T), (N, T, 12) or (N, 1, T, 12).
    row
        The recording's row in a file of many.
    source_fs_hz
        Hz; the file does not state it, but its name may.
    assume_order
        Take the twelve leads for I, II, III, aVR, aVL, aVF, V1–V6.

    Raises
    ------
    UnreadableRecord
        One line: the finding, the accepted values, the next step.
    """
    array = _open(path)
    if array.ndim > 2 and not row:
        raise UnreadableRecord(f"{path.name} holds many recordings; name one: {path.name}/0.")
    if row and not (row.isdecimal() and array.ndim > 2 and int(row) < len(array)):
        raise UnreadableRecord(f"There is no recording {row[:40]} in {path.name}.")
    one = array[int(row)] if row else array
    _refuse_large(path, one)
    one = np.squeeze(np.array(one))
    return record_of_array(
        path,
        ArrayFile(one),
        name=f"{path.stem}_{row}" if row else "",
        source_fs_hz=source_fs_hz,
        assume_order=assume_order,
    )


def read_npz(
    path: Path, *, source_fs_hz: float | None = None, assume_order: bool = False
) -> Record:
    """Read an ``.npz`` file of one recording, with the variables beside it.

    Raises
    ------
    UnreadableRecord
        One line: the finding, the accepted values, the next step.
    """
    arrays = _members(path)
    many = [name for name in SIGNAL_VARIABLES if name in arrays and arrays[name].ndim > 2]
    if many:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} holds many recordings; store them as an .npy file, "
            "and name one by its row."
        )
    file = variables.find_recording(path, arrays)
    if file is None:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} holds no recording; one of the arrays "
            f"{', '.join(SIGNAL_VARIABLES[:6])} or arr_0 must be it."
        )
    return record_of_array(path, file, source_fs_hz=source_fs_hz, assume_order=assume_order)


def _open(path: Path) -> np.ndarray:
    """Return the array of an ``.npy`` file, mapped from disk."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except _ERRORS as error:
        raise _damaged(path) from error


def _members(path: Path) -> dict[str, Any]:
    """Return the arrays of an ``.npz`` file that may describe a recording."""
    try:
        n_bytes = part_sizes(path)
        with np.load(path, allow_pickle=False) as members:
            arrays = {name: members[name] for name in members.files if _is_wanted(name)}
            others = [name for name in members.files if name not in arrays]
            small = (name for name in others if n_bytes.get(f"{name}.npy", 0) < _SMALL_BYTES)
            return arrays | _words(members, small)
    except _ERRORS as error:
        raise _damaged(path) from error


def _words(members: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return the arrays of words among members, of which one may list the leads."""
    words = {}
    for name in names:
        with suppress(ValueError):  # an array of objects, which is not opened
            if members[name].dtype.kind in "SU":
                words[name] = members[name]
    return words


def _is_wanted(name: str) -> bool:
    return name in SIGNAL_VARIABLES or variables.is_wanted(name) or variables.is_lead(name)


def _refuse_large(path: Path, array: np.ndarray) -> None:
    if array.size > MOST_VALUES:
        raise UnreadableRecord(f"Record {path.stem}: its array is too large to be one ECG.")


def _damaged(path: Path) -> UnreadableRecord:
    return UnreadableRecord(
        f"Record {path.stem}: {path.name} is damaged, or holds objects, which are never opened "
        "(they may run code). Store it as an array of numbers."
    )
