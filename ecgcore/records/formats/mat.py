"""Reading MATLAB files that have no header beside them: ``val``, ``ECG`` (CPSC 2018), ``feats``.

Order, unit and rate are taken from what the file states, else from what it is known to be (Chapman,
CPSC 2018, CODE-15), else from the numbers where these prove it; each is noted. A rate that nothing
tells is refused unless it is given.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.infer_units import in_mv_by_size, order_of_twelve
from ecgcore.records.leads import standard_lead, twelve_leads
from ecgcore.records.metadata import chapman, code15
from ecgcore.records.parser_errors import LIBRARIES_RAISE
from ecgcore.records.record import LEADS, Record
from ecgcore.records.sources import origin

SIGNALS = ("val", "ECG", "ecg", "data", "feats", "signal", "signals", "tracings", "sig", "x", "X")
"""Names of variables that are looked at for a recording, the first that is there."""
_RATES = ("curr_sample_rate", "fs", "Fs", "FS", "fs_hz", "sample_rate", "sampling_rate", "freq")
_NAMES = ("leads", "lead_names", "sig_name", "labels", "names", "channels")
_UNITS = ("unit", "units")
_SEXES = {"male": "male", "female": "female", "m": "male", "f": "female"}
_LARGEST_BYTES = 200_000_000
_MOST_VALUES = 24_000_000
"""Half an hour of twelve leads at 1000 Hz."""
_CPSC_HZ = 500.0
_CPSC_FIELDS = {"sex", "age", "data"}
_COMPRESSED = 15
_BROKEN = (*LIBRARIES_RAISE, EOFError, zlib.error, struct.error)
"""What ``scipy.io.loadmat`` raises for damaged files."""


class _Content(NamedTuple):
    """A file's recording and what stands beside it."""

    array: np.ndarray
    variable: str
    beside: dict[str, Any]


def read_mat(path: Path, *, fs_hz: float | None = None, assume_order: bool = False) -> Record:
    """Read a MATLAB file (version 4, 5 or 7.3) of one recording.

    Parameters
    ----------
    path
        Holds an array of twelve leads, in rows or columns, named by one of SIGNALS, or a struct
        ``ECG`` with a field ``data``.
    fs_hz
        Hz, for a file that does not say its rate.
    assume_order
        Take twelve unnamed leads for I, II, III, aVR, aVL, aVF, V1–V6.

    Raises
    ------
    UnreadableRecord
        One line: what was found, what is accepted, what to do.
    """
    name = path.stem
    content = _content(path)
    rows = _leads_in_rows(name, content)
    is_cpsc = content.variable == "ECG" and _CPSC_FIELDS.issubset(content.beside)
    columns, order_notes = _order(path, rows, content, is_cpsc, assume_order)
    in_mv, scale_notes = _in_mv(name, rows, content)
    rate, rate_notes = _rate(path, content, is_cpsc, fs_hz)
    signal_mv, notes = twelve_leads(name, columns, in_mv)
    from_where = origin(name)
    record = Record(
        signal_mv=signal_mv,
        fs_hz=rate,
        name=name,
        source=from_where.source if from_where else "unknown",
        age_years=_age_years(content.beside.get("age")),
        sex=_SEXES.get(_text(content.beside.get("sex")).lower()),
        notes=order_notes + scale_notes + rate_notes + notes,
    )
    return _completed(record, path, content)


def stated_fs_hz(path: Path) -> float | None:
    """Return the rate that a file states or that its kind has, in Hz, or None."""
    if chapman.is_of(path):
        return chapman.FS_HZ
    content = _content(path)
    is_cpsc = content.variable == "ECG" and _CPSC_FIELDS.issubset(content.beside)
    return _rate(path, content, is_cpsc, None)[0]


def _completed(record: Record, path: Path, content: _Content) -> Record:
    from_where = origin(record.name)
    if from_where and from_where.source == code15.SOURCE:
        index = _number(content.beside.get("idx"))
        row = "" if index is None else f"{index:.0f}"
        return code15.completed(record, path, from_where.number, row)
    return chapman.completed(record, path)


def _content(path: Path) -> _Content:
    with path.open("rb") as file:
        head = file.read(520)
    try:
        found = _version_73(path) if head[512:516] == b"\x89HDF" else _version_4_or_5(path, head)
    except _BROKEN as error:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is a damaged MATLAB file; fetch it again."
        ) from error
    variable = next((name for name in SIGNALS if name in found), None)
    if variable is None:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is a MATLAB file without a recording; one of the "
            f"variables {', '.join(SIGNALS[:6])} must hold it."
        )
    array, beside = found.pop(variable), found
    if isinstance(array, dict):
        beside = array
        array = next((beside.pop(key) for key in ("data", *SIGNALS) if key in beside), None)
        variable = "ECG"
        beside["data"] = ()
    if isinstance(array, np.ndarray) and array.size > _MOST_VALUES:
        raise UnreadableRecord(
            f"Record {path.stem}: its variable {variable} is too large to be one ECG."
        )
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "iuf":
        raise UnreadableRecord(
            f"Record {path.stem}: its variable {variable} is no table of numbers; twelve leads "
            "in rows or columns are needed."
        )
    return _Content(array, variable, beside)


