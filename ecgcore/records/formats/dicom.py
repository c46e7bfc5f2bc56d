"""Reading DICOM waveforms: parsed by ``pydicom``, scaled in ``dicom_waveforms``.

Any SOP class with twelve leads is accepted (even Hemodynamic, at hand). Of several groups the
rhythm is read, never the median beat.
"""

import zlib
from datetime import date
from pathlib import Path
from typing import Any

from ecgcore.errors import UnreadableRecord
from ecgcore.records import file_format
from ecgcore.records.demographics import age_at_recording, age_in_years, date_of
from ecgcore.records.formats.dicom_waveforms import band_hz, combined_waveforms, leads_off
from ecgcore.records.parser_errors import refuse_parser_errors
from ecgcore.records.record import ALTERED, Record
from ecgcore.records.vendor_record import VendorRecording, make_record, parse_number

_FORMAT = "DICOM waveform"
_LARGEST_BYTES = 100_000_000
_DEFLATED = "1.2.840.10008.1.2.1.99"
_EVIDENCE = {
    "rate": "SamplingFrequency of its waveform group",
    "leads": "the codes and meanings of its channels",
    "unit": "ChannelSensitivity and its UCUM unit",
}
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
        Not DICOM, no waveform, a median beat alone, not twelve leads, no scale, or damaged.
    """
    return make_record(path, _recording(path), start_s=start_s)


def _recording(path: Path) -> VendorRecording:
    from pydicom.errors import InvalidDicomError

    with refuse_parser_errors(path, _FORMAT, InvalidDicomError):
        dataset = _dataset(path)
        end_notes = _end_notes(path, dataset)
        leads, channels = combined_waveforms(path, dataset)
        annotations = list(dataset.get("WaveformAnnotationSequence", []))
        return VendorRecording(
            columns=leads.columns,
            signal_mv=leads.signal_mv,
            fs_hz=leads.fs_hz,
            age_years=_age_years(dataset),
            sex=str(dataset.get("PatientSex", "")),
            sentences=[str(a.UnformattedTextValue) for a in annotations if _is_statement(a)],
            machine=_machine(annotations),
            private=[str(dataset.get(tag, "")) for tag in _PRIVATE_TAGS],
            notes=(*end_notes, *leads.notes),
            band_hz=band_hz(channels),
            off=leads_off(channels),
            evidence=_EVIDENCE,
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
    if not has_no_preamble:
        _refuse_inflating(path)
    return pydicom.dcmread(path, force=has_no_preamble)


def _syntax(dataset: Any) -> str:
    return str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", ""))


def _end_notes(path: Path, dataset: Any) -> tuple[str, ...]:
    """Return a note where the last element does not end with the file, or its order is wrong.

    Bytes that were put in among the samples push others out at the end.
    """
    from pydicom.dataelem import RawDataElement

    tags = list(dataset.keys())
    last = dataset.get_item(tags[-1]) if tags else None
    if not isinstance(last, RawDataElement) or _syntax(dataset) == _DEFLATED:
        return ()
    if tags == sorted(tags) and last.value_tell + last.length == path.stat().st_size:
        return ()
    return (f"{ALTERED}elements do not end with the file, bytes may have been put in",)


def _refuse_inflating(path: Path) -> None:
    """Refuse a deflated file whose content is larger than any ECG."""
    from pydicom.filereader import read_file_meta_info

    meta = read_file_meta_info(path)
    if str(meta.get("TransferSyntaxUID", "")) != _DEFLATED:
        return
    first = 128 + 4 + 12 + int(meta.FileMetaInformationGroupLength)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflater.decompress(path.read_bytes()[first:], _LARGEST_BYTES)
    if inflater.unconsumed_tail:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} inflates to more than {_LARGEST_BYTES / 1e6:,.0f} "
            "MB; a DICOM waveform of a 12-lead ECG is far smaller."
        )


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
