"""Reading DICOM waveforms: the file is taken apart by ``pydicom``, the scale applied here.

Any SOP class will do that holds twelve leads (a Hemodynamic one does, at hand). Of several groups
the rhythm is read, not the median beat.
"""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records import file_format
from ecgcore.records.formats.dicom_leads import lead_name, rank
from ecgcore.records.leads import standard_lead
from ecgcore.records.parser_errors import refusing
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import (
    Contents,
    age_on,
    called,
    day,
    in_mv,
    number,
    record_of,
    refuse_length,
    years,
)

_FORM = "DICOM waveform"
_LARGEST_BYTES = 100_000_000
_DEFLATED = "1.2.840.10008.1.2.1.99"
_MEASURES = {
    "heart rate": "rate_bpm",
    "ventricular heart rate": "rate_bpm",
    "ventricular rate": "rate_bpm",
    "pr interval": "pr_ms",
    "qrs duration": "qrs_ms",
    "qt interval": "qt_ms",
    "qtc interval": "qtc_ms",
    "p axis": "p_axis_deg",
    "qrs axis": "axis_deg",
    "t axis": "t_axis_deg",
}
_PEOPLE = (
    "PatientName",
    "PatientID",
    "OtherPatientNames",
    "OtherPatientIDs",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "OperatorsName",
    "NameOfPhysiciansReadingStudy",
    "PhysiciansOfRecord",
    "RequestingPhysician",
)


def read_dicom(path: Path, *, start_s: float = 0.0) -> Record:
    """Read the rhythm of a DICOM waveform file.

    Parameters
    ----------
    path
        The file.
    start_s
        Seconds to leave out at the start.

    Raises
    ------
    UnreadableRecord
        Not DICOM, no waveform, not twelve leads, no scale, or not whole.
    """
    found = _contents(path)
    return record_of(path, found, start_s=start_s)


def stated_fs_hz(path: Path) -> float | None:
    """Return the rate in Hz of the rhythm."""
    from pydicom.errors import InvalidDicomError

    with refusing(path, _FORM, InvalidDicomError):
        dataset = _dataset(path)
        return float(dataset.WaveformSequence[_rhythm(path, dataset)].SamplingFrequency)


def _contents(path: Path) -> Contents:
    from pydicom.errors import InvalidDicomError

    with refusing(path, _FORM, InvalidDicomError):
        dataset = _dataset(path)
        at = _rhythm(path, dataset)
        group = dataset.WaveformSequence[at]
        refuse_length(path, int(group.NumberOfWaveformSamples), float(group.SamplingFrequency))
        channels = list(group.ChannelDefinitionSequence)
        columns = [lead_name(channel) for channel in channels]
        annotations = list(dataset.get("WaveformAnnotationSequence", []))
        return Contents(
            columns=columns,
            signal_mv=_in_mv(path, dataset, at, columns),
            fs_hz=float(group.SamplingFrequency),
            age_years=_age_years(dataset),
            sex=str(dataset.get("PatientSex", "")),
            sentences=[str(a.UnformattedTextValue) for a in annotations if _is_statement(a)],
            machine=_machine(annotations),
            private=[str(dataset.get(tag, "")) for tag in _PEOPLE],
        )


def _dataset(path: Path) -> Any:
    import pydicom

    if path.stat().st_size > _LARGEST_BYTES:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} has {path.stat().st_size / 1e6:,.0f} MB; a DICOM "
            "waveform of a 12-lead ECG is far smaller."
        )
    with path.open("rb") as file:
        head = file.read(file_format.HEAD_BYTES)
    if file_format.kind_of(head, "") != "dicom":
        raise UnreadableRecord(f"Record {path.stem}: {path.name} is not DICOM, whatever its name.")
    bare = not head.startswith(b"DICM", 128)
    if not bare and _is_deflated(path):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is a deflated DICOM file, which is not opened. "
            "Store it uncompressed."
        )
    return pydicom.dcmread(path, force=bare)


