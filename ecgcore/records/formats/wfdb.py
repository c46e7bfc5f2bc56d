"""Reading WFDB records: ``.hea`` with ``.dat`` or ``.mat``.

The common form (one segment, format 16) is read here, twenty times as fast as by the ``wfdb``
library, which parses each header with pandas; the library reads every other form. Both give the
same numbers.
"""

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats import wfdb_checksums, wfdb_comments
from ecgcore.records.formats.wfdb_header import DEFAULT_HZ, WfdbHeader, WfdbSignal, read_wfdb_header
from ecgcore.records.lead_names import inverted_lead, standard_lead, standard_leads
from ecgcore.records.leads import require_leads, twelve_leads
from ecgcore.records.metadata import mimic, ptbxl
from ecgcore.records.parser_errors import LIBRARY_ERRORS
from ecgcore.records.record import ALTERED, Record
from ecgcore.records.regular_files import is_misleading, require_regular, sibling
from ecgcore.records.resample import resample_signal
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
_MEDIAN_NAME = re.compile(r"(?:^|[\W_])medians?(?:$|[\W_])|median_?beat", re.I)
_LONGEST_BEAT_S = 2.0


class _Samples(NamedTuple):
    """Signals (signals, T) in the header's units, with their names and scales."""

    physical: np.ndarray
    names: list[str]
    units: list[str]
    gains: np.ndarray
    baselines: np.ndarray
    fs_hz: float
    notes: tuple[str, ...]


def read_wfdb(path: Path, *, source_fs_hz: float | None = None, start_s: float = 0.0) -> Record:
    """Read the record of a ``.hea`` file.

    Parameters
    ----------
    path
        The header; its signal files lie in the same folder.
    source_fs_hz
        Hz, for a header that states no rate; WFDB's default is taken otherwise.
    start_s
        Start in a long recording, in seconds; at most ``LONGEST_SAMPLES`` are read.

    Raises
    ------
    UnreadableRecord
        Not a header, a signal file missing, cut off or another one, not twelve leads …
    """
    stated = read_wfdb_header(path)
    header = replace(stated, fs_hz=source_fs_hz) if stated.fs_hz is None else stated
    _refuse_median_beat(header)
    origin = identify_origin(header.name, header.comments, path)
    first = _first_frame(header, start_s)
    samples = _read_samples(header, first)
    samples_mv, scale_notes = _scale(header, samples, origin)
    columns = [name or "unnamed" for name in samples.names]
    signal_mv, lead_notes = twelve_leads(header.name, columns, samples_mv)
    window_notes = _window_notes(header, first, signal_mv.shape[1], samples.fs_hz)
    record = Record(
        signal_mv=signal_mv,
        fs_hz=samples.fs_hz,
        name=header.name,
        source=source_name(origin),
        notes=scale_notes + _rate_notes(header) + samples.notes + lead_notes + window_notes,
        evidence=_evidence(header, stated.fs_hz, samples.fs_hz, scale_notes),
        **wfdb_comments.metadata(path, header.comments, origin),
    )
    return mimic.add_metadata(ptbxl.add_metadata(record, path), path)


def _refuse_median_beat(header: WfdbHeader) -> None:
    """Refuse a single averaged beat, which PTB-XL+ ships as a record of 1.2 s."""
    length_s = (header.n_samples or 0) / header.rate_hz if header.rate_hz else 0.0
    if length_s < _LONGEST_BEAT_S and _MEDIAN_NAME.search(header.name):
        raise UnreadableRecord(
            f"Record {header.name} holds a median beat of {length_s:g} s and no recording. "
            "Give the recording that it was averaged from."
        )


def _first_frame(header: WfdbHeader, start_s: float) -> int:
    first = round(start_s * header.rate_hz) if start_s else 0
    if first and header.n_samples and first >= header.n_samples:
        length_s = header.n_samples / header.rate_hz
        raise UnreadableRecord(
            f"Record {header.name} is {length_s:g} s long; there is nothing from {start_s:g} s on."
        )
    return first


def _evidence(
    header: WfdbHeader, stated_hz: float | None, fs_hz: float, scale_notes: tuple[str, ...]
) -> dict[str, str]:
    """Return what rate, leads and unit were taken from."""
    rate = "its header"
    if stated_hz is None:
        rate = "WFDB's default" if header.fs_hz is None else "the rate given"
    if fs_hz != header.rate_hz:
        rate = f"its header: {header.rate_hz:g} frames a second, {fs_hz:g} samples of each lead"
    return {
        "rate": rate,
        "leads": "the names in its header",
        "unit": scale_notes[0] if scale_notes else "the gains in its header",
    }


def _rate_notes(header: WfdbHeader) -> tuple[str, ...]:
    if header.fs_hz is None:
        return (f"rate assumed: {DEFAULT_HZ:g} Hz, WFDB's default, as the header gives none",)
    return ()


