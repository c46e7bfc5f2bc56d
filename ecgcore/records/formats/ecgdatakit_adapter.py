"""HL7 aECG, Philips, Mortara, SCP-ECG and MFER as ``ecgdatakit`` parses them: parsing only.

Values that it rounds (the rate) or decides (leads, missing values, units) are taken from the file
or decided here.
"""

import warnings
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.lead_names import inverted_lead, standard_lead
from ecgcore.records.parser_errors import refuse_parser_errors
from ecgcore.records.units import MV_PER_UNIT
from ecgcore.records.vendor_record import VendorRecording, lead_label, mv_per_unit, parse_number

_PARSERS = {
    "HL7 aECG": "hl7_aecg:HL7aECGParser",
    "Philips XML": "sierra_xml:SierraXMLParser",
    "Mortara XML": "mortara_el250:MortaraEL250Parser",
    "SCP-ECG": "scp_ecg:SCPECGParser",
    "MFER": "mfer:MFERParser",
}


def parse(path: Path, format_name: str) -> Any:
    """Return the ``ECGRecord`` that ``ecgdatakit`` parses from a file.

    Its ``raw_metadata["warnings"]`` are the texts of the parser's warnings.

    Raises
    ------
    UnreadableRecord
        The file is damaged.
    """
    from ecgdatakit.exceptions import ECGDataKitError

    module, name = _PARSERS[format_name].split(":")
    parser = getattr(import_module(f"ecgdatakit.parsing.parsers.{module}"), name)
    with refuse_parser_errors(path, format_name, ECGDataKitError):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            parsed = parser().parse(path)
        parsed.raw_metadata["warnings"] = [str(warning.message) for warning in caught]
        return parsed


def to_recording(path: Path, parsed: Any, fs_hz: float | None = None) -> VendorRecording:
    """Return the content of a parsed file; ``fs_hz`` in place of its rounded rate.

    Raises
    ------
    UnreadableRecord
        Leads differ in rate or length, or state no scale.
    """
    leads = _simultaneous_leads(path, parsed.leads)
    return VendorRecording(
        columns=[lead.label for lead in leads],
        signal_mv=np.stack([lead_mv(path, lead) for lead in leads]),
        fs_hz=fs_hz or float(leads[0].sampling_rate),
        **to_metadata(parsed),
    )


def to_metadata(parsed: Any) -> dict[str, Any]:
    """Return the fields of a VendorRecording on patient, statements, measurements and filters."""
    filters = parsed.recording.acquisition.filters
    return {
        "age_years": parsed.patient.age,
        "sex": parsed.patient.sex or "",
        "sentences": _sentences(parsed),
        "machine": _machine(parsed),
        "private": _private_texts(parsed),
        "band_hz": (filters.highpass, filters.lowpass),
    }


def _simultaneous_leads(path: Path, leads: list[Any]) -> list[Any]:
    """Return the leads recorded together, without other signals (a pressure)."""
    ecg = [lead for lead in leads if standard_lead(lead.label) or inverted_lead(lead.label)]
    if not ecg:
        raise UnreadableRecord(
            f"Record {path.stem}: none of the {len(leads)} signals of {path.name} is an ECG lead."
        )
    labels = {lead.label for lead in ecg}
    timings = {(lead.sampling_rate, len(lead.samples)) for lead in ecg}
    if len(timings) > 1:
        raise UnreadableRecord(
            f"Record {path.stem}: its leads differ in rate or length; leads recorded together are "
            "needed."
        )
    return [lead for lead in leads if lead.label in labels or _belongs(lead, timings)]


def _belongs(lead: Any, timings: set[tuple[int, int]]) -> bool:
    """Return whether a lead of another name (V3R) was recorded with these, in volts."""
    is_simultaneous = (lead.sampling_rate, len(lead.samples)) in timings
    return is_simultaneous and (_unit(lead) or "").lower() in MV_PER_UNIT


def _unit(lead: Any) -> str:
    return lead.resolution_unit if lead.is_raw else lead.units


def lead_mv(path: Path, lead: Any) -> np.ndarray:
    """Return one parsed lead, (T,) in mV.

    Raises
    ------
    UnreadableRecord
        It states no scale, or a unit that is no voltage.
    """
    if not lead.is_raw:
        samples = np.asarray(lead.samples, dtype=np.float64)
        return samples * mv_per_unit(path, lead.label, lead.units)
    if not lead.resolution:
        raise UnreadableRecord(f"Record {path.stem}: {lead_label(lead.label)} states no scale.")
    factor = mv_per_unit(path, lead.label, lead.resolution_unit)
    return (np.asarray(lead.samples) * lead.resolution + lead.offset) * factor


def _sentences(parsed: Any) -> list[str]:
    """Return the machine's statements; a physician's where the file holds no others."""
    machine = parsed.annotations.get("machine_interpretation")
    if machine:
        sentences = [line.partition(" | ")[0] for line in machine.split("\n")]
    else:
        sentences = [left for left, _ in parsed.interpretation.statements]
    return [*sentences, parsed.annotations.get("rhythm", "")]


def _machine(parsed: Any) -> dict[str, float | None]:
    measurements = parsed.measurements
    return {
        "rate_bpm": measurements.heart_rate,
        "pr_ms": measurements.pr_interval,
        "qrs_ms": measurements.qrs_duration,
        "qt_ms": measurements.qt_interval,
        "qtc_ms": measurements.qtc_bazett or _qtc_ms(parsed.annotations),
        "p_axis_deg": measurements.p_axis,
        "axis_deg": measurements.qrs_axis,
        "t_axis_deg": measurements.t_axis,
    }


def _qtc_ms(annotations: dict[str, str]) -> float | None:
    """Return a QTc whose formula the file does not state (``443 ms (formula code 0)``)."""
    texts = (annotations.get(key, "").split(" ")[0] for key in ("qtc", "MDC_ECG_TIME_PD_QTc"))
    return next((value for value in map(parse_number, texts) if value), None)


def _private_texts(parsed: Any) -> list[str]:
    """Return names and numbers of patient and staff."""
    patient, recording = parsed.patient, parsed.recording
    texts = [
        patient.first_name,
        patient.last_name,
        patient.patient_id,
        recording.technician,
        recording.referring_physician,
        parsed.interpretation.interpreter,
        *(parsed.raw_metadata.get(key) for key in ("investigator", "study_event_performer")),
    ]
    return [text for text in texts if isinstance(text, str)] + _birth_text(patient.birth_date)


def _birth_text(birth: datetime | None) -> list[str]:
    return [f"{birth:%Y-%m-%d}"] if birth else []
