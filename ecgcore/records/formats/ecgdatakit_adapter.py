"""HL7 aECG, Philips, Mortara and SCP-ECG as ``ecgdatakit`` parses them: parsing only.

What it rounds (the rate) or decides (leads, missing values, units) is taken from what the file
states or decided here.
"""

from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.leads import standard_lead
from ecgcore.records.parser_errors import refusing
from ecgcore.records.vendor_record import MV_PER_UNIT, Contents, called, in_mv, number

_PARSERS = {
    "HL7 aECG": "hl7_aecg:HL7aECGParser",
    "Philips XML": "sierra_xml:SierraXMLParser",
    "Mortara XML": "mortara_el250:MortaraEL250Parser",
    "SCP-ECG": "scp_ecg:SCPECGParser",
}


def parsed(path: Path, form: str) -> Any:
    """Return ``ecgdatakit``'s reading of a file, an ``ECGRecord``.

    Raises
    ------
    UnreadableRecord
        The file is not whole.
    """
    from ecgdatakit.exceptions import ECGDataKitError

    module, name = _PARSERS[form].split(":")
    parser = getattr(import_module(f"ecgdatakit.parsing.parsers.{module}"), name)
    with refusing(path, form, ECGDataKitError):
        return parser().parse(path)


def contents(path: Path, form: str, reading: Any, fs_hz: float | None = None) -> Contents:
    """Return what a reading holds; ``fs_hz`` in place of its rounded rate.

    Raises
    ------
    UnreadableRecord
        Leads of different rate or length, or without a scale.
    """
    leads = _together(path, reading.leads)
    person = reading.patient
    return Contents(
        columns=[lead.label for lead in leads],
        signal_mv=np.stack([_in_mv(path, lead) for lead in leads]),
        fs_hz=fs_hz or float(leads[0].sampling_rate),
        age_years=person.age,
        sex=person.sex or "",
        sentences=_sentences(reading),
        machine=_machine(reading),
        private=_private(reading),
    )


def _together(path: Path, leads: list[Any]) -> list[Any]:
    """Return the leads that were recorded together; signals beside them (a pressure) are left."""
    ecg = [lead for lead in leads if standard_lead(lead.label.removeprefix("-"))]
    if not ecg:
        raise UnreadableRecord(
            f"Record {path.stem}: none of the {len(leads)} signals of {path.name} is an ECG lead."
        )
    known = {lead.label for lead in ecg}
    forms = {(lead.sampling_rate, len(lead.samples)) for lead in ecg}
    if len(forms) > 1:
        raise UnreadableRecord(
            f"Record {path.stem}: its leads differ in rate or length; leads recorded together are "
            "needed."
        )
    return [lead for lead in leads if lead.label in known or _fits(lead, forms)]


def _fits(lead: Any, forms: set[tuple[int, int]]) -> bool:
    """Return whether a lead of another name (V3R) was recorded together with these, in volts."""
    together = (lead.sampling_rate, len(lead.samples)) in forms
    return together and (_unit(lead) or "").lower() in MV_PER_UNIT


def _unit(lead: Any) -> str:
    return lead.resolution_unit if lead.is_raw else lead.units


def _in_mv(path: Path, lead: Any) -> np.ndarray:
    """Return one lead, (T,) in mV."""
    if not lead.is_raw:
        return np.asarray(lead.samples, dtype=np.float64) * in_mv(path, lead.label, lead.units)
    if not lead.resolution:
        raise UnreadableRecord(f"Record {path.stem}: {called(lead.label)} states no scale.")
    factor = in_mv(path, lead.label, lead.resolution_unit)
    return (np.asarray(lead.samples) * lead.resolution + lead.offset) * factor


def _sentences(reading: Any) -> list[str]:
    """Return the machine's statements; a physician's where the file holds no others."""
    machine = reading.annotations.get("machine_interpretation")
    if machine:
        told = [line.partition(" | ")[0] for line in machine.split("\n")]
    else:
        told = [left for left, _ in reading.interpretation.statements]
    return [*told, reading.annotations.get("rhythm", "")]


def _machine(reading: Any) -> dict[str, float | None]:
    measures = reading.measurements
    return {
        "rate_bpm": measures.heart_rate,
        "pr_ms": measures.pr_interval,
        "qrs_ms": measures.qrs_duration,
        "qt_ms": measures.qt_interval,
        "qtc_ms": measures.qtc_bazett or _qtc_ms(reading.annotations),
        "p_axis_deg": measures.p_axis,
        "axis_deg": measures.qrs_axis,
        "t_axis_deg": measures.t_axis,
    }


def _qtc_ms(annotations: dict[str, str]) -> float | None:
    """Return a QTc whose formula the file does not state (``443 ms (formula code 0)``)."""
    told = (annotations.get(key, "").split(" ")[0] for key in ("qtc", "MDC_ECG_TIME_PD_QTc"))
    return next((value for value in map(number, told) if value), None)


def _private(reading: Any) -> list[str]:
    """Return names and numbers of patient and staff."""
    person, recording = reading.patient, reading.recording
    told = [
        person.first_name,
        person.last_name,
        person.patient_id,
        recording.technician,
        recording.referring_physician,
        reading.interpretation.interpreter,
        *(reading.raw_metadata.get(key) for key in ("investigator", "study_event_performer")),
    ]
    return [text for text in told if isinstance(text, str)] + _birth(person.birth_date)


def _birth(born: datetime | None) -> list[str]:
    return [f"{born:%Y-%m-%d}"] if born else []
