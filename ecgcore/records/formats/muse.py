"""Reading GE MUSE XML (``RestingECG``): base64 samples, usually eight leads, a median beat beside.

The ``Median`` block stands first; only the ``Rhythm`` block is the recording. Leads III, aVR, aVL
and aVF are derived where they are not stored, as MUSE itself does.
"""

import base64
import zlib
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats.xml_elements import text, texts, xml_root
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
    years,
)

_FORM = "GE MUSE XML"
_UNITS = {"MICROVOLTS": "uV", "MILLIVOLTS": "mV", "NANOVOLTS": "nV"}
_MEASURES = {
    "rate_bpm": "VentricularRate",
    "pr_ms": "PRInterval",
    "qrs_ms": "QRSDuration",
    "qt_ms": "QTInterval",
    "qtc_ms": "QTCorrected",
    "p_axis_deg": "PAxis",
    "axis_deg": "RAxis",
    "t_axis_deg": "TAxis",
}
_PEOPLE = ("PatientID", "PatientLastName", "PatientFirstName", "PatientMiddleName", "VisitNumber")
_STAFF = ("LastName", "FirstName", "UserID", "ID")


def read_muse(path: Path, *, start_s: float = 0.0) -> Record:
    """Read the ``Rhythm`` block of a MUSE file.

    Parameters
    ----------
    path
        The XML file.
    start_s
        Seconds to leave out at the start.

    Raises
    ------
    UnreadableRecord
        No ``Rhythm`` block, not twelve leads, or not whole.
    """
    root = xml_root(path, _FORM)
    with refusing(path, _FORM):
        found = _contents(path, root)
    return record_of(path, found, start_s=start_s)


def stated_fs_hz(path: Path) -> float | None:
    """Return the rate in Hz of the rhythm."""
    root = xml_root(path, _FORM)
    with refusing(path, _FORM):
        return _fs_hz(_rhythm(path, root)) or None


def _contents(path: Path, root: Element) -> Contents:
    block = _rhythm(path, root)
    leads = block.findall("LeadData")
    raw = [base64.b64decode(text(lead, "WaveFormData")) for lead in leads]
    person = root.find("PatientDemographics")
    measures = root.find("OriginalRestingECGMeasurements")
    if measures is None:
        measures = root.find("RestingECGMeasurements")
    return Contents(
        columns=[text(lead, "LeadID") for lead in leads],
        signal_mv=np.stack([_in_mv(path, *pair) for pair in zip(leads, raw, strict=True)]),
        fs_hz=_fs_hz(block),
        age_years=_age_years(root),
        sex=text(person, "Gender"),
        sentences=_sentences(root),
        machine={name: number(text(measures, tag)) for name, tag in _MEASURES.items()},
        private=texts(person, *_PEOPLE) + _staff(root),
        notes=_altered(leads, raw),
    )


def _rhythm(path: Path, root: Element) -> Element:
    blocks = root.findall("Waveform")
    for block in blocks:
        if text(block, "WaveformType").lower() == "rhythm" and block.find("LeadData") is not None:
            return block
    raise UnreadableRecord(
        f"Record {path.stem}: {path.name} holds no rhythm ({len(blocks)} waveforms, none of type "
        "Rhythm); a median beat alone is not read. Export the ECG with its waveform."
    )


def _fs_hz(block: Element) -> float:
    base, exponent = number(text(block, "SampleBase")), number(text(block, "SampleExponent"))
    return (base or 0.0) * 10.0 ** (exponent or 0.0)


def _in_mv(path: Path, lead: Element, samples: bytes) -> np.ndarray:
    """Return one lead, (T,) in mV."""
    name = text(lead, "LeadID")
    declared = number(text(lead, "LeadSampleCountTotal"))
    per_bit = number(text(lead, "LeadAmplitudeUnitsPerBit"))
    unit = text(lead, "LeadAmplitudeUnits") or "MICROVOLTS"
    if text(lead, "LeadSampleSize") not in ("", "2"):
        raise UnreadableRecord(f"Record {path.stem}: {called(name)} has samples of no 16 bits.")
    units = np.frombuffer(samples, dtype="<i2").astype(np.float64)
    if declared is not None and declared != units.size:
        raise UnreadableRecord(
            f"Record {path.stem}: {called(name)} declares {declared:,.0f} samples and holds "
            f"{units.size:,}. Fetch {path.name} again: it is cut off or altered."
        )
    if not per_bit:
        raise UnreadableRecord(f"Record {path.stem}: {called(name)} states no scale.")
    return units * per_bit * in_mv(path, name, _UNITS.get(unit.upper(), unit))


def _altered(leads: list[Element], raw: list[bytes]) -> tuple[str, ...]:
    stated = [text(lead, "LeadDataCRC32") for lead in leads]
    wrong = [
        standard_lead(text(lead, "LeadID")) or "another"
        for lead, crc, samples in zip(leads, stated, raw, strict=True)
        if crc.isdigit() and int(crc) != zlib.crc32(samples)
    ]
    return (f"checksum does not match: {', '.join(wrong)}",) if wrong else ()


def _sentences(root: Element) -> list[str]:
    """Return the machine's statements; a line goes on until its flag says it ends."""
    block = root.find("OriginalDiagnosis")
    if block is None:
        block = root.find("Diagnosis")
    lines = [""]
    for statement in block.findall("DiagnosisStatement") if block is not None else ():
        lines[-1] += " " + text(statement, "StmtText")
        if "ENDSLINE" in texts(statement, "StmtFlag"):
            lines.append("")
    return lines


def _age_years(root: Element) -> float | None:
    person = root.find("PatientDemographics")
    stated = number(text(person, "PatientAge"))
    if stated is not None:
        return years(stated, text(person, "AgeUnits") or "YEARS")
    born = _day(text(person, "DateofBirth"))
    return age_on(born, _day(text(root, "TestDemographics/AcquisitionDate")))


def _day(month_day_year: str):
    parts = [number(part) for part in month_day_year.replace("/", "-").split("-")]
    return day(parts[2], parts[0], parts[1]) if len(parts) == 3 else None


def _staff(root: Element) -> list[str]:
    """Return every text of an element that names or numbers one of the staff."""
    test = root.find("TestDemographics")
    named = [e for e in test.iter() if e.tag.endswith(_STAFF)] if test is not None else []
    return [e.text for e in named if e.text] + texts(root, "HISOrderNumber", "AdmitDiagnosis")
