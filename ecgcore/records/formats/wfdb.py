"""Reading WFDB records: ``.hea`` with ``.dat`` or ``.mat``.

The common form (one segment, format 16) is read here, twenty times as fast as by ``wfdb``, which
parses each header by pandas; every other form is read by ``wfdb``. Both give the same numbers.
"""

import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats.wfdb_header import DEFAULT_HZ, Header, Signal, read_header
from ecgcore.records.leads import refuse_missing, standard_lead, twelve_leads
from ecgcore.records.metadata import ludb, ptbxl
from ecgcore.records.parser_errors import LIBRARIES_RAISE
from ecgcore.records.record import Record, Statement
from ecgcore.records.sources import Origin, origin

LONGEST_SAMPLES = 2_000_000
"""Samples of each lead that are read at most: 33 min at 1000 Hz."""
_MOST_VALUES = 32_000_000
"""Samples of all signals together that are read at most; more signals are read for less long."""
_MV_PER_UNIT = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3, "nv": 1e-6}
_BYTES_PER_SAMPLE = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2} | {
    "212": 3 / 2,
    "310": 4 / 3,
    "311": 4 / 3,
}
_MISSING = -32768
"""Format 16's mark of a sample that is not there."""
_FIELD = re.compile(r"<?(?P<key>[A-Za-z ]+)>?\s*:\s*(?P<value>.*)")
_SEXES = {"f": "female", "female": "female", "m": "male", "male": "male"}


class _Samples(NamedTuple):
    """Signals in the header's units: (signals, T), and what is needed to tell them apart."""

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
        Seconds, where to begin in a long recording; ``LONGEST_SAMPLES`` are read at most.

    Raises
    ------
    UnreadableRecord
        One true reason: not a header, a signal file missing or cut off, not twelve leads …
    """
    header = read_header(path)
    from_where = origin(header.name, header.comments)
    first = _first_sample(header, start_s)
    samples = _samples(header, first)
    in_mv, scale_notes = _in_mv(header, samples, from_where)
    columns = [name or "unnamed" for name in samples.names]
    signal_mv, notes = twelve_leads(header.name, columns, in_mv)
    record = Record(
        signal_mv=signal_mv,
        fs_hz=samples.fs_hz,
        name=header.name,
        source=from_where.source if from_where else "unknown",
        notes=scale_notes + _rate_notes(header) + notes + _part(header, first, signal_mv.shape[1]),
        **_told(header.comments),
    )
    return ptbxl.completed(record, path)


def _first_sample(header: Header, start_s: float) -> int:
    first = round(start_s * header.rate_hz) if start_s else 0
    if first and header.n_samples and first >= header.n_samples:
        length_s = header.n_samples / header.rate_hz
        raise UnreadableRecord(
            f"Record {header.name} is {length_s:g} s long; there is nothing from {start_s:g} s on."
        )
    return first


def _rate_notes(header: Header) -> tuple[str, ...]:
    if header.fs_hz is None:
        return (f"rate assumed: {DEFAULT_HZ:g} Hz, WFDB's default, as the header gives none",)
    return ()


def _part(header: Header, first: int, n_read: int) -> tuple[str, ...]:
    fs_hz, whole = header.rate_hz, header.n_samples or 0
    if first:
        return (f"from {first / fs_hz:g} s on",)
    if not fs_hz:
        return ()
    return (f"first {n_read / fs_hz:g} s of {whole / fs_hz:g} s read",) if n_read < whole else ()


def _samples(header: Header, first: int) -> _Samples:
    """Read the samples: here, or by ``wfdb`` from where the header lies or from a cleaned copy."""
    files = _found_files(header)
    for file, path in files.items():
        _refuse_cut_off(header, file, path)
    if header.signals is not None:
        refuse_missing(header.name, [signal.name or "unnamed" for signal in header.signals])
    if header.signals and all(_is_common(signal) for signal in header.signals):
        return _common(header, header.signals, files, first)
    try:
        with np.errstate(all="ignore"):  # absurd gains; what comes of them is refused later
            raw = _by_wfdb(header, files, first)
    except LIBRARIES_RAISE as error:
        raise UnreadableRecord(
            f"Record {header.name}: its signal cannot be read as its header declares it. "
            "Fetch both again."
        ) from error
    if raw.p_signal is None or not len(raw.p_signal):
        raise UnreadableRecord(f"Record {header.name} has no samples.")
    gains, baselines = np.array(raw.adc_gain or 1), np.array(raw.baseline or 0)
    return _Samples(raw.p_signal.T, raw.sig_name, raw.units, gains, baselines, float(raw.fs))


def _is_common(signal: Signal) -> bool:
    return signal.format == "16" and signal.frame == 1 and signal.skew == 0


def _common(
    header: Header, signals: tuple[Signal, ...], files: dict[str, Path], first: int
) -> _Samples:
    """Read 16-bit samples, those of one file interleaved."""
    rows = np.empty((len(signals), 0), np.float32)
    for file, path in files.items():
        at = [i for i, signal in enumerate(signals) if signal.file == file]
        offset = signals[at[0]].offset + 2 * first * len(at)
        left = max(0, (path.stat().st_size - offset) // (2 * len(at)))
        longest = _longest(header)
        n_samples = max(0, min(longest, left, (header.n_samples or first + left) - first))
        raw = np.fromfile(path, "<i2", n_samples * len(at), offset=offset).reshape(-1, len(at))
        if not rows.size:
            rows = np.full((len(signals), n_samples), np.nan, np.float32)
        n_samples = min(n_samples, rows.shape[1])
        for i, column in zip(at, raw.T, strict=True):
            rows[i, :n_samples] = _physical(column[:n_samples], signals[i])
    if not rows.size:
        raise UnreadableRecord(f"Record {header.name} has no samples.")
    gains = np.array([signal.gain for signal in signals])
    baselines = np.array([signal.baseline for signal in signals])
    names, units = [s.name for s in signals], [s.unit for s in signals]
    return _Samples(rows, names, units, gains, baselines, header.rate_hz)


def _longest(header: Header) -> int:
    """Return how many samples of each signal are read at most."""
    a_frame = sum(signal.frame for signal in header.signals or ()) or header.n_signals
    return min(LONGEST_SAMPLES, _MOST_VALUES // a_frame)


def _physical(column: np.ndarray, signal: Signal) -> np.ndarray:
    """Return 16-bit samples (T,) in the signal's unit, NaN where marked as missing."""
    with np.errstate(all="ignore"):  # absurd gains; what comes of them is refused later
        found = ((column.astype(np.float64) - signal.baseline) / signal.gain).astype(np.float32)
    found[column == _MISSING] = np.nan
    return found