def _window_notes(header: WfdbHeader, first: int, n_samples: int, fs_hz: float) -> tuple[str, ...]:
    if not fs_hz:
        return ()
    read_s, length_s = n_samples / fs_hz, (header.n_samples or 0) / header.rate_hz
    start_s = first / header.rate_hz
    is_cut = start_s + read_s < length_s
    if first:
        return (f"from {start_s:g} s on" + f", {read_s:g} s of {length_s:g} s read" * is_cut,)
    return (f"first {read_s:g} s of {length_s:g} s read",) if is_cut else ()


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
    return _library_samples(header, files, raw, first)


def _library_samples(header: WfdbHeader, files: dict[str, Path], raw: Any, first: int) -> _Samples:
    """Return what the ``wfdb`` library read, each signal at its own rate, as one array."""
    if raw.e_p_signal is None or not len(raw.e_p_signal[0]):
        raise UnreadableRecord(f"Record {header.name} has no samples.")
    notes: tuple[str, ...] = ()
    if header.signals and len(header.signals) == len(raw.e_p_signal):
        digital = raw.adc(expanded=True)
        sums, firsts = [int(row.sum()) for row in digital], [int(row[0]) for row in digital]
        n_frames = len(digital[0]) // header.signals[0].frame
        notes = _integrity_notes(header, files, sums, firsts, first, n_frames)
    frames = raw.samps_per_frame
    rows, frame, rate_notes = _same_rate(raw.sig_name, raw.e_p_signal, frames, header.rate_hz)
    gains, baselines = np.array(raw.adc_gain or 1), np.array(raw.baseline or 0)
    fs_hz = frame * header.rate_hz
    return _Samples(rows, raw.sig_name, raw.units, gains, baselines, fs_hz, notes + rate_notes)


def _is_common(signal: WfdbSignal) -> bool:
    return signal.format == "16" and signal.skew == 0


def _read_common(
    header: WfdbHeader, signals: tuple[WfdbSignal, ...], files: dict[str, Path], first: int
) -> _Samples:
    """Read 16-bit samples, interleaved within a file."""
    rows: dict[int, np.ndarray] = {}
    sums, firsts, n_frames = [0] * len(signals), [0] * len(signals), -1
    for file, path in files.items():
        indices = [i for i, signal in enumerate(signals) if signal.file == file]
        raw = _read_frames(header, [signals[i] for i in indices], path, first)
        n_frames = len(raw) if n_frames < 0 else min(n_frames, len(raw))
        if not n_frames:
            raise UnreadableRecord(f"Record {header.name} has no samples.")
        physical = _physical(raw[:n_frames], [signals[i] for i in indices])
        totals = raw.sum(axis=0, dtype=np.int32).tolist()  # wraps at a multiple of 2**16
        first_frame, start = raw[0].tolist(), 0
        for i in indices:
            end = start + signals[i].frame
            rows[i] = physical[:, start:end].ravel()
            sums[i], firsts[i] = sum(totals[start:end]), first_frame[start]
            start = end
    notes = _integrity_notes(header, files, sums, firsts, first, n_frames)
    names, units = [s.name for s in signals], [s.unit for s in signals]
    frames = [signal.frame for signal in signals]
    array, frame, rate_notes = _same_rate(
        names, [rows[i] for i in range(len(signals))], frames, header.rate_hz
    )
    gains = np.array([signal.gain for signal in signals])
    baselines = np.array([signal.baseline for signal in signals])
    fs_hz = frame * header.rate_hz
    return _Samples(array, names, units, gains, baselines, fs_hz, notes + rate_notes)


