"""Reading EDF, EDF+ and BDF recordings of an ECG: any window, without reading the rest.

Data records that are not contiguous (EDF+D) are placed at the times that they state.
"""

import re
from pathlib import Path

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.demographics import age_at_recording
from ecgcore.records.formats.edf_header import (
    EdfHeader,
    EdfSignal,
    read_edf_header,
    sex_and_dates,
)
from ecgcore.records.lead_groups import LeadGroup, common_rate
from ecgcore.records.lead_names import inverted_lead, standard_lead, standard_leads
from ecgcore.records.parser_errors import refuse_parser_errors
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import (
    LARGEST_SAMPLES,
    VendorRecording,
    lead_label,
    make_record,
    mv_per_unit,
    refuse_start,
)

LONGEST_WHOLE_S = 1800.0
"""Recordings up to half an hour are read whole; of a longer one, a Holter, only a window."""
WINDOW_S = 10.0
_FORMAT = "EDF"
_ONSET = re.compile(rb"([+-]\d{1,12}(?:\.\d{0,9})?)(?:\x15[\d.]*)?\x14")
"""The start of a data record's annotations: its time in seconds (EDF+ 2.2.2)."""
_EVIDENCE = {
    "rate": "samples per data record in its header",
    "leads": "the labels in its header",
    "unit": "physical range and unit in its header",
}


def read_edf(path: Path, *, start_s: float = 0.0) -> Record:
    """Read the ECG leads of an EDF, EDF+ or BDF file.

    Parameters
    ----------
    path
        The file.
    start_s
        Start, in seconds from the start of the recording; of more than half an hour, ten seconds
        from there on are read.

    Raises
    ------
    UnreadableRecord
        Annotations alone, no ECG lead (an EEG), not twelve leads, or damaged.
    """
    with refuse_parser_errors(path, _FORMAT):
        recording = _recording(path, read_edf_header(path), max(start_s, 0.0))
    return make_record(path, recording)


def _recording(path: Path, header: EdfHeader, start_s: float) -> VendorRecording:
    signals = _ecg_signals(path, header)
    if header.record_s <= 0 or not all(signal.n_samples for signal in signals):
        raise UnreadableRecord(f"Record {path.stem}: {path.name} states no usable sampling rate.")
    onsets_s = _onsets_s(path, header)
    first_s, last_s, window_notes = _window(path, header, signals, onsets_s, start_s)
    by_count: dict[int, list[EdfSignal]] = {}
    for signal in signals:
        by_count.setdefault(signal.n_samples, []).append(signal)
    groups, rate_notes = common_rate(
        [_group(path, header, alike, onsets_s, first_s, last_s) for alike in by_count.values()]
    )
    length = min(group.signal_mv.shape[1] for group in groups)
    sex, birth, recorded = sex_and_dates(header)
    return VendorRecording(
        columns=[column for group in groups for column in group.columns],
        signal_mv=np.vstack([group.signal_mv[:, :length] for group in groups]),
        fs_hz=groups[0].fs_hz,
        age_years=age_at_recording(birth, recorded),
        sex=sex,
        private=[header.patient, header.recording],
        notes=(
            *_other_notes(header, signals),
            *_scale_notes(signals),
            *rate_notes,
            *window_notes,
            *_gap_notes(onsets_s, header.record_s, first_s, last_s),
        ),
        evidence=_EVIDENCE,
    )


def _ecg_signals(path: Path, header: EdfHeader) -> list[EdfSignal]:
    """Return the signals that are ECG leads, without others (EEG, respiration, annotations)."""
    signals = [signal for signal in header.signals if not signal.is_annotations]
    if not signals:
        raise UnreadableRecord(f"Record {path.stem}: {path.name} holds annotations and no signal.")
    labels = [signal.label for signal in signals]
    leads = standard_leads([inverted_lead(label) or label for label in labels])
    ecg = [signal for signal, lead in zip(signals, leads, strict=True) if lead]
    if not ecg:
        raise UnreadableRecord(
            f"Record {path.stem}: none of the {len(labels)} signals of {path.name} is named after "
            "an ECG lead; an EEG or another recording is not read."
        )
    return ecg


def _onsets_s(path: Path, header: EdfHeader) -> np.ndarray:
    """Return when each data record starts, (n_records,) in seconds from the first.

    EDF+ states it in each record; where one does not, bytes are missing or too many before it.
    """
    timed = next((signal for signal in header.signals if signal.is_annotations), None)
    if timed is None:
        _refuse_trailing(path, header)
        return np.arange(header.n_records) * header.record_s
    stored = _data_records(path, header)[:, timed.offset :][:, : _sample_bytes(header, timed)]
    matches = (_ONSET.match(record.tobytes()) for record in stored)
    onsets_s = np.fromiter((float(match[1]) if match else np.nan for match in matches), np.float64)
    if np.isnan(onsets_s).any():
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} has data records that do not begin with their time, "
            "as EDF+ requires: bytes are missing or too many. Fetch it again: it is altered."
        )
    if onsets_s.size and (np.diff(onsets_s) < 0.999 * header.record_s).any():
        raise UnreadableRecord(
            f"Record {path.stem}: the data records of {path.name} overlap in time. Export it again."
        )
    return onsets_s - onsets_s[:1]


def _refuse_trailing(path: Path, header: EdfHeader) -> None:
    """Refuse bytes that no declaration covers: where they were inserted is not known."""
    if header.trailing_bytes and not header.is_open:
        size_bytes = path.stat().st_size
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} declares {size_bytes - header.trailing_bytes:,} "
            f"bytes and has {size_bytes:,}. Fetch it again: it is altered."
        )