def _by_wfdb(header: Header, files: dict[str, Path], first: int) -> Any:
    import wfdb

    whole = header.n_samples
    if not whole and any(path.stat().st_size > 4 * _MOST_VALUES for path in files.values()):
        raise UnreadableRecord(
            f"Record {header.name}: its header gives no length, and its signal file is too long to "
            "be read whole. Write the number of samples into the header's first line."
        )
    window = {"sampfrom": first, "sampto": min(whole, first + _longest(header))} if whole else {}
    own_names = all(file == path.name for file, path in files.items())
    if header.segments or (header.is_plain and own_names):
        return wfdb.rdrecord(str(header.path.with_suffix("")), **window)
    aliases = {file: f"signal{i}{_suffix(file)}" for i, file in enumerate(files)}
    with tempfile.TemporaryDirectory(prefix="ecgcore-") as folder:
        for file, path in files.items():
            os.symlink(path.absolute(), Path(folder, aliases[file]))
        Path(folder, "record.hea").write_text(header.plain_text(aliases), encoding="ascii")
        return wfdb.rdrecord(str(Path(folder, "record")), **window)


def _found_files(header: Header) -> dict[str, Path]:
    """Return the path of each declared signal file; one under the header's own name will do."""
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


def _check_segment(header: Header, segment: str) -> None:
    """Refuse a segment that is damaged, names files elsewhere, or has segments itself."""
    inner = read_header(header.path.with_name(f"{segment}.hea"))
    if inner.segments:
        raise UnreadableRecord(
            f"Record {header.name}: its segment {segment} has segments itself, which no recording "
            "has. Fetch it again."
        )
    if inner.n_samples:  # a layout has none, and no signals
        for file, path in _found_files(inner).items():
            _refuse_cut_off(inner, file, path)


