"""Reading DICOM waveforms: the file is taken apart by ``pydicom``, the scale applied here.

Any SOP class will do that holds twelve leads (a Hemodynamic one does, at hand). Of several groups
the rhythm is read, not the median beat.
"""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records import sniffing
from ecgcore.records.contents import (
    Contents,
    age_on,
    day,
    in_mv,
    number,
    record_of,
    refuse_length,
    years,
)
from ecgcore.records.damage import refusing
from ecgcore.records.leads import standard_lead
from ecgcore.records.record import LEADS, Record

_FORM = "DICOM waveform"
_LARGEST_BYTES = 100_000_000
_DEFLATED = "1.2.840.10008.1.2.1.99"
# Lead codes of SCP-ECG ("5.6.3-9-1") and of ISO 11073 ("2:1"), PS3.16 CID 3001: same last number.
_LEAD_NUMBERS = dict(zip((1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), LEADS, strict=True))
_LEAD_CODES = {f"5.6.3-9-{n}": lead for n, lead in _LEAD_NUMBERS.items()} | {
    f"2:{n}": lead for n, lead in _LEAD_NUMBERS.items()
}
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
        columns = [_lead_name(channel) for channel in channels]
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
        head = file.read(sniffing.HEAD_BYTES)
    if sniffing.kind_of(head, "") != "dicom":
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
    """Return which group is the recording: by label, else the longest that is no median beat."""
    groups = list(dataset.get("WaveformSequence", None) or [])
    if not groups:
        what = str(dataset.get("Modality", "") or "unknown")[:16]
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is DICOM without a waveform (modality {what!r}); a "
            "12-lead ECG waveform is needed."
        )
    labels = [str(group.get("MultiplexGroupLabel", "")).lower() for group in groups]
    for at, label in enumerate(labels):
        if "rhythm" in label:
            return at

    def rank(at: int) -> tuple[bool, bool, int, int]:
        group = groups[at]
        return (
            "median" not in labels[at] and "beat" not in labels[at],
            str(group.get("WaveformOriginality", "")) == "ORIGINAL",
            int(group.get("NumberOfWaveformChannels", 0)),
            int(group.get("NumberOfWaveformSamples", 0)),
        )

    return max(range(len(groups)), key=rank)


def _lead_name(channel: Any) -> str:
    """Return a lead's name by its code, else by its meaning (``Lead I (Einthoven)``) or label."""
    source = (channel.get("ChannelSourceSequence", None) or [{}])[0]
    if lead := _LEAD_CODES.get(str(source.get("CodeValue", "")).strip()):
        return lead
    meaning = str(source.get("CodeMeaning", ""))
    for told in (meaning, str(channel.get("ChannelLabel", ""))):
        bare = told.partition("(")[0].strip()
        bare = bare[5:] if bare.lower().startswith("lead ") else bare
        if lead := standard_lead(bare):
            return lead
    return "unnamed"


def _in_mv(path: Path, dataset: Any, at: int, columns: list[str]) -> np.ndarray:
    """Return (channels, T) in mV, NaN where padded."""
    from pydicom.waveforms import multiplex_array

    group = dataset.WaveformSequence[at]
    raw = multiplex_array(dataset, at, as_raw=True)  # (T, channels)
    scaled = np.empty(raw.T.shape, dtype=np.float32)
    for row, channel in enumerate(group.ChannelDefinitionSequence):
        in_units = raw[:, row] * _factor(path, channel, columns[row])
        in_units += float(channel.get("ChannelBaseline", 0) or 0)
        scaled[row] = in_units * _unit(path, channel, columns[row])
    if (padding := _padding(group, raw.dtype)) is not None:
        scaled[raw.T == padding] = np.nan
    return scaled


def _padding(group: Any, dtype: np.dtype) -> int | None:
    """Return the sample that stands for none: only the extreme ones; a zero is a measurement."""
    stated = group.get("WaveformPaddingValue", None)
    if not isinstance(stated, bytes) or len(stated) < dtype.itemsize:
        return None
    value = int(np.frombuffer(stated[: dtype.itemsize], dtype=dtype)[0])
    limits = np.iinfo(dtype)
    return value if value in (limits.min, limits.max) and value != 0 else None


def _unit(path: Path, channel: Any, lead: str) -> float:
    units = channel.get("ChannelSensitivityUnitsSequence", None) or [{}]
    return in_mv(path, lead, str(units[0].get("CodeValue", "")))


def _factor(path: Path, channel: Any, lead: str) -> float:
    sensitivity = channel.get("ChannelSensitivity", None)
    if not sensitivity:
        raise UnreadableRecord(
            f"Record {path.stem}: lead {lead} states no scale (ChannelSensitivity)."
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
