"""Reading WFDB records: ``.hea`` with ``.dat`` or ``.mat``.

The common form (one segment, format 16) is read here, twenty times as fast as by the ``wfdb``
library, which parses each header with pandas; the library reads every other form. Both give the
same numbers.
"""

import os
import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.demographics import PTB_XL_OVER_89, parse_age_years, parse_sex
from ecgcore.records.formats.wfdb_header import DEFAULT_HZ, WfdbHeader, WfdbSignal, read_wfdb_header
from ecgcore.records.leads import require_leads, standard_lead, twelve_leads
from ecgcore.records.metadata import ludb, ptbxl
from ecgcore.records.parser_errors import LIBRARY_ERRORS
from ecgcore.records.record import Record, Statement
from ecgcore.records.sources import Origin, identify_origin, source_name
from ecgcore.records.units import MV_PER_UNIT

LONGEST_SAMPLES = 2_000_000
"""Most samples of each lead that are read: 33 min at 1000 Hz."""
_MOST_VALUES = 32_000_000
"""Most samples of all signals together; of more signals, a shorter part is read."""
_BYTES_PER_SAMPLE = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2} | {
    "212": 3 / 2,
    "310": 4 / 3,
    "311": 4 / 3,
}
_MISSING = -32768
"""Format 16's mark of a missing sample."""
_FIELD = re.compile(r"<?(?P<key>[A-Za-z ]+)>?\s*:\s*(?P<value>.*)")


class _Samples(NamedTuple):
    """Signals (signals, T) in the header's units, with their names and scales."""

    physical: np.ndarray
    names: list[str]
    units: list[str]
    gains: np.ndarray
    baselines: np.ndarray
    fs_hz: float


def read_wfdb(path: Path, *, start_s: float = 0.0) -> Record:
    """Read the record of a ``.hea`` file.

    Parameters
    ----------
    path
        The header; its signal files lie in the same folder.
    start_s
        Start in a long recording, in seconds; at most ``LONGEST_SAMPLES`` are read.

    Raises
    ------
    UnreadableRecord
        Not a header, a signal file missing or cut off, not twelve leads …
    """
    header = read_wfdb_header(path)
    origin = identify_origin(header.name, header.comments)
    first = _first_sample(header, start_s)
    samples = _read_samples(header, first)
    samples_mv, scale_notes = _scale(header, samples, origin)
    columns = [name or "unnamed" for name in samples.names]
    signal_mv, lead_notes = twelve_leads(header.name, columns, samples_mv)
    window_notes = _window_notes(header, first, signal_mv.shape[1])
    record = Record(
        signal_mv=signal_mv,
        fs_hz=samples.fs_hz,
        name=header.name,
        source=source_name(origin),
        notes=scale_notes + _rate_notes(header) + lead_notes + window_notes,
        **_comment_metadata(header.comments),
    )
    return ptbxl.add_metadata(record, path)


def _first_sample(header: WfdbHeader, start_s: float) -> int:
    first = round(start_s * header.rate_hz) if start_s else 0
    if first and header.n_samples and first >= header.n_samples:
        length_s = header.n_samples / header.rate_hz
        raise UnreadableRecord(
            f"Record {header.name} is {length_s:g} s long; there is nothing from {start_s:g} s on."
        )
    return first


def _rate_notes(header: WfdbHeader) -> tuple[str, ...]:
    if header.fs_hz is None:
        return (f"rate assumed: {DEFAULT_HZ:g} Hz, WFDB's default, as the header gives none",)
    return ()


def _window_notes(header: WfdbHeader, first: int, n_read: int) -> tuple[str, ...]:
    fs_hz, n_samples = header.rate_hz, header.n_samples or 0
    if first:
        return (f"from {first / fs_hz:g} s on",)
    if not fs_hz or n_read >= n_samples:
        return ()
    return (f"first {n_read / fs_hz:g} s of {n_samples / fs_hz:g} s read",)


def _read_samples(header: WfdbHeader, first: int) -> _Samples:
    """Read the samples: here, or by the ``wfdb`` library from the files or from a cleaned copy."""
    files = _signal_paths(header)
    for file, path in files.items():
        _refuse_cut_off(header, file, path)
    if header.signals is not None:
        require_leads(header.name, [signal.name or "unnamed" for signal in header.signals])
    if header.signals and all(_is_common(signal) for signal in header.signals):
        return _read_common(header, header.signals, files, first)
    try:
        with np.errstate(all="ignore"):  # absurd gains; their result is refused later
            raw = _read_by_library(header, files, first)
    except LIBRARY_ERRORS as error:
        raise UnreadableRecord(
            f"Record {header.name}: its signal cannot be read as its header declares it. "
            "Fetch both again."
        ) from error
    if raw.p_signal is None or not len(raw.p_signal):
        raise UnreadableRecord(f"Record {header.name} has no samples.")
    gains, baselines = np.array(raw.adc_gain or 1), np.array(raw.baseline or 0)
    return _Samples(raw.p_signal.T, raw.sig_name, raw.units, gains, baselines, float(raw.fs))


