"""Reading EDF, EDF+ and BDF recordings of an ECG: the samples are read by ``pyedflib``."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.leads import standard_lead
from ecgcore.records.parser_errors import refusing
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import (
    LARGEST_SAMPLES,
    Contents,
    age_on,
    in_mv,
    record_of,
    refuse_start,
)

LONGEST_WHOLE_S = 1800.0
"""Recordings up to half an hour are read whole; of a longer one, a Holter, only a window."""
WINDOW_S = 10.0
_FORM = "EDF"
_PREFIXES = ("ecg ", "ekg ", "ecg_", "ekg_", "ecg-", "ekg-", "lead ")


def read_edf(path: Path, *, start_s: float = 0.0) -> Record:
    """Read the ECG leads of an EDF, EDF+ or BDF file.

    Parameters
    ----------
    path
        The file.
    start_s
        Where to start, seconds from the start of the recording; of more than half an hour ten
        seconds from there on are read.

    Raises
    ------
    UnreadableRecord
        Annotations alone, no ECG lead (an EEG), not twelve leads, not whole.
    """
    with refusing(path, _FORM), _opened(path) as file:
        found = _contents(path, file, max(start_s, 0.0))
    return record_of(path, found)


def stated_fs_hz(path: Path) -> float | None:
    """Return the rate in Hz of the first ECG lead, by the header."""
    with refusing(path, _FORM), _opened(path) as file:
        rows = _ecg_rows(path, file)
        return float(file.getSampleFrequency(next(iter(rows.values()))))


def _opened(path: Path) -> Any:
    import pyedflib

    _refuse_cut_off(path)
    return pyedflib.EdfReader(
        os.fspath(path),
        annotations_mode=pyedflib.DO_NOT_READ_ANNOTATIONS,
        check_file_size=pyedflib.DO_NOT_CHECK_FILE_SIZE,  # its check prints to stdout
    )


def _refuse_cut_off(path: Path) -> None:
    """Refuse a file that is shorter than its header says."""
    with path.open("rb") as file:
        fixed = file.read(256)
        n_records, n_signals = int(fixed[236:244]), int(fixed[252:256])
        file.seek(256 + 216 * n_signals)
        per_record = sum(int(file.read(8)) for _ in range(n_signals))
    bytes_a_sample = 3 if fixed.startswith(b"\xff") else 2
    declared = 256 * (1 + n_signals) + n_records * per_record * bytes_a_sample
    if path.stat().st_size < declared:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} declares {declared:,} bytes and has "
            f"{path.stat().st_size:,}. Fetch it again: it is cut off."
        )


def _contents(path: Path, file: Any, start_s: float) -> Contents:
    rows = _ecg_rows(path, file)
    rates = {file.getSampleFrequency(row) for row in rows.values()}
    lengths = {int(file.samples_in_file(row)) for row in rows.values()}
    if len(rates) > 1 or len(lengths) > 1:
        told = ", ".join(f"{rate:g}" for rate in sorted(rates))
        raise UnreadableRecord(
            f"Record {path.stem}: its leads are sampled differently ({told} Hz); one rate for all "
            "is needed."
        )
    fs_hz, n_samples = rates.pop(), lengths.pop()
    first, length, notes = _window(path, n_samples, fs_hz, start_s)
    return Contents(
        columns=list(rows),
        signal_mv=np.stack(
            [_in_mv(path, file, lead, row, first, length) for lead, row in rows.items()]
        ),
        fs_hz=fs_hz,
        age_years=_age_years(file),
        sex=file.getSex(),
        private=[file.getPatientName(), file.getPatientCode(), file.getTechnician()],
        notes=notes,
    )


def _ecg_rows(path: Path, file: Any) -> dict[str, int]:
    """Return the row of each ECG lead; other signals (EEG, respiration) are passed over."""
    labels = [label.strip() for label in file.getSignalLabels()]
    if not labels:
        raise UnreadableRecord(f"Record {path.stem}: {path.name} holds annotations and no signal.")
    rows: dict[str, int] = {}
    for row, label in enumerate(labels):
        if lead := standard_lead(_bare(label)):
            rows.setdefault(lead, row)
    if not rows:
        raise UnreadableRecord(
            f"Record {path.stem}: none of the {len(labels)} signals of {path.name} is named after "
            "an ECG lead; an EEG or another recording is not read."
        )
    return rows


def _bare(label: str) -> str:
    """Return ``ECG V1`` without what EDF puts before a lead's name."""
    known = next((prefix for prefix in _PREFIXES if label.lower().startswith(prefix)), "")
    return label[len(known) :]


def _window(
    path: Path, n_samples: int, fs_hz: float, start_s: float
) -> tuple[int, int, tuple[str, ...]]:
    """Return first sample, number of samples, and what is to be told of it."""
    if not (np.isfinite(fs_hz) and fs_hz > 0):
        raise UnreadableRecord(f"Record {path.stem}: {path.name} states no usable sampling rate.")
    whole_s, first = n_samples / fs_hz, round(start_s * fs_hz)
    if first >= n_samples > 0:
        refuse_start(path, whole_s, start_s)
    length = n_samples - first
    if whole_s > LONGEST_WHOLE_S or length > LARGEST_SAMPLES:
        length = min(length, round(WINDOW_S * fs_hz))
    if length == n_samples:
        return 0, n_samples, ()
    return (
        first,
        length,
        (f"windowed: {start_s:g}–{(first + length) / fs_hz:g} s of {whole_s:,.1f} s",),
    )


def _in_mv(path: Path, file: Any, lead: str, row: int, first: int, length: int) -> np.ndarray:
    """Return (length,) in mV."""
    factor = in_mv(path, lead, file.getPhysicalDimension(row))
    return (file.readSignal(row, first, length) * factor).astype(np.float32)


def _age_years(file: Any) -> float | None:
    born = file.getBirthdate()
    if not born:
        return None
    return age_on(datetime.strptime(born, "%d %b %Y").date(), file.getStartdatetime().date())
