"""Reading GE CardioSoft XML (``CardiologyXML``), whose samples are text.

The recording is ``StripData``; ``MedianSamples`` and ``VectorLoops`` are computed from it.
"""

from datetime import date
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.demographics import age_at_recording, age_in_years, date_of
from ecgcore.records.formats.xml_elements import comma_separated, text, texts, xml_root
from ecgcore.records.parser_errors import refuse_parser_errors
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import (
    VendorRecording,
    make_record,
    parse_number,
    refuse_median_beat,
)

_FORMAT = "CardioSoft XML"
_EVIDENCE = {
    "rate": "SampleRate of its strip",
    "leads": "the lead of each waveform",
    "unit": "Resolution of its strip",
}
_MEASUREMENT_TAGS = {
    "rate_bpm": "VentricularRate",
    "pr_ms": "PQInterval",
    "qrs_ms": "QRSDuration",
    "qt_ms": "QTInterval",
    "qtc_ms": "QTCInterval",
    "p_axis_deg": "PAxis",
    "axis_deg": "RAxis",
    "t_axis_deg": "TAxis",
}


def read_cardiosoft(path: Path, *, start_s: float = 0.0) -> Record:
    """Read the strip of a CardioSoft file.

    Parameters
    ----------
    path
        The XML file.
    start_s
        Seconds to leave out at the start.

    Raises
    ------
    UnreadableRecord
        No strip, a median beat alone, not twelve leads, or damaged.
    """
    root = xml_root(path, _FORMAT)
    with refuse_parser_errors(path, _FORMAT):
        recording = _recording(path, root)
    return make_record(path, recording, start_s=start_s)


def _recording(path: Path, root: Element) -> VendorRecording:
    strip = root.find("StripData")
    leads = strip.findall("WaveformData") if strip is not None else []
    if not leads and root.find(".//MedianSamples/WaveformData") is not None:
        refuse_median_beat(path)
    if strip is None or not leads:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} holds no strip of 12 leads (StripData). Export the "
            "resting ECG with its waveform."
        )
    measurements = root.find("RestingECGMeasurements")
    patient = root.find("PatientInfo")
    return VendorRecording(
        columns=[lead.get("lead", "") for lead in leads],
        signal_mv=_signal_mv(path, strip, leads),
        fs_hz=parse_number(text(strip, "SampleRate")) or 0.0,
        age_years=_age_years(root),
        sex=text(patient, "Gender"),
        sentences=texts(root.find("Interpretation"), "DiagnosisText"),
        machine={
            name: parse_number(text(measurements, tag)) for name, tag in _MEASUREMENT_TAGS.items()
        },
        private=texts(root, "FamilyName", "GivenName", "PersonID", "PID", "OrderNumber"),
        evidence=_EVIDENCE,
    )


def _signal_mv(path: Path, strip: Element, leads: list[Element]) -> np.ndarray:
    """Return (leads, T) in mV."""
    resolution = strip.find("Resolution")
    unit = resolution.get("units", "") if resolution is not None else ""
    if unit.lower() != "uvperlsb":
        raise UnreadableRecord(
            f"Record {path.stem}: its resolution is not in uVperLsb, the only unit that is read."
        )
    raw = np.stack([comma_separated(lead.text or "") for lead in leads])
    declared = parse_number(text(strip, "ChannelSampleCountTotal"))
    if declared is not None and declared != raw.shape[1]:
        raise UnreadableRecord(
            f"Record {path.stem}: its strip declares {declared:,.0f} samples a lead and holds "
            f"{raw.shape[1]:,}. Fetch {path.name} again: it is cut off or altered."
        )
    uv_per_step = parse_number(text(strip, "Resolution"))
    if not uv_per_step:
        raise UnreadableRecord(f"Record {path.stem}: its strip states no scale (Resolution).")
    return raw * uv_per_step / 1000


def _age_years(root: Element) -> float | None:
    patient = root.find("PatientInfo")
    stated = parse_number(text(patient, "Age"))
    if stated is not None and patient is not None:
        age = patient.find("Age")
        return age_in_years(stated, age.get("units", "YEARS") if age is not None else "YEARS")
    birth, recording = _date(patient, "BirthDateTime"), _date(root, "ObservationDateTime")
    return age_at_recording(birth, recording)


def _date(element: Element | None, tag: str) -> date | None:
    parts = (parse_number(text(element, f"{tag}/{part}")) for part in ("Year", "Month", "Day"))
    return date_of(*parts)
