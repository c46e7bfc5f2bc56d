"""Reading Schiller's XML (``SchillerEDI``): rhythm samples as text with a scale in µV.

No vendor's file was at hand: the layout is the one that converters read, and the record's notes
say so.
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

_FORMAT = "Schiller XML"
_MEDIAN_TYPES = ("ECG_AVERAGE", "ECG_MEDIAN")
_EVIDENCE = {
    "rate": "samplerate of its rhythm",
    "leads": "the name of each channel",
    "unit": "yres of its rhythm, taken as µV",
}


def read_schiller(path: Path, *, start_s: float = 0.0) -> Record:
    """Read the ``ECG_RHYTHMS`` of a Schiller file.

    Parameters
    ----------
    path
        The XML file.
    start_s
        Seconds to leave out at the start.

    Raises
    ------
    UnreadableRecord
        No rhythm as text, not twelve leads, or damaged.
    """
    root = xml_root(path, _FORMAT)
    with refuse_parser_errors(path, _FORMAT):
        recording = _recording(path, root)
    return make_record(path, recording, start_s=start_s)


def _recording(path: Path, root: Element) -> VendorRecording:
    block = _rhythm_block(path, root)
    leads = block.findall("channel")
    patient = root.find("patdata")
    uv_per_unit = parse_number(text(block, "resolution/yres"))
    if not uv_per_unit:
        raise UnreadableRecord(f"Record {path.stem}: its rhythm states no scale (yres).")
    raw = np.stack([comma_separated(text(lead, "data")) for lead in leads])
    return VendorRecording(
        columns=[text(lead, "name") for lead in leads],
        signal_mv=raw * uv_per_unit / 1000,
        fs_hz=parse_number(text(block, "resolution/samplerate")) or 0.0,
        age_years=_age_years(root),
        sex=text(patient, "gender"),
        private=texts(patient, "id", "lastname", "firstname"),
        notes=("layout not checked against a vendor's file: Schiller XML",),
        evidence=_EVIDENCE,
    )


def _rhythm_block(path: Path, root: Element) -> Element:
    blocks = list(root.iter("wavedata"))
    for block in blocks:
        encodings = {text(lead, "datastype") for lead in block.findall("channel")}
        if text(block, "type") == "ECG_RHYTHMS" and encodings:
            if encodings != {"COMMASEPARATE"}:
                raise UnreadableRecord(
                    f"Record {path.stem}: its samples are stored in a form that is not read; "
                    "accepted is COMMASEPARATE."
                )
            return block
    if any(text(block, "type").upper().startswith(_MEDIAN_TYPES) for block in blocks):
        refuse_median_beat(path)
    raise UnreadableRecord(
        f"Record {path.stem}: {path.name} holds no ECG_RHYTHMS. Export the ECG with its waveform."
    )


def _age_years(root: Element) -> float | None:
    stated = parse_number(text(root, "patdata/age"))
    if stated is not None:
        return age_in_years(stated)
    birth = _date(text(root, "patdata/birthdate"))
    return age_at_recording(birth, _date(text(root, "examdescript/startdatetime/date")))


def _date(digits: str) -> date | None:
    plain = digits.replace("-", "")[:8]
    return date_of(*map(parse_number, (plain[:4], plain[4:6], plain[6:8])))
