"""Reading MATLAB files without a header: ``val``, ``ECG`` (CPSC 2018), ``feats``.

Order, unit and rate are taken from the file, else from the known properties of its source (Chapman,
CPSC 2018, CODE-15), else from the numbers where these prove it; each is noted. A rate that nothing
shows must be given.
"""

import math
import struct
import zlib
from collections import ChainMap
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.demographics import parse_age_years, parse_sex
from ecgcore.records.formats import hdf5_file, variables
from ecgcore.records.formats.arrays import record_of_array
from ecgcore.records.formats.variables import SIGNAL_VARIABLES, ArrayFile
from ecgcore.records.lead_names import standard_lead
from ecgcore.records.metadata import chapman, code15
from ecgcore.records.parser_errors import LIBRARY_ERRORS
from ecgcore.records.record import Record
from ecgcore.records.sources import identify_origin, source_name

_OTHER_VARIABLES = ("idx", "age", "sex", "curr_sample_rate")
_LARGEST_BYTES = 200_000_000
_CPSC_HZ = ("the form of CPSC 2018", 500.0)
_CPSC_ORDER = "lead order assumed: I–III, aVR–aVF, V1–V6, the form of CPSC 2018"
_CODE_ORDER = "lead order assumed: I–III, aVR–aVF, V1–V6, as CODE-15 gives it"
_CPSC_FIELDS = {"sex", "age", "data"}
_WORDS = frozenset({"cell", "char", "struct"})
_MOST_CELLS = 100
_HEADER_BYTES = 128
_COMPRESSED, _MATRIX, _INT32 = 15, 14, 5
"""Types of elements in a file of version 5."""
_SPARSE, _WITHOUT_SIZE = 5, frozenset({16, 17})
"""Classes of arrays in a file of version 5; functions and objects state no size."""
_DEEPEST = 10
_MATLAB_ERRORS = (*LIBRARY_ERRORS, EOFError, NameError, zlib.error, struct.error)
"""Errors that ``scipy.io.loadmat`` raises for damaged files."""


def read_mat(
    path: Path, *, source_fs_hz: float | None = None, assume_order: bool = False
) -> Record:
    """Read a MATLAB file (version 4, 5 or 7.3) of one recording.

    Parameters
    ----------
    path
        Holds an array of twelve leads, in rows or columns, named by one of SIGNAL_VARIABLES, or a
        struct ``ECG`` with a field ``data``.
    source_fs_hz
        Hz, for a file that does not state its rate.
    assume_order
        Take twelve unnamed leads for I, II, III, aVR, aVL, aVF, V1–V6.

    Raises
    ------
    UnreadableRecord
        One line: the finding, the accepted values, the next step.
    """
    values = _read_variables(path)
    file = _find_recording(path, values)
    is_cpsc = isinstance(values.get("ECG"), dict) and _CPSC_FIELDS.issubset(values["ECG"])
    record = record_of_array(
        path,
        replace(
            file,
            known_order=_known_order(path, file.others, is_cpsc),
            known_hz=("its source", chapman.fs_hz(path)),
            usual_hz=_CPSC_HZ if is_cpsc else None,
        ),
        source_fs_hz=source_fs_hz,
        assume_order=assume_order,
        rate_advice=f"{path.stem}.hea is missing beside {path.name}: fetch it, or give the rate "
        "(--source-fs-hz)",
    )
    record = replace(
        record,
        age_years=parse_age_years(variables.number(file.others.get("age"))),
        sex=parse_sex(variables.text(file.others.get("sex"))),
    )
    return _add_metadata(record, path, file.others)


def _add_metadata(record: Record, path: Path, others: dict[str, Any]) -> Record:
    origin = identify_origin(record.name)
    if origin and origin.source == code15.SOURCE:
        index = variables.number(others.get("idx"))
        row = "" if index is None else f"{index:.0f}"
        return code15.add_metadata(record, path, origin.number, row)
    return chapman.add_metadata(record, path)


def _known_order(path: Path, others: dict[str, Any], is_cpsc: bool) -> str:
    """Return the note of a source whose order of leads is known, '' for others."""
    if chapman.is_chapman_file(path):
        return chapman.ORDER_NOTE
    if is_cpsc:
        return _CPSC_ORDER
    is_code_15 = source_name(identify_origin(path.stem)) == code15.SOURCE
    return _CODE_ORDER if is_code_15 and "curr_sample_rate" in others else ""


def _find_recording(path: Path, values: dict[str, Any]) -> ArrayFile:
    """Return the array of a recording among variables or in a struct, with the other variables."""
    structs = [value for value in values.values() if isinstance(value, dict)]
    plain = {name: value for name, value in values.items() if not isinstance(value, dict)}
    for fields in (plain, *structs):
        if (file := variables.find_recording(path, fields)) is not None:
            others = [inner for inner in (*structs, plain) if inner is not fields]
            return replace(file, others=dict(ChainMap(file.others, *others)))
    raise UnreadableRecord(
        f"Record {path.stem}: {path.name} is a MATLAB file without a recording; one of the "
        f"variables {', '.join(SIGNAL_VARIABLES[:6])} must hold it."
    )


def _read_variables(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        head = file.read(520)
    if head[512:516] == b"\x89HDF":
        return _read_version_73(path)
    try:
        return _read_version_4_or_5(path, head)
    except _MATLAB_ERRORS as error:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is a damaged MATLAB file; fetch it again."
        ) from error


