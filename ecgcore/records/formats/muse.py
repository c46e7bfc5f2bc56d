"""Reading GE MUSE XML (``RestingECG``): base64 samples, usually of eight leads.

A ``Median`` block comes first; only ``Rhythm`` blocks are the recording. Leads III, aVR, aVL and
aVF are derived where they are not stored, as MUSE itself does.
"""

import base64
import zlib
from datetime import date
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.demographics import age_at_recording, age_in_years, date_of
from ecgcore.records.formats.xml_elements import text, texts, xml_root
from ecgcore.records.lead_groups import LeadGroup, combine_groups
from ecgcore.records.lead_names import standard_lead
from ecgcore.records.parser_errors import refuse_parser_errors
from ecgcore.records.record import ALTERED, Record
from ecgcore.records.vendor_record import (
    VendorRecording,
    lead_label,
    make_record,
    mv_per_unit,
    parse_number,
    refuse_median_beat,
)

_FORMAT = "GE MUSE XML"
_UNITS = {"MICROVOLTS": "uV", "MILLIVOLTS": "mV", "NANOVOLTS": "nV"}
_EVIDENCE = {
    "rate": "SampleBase and SampleExponent",
    "leads": "LeadID",
    "unit": "LeadAmplitudeUnitsPerBit and LeadAmplitudeUnits",
}
_MEASUREMENT_TAGS = {
    "rate_bpm": "VentricularRate",
    "pr_ms": "PRInterval",
    "qrs_ms": "QRSDuration",
    "qt_ms": "QTInterval",
    "qtc_ms": "QTCorrected",
    "p_axis_deg": "PAxis",
    "axis_deg": "RAxis",
    "t_axis_deg": "TAxis",
}
_PATIENT_TAGS = (
    *("PatientID", "PatientLastName", "PatientFirstName", "PatientMiddleName", "VisitNumber"),
)
_STAFF_TAG_ENDINGS = ("LastName", "FirstName", "UserID", "ID")


def read_muse(path: Path, *, start_s: float = 0.0) -> Record:
    """Read the ``Rhythm`` of a MUSE file.

    Parameters
    ----------
    path
        The XML file.
    start_s
        Seconds to leave out at the start.

    Raises
    ------
    UnreadableRecord
        No ``Rhythm`` block, a median beat alone, not twelve leads, or damaged.
    """
    root = xml_root(path, _FORMAT)
    with refuse_parser_errors(path, _FORMAT):
        recording = _recording(path, root)
    return make_record(path, recording, start_s=start_s)


def _recording(path: Path, root: Element) -> VendorRecording:
    blocks = _rhythm_blocks(path, root)
    combined = combine_groups(path.stem, [_group(path, block) for block in blocks])
    leads = [lead for block in blocks for lead in block.findall("LeadData")]
    patient = root.find("PatientDemographics")
    measurements = root.find("OriginalRestingECGMeasurements")
    if measurements is None:
        measurements = root.find("RestingECGMeasurements")
    return VendorRecording(
        columns=combined.columns,
        signal_mv=combined.signal_mv,
        fs_hz=combined.fs_hz,
        age_years=_age_years(root),
        sex=text(patient, "Gender"),
        sentences=_sentences(root),
        machine={
            name: parse_number(text(measurements, tag)) for name, tag in _MEASUREMENT_TAGS.items()
        },
        private=texts(patient, *_PATIENT_TAGS) + _staff(root),
        notes=(*_checksum_notes(leads), *combined.notes, *_unit_notes(leads)),
        off=[_name(lead) for lead in leads if text(lead, "LeadOff").upper() == "TRUE"],
        evidence=_EVIDENCE,
    )


def _rhythm_blocks(path: Path, root: Element) -> list[Element]:
    filled = [block for block in root.findall("Waveform") if block.find("LeadData") is not None]
    rhythms = [block for block in filled if text(block, "WaveformType").lower() == "rhythm"]
    if rhythms:
        return rhythms
    if any(text(block, "WaveformType").lower() == "median" for block in filled):
        refuse_median_beat(path)
    raise UnreadableRecord(
        f"Record {path.stem}: {path.name} holds no rhythm ({len(filled)} waveforms, none of type "
        "Rhythm). Export the ECG with its waveform."
    )