def _is_common(signal: WfdbSignal) -> bool:
    return signal.format == "16" and signal.frame == 1 and signal.skew == 0


def _read_common(
    header: WfdbHeader, signals: tuple[WfdbSignal, ...], files: dict[str, Path], first: int
) -> _Samples:
    """Read 16-bit samples, interleaved within a file."""
    rows = np.empty((len(signals), 0), np.float32)
    for file, path in files.items():
        indices = [i for i, signal in enumerate(signals) if signal.file == file]
        width = len(indices)
        offset = signals[indices[0]].offset + 2 * first * width
        available = max(0, (path.stat().st_size - offset) // (2 * width))
        declared = (header.n_samples or first + available) - first
        n_samples = max(0, min(_most_samples(header), available, declared))
        raw = np.fromfile(path, "<i2", n_samples * width, offset=offset).reshape(-1, width)
        if not rows.size:
            rows = np.full((len(signals), n_samples), np.nan, np.float32)
        n_samples = min(n_samples, rows.shape[1])
        for i, column in zip(indices, raw.T, strict=True):
            rows[i, :n_samples] = _physical(column[:n_samples], signals[i])
    if not rows.size:
        raise UnreadableRecord(f"Record {header.name} has no samples.")
    gains = np.array([signal.gain for signal in signals])
    baselines = np.array([signal.baseline for signal in signals])
    names, units = [s.name for s in signals], [s.unit for s in signals]
    return _Samples(rows, names, units, gains, baselines, header.rate_hz)


def _most_samples(header: WfdbHeader) -> int:
    """Return the most samples of each signal that are read."""
    samples_per_frame = sum(signal.frame for signal in header.signals or ()) or header.n_signals
    return min(LONGEST_SAMPLES, _MOST_VALUES // samples_per_frame)


def _physical(column: np.ndarray, signal: WfdbSignal) -> np.ndarray:
    """Return 16-bit samples (T,) in the signal's unit, NaN where marked as missing."""
    with np.errstate(all="ignore"):  # absurd gains; their result is refused later
        physical = ((column.astype(np.float64) - signal.baseline) / signal.gain).astype(np.float32)
    physical[column == _MISSING] = np.nan
    return physical


def _read_by_library(header: WfdbHeader, files: dict[str, Path], first: int) -> Any:
    import wfdb

    n_samples = header.n_samples
    if not n_samples and any(path.stat().st_size > 4 * _MOST_VALUES for path in files.values()):
        raise UnreadableRecord(
            f"Record {header.name}: its header gives no length, and its signal file is too long to "
            "be read whole. Write the number of samples into the header's first line."
        )
    last = min(n_samples or 0, first + _most_samples(header))
    window = {"sampfrom": first, "sampto": last} if n_samples else {}
    own_names = all(file == path.name for file, path in files.items())
    if header.segments or (header.is_plain and own_names):
        return wfdb.rdrecord(str(header.path.with_suffix("")), **window)
    aliases = {file: f"signal{i}{_suffix(file)}" for i, file in enumerate(files)}
    with tempfile.TemporaryDirectory(prefix="ecgcore-") as folder:
        for file, path in files.items():
            os.symlink(path.absolute(), Path(folder, aliases[file]))
        Path(folder, "record.hea").write_text(header.plain_text(aliases), encoding="ascii")
        return wfdb.rdrecord(str(Path(folder, "record")), **window)


def _signal_paths(header: WfdbHeader) -> dict[str, Path]:
    """Return the path of each declared signal file; one with the header's own name is accepted."""
    if header.n_signals == 0:
        raise UnreadableRecord(f"Record {header.name} has 0 leads; 12 are needed.")
    declared = set(header.signal_files) | {f"{name}.hea" for name in header.segments}
    files = {}
    for file in sorted(declared - {"~.hea"}):
        own_name = header.path.with_suffix(Path(file).suffix)
        path = header.path.with_name(file)
        if not os.path.isfile(path) and own_name != header.path and len(declared) == 1:
            path = own_name
        if not os.path.isfile(path):
            raise UnreadableRecord(
                f"Record {header.name}: {file}, which its header names, is missing. "
                f"Put it beside {header.path.name}."
            )
        files[file] = path
    for segment in header.segments:
        if segment != "~":
            _check_segment(header, segment)
    return files


def _check_segment(header: WfdbHeader, segment: str) -> None:
    """Refuse a segment that is damaged, names files elsewhere, or has segments itself."""
    inner = read_wfdb_header(header.path.with_name(f"{segment}.hea"))
    if inner.segments:
        raise UnreadableRecord(
            f"Record {header.name}: its segment {segment} has segments itself, which no recording "
            "has. Fetch it again."
        )
    if inner.n_samples:  # a layout has none, and no signals
        for file, path in _signal_paths(inner).items():
            _refuse_cut_off(inner, file, path)


def _refuse_cut_off(header: WfdbHeader, file: str, path: Path) -> None:
    """Refuse a signal file that is too short, or MATLAB's but not a plain array (version 4)."""
    needed = _bytes_declared(header, file)
    size_bytes = path.stat().st_size
    if size_bytes < needed:
        raise UnreadableRecord(
            f"Record {header.name}: {path.name} is cut off: {size_bytes:,} bytes, and its header "
            f"declares {needed:,}. Fetch it again."
        )
    if path.suffix.lower() == ".mat":
        with path.open("rb") as content:
            if content.read(6) == b"MATLAB":
                raise UnreadableRecord(
                    f"Record {header.name}: {path.name} is a MATLAB file of version 5 or later; "
                    "beside a .hea one of version 4 is needed (save it with -v4)."
                )


def _bytes_declared(header: WfdbHeader, file: str) -> int:
    """Return the least size of a signal file, 1 where its format does not show it."""
    formats = [line.split()[1] for line in header.lines[1:] if line.split()[0] == file]
    first = re.fullmatch(r"(\d{1,4})(?:\+(\d{1,18}))?", formats[0]) if formats else None
    if header.segments or first is None or first[1] not in _BYTES_PER_SAMPLE:
        return 1
    samples = (header.n_samples or 0) * len(formats)
    return int(samples * _BYTES_PER_SAMPLE[first[1]]) + int(first[2] or 0)


def _suffix(file: str) -> str:
    return ".mat" if file.lower().endswith(".mat") else ".dat"


def _scale(
    header: WfdbHeader, samples: _Samples, origin: Origin | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the signals as (leads, T) in mV, and notes on an assumed scale."""
    if source_name(origin) == "ludb":
        # The published gains make every lead 1 mV from peak to peak; in raw units, and only
        # there, II = I + III holds in all records (doi:10.13026/eegm-h675).
        units_uv = samples.physical * samples.gains[:, None] + samples.baselines[:, None]
        return units_uv / 1000, ("scale assumed: 1 unit = 1 µV, not the header's gains",)
    factors = [
        _mv_per_unit(header.name, *pair) for pair in zip(samples.names, samples.units, strict=True)
    ]
    signals_mv = samples.physical
    if set(factors) != {1.0}:
        signals_mv = signals_mv * np.array(factors)[:, None]
    if not all(signal.gain_given for signal in header.signals or ()):
        return signals_mv, ("scale assumed: 200 units = 1 mV, the header gives no gain",)
    return signals_mv, ()


def _mv_per_unit(name: str, lead: str, unit: str) -> float:
    factor = MV_PER_UNIT.get((unit or "mV").lower())
    if factor is None and standard_lead(lead or ""):
        raise UnreadableRecord(
            f"Record {name}: lead {lead} is in {unit!r}; accepted are mV, µV, nV and V."
        )
    return factor or 1.0


def _comment_metadata(comments: tuple[str, ...]) -> dict[str, Any]:
    """Return age, sex, patient and statements from a header's comments."""
    fields: dict[str, str] = {}
    for comment in comments:
        if match := _FIELD.match(comment):
            fields.setdefault(match["key"].strip().lower(), match["value"].strip())
    return {
        "age_years": parse_age_years(fields.get("age", ""), over_89=PTB_XL_OVER_89),
        "sex": parse_sex(fields.get("sex", "")),
        "patient": fields.get("patient id") or None,
        "statements": _snomed_statements(fields.get("dx", "")) + ludb.statements(comments),
    }


def _snomed_statements(text: str) -> tuple[Statement, ...]:
    codes = dict.fromkeys(code.strip() for code in text.split(","))
    return tuple(Statement("snomed", code) for code in codes if code.isdigit())
