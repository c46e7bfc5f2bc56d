"""Reading EDF, EDF+ and BDF recordings of an ECG: the samples are read by ``pyedflib``."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.demographics import age_at_recording
from ecgcore.records.leads import standard_lead
from ecgcore.records.parser_errors import refuse_parser_errors
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import (
    LARGEST_SAMPLES,
    VendorRecording,
    make_record,
    mv_per_unit,
    refuse_start,
)

LONGEST_WHOLE_S = 1800.0
"""Recordings up to half an hour are read whole; of a longer one, a Holter, only a window."""
WINDOW_S = 10.0
_FORMAT = "EDF"
_PREFIXES = ("ecg ", "ekg ", "ecg_", "ekg_", "ecg-", "ekg-", "lead ")


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
    with refuse_parser_errors(path, _FORMAT), _open(path) as file:
        recording = _recording(path, file, max(start_s, 0.0))
    return make_record(path, recording)


def _open(path: Path) -> Any:
    import pyedflib

    _refuse_cut_off(path)
    return pyedflib.EdfReader(
        os.fspath(path),
        annotations_mode=pyedflib.DO_NOT_READ_ANNOTATIONS,
        check_file_size=pyedflib.DO_NOT_CHECK_FILE_SIZE,  # its check prints to stdout
    )


def _refuse_cut_off(path: Path) -> None:
    """Refuse a file that is shorter than its header declares."""
    with path.open("rb") as file:
        fixed = file.read(256)
        n_records, n_signals = int(fixed[236:244]), int(fixed[252:256])
        file.seek(256 + 216 * n_signals)
        samples_per_record = sum(int(file.read(8)) for _ in range(n_signals))
    bytes_per_sample = 3 if fixed.startswith(b"\xff") else 2
    declared = 256 * (1 + n_signals) + n_records * samples_per_record * bytes_per_sample
    if path.stat().st_size < declared:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} declares {declared:,} bytes and has "
            f"{path.stat().st_size:,}. Fetch it again: it is cut off."
        )


def _recording(path: Path, file: Any, start_s: float) -> VendorRecording:
    rows = _ecg_rows(path, file)
    rates_hz = {file.getSampleFrequency(row) for row in rows.values()}
    lengths = {int(file.samples_in_file(row)) for row in rows.values()}
    if len(rates_hz) > 1 or len(lengths) > 1:
        listed = ", ".join(f"{rate_hz:g}" for rate_hz in sorted(rates_hz))
        raise UnreadableRecord(
            f"Record {path.stem}: its leads are sampled differently ({listed} Hz); one rate for "
            "all is needed."
        )
    fs_hz, n_samples = rates_hz.pop(), lengths.pop()
    first, length, notes = _window(path, n_samples, fs_hz, start_s)
    return VendorRecording(
        columns=list(rows),
        signal_mv=np.stack(
            [_lead_mv(path, file, lead, row, first, length) for lead, row in rows.items()]
        ),
        fs_hz=fs_hz,
        age_years=_age_years(file),
        sex=file.getSex(),
        private=[file.getPatientName(), file.getPatientCode(), file.getTechnician()],
        notes=notes,
    )


def _ecg_rows(path: Path, file: Any) -> dict[str, int]:
    """Return the row of each ECG lead, without other signals (EEG, respiration)."""
    labels = [label.strip() for label in file.getSignalLabels()]
    if not labels:
        raise UnreadableRecord(f"Record {path.stem}: {path.name} holds annotations and no signal.")
    rows: dict[str, int] = {}
    for row, label in enumerate(labels):
        if lead := standard_lead(_without_prefix(label)):
            rows.setdefault(lead, row)
    if not rows:
        raise UnreadableRecord(
            f"Record {path.stem}: none of the {len(labels)} signals of {path.name} is named after "
            "an ECG lead; an EEG or another recording is not read."
        )
    return rows


def _without_prefix(label: str) -> str:
    """Return ``V1`` for ``ECG V1``."""
    prefix = next((prefix for prefix in _PREFIXES if label.lower().startswith(prefix)), "")
    return label[len(prefix) :]


def _window(
    path: Path, n_samples: int, fs_hz: float, start_s: float
) -> tuple[int, int, tuple[str, ...]]:
    """Return first sample, number of samples, and a note if they are not all."""
    if not (np.isfinite(fs_hz) and fs_hz > 0):
        raise UnreadableRecord(f"Record {path.stem}: {path.name} states no usable sampling rate.")
    duration_s, first = n_samples / fs_hz, round(start_s * fs_hz)
    if first >= n_samples > 0:
        refuse_start(path, duration_s, start_s)
    length = n_samples - first
    if duration_s > LONGEST_WHOLE_S or length > LARGEST_SAMPLES:
        length = min(length, round(WINDOW_S * fs_hz))
    if length == n_samples:
        return 0, n_samples, ()
    end_s = (first + length) / fs_hz
    return first, length, (f"windowed: {start_s:g}–{end_s:g} s of {duration_s:,.1f} s",)


def _lead_mv(path: Path, file: Any, lead: str, row: int, first: int, length: int) -> np.ndarray:
    """Return (length,) in mV."""
    factor = mv_per_unit(path, lead, file.getPhysicalDimension(row))
    return (file.readSignal(row, first, length) * factor).astype(np.float32)


def _age_years(file: Any) -> float | None:
    birth = file.getBirthdate()
    if not birth:
        return None
    birth_date = datetime.strptime(birth, "%d %b %Y").date()
    return age_at_recording(birth_date, file.getStartdatetime().date())