def _version_4_or_5(path: Path, head: bytes) -> dict[str, Any]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if path.stat().st_size > _LARGEST_BYTES:
        raise ValueError("it is too large")
    if head.startswith(b"MATLAB 5.0"):
        _refuse_bomb(path)
    wanted = [*SIGNALS, *_RATES, *_NAMES, *_UNITS, "idx", "age", "sex"]
    try:
        found = loadmat(path, variable_names=wanted, struct_as_record=True)
    except MatReadError as error:
        raise ValueError(str(error)) from error
    return {name: _plain(value) for name, value in found.items() if not name.startswith("__")}


def _plain(value: Any) -> Any:
    """Return a struct as a dict of its fields."""
    if isinstance(value, np.ndarray) and value.dtype.names and value.size == 1:
        return {field: value[field].flat[0] for field in value.dtype.names}
    return value


def _version_73(path: Path) -> dict[str, Any]:
    """Read a file of version 7.3, which is HDF5 with its arrays turned."""
    import h5py

    def values(group: h5py.Group) -> dict[str, Any]:
        return {
            name: values(item) if isinstance(item, h5py.Group) else _array(item).T
            for name, item in group.items()
            if name in {*SIGNALS, *_RATES, *_UNITS, "idx", "age", "sex"}
        }

    with h5py.File(path) as file:
        return values(file)


def _array(dataset: Any) -> np.ndarray:
    if max(dataset.nbytes, 8 * dataset.size) > _LARGEST_BYTES:
        raise ValueError("it is too large")
    read = np.asarray(dataset[()])
    if dataset.attrs.get("MATLAB_class") == b"char":
        return np.array(["".join(map(chr, read.flat))])
    return read


def _refuse_bomb(path: Path) -> None:
    """Refuse a file of version 5 whose compressed parts would not fit into memory."""
    left = _LARGEST_BYTES
    for part in _compressed_parts(path):
        unpack = zlib.decompressobj()
        while part and left > 0:
            left -= len(unpack.decompress(part, 1 << 22))
            part = unpack.unconsumed_tail
    if left <= 0:
        raise ValueError("it is too large")


def _compressed_parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(126)
        order = ">" if file.read(2) == b"MI" else "<"
        while len(tag := file.read(8)) == 8:
            kind, n_bytes = struct.unpack(f"{order}II", tag)
            if kind == _COMPRESSED:
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
    for key in _NAMES:
        told = [_text(cell) for cell in np.ravel(content.beside.get(key, ()))]
        if any(standard_lead(name) for name in told):
            return told
    return []


def _order(
    path: Path, rows: np.ndarray, content: _Content, is_cpsc: bool, assume_order: bool
) -> tuple[list[str], tuple[str, ...]]:
    if names := _lead_names(content):
        return names, ()
    if chapman.is_of(path):
        return list(LEADS), (chapman.ORDER,)
    if is_cpsc:
        return list(LEADS), ("lead order assumed: I–III, aVR–aVF, V1–V6, the form of CPSC 2018",)
    if _is_code(path, content):
        return list(LEADS), ("lead order assumed: I–III, aVR–aVF, V1–V6, as CODE-15 gives it",)
    return list(LEADS), order_of_twelve(path.stem, rows, assume_order)


def _is_code(path: Path, content: _Content) -> bool:
    from_where = origin(path.stem)
    return bool(from_where and from_where.source == code15.SOURCE) and (
        "curr_sample_rate" in content.beside
    )


def _in_mv(name: str, rows: np.ndarray, content: _Content) -> tuple[np.ndarray, tuple[str, ...]]:
    stated = next(
        (_text(content.beside[key]).lower() for key in _UNITS if key in content.beside), ""
    )
    factor = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "v": 1e3}.get(stated)
    if factor is not None:
        return rows * factor, ()
    return in_mv_by_size(name, rows, "Store it in mV, with a variable unit = 'mV'.")


def _rate(
    path: Path, content: _Content, is_cpsc: bool, given_hz: float | None
) -> tuple[float, tuple[str, ...]]:
    """Return the rate in Hz, and a note where it is not the file that states it."""
    stated = next((_number(content.beside[key]) for key in _RATES if key in content.beside), None)
    known = _CPSC_HZ if is_cpsc else chapman.fs_hz(path)
    told = stated or known
    if told and given_hz and abs(told - given_hz) > 0.01 * given_hz:
        raise UnreadableRecord(
            f"Record {path.stem}: its sampling rate is not clear: was given {given_hz:g} Hz, "
            f"the file says {told:g} Hz."
        )
    if stated:
        return stated, ()
    if is_cpsc:
        return _CPSC_HZ, ("rate assumed: 500 Hz, the form of CPSC 2018",)
    if known or given_hz:
        return float(known or given_hz or 0), ()
    raise UnreadableRecord(
        f"Record {path.stem} has no header: {path.stem}.hea is missing beside {path.name}, and the "
        "file does not say its sampling rate; fetch the header, or give the rate (--file-hz)."
    )


def _number(value: Any) -> float | None:
    found = np.ravel(value) if value is not None else np.array([])
    if found.size != 1 or found.dtype.kind not in "iuf" or not np.isfinite(found[0]):
        return None
    return float(found[0])


def _age_years(value: Any) -> float | None:
    age = _number(value)
    return age if age is not None and 0 <= age <= 130 else None


def _text(value: Any) -> str:
    found = np.ravel(value) if value is not None else np.array([])
    return str(found[0]).strip() if found.size == 1 and found.dtype.kind in "UO" else ""