def _data_records(path: Path, header: EdfHeader) -> np.ndarray:
    """Return (n_records, record_bytes) bytes, read when used."""
    shape = (header.n_records, header.record_bytes)
    if not all(shape):
        return np.zeros(shape, np.uint8)
    return np.memmap(path, np.uint8, "r", offset=header.data_offset, shape=shape)


def _sample_bytes(header: EdfHeader, signal: EdfSignal) -> int:
    """Return the bytes of a signal in a data record."""
    return signal.n_samples * header.sample_bytes


def _window(
    path: Path,
    header: EdfHeader,
    signals: list[EdfSignal],
    onsets_s: np.ndarray,
    start_s: float,
) -> tuple[float, float, tuple[str, ...]]:
    """Return the first and last second to read, and a note if they are not all."""
    duration_s = float(onsets_s[-1]) + header.record_s if onsets_s.size else 0.0
    if start_s >= duration_s > 0:
        refuse_start(path, duration_s, start_s)
    fastest_hz = max(signal.n_samples for signal in signals) / header.record_s
    last_s = duration_s
    if duration_s > LONGEST_WHOLE_S or (duration_s - start_s) * fastest_hz > LARGEST_SAMPLES:
        last_s = min(duration_s, start_s + WINDOW_S)
    if (start_s, last_s) == (0.0, duration_s):
        return start_s, last_s, ()
    return start_s, last_s, (f"windowed: {start_s:g}–{last_s:g} s of {duration_s:,.1f} s",)


def _group(
    path: Path,
    header: EdfHeader,
    signals: list[EdfSignal],
    onsets_s: np.ndarray,
    first_s: float,
    last_s: float,
) -> LeadGroup:
    """Return signals of one rate from ``first_s`` to ``last_s``, NaN between data records."""
    n_samples = signals[0].n_samples
    fs_hz = n_samples / header.record_s
    first, length = round(first_s * fs_hz), round(last_s * fs_hz) - round(first_s * fs_hz)
    starts = np.rint(onsets_s * fs_hz).astype(np.int64) - first
    inside = (starts < length) & (starts + n_samples > 0)  # neighbours: records are in order
    records = _data_records(path, header)[inside]
    at = (starts[inside, None] + np.arange(n_samples)).ravel()
    is_inside = (at >= 0) & (at < length)
    signal_mv = np.full((len(signals), length), np.nan)
    for row, signal in enumerate(signals):
        samples = _in_mv(path, signal, _samples(records, header, signal))
        signal_mv[row, at[is_inside]] = samples[is_inside]
    return LeadGroup([signal.label for signal in signals], signal_mv, fs_hz, first_s)


def _samples(records: np.ndarray, header: EdfHeader, signal: EdfSignal) -> np.ndarray:
    """Return a signal's samples in data records, (len(records) * n_samples,) as stored."""
    stored = np.ascontiguousarray(records[:, signal.offset :][:, : _sample_bytes(header, signal)])
    if header.sample_bytes == 2:
        return stored.view("<i2").ravel()
    wide = np.zeros((stored.size // 3, 4), np.uint8)
    wide[:, 1:] = stored.reshape(-1, 3)
    return wide.view("<i4").ravel() >> 8  # the sign is kept


def _in_mv(path: Path, signal: EdfSignal, samples: np.ndarray) -> np.ndarray:
    """Return samples in mV.

    Raises
    ------
    UnreadableRecord
        The header states no scale, or a unit that is no voltage.
    """
    (low, high), (lowest, highest) = signal.physical, signal.digital
    if lowest >= highest or low == high:
        raise UnreadableRecord(
            f"Record {path.stem}: {lead_label(signal.label)} states no scale (physical range "
            f"{low:g} to {high:g} for stored {lowest} to {highest})."
        )
    factor = mv_per_unit(path, signal.label, signal.unit)
    steps = samples.astype(np.float64) - lowest
    return (low + steps * (high - low) / (highest - lowest)) * factor


def _other_notes(header: EdfHeader, signals: list[EdfSignal]) -> tuple[str, ...]:
    others = sum(not signal.is_annotations for signal in header.signals) - len(signals)
    trailing = header.trailing_bytes
    notes = [f"not used: {others} other signal(s)"] if others else []
    return (*notes, *([f"not used: {trailing:,} bytes after the last record"] if trailing else []))


def _scale_notes(signals: list[EdfSignal]) -> tuple[str, ...]:
    """Return notes of leads whose scale is unusual: inverted, or as if there were none."""
    inverted = [standard_lead(s.label) for s in signals if s.physical[0] > s.physical[1]]
    plain = [standard_lead(s.label) for s in signals if s.physical == s.digital]
    notes = []
    if any(inverted):
        listed = ", ".join(filter(None, inverted))
        notes.append(f"inverted by the header (physical minimum above maximum): {listed}")
    if any(plain):
        listed = ", ".join(filter(None, plain))
        notes.append(f"stored numbers taken as they are, as the header scales by 1: {listed}")
    return tuple(notes)


def _gap_notes(
    onsets_s: np.ndarray, record_s: float, first_s: float, last_s: float
) -> tuple[str, ...]:
    """Return a note of each gap between data records, seconds from the first that is read."""
    ends_s = onsets_s[:-1] + record_s
    gaps = [
        (max(end_s, first_s), min(next_s, last_s))
        for end_s, next_s in zip(ends_s, onsets_s[1:], strict=True)
        if next_s - end_s > 1e-3 and end_s < last_s and next_s > first_s
    ]
    return tuple(
        f"{next_s - end_s:.1f} s missing from {end_s - first_s:.1f} s on" for end_s, next_s in gaps
    )
