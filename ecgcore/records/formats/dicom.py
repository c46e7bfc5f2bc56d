"""Reading DICOM waveforms: parsed by ``pydicom``, scaled here.

Any SOP class with twelve leads is accepted (even Hemodynamic, at hand). Of several groups the
rhythm is read, not the median beat.
"""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records import file_format
from ecgcore.records.demographics import age_at_recording, age_in_years, date_of
from ecgcore.records.leads import DERIVABLE, standard_lead
from ecgcore.records.parser_errors import refuse_parser_errors
from ecgcore.records.record import LEADS, Record
from ecgcore.records.vendor_record import (
    VendorRecording,
    lead_label,
    make_record,
    mv_per_unit,
    parse_number,
    refuse_length,
)

_FORMAT = "DICOM waveform"
_LARGEST_BYTES = 100_000_000
_DEFLATED = "1.2.840.10008.1.2.1.99"
# Lead codes of SCP-ECG ("5.6.3-9-1") and of ISO 11073 ("2:1"), PS3.16 CID 3001: same last number.
_LEAD_NUMBERS = dict(zip((1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), LEADS, strict=True))
_LEAD_CODES = {f"5.6.3-9-{n}": lead for n, lead in _LEAD_NUMBERS.items()} | {
    f"2:{n}": lead for n, lead in _LEAD_NUMBERS.items()
}
_LONGEST_LEAD_NAME = 24
_MEASUREMENT_MEANINGS = {
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
_PRIVATE_TAGS = (
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
        Not DICOM, no waveform, not twelve leads, no scale, or damaged.
    """
    return make_record(path, _recording(path), start_s=start_s)


def lead_name(channel: Any) -> str:
    """Return a lead's name by its code, else by its meaning (``Lead I (Einthoven)``) or label.

    Parameters
    ----------
    channel
        An item of a pydicom ChannelDefinitionSequence.

    Returns
    -------
    str
        One of LEADS, or the file's name of a channel that is none of them.
    """
    source = (channel.get("ChannelSourceSequence", None) or [{}])[0]
    if lead := _LEAD_CODES.get(str(source.get("CodeValue", "")).strip()):
        return lead
    names = [str(source.get("CodeMeaning", "")), str(channel.get("ChannelLabel", ""))]
    for name in names:
        bare = name.partition("(")[0].strip()
        bare = bare[5:] if bare.lower().startswith("lead ") else bare
        if lead := standard_lead(bare):
            return lead
    return next((name.strip()[:_LONGEST_LEAD_NAME] for name in names if name.strip()), "unnamed")


def _recording(path: Path) -> VendorRecording:
    from pydicom.errors import InvalidDicomError

    with refuse_parser_errors(path, _FORMAT, InvalidDicomError):
        dataset = _dataset(path)
        index = _rhythm_index(path, dataset)
        group = dataset.WaveformSequence[index]
        refuse_length(path, int(group.NumberOfWaveformSamples), float(group.SamplingFrequency))
        columns = [lead_name(channel) for channel in group.ChannelDefinitionSequence]
        annotations = list(dataset.get("WaveformAnnotationSequence", []))
        return VendorRecording(
            columns=columns,
            signal_mv=_signal_mv(path, dataset, index, columns),
            fs_hz=float(group.SamplingFrequency),
            age_years=_age_years(dataset),
            sex=str(dataset.get("PatientSex", "")),
            sentences=[str(a.UnformattedTextValue) for a in annotations if _is_statement(a)],
            machine=_machine(annotations),
            private=[str(dataset.get(tag, "")) for tag in _PRIVATE_TAGS],
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
    if file_format.format_from_head(head, "") != "dicom":
        raise UnreadableRecord(f"Record {path.stem}: {path.name} is not DICOM, whatever its name.")
    has_no_preamble = not head.startswith(b"DICM", 128)
    if not has_no_preamble and _is_deflated(path):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is a deflated DICOM file, which is not opened. "
            "Store it uncompressed."
        )
    return pydicom.dcmread(path, force=has_no_preamble)


def _is_deflated(path: Path) -> bool:
    from pydicom.filereader import read_file_meta_info

    return str(read_file_meta_info(path).get("TransferSyntaxUID", "")) == _DEFLATED


def _rhythm_index(path: Path, dataset: Any) -> int:
    """Return the index of the multiplex group that is the recording."""
    groups = list(dataset.get("WaveformSequence", None) or [])
    if not groups:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is DICOM without a waveform; a 12-lead ECG waveform "
            "is needed."
        )
    return max(range(len(groups)), key=lambda index: _rank(groups[index]))


def _rank(group: Any) -> tuple[bool, bool, bool, bool, int]:
    """Return a multiplex group's rank as the recording; the highest is read.

    Twelve leads rank before fewer, a rhythm before a median beat, the label before the length.
    """
    label = str(group.get("MultiplexGroupLabel", "")).lower()
    leads = {lead_name(channel) for channel in group.get("ChannelDefinitionSequence", [])}
    return (
        leads >= set(LEADS) - DERIVABLE,
        "median" not in label and "beat" not in label,
        "rhythm" in label,
        str(group.get("WaveformOriginality", "")) == "ORIGINAL",
        int(group.get("NumberOfWaveformSamples", 0) or 0),
    )


def _signal_mv(path: Path, dataset: Any, index: int, columns: list[str]) -> np.ndarray:
    """Return (channels, T) in mV, NaN where padded."""
    from pydicom.waveforms import multiplex_array

    group = dataset.WaveformSequence[index]
    raw = multiplex_array(dataset, index, as_raw=True)  # (T, channels)
    signal_mv = np.full(raw.T.shape, np.nan, dtype=np.float32)
    for row, channel in enumerate(group.ChannelDefinitionSequence):
        if standard_lead(columns[row]) is None:
            continue  # another signal, such as a pressure
        in_units = raw[:, row] * _sensitivity(path, channel, columns[row])
        in_units += float(channel.get("ChannelBaseline", 0) or 0)
        signal_mv[row] = in_units * _mv_per_channel_unit(path, channel, columns[row])
    signal_mv[np.isin(raw.T, _missing_values(group, raw.dtype))] = np.nan
    return signal_mv


def _missing_values(group: Any, dtype: np.dtype) -> list[int]:
    """Return the sample values that mark a missing one: the lowest, and a stated extreme one.

    A zero is a measurement, though some files state it as padding.
    """
    limits = np.iinfo(dtype)
    missing = [int(limits.min)] if limits.min < 0 else []
    stated = group.get("WaveformPaddingValue", None)
    if isinstance(stated, bytes) and len(stated) >= dtype.itemsize:
        padding = int(np.frombuffer(stated[: dtype.itemsize], dtype=dtype)[0])
        missing += [padding] if padding == limits.max else []
    return missing


def _mv_per_channel_unit(path: Path, channel: Any, lead: str) -> float:
    units = channel.get("ChannelSensitivityUnitsSequence", None) or [{}]
    return mv_per_unit(path, lead, str(units[0].get("CodeValue", "")))


def _sensitivity(path: Path, channel: Any, lead: str) -> float:
    sensitivity = channel.get("ChannelSensitivity", None)
    if not sensitivity:
        raise UnreadableRecord(
            f"Record {path.stem}: {lead_label(lead)} states no scale (ChannelSensitivity)."
        )
    correction = channel.get("ChannelSensitivityCorrectionFactor", None)
    return float(sensitivity) * (1.0 if correction is None else float(correction))


def _is_statement(annotation: Any) -> bool:
    return bool(annotation.get("UnformattedTextValue", "")) and (
        "ConceptNameCodeSequence" not in annotation
    )


def _machine(annotations: list[Any]) -> dict[str, float | None]:
    measurements: dict[str, float | None] = {}
    for annotation in annotations:
        concept = (annotation.get("ConceptNameCodeSequence", None) or [{}])[0]
        meaning = str(concept.get("CodeMeaning", "")).strip().lower()
        name = _MEASUREMENT_MEANINGS.get(meaning)
        if name and "NumericValue" in annotation:
            measurements.setdefault(name, parse_number(str(annotation.NumericValue)))
    return measurements


def _age_years(dataset: Any) -> float | None:
    stated = str(dataset.get("PatientAge", "") or "")
    if stated[:-1].isdigit():
        return age_in_years(float(stated[:-1]), stated[-1])
    recorded = dataset.get("AcquisitionDateTime", "") or dataset.get("StudyDate", "")
    return age_at_recording(_date(str(dataset.get("PatientBirthDate", ""))), _date(str(recorded)))


def _date(digits: str) -> date | None:
    return date_of(*map(parse_number, (digits[:4], digits[4:6], digits[6:8])))
