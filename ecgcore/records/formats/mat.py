"""Reading MATLAB files without a header: ``val``, ``ECG`` (CPSC 2018), ``feats``.

Order, unit and rate are taken from the file, else from the known properties of its source (Chapman,
CPSC 2018, CODE-15), else from the numbers where these prove it; each is noted. A rate that nothing
shows must be given.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.demographics import parse_age_years, parse_sex
from ecgcore.records.leads import confirm_lead_order, standard_lead, twelve_leads
from ecgcore.records.metadata import chapman, code15
from ecgcore.records.parser_errors import LIBRARY_ERRORS
from ecgcore.records.record import LEADS, Record
from ecgcore.records.sources import identify_origin, source_name
from ecgcore.records.units import MV_PER_UNIT, infer_mv

SIGNAL_VARIABLES = (
    *("val", "ECG", "ecg", "data", "feats", "signal", "signals", "tracings", "sig", "x", "X"),
)
"""Variables that may hold a recording, in the order of precedence."""
_RATE_VARIABLES = (
    *("curr_sample_rate", "fs", "Fs", "FS", "fs_hz", "sample_rate", "sampling_rate", "freq"),
)
_LEAD_VARIABLES = ("leads", "lead_names", "sig_name", "labels", "names", "channels")
_UNIT_VARIABLES = ("unit", "units")
_OTHER_VARIABLES = ("idx", "age", "sex")
_LARGEST_BYTES = 200_000_000
_MOST_VALUES = 24_000_000
"""Half an hour of twelve leads at 1000 Hz."""
_CPSC_HZ = 500.0
_CPSC_FIELDS = {"sex", "age", "data"}
_COMPRESSED = 15
_MATLAB_ERRORS = (*LIBRARY_ERRORS, EOFError, zlib.error, struct.error)
"""Errors that ``scipy.io.loadmat`` raises for damaged files."""


class _Content(NamedTuple):
    """A file's recording, the variable that holds it, and the other variables."""

    array: np.ndarray
    variable: str
    others: dict[str, Any]

    @property
    def is_cpsc(self) -> bool:
        return self.variable == "ECG" and _CPSC_FIELDS.issubset(self.others)


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
    name = path.stem
    content = _read_content(path)
    rows = _leads_in_rows(name, content)
    columns, order_notes = _lead_order(path, rows, content, assume_order)
    rows_mv, scale_notes = _scale(name, rows, content)
    fs_hz, rate_notes = _rate(path, content, source_fs_hz)
    signal_mv, lead_notes = twelve_leads(name, columns, rows_mv)
    record = Record(
        signal_mv=signal_mv,
        fs_hz=fs_hz,
        name=name,
        source=source_name(identify_origin(name)),
        age_years=parse_age_years(_number(content.others.get("age"))),
        sex=parse_sex(_text(content.others.get("sex"))),
        notes=order_notes + scale_notes + rate_notes + lead_notes,
    )
    return _add_metadata(record, path, content)


def _add_metadata(record: Record, path: Path, content: _Content) -> Record:
    origin = identify_origin(record.name)
    if origin and origin.source == code15.SOURCE:
        index = _number(content.others.get("idx"))
        row = "" if index is None else f"{index:.0f}"
        return code15.add_metadata(record, path, origin.number, row)
    return chapman.add_metadata(record, path)


def _read_content(path: Path) -> _Content:
    with path.open("rb") as file:
        head = file.read(520)
    try:
        is_version_73 = head[512:516] == b"\x89HDF"
        variables = _read_version_73(path) if is_version_73 else _read_version_4_or_5(path, head)
    except _MATLAB_ERRORS as error:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is a damaged MATLAB file; fetch it again."
        ) from error
    variable = next((name for name in SIGNAL_VARIABLES if name in variables), None)
    if variable is None:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is a MATLAB file without a recording; one of the "
            f"variables {', '.join(SIGNAL_VARIABLES[:6])} must hold it."
        )
    array = variables.pop(variable)
    if isinstance(array, dict):
        variable, variables = "ECG", array
        keys = (key for key in ("data", *SIGNAL_VARIABLES) if key in variables)
        array = next((variables.pop(key) for key in keys), None)
        variables["data"] = ()
    if isinstance(array, np.ndarray) and array.size > _MOST_VALUES:
        raise UnreadableRecord(
            f"Record {path.stem}: its variable {variable} is too large to be one ECG."
        )
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "iuf":
        raise UnreadableRecord(
            f"Record {path.stem}: its variable {variable} is no table of numbers; twelve leads "
            "in rows or columns are needed."
        )
    return _Content(array, variable, variables)


def _read_version_4_or_5(path: Path, head: bytes) -> dict[str, Any]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if path.stat().st_size > _LARGEST_BYTES:
        raise ValueError("it is too large")
    if head.startswith(b"MATLAB 5.0"):
        _refuse_bomb(path)
    wanted = [*SIGNAL_VARIABLES, *_RATE_VARIABLES, *_LEAD_VARIABLES, *_UNIT_VARIABLES]
    wanted += _OTHER_VARIABLES
    try:
        variables = loadmat(path, variable_names=wanted, struct_as_record=True)
    except MatReadError as error:
        raise ValueError(str(error)) from error
    return {
        name: _unwrap_struct(value)
        for name, value in variables.items()
        if not name.startswith("__")
    }


def _unwrap_struct(value: Any) -> Any:
    """Return a struct as a dict of its fields."""
    if isinstance(value, np.ndarray) and value.dtype.names and value.size == 1:
        return {field: value[field].flat[0] for field in value.dtype.names}
    return value