def _group(path: Path, block: Element) -> LeadGroup:
    leads = block.findall("LeadData")
    if len({parse_number(text(lead, "LeadTimeOffset")) or 0.0 for lead in leads}) > 1:
        raise UnreadableRecord(
            f"Record {path.stem}: its leads start at different times (LeadTimeOffset); leads "
            "recorded together are needed."
        )
    return LeadGroup(
        columns=[_name(lead) for lead in leads],
        signal_mv=np.stack([_lead_mv(path, lead) for lead in leads]),
        fs_hz=_fs_hz(block),
    )


def _name(lead: Element) -> str:
    return text(lead, "LeadID")


def _samples(lead: Element) -> bytes:
    return base64.b64decode(text(lead, "WaveFormData"))


def _fs_hz(block: Element) -> float:
    base = parse_number(text(block, "SampleBase"))
    exponent = parse_number(text(block, "SampleExponent"))
    return (base or 0.0) * 10.0 ** (exponent or 0.0)


def _lead_mv(path: Path, lead: Element) -> np.ndarray:
    """Return one lead, (T,) in mV."""
    name = _name(lead)
    declared = parse_number(text(lead, "LeadSampleCountTotal"))
    per_bit = parse_number(text(lead, "LeadAmplitudeUnitsPerBit"))
    unit = text(lead, "LeadAmplitudeUnits") or "MICROVOLTS"
    if text(lead, "LeadSampleSize") not in ("", "2"):
        raise UnreadableRecord(
            f"Record {path.stem}: {lead_label(name)} does not have samples of 16 bits, the only "
            "size that is read."
        )
    raw = np.frombuffer(_samples(lead), dtype="<i2").astype(np.float64)
    if declared is not None and declared != raw.size:
        raise UnreadableRecord(
            f"Record {path.stem}: {lead_label(name)} declares {declared:,.0f} samples and holds "
            f"{raw.size:,}. Fetch {path.name} again: it is cut off or altered."
        )
    if not per_bit:
        raise UnreadableRecord(f"Record {path.stem}: {lead_label(name)} states no scale.")
    return raw * per_bit * mv_per_unit(path, name, _UNITS.get(unit.upper(), unit))


def _checksum_notes(leads: list[Element]) -> tuple[str, ...]:
    wrong = [
        standard_lead(_name(lead)) or "another"
        for lead in leads
        if (checksum := text(lead, "LeadDataCRC32")).isdigit()
        and int(checksum) != zlib.crc32(_samples(lead))
    ]
    return (f"{ALTERED}checksum of {', '.join(wrong)} differs",) if wrong else ()


def _unit_notes(leads: list[Element]) -> tuple[str, ...]:
    stated = [text(lead, "LeadAmplitudeUnits") for lead in leads]
    return () if all(stated) else ("scale assumed: µV",)


def _sentences(root: Element) -> list[str]:
    """Return the machine's statements; a sentence ends at the flag ``ENDSLINE``."""
    block = root.find("OriginalDiagnosis")
    if block is None:
        block = root.find("Diagnosis")
    sentences = [""]
    for statement in block.findall("DiagnosisStatement") if block is not None else ():
        sentences[-1] += " " + text(statement, "StmtText")
        if "ENDSLINE" in texts(statement, "StmtFlag"):
            sentences.append("")
    return sentences


def _age_years(root: Element) -> float | None:
    patient = root.find("PatientDemographics")
    stated = parse_number(text(patient, "PatientAge"))
    if stated is not None:
        return age_in_years(stated, text(patient, "AgeUnits") or "YEARS")
    birth = _date(text(patient, "DateofBirth"))
    return age_at_recording(birth, _date(text(root, "TestDemographics/AcquisitionDate")))


def _date(month_day_year: str) -> date | None:
    parts = [parse_number(part) for part in month_day_year.replace("/", "-").split("-")]
    return date_of(parts[2], parts[0], parts[1]) if len(parts) == 3 else None


def _staff(root: Element) -> list[str]:
    """Return the text of every element that names or numbers a member of staff."""
    test = root.find("TestDemographics")
    elements = test.iter() if test is not None else ()
    names = [e.text for e in elements if e.tag.endswith(_STAFF_TAG_ENDINGS) and e.text]
    return names + texts(root, "HISOrderNumber", "AdmitDiagnosis")
