"""Reading GE CardioSoft XML (``CardiologyXML``): samples as text, the median beat apart.

The recording is ``StripData``; ``MedianSamples`` and ``VectorLoops`` are computed from it.
"""

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats.xml_elements import comma_separated, text, texts, xml_root
from ecgcore.records.parser_errors import refusing
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import Contents, age_on, day, number, record_of, years

_FORM = "CardioSoft XML"
_MEASURES = {
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
        No strip, not twelve leads, or not whole.
    """
    root = xml_root(path, _FORM)
    with refusing(path, _FORM):
        found = _contents(path, root)
    return record_of(path, found, start_s=start_s)


def stated_fs_hz(path: Path) -> float | None:
    """Return the rate in Hz of the strip."""
    return number(text(xml_root(path, _FORM), "StripData/SampleRate"))


def _contents(path: Path, root: Element) -> Contents:
    strip = root.find("StripData")
    leads = strip.findall("WaveformData") if strip is not None else []
    if strip is None or not leads:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} holds no strip of 12 leads (StripData). Export the "
            "resting ECG with its waveform."
        )
    measures = root.find("RestingECGMeasurements")
    person = root.find("PatientInfo")
    return Contents(
        columns=[lead.get("lead", "") for lead in leads],
        signal_mv=_in_mv(path, strip, leads),
        fs_hz=number(text(strip, "SampleRate")) or 0.0,
        age_years=_age_years(root),
        sex=text(person, "Gender"),
        sentences=texts(root.find("Interpretation"), "DiagnosisText"),
        machine={name: number(text(measures, tag)) for name, tag in _MEASURES.items()},
        private=texts(root, "FamilyName", "GivenName", "PersonID", "PID", "OrderNumber"),
    )


def _in_mv(path: Path, strip: Element, leads: list[Element]) -> np.ndarray:
    """Return (leads, T) in mV."""
    resolution = strip.find("Resolution")
    unit = resolution.get("units", "") if resolution is not None else ""
    if unit.lower() != "uvperlsb":
        raise UnreadableRecord(
            f"Record {path.stem}: its resolution is not in uVperLsb, the only unit that is read."
        )
    units = np.stack([comma_separated(lead.text or "") for lead in leads])
    declared = number(text(strip, "ChannelSampleCountTotal"))
    if declared is not None and declared != units.shape[1]:
        raise UnreadableRecord(
            f"Record {path.stem}: its strip declares {declared:,.0f} samples a lead and holds "
            f"{units.shape[1]:,}. Fetch {path.name} again: it is cut off or altered."
        )
    return units * (number(text(strip, "Resolution")) or np.nan) / 1000


def _age_years(root: Element) -> float | None:
    person = root.find("PatientInfo")
    stated = number(text(person, "Age"))
    if stated is not None and person is not None:
        age = person.find("Age")
        return years(stated, age.get("units", "YEARS") if age is not None else "YEARS")
    return age_on(_day(person, "BirthDateTime"), _day(root, "ObservationDateTime"))


def _day(above: Element | None, where: str):
    return day(*(number(text(above, f"{where}/{part}")) for part in ("Year", "Month", "Day")))