def _is_deflated(path: Path) -> bool:
    from pydicom.filereader import read_file_meta_info

    return str(read_file_meta_info(path).get("TransferSyntaxUID", "")) == _DEFLATED


def _rhythm(path: Path, dataset: Any) -> int:
    """Return which group is the recording."""
    groups = list(dataset.get("WaveformSequence", None) or [])
    if not groups:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is DICOM without a waveform; a 12-lead ECG waveform "
            "is needed."
        )
    return max(range(len(groups)), key=lambda at: rank(groups[at]))


def _in_mv(path: Path, dataset: Any, at: int, columns: list[str]) -> np.ndarray:
    """Return (channels, T) in mV, NaN where padded."""
    from pydicom.waveforms import multiplex_array

    group = dataset.WaveformSequence[at]
    raw = multiplex_array(dataset, at, as_raw=True)  # (T, channels)
    scaled = np.full(raw.T.shape, np.nan, dtype=np.float32)
    for row, channel in enumerate(group.ChannelDefinitionSequence):
        if standard_lead(columns[row]) is None:
            continue  # a pressure, say
        in_units = raw[:, row] * _factor(path, channel, columns[row])
        in_units += float(channel.get("ChannelBaseline", 0) or 0)
        scaled[row] = in_units * _unit(path, channel, columns[row])
    scaled[np.isin(raw.T, _missing(group, raw.dtype))] = np.nan
    return scaled


def _missing(group: Any, dtype: np.dtype) -> list[int]:
    """Return the samples that stand for none: the lowest, and an extreme one stated as padding.

    A zero is a measurement, though some files state it as padding.
    """
    limits = np.iinfo(dtype)
    missing = [int(limits.min)] if limits.min < 0 else []
    stated = group.get("WaveformPaddingValue", None)
    if isinstance(stated, bytes) and len(stated) >= dtype.itemsize:
        padding = int(np.frombuffer(stated[: dtype.itemsize], dtype=dtype)[0])
        missing += [padding] if padding == limits.max else []
    return missing


def _unit(path: Path, channel: Any, lead: str) -> float:
    units = channel.get("ChannelSensitivityUnitsSequence", None) or [{}]
    return in_mv(path, lead, str(units[0].get("CodeValue", "")))


def _factor(path: Path, channel: Any, lead: str) -> float:
    sensitivity = channel.get("ChannelSensitivity", None)
    if not sensitivity:
        raise UnreadableRecord(
            f"Record {path.stem}: {called(lead)} states no scale (ChannelSensitivity)."
        )
    correction = channel.get("ChannelSensitivityCorrectionFactor", None)
    return float(sensitivity) * (1.0 if correction is None else float(correction))


def _is_statement(annotation: Any) -> bool:
    return bool(annotation.get("UnformattedTextValue", "")) and (
        "ConceptNameCodeSequence" not in annotation
    )


def _machine(annotations: list[Any]) -> dict[str, float | None]:
    measures: dict[str, float | None] = {}
    for annotation in annotations:
        concept = (annotation.get("ConceptNameCodeSequence", None) or [{}])[0]
        name = _MEASURES.get(str(concept.get("CodeMeaning", "")).strip().lower())
        if name and "NumericValue" in annotation:
            measures.setdefault(name, number(str(annotation.NumericValue)))
    return measures


def _age_years(dataset: Any) -> float | None:
    stated = str(dataset.get("PatientAge", "") or "")
    if stated[:-1].isdigit():
        return years(float(stated[:-1]), stated[-1])
    recorded = dataset.get("AcquisitionDateTime", "") or dataset.get("StudyDate", "")
    return age_on(_day(str(dataset.get("PatientBirthDate", ""))), _day(str(recorded)))


def _day(digits: str) -> date | None:
    return day(number(digits[:4]), number(digits[4:6]), number(digits[6:8]))