def _refuse_cut_off(header: Header, file: str, path: Path) -> None:
    """Refuse a signal file that is too short, or MATLAB's but not a plain array (version 4)."""
    needed = _bytes_declared(header, file)
    found = path.stat().st_size
    if found < needed:
        raise UnreadableRecord(
            f"Record {header.name}: {path.name} is cut off: {found:,} bytes, and its header "
            f"declares {needed:,}. Fetch it again."
        )
    if path.suffix.lower() == ".mat":
        with path.open("rb") as content:
            if content.read(6) == b"MATLAB":
                raise UnreadableRecord(
                    f"Record {header.name}: {path.name} is a MATLAB file of version 5 or later; "
                    "beside a .hea one of version 4 is needed (save it with -v4)."
                )


def _bytes_declared(header: Header, file: str) -> int:
    """Return the least size of a signal file, 1 where its format does not tell."""
    formats = [line.split()[1] for line in header.lines[1:] if line.split()[0] == file]
    first = re.fullmatch(r"(\d{1,4})(?:\+(\d{1,18}))?", formats[0]) if formats else None
    if header.segments or first is None or first[1] not in _BYTES_PER_SAMPLE:
        return 1
    samples = (header.n_samples or 0) * len(formats)
    return int(samples * _BYTES_PER_SAMPLE[first[1]]) + int(first[2] or 0)


def _suffix(file: str) -> str:
    return ".mat" if file.lower().endswith(".mat") else ".dat"


def _in_mv(
    header: Header, samples: _Samples, from_where: Origin | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the signals as (leads, T) in mV, and what was assumed of their scale."""
    if from_where and from_where.source == "ludb":
        # The published gains make every lead 1 mV from peak to peak; in raw units, and only
        # there, II = I + III holds in all records (doi:10.13026/eegm-h675).
        units_uv = samples.physical * samples.gains[:, None] + samples.baselines[:, None]
        return units_uv / 1000, ("scale assumed: 1 unit = 1 µV, not the header's gains",)
    factors = [
        _mv_per_unit(header.name, *pair) for pair in zip(samples.names, samples.units, strict=True)
    ]
    in_mv = samples.physical
    if set(factors) != {1.0}:
        in_mv = in_mv * np.array(factors)[:, None]
    if not all(signal.gain_given for signal in header.signals or ()):
        return in_mv, ("scale assumed: 200 units = 1 mV, the header gives no gain",)
    return in_mv, ()


def _mv_per_unit(name: str, lead: str, unit: str) -> float:
    factor = _MV_PER_UNIT.get((unit or "mV").lower())
    if factor is None and standard_lead(lead or ""):
        raise UnreadableRecord(
            f"Record {name}: lead {lead} is in {unit!r}; accepted are mV, µV, nV and V."
        )
    return factor or 1.0


def _told(comments: Iterable[str]) -> dict:
    """Return age, sex, patient and statements from a header's comments."""
    told: dict[str, str] = {}
    for comment in comments:
        if found := _FIELD.match(comment):
            told.setdefault(found["key"].strip().lower(), found["value"].strip())
    return {
        "age_years": _age_years(told.get("age", "")),
        "sex": _SEXES.get(told.get("sex", "").lower()),
        "patient": told.get("patient id") or None,
        "statements": _snomed(told.get("dx", "")) + ludb.statements(list(comments)),
    }


def _age_years(text: str) -> float | None:
    """Return an age that a human can have; 300 stands for over 89 (PTB-XL 1.0.2)."""
    try:
        age = float(text)
    except ValueError:
        return None
    if age == 300:
        return 90.0
    return age if 0 <= age <= 130 else None


def _snomed(text: str) -> tuple[Statement, ...]:
    codes = dict.fromkeys(code.strip() for code in text.split(","))
    return tuple(Statement("snomed", code) for code in codes if code.isdigit())