def _read_frames(
    header: WfdbHeader, signals: list[WfdbSignal], path: Path, first: int
) -> np.ndarray:
    """Return (frames, samples a frame) int16 of one file, from frame ``first`` on."""
    width = sum(signal.frame for signal in signals)
    offset = signals[0].offset + 2 * first * width
    available = max(0, (path.stat().st_size - offset) // (2 * width))
    declared = (header.n_samples or first + available) - first
    n_frames = max(0, min(_most_frames(header), available, declared))
    return np.fromfile(path, "<i2", n_frames * width, offset=offset).reshape(-1, width)


def _most_frames(header: WfdbHeader) -> int:
    """Return the most frames that are read."""
    frames = [signal.frame for signal in header.signals or ()] or [1]
    per_frame = sum(frames) if header.signals else header.n_signals
    return max(1, min(LONGEST_SAMPLES // max(frames), _MOST_VALUES // per_frame))


def _same_rate(
    names: Sequence[str | None], rows: Sequence[np.ndarray], frames: Sequence[int], rate_hz: float
) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """Return all signals as one array at the leads' rate, its samples a frame, and notes.

    Leads of a lower rate than others are resampled; signals that are no leads decide nothing, and
    are NaN where their rate is another.
    """
    if len(set(frames)) == 1:
        return np.stack(rows), frames[0], ()
    leads = standard_leads([inverted_lead(name or "") or name or "" for name in names])
    is_lead = [lead is not None for lead in leads]
    frame = max((f for f, lead in zip(frames, is_lead, strict=True) if lead), default=max(frames))
    slower = [i for i, lead in enumerate(is_lead) if lead and frames[i] < frame]
    length = max(len(row) for row, own in zip(rows, frames, strict=True) if own == frame)
    array = np.full((len(rows), length), np.nan, np.float32)
    for i, row in enumerate(rows):
        if i in slower:
            row = resample_signal(row[None], frames[i] * rate_hz, frame * rate_hz)[0, :length]
        if i in slower or frames[i] == frame:
            array[i, : len(row)] = row
    notes = tuple(
        f"{names[i]} resampled from {frames[i] * rate_hz:g} to {frame * rate_hz:g} Hz"
        for i in slower
    )
    return array, frame, notes


def _physical(raw: np.ndarray, signals: list[WfdbSignal]) -> np.ndarray:
    """Return (frames, samples a frame) 16-bit samples in the signals' units, NaN where missing."""
    columns = [signal for signal in signals for _ in range(signal.frame)]
    gains = np.array([signal.gain for signal in columns])
    baselines = np.array([signal.baseline for signal in columns], np.float64)
    with np.errstate(all="ignore"):  # absurd gains; their result is refused later
        physical = ((raw - baselines) / gains).astype(np.float32)
    physical[raw == _MISSING] = np.nan
    return physical


def _integrity_notes(
    header: WfdbHeader,
    files: dict[str, Path],
    sums: list[int],
    firsts: list[int],
    first: int,
    n_frames: int,
) -> tuple[str, ...]:
    """Compare what was read with the header's checksums, and files with the stated length."""
    is_whole = first == 0 and n_frames == (header.n_samples or n_frames)
    result = wfdb_checksums.compare(
        header, sums if is_whole else None, firsts if first == 0 else None
    )
    surplus = max((_surplus_frames(header, file, path) for file, path in files.items()), default=0)
    if not surplus:
        return result.notes
    held = f"the file holds {surplus / header.rate_hz:g} s more than its header states"
    return (*result.notes, f"{'' if result.is_confirmed else ALTERED}{held}, not read")


def _surplus_frames(header: WfdbHeader, file: str, path: Path) -> int:
    """Return by how many whole frames a file is longer than stated; 0 where that is not known."""
    signals = [signal for signal in header.signals or () if signal.file == file]
    bytes_per_frame = _bytes_per_frame(signals)
    if not bytes_per_frame or not header.n_samples or path.suffix.lower() == ".mat":
        return 0
    surplus_bytes = path.stat().st_size - _bytes_declared(header, file)
    return max(0, int(surplus_bytes // bytes_per_frame))


def _read_by_library(header: WfdbHeader, files: dict[str, Path], first: int) -> Any:
    import wfdb

    n_samples = header.n_samples
    if not n_samples and any(path.stat().st_size > 4 * _MOST_VALUES for path in files.values()):
        raise UnreadableRecord(
            f"Record {header.name}: its header gives no length, and its signal file is too long to "
            "be read whole. Write the number of samples into the header's first line."
        )
    last = min(n_samples or 0, first + _most_frames(header))
    window: dict[str, Any] = {"sampfrom": first, "sampto": last} if n_samples else {}
    window["smooth_frames"] = False
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
        path = sibling(header.path.with_name(file))
        if path is None and len(declared) == 1 and not header.segments:
            path = sibling(header.path.with_suffix(Path(file).suffix))
        if path is None:
            require_regular(header.path.with_name(file))
            raise UnreadableRecord(
                f"Record {header.name}: {file}, which its header names, is missing. "
                f"Put it beside {header.path.name}."
            )
        if is_misleading(path, header.path):
            raise UnreadableRecord(
                f"Record {header.name}: {file} is a link to a file outside of its folder, which is "
                "not followed. Put the file itself there."
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
    signals = [signal for signal in header.signals or () if signal.file == file]
    if not (bytes_per_frame := _bytes_per_frame(signals)):
        return 1
    return int((header.n_samples or 0) * bytes_per_frame) + signals[0].offset


def _bytes_per_frame(signals: list[WfdbSignal]) -> float:
    """Return the size of one frame of a file's signals, 0 where their format does not show it."""
    if not signals or signals[0].format not in _BYTES_PER_SAMPLE:
        return 0.0
    return sum(signal.frame for signal in signals) * _BYTES_PER_SAMPLE[signals[0].format]


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
