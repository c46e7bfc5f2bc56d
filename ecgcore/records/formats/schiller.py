"""Reading Schiller's XML (``SchillerEDI``): rhythm samples as text with a scale in µV.

No vendor's file was at hand: the layout is the one that converters read, and the record says so.
"""

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats.xml_elements import comma_separated, text, texts, xml_root
from ecgcore.records.parser_errors import refusing
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import Contents, age_on, day, number, record_of, years

_FORM = "Schiller XML"


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
        No rhythm as text, not twelve leads, or not whole.
    """
    root = xml_root(path, _FORM)
    with refusing(path, _FORM):
        found = _contents(path, root)
    return record_of(path, found, start_s=start_s)


def stated_fs_hz(path: Path) -> float | None:
    """Return the rate in Hz of the rhythm."""
    return number(text(_rhythm(path, xml_root(path, _FORM)), "resolution/samplerate"))


def _contents(path: Path, root: Element) -> Contents:
    block = _rhythm(path, root)
    leads = block.findall("channel")
    person = root.find("patdata")
    uv_per_unit = number(text(block, "resolution/yres")) or np.nan
    units = np.stack([comma_separated(text(lead, "data")) for lead in leads])
    return Contents(
        columns=[text(lead, "name") for lead in leads],
        signal_mv=units * uv_per_unit / 1000,
        fs_hz=number(text(block, "resolution/samplerate")) or 0.0,
        age_years=_age_years(root),
        sex=text(person, "gender"),
        private=texts(person, "id", "lastname", "firstname"),
        notes=("layout not checked against a vendor's file: Schiller XML",),
    )


def _rhythm(path: Path, root: Element) -> Element:
    for block in root.iter("wavedata"):
        forms = {text(lead, "datastype") for lead in block.findall("channel")}
        if text(block, "type") == "ECG_RHYTHMS" and forms:
            if forms != {"COMMASEPARATE"}:
                raise UnreadableRecord(
                    f"Record {path.stem}: its samples are stored in a form that is not read; "
                    "accepted is COMMASEPARATE."
                )
            return block
    raise UnreadableRecord(
        f"Record {path.stem}: {path.name} holds no ECG_RHYTHMS. Export the ECG with its waveform."
    )


def _age_years(root: Element) -> float | None:
    stated = number(text(root, "patdata/age"))
    if stated is not None:
        return years(stated)
    born, recorded = text(root, "patdata/birthdate"), text(root, "examdescript/startdatetime/date")
    return age_on(_day(born), _day(recorded))


def _day(digits: str):
    plain = digits.replace("-", "")[:8]
    return day(number(plain[:4]), number(plain[4:6]), number(plain[6:8]))