def _read_version_4_or_5(path: Path, head: bytes) -> dict[str, Any]:
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    if path.stat().st_size > _LARGEST_BYTES:
        raise ValueError("it is too large")
    file = _checked_content(path) if head.startswith(b"MATLAB 5.0") else path
    try:
        described = whosmat(file)
        wanted = [name for name, _, kind in described if _is_wanted(name) or kind in _WORDS]
        values = loadmat(file, variable_names=wanted, struct_as_record=True)
    except MatReadError as error:
        raise ValueError(str(error)) from error
    return {
        name: _unwrap_struct(value) for name, value in values.items() if not name.startswith("__")
    }


def _unwrap_struct(value: Any) -> Any:
    """Return a struct as a dict of its fields."""
    if isinstance(value, np.ndarray) and value.dtype.names and value.size == 1:
        return {field: value[field].flat[0] for field in value.dtype.names}
    return value


def _is_wanted(name: str) -> bool:
    is_known = name in SIGNAL_VARIABLES or name in _OTHER_VARIABLES
    return is_known or variables.is_wanted(name) or standard_lead(name) is not None


def _read_version_73(path: Path) -> dict[str, Any]:
    """Read a file of version 7.3, which is HDF5 with transposed arrays."""
    with hdf5_file.open_hdf5(path) as file:
        values: dict[str, Any] = {}
        for name, item in hdf5_file.members(path, file).items():
            if hasattr(item, "shape"):
                values |= _wanted_array(path, file, name, item)
            elif not name.startswith("#"):
                values[name] = {}
                for field, value in hdf5_file.members(path, item).items():
                    values[name] |= _wanted_array(path, file, field, value)
        return values


def _wanted_array(path: Path, file: Any, name: str, item: Any) -> dict[str, Any]:
    """Return a dataset by its name if it may be a recording or describe one, else nothing."""
    is_words = getattr(item, "attrs", {}).get("MATLAB_class") in (b"char", b"cell")
    if not hasattr(item, "shape") or not (_is_wanted(name) or is_words):
        return {}
    return {name: _array(path, file, item)}


def _array(path: Path, file: Any, dataset: Any) -> np.ndarray:
    """Return a dataset as MATLAB shows it: text as text, cells as an array of objects."""
    array = hdf5_file.values(path, dataset)
    matlab_class = dataset.attrs.get("MATLAB_class")
    if matlab_class == b"char":
        return np.array(["".join(map(chr, row)) for row in np.atleast_2d(array.T)])
    if matlab_class == b"cell":
        cells = [_array(path, file, file[reference]) for reference in array.flat[:_MOST_CELLS]]
        return np.array([*cells, None], dtype=object)[:-1]
    return array.T


def _checked_content(path: Path) -> BytesIO:
    """Return a file of version 5 with its arrays unpacked.

    One that unpacks to more than one ECG, or claims more than it holds, is refused: ``scipy``
    trusts the sizes that a file states, and a wrong one ends the whole process.
    """
    remaining_bytes = _LARGEST_BYTES
    with path.open("rb") as file:
        unpacked = BytesIO(header := file.read(_HEADER_BYTES))
        unpacked.seek(_HEADER_BYTES)
        order = ">" if header.endswith(b"MI") else "<"
        while len(tag := file.read(8)) == 8:
            data_type, n_bytes = struct.unpack(f"{order}II", tag)
            content = file.read(n_bytes)
            if data_type != _COMPRESSED:
                unpacked.write(tag + content)
            else:
                content = zlib.decompressobj().decompress(content, remaining_bytes)
                remaining_bytes -= len(content)
                if remaining_bytes <= 0:
                    raise ValueError("it is too large")
                unpacked.write(content)
                data_type, content = next(_elements(content, order), (0, b""))
            if data_type == _MATRIX:
                _check_matrix(content, order)
    unpacked.seek(0)
    return unpacked


def _check_matrix(content: bytes, order: str, depth: int = 0) -> None:
    """Refuse an array of more values than its bytes can hold, at any depth of structs and cells."""
    elements = list(_elements(content, order))
    if not elements:
        return
    (flags,) = struct.unpack_from(f"{order}I", elements[0][1])
    kind = flags & 0xFF
    if kind not in _WITHOUT_SIZE:
        if len(elements) < 3 or elements[1][0] != _INT32 or len(elements[1][1]) % 4:
            raise ValueError("an array has no size")
        sizes = struct.unpack(f"{order}{len(elements[1][1]) // 4}i", elements[1][1])
        if kind == _SPARSE or min(sizes, default=-1) < 0 or math.prod(sizes) > len(content):
            raise ValueError("an array claims more values than it holds")
    if depth > _DEEPEST:
        raise ValueError("arrays lie too deep in one another")
    for data_type, inner in elements[1:]:
        if data_type == _MATRIX:
            _check_matrix(inner, order, depth + 1)


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield type and bytes of the elements of an array; short ones share eight bytes with a tag."""
    at = 0
    while at + 8 <= len(content):
        data_type, n_bytes = struct.unpack_from(f"{order}II", content, at)
        if data_type >> 16:
            data_type, n_bytes, start, at = data_type & 0xFFFF, data_type >> 16, at + 4, at + 8
        else:
            start = at + 8
            at = start + n_bytes + (-n_bytes) % 8
        if n_bytes > len(content) - start:
            raise ValueError("an element claims more bytes than there are")
        yield data_type, content[start : start + n_bytes]