def _read_version_73(path: Path) -> dict[str, Any]:
    """Read a file of version 7.3, which is HDF5 with transposed arrays."""
    import h5py

    wanted = {*SIGNAL_VARIABLES, *_RATE_VARIABLES, *_UNIT_VARIABLES, *_OTHER_VARIABLES}

    def values(group: h5py.Group) -> dict[str, Any]:
        return {
            name: values(item) if isinstance(item, h5py.Group) else _array(item).T
            for name, item in group.items()
            if name in wanted
        }

    with h5py.File(path) as file:
        return values(file)


def _array(dataset: Any) -> np.ndarray:
    if max(dataset.nbytes, 8 * dataset.size) > _LARGEST_BYTES:
        raise ValueError("it is too large")
    array = np.asarray(dataset[()])
    if dataset.attrs.get("MATLAB_class") == b"char":
        return np.array(["".join(map(chr, array.flat))])
    return array


def _refuse_bomb(path: Path) -> None:
    """Refuse a file of version 5 whose compressed parts would not fit into memory."""
    remaining_bytes = _LARGEST_BYTES
    for part in _compressed_parts(path):
        decompressor = zlib.decompressobj()
        while part and remaining_bytes > 0:
            remaining_bytes -= len(decompressor.decompress(part, 1 << 22))
            part = decompressor.unconsumed_tail
    if remaining_bytes <= 0:
        raise ValueError("it is too large")


def _compressed_parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(126)
        byte_order = ">" if file.read(2) == b"MI" else "<"
        while len(tag := file.read(8)) == 8:
            data_type, n_bytes = struct.unpack(f"{byte_order}II", tag)
            if data_type == _COMPRESSED:
                yield file.read(n_bytes)
            else:
                file.seek(n_bytes, 1)


def _leads_in_rows(name: str, content: _Content) -> np.ndarray:
    """Return the array as (leads, T) float64."""
    array = content.array.astype(np.float64)
    n_leads, n_samples = sorted(array.shape)
    if array.shape[0] > array.shape[1]:
        array = array.T
    names = _lead_names(content)
    if n_leads != (len(names) or 12) or n_samples < 100:
        raise UnreadableRecord(
            f"Record {name}: its variable {content.variable} is "
            f"{content.array.shape[0]} by {content.array.shape[1]}; twelve leads in rows or "
            "columns are needed."
        )
    return array


def _lead_names(content: _Content) -> list[str]:
    for variable in _LEAD_VARIABLES:
        names = [_text(cell) for cell in np.ravel(content.others.get(variable, ()))]
        if any(standard_lead(name) for name in names):
            return names
    return []


def _lead_order(
    path: Path, rows: np.ndarray, content: _Content, assume_order: bool
) -> tuple[list[str], tuple[str, ...]]:
    if names := _lead_names(content):
        return names, ()
    if chapman.is_chapman_file(path):
        return list(LEADS), (chapman.ORDER_NOTE,)
    if content.is_cpsc:
        return list(LEADS), ("lead order assumed: I–III, aVR–aVF, V1–V6, the form of CPSC 2018",)
    if _is_code_15(path, content):
        return list(LEADS), ("lead order assumed: I–III, aVR–aVF, V1–V6, as CODE-15 gives it",)
    return list(LEADS), confirm_lead_order(path.stem, rows, assume_order)


def _is_code_15(path: Path, content: _Content) -> bool:
    origin = identify_origin(path.stem)
    return source_name(origin) == code15.SOURCE and "curr_sample_rate" in content.others


def _scale(name: str, rows: np.ndarray, content: _Content) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return rows in mV, and a note where the unit is inferred."""
    units = (_text(content.others[key]) for key in _UNIT_VARIABLES if key in content.others)
    factor = MV_PER_UNIT.get(next(units, "").lower())
    if factor is not None:
        return rows * factor, ()
    return infer_mv(name, rows, "Store it in mV, with a variable unit = 'mV'.")


def _rate(
    path: Path, content: _Content, source_fs_hz: float | None
) -> tuple[float, tuple[str, ...]]:
    """Return the rate in Hz, and a note where the file does not state it."""
    rates_hz = (_number(content.others[key]) for key in _RATE_VARIABLES if key in content.others)
    stated_hz = next(rates_hz, None)
    known_hz = _CPSC_HZ if content.is_cpsc else chapman.fs_hz(path)
    file_hz = stated_hz or known_hz
    if file_hz and source_fs_hz and abs(file_hz - source_fs_hz) > 0.01 * source_fs_hz:
        raise UnreadableRecord(
            f"Record {path.stem}: its sampling rate is not clear: was given {source_fs_hz:g} Hz, "
            f"the file says {file_hz:g} Hz."
        )
    if stated_hz:
        return stated_hz, ()
    if content.is_cpsc:
        return _CPSC_HZ, ("rate assumed: 500 Hz, the form of CPSC 2018",)
    if known_hz or source_fs_hz:
        return float(known_hz or source_fs_hz or 0), ()
    raise UnreadableRecord(
        f"Record {path.stem} has no header: {path.stem}.hea is missing beside {path.name}, and the "
        "file does not say its sampling rate; fetch the header, or give the rate "
        "(--source-fs-hz)."
    )


def _number(value: Any) -> float | None:
    cells = np.ravel(value) if value is not None else np.array([])
    if cells.size != 1 or cells.dtype.kind not in "iuf" or not np.isfinite(cells[0]):
        return None
    return float(cells[0])


def _text(value: Any) -> str:
    cells = np.ravel(value) if value is not None else np.array([])
    return str(cells[0]).strip() if cells.size == 1 and cells.dtype.kind in "UO" else ""
