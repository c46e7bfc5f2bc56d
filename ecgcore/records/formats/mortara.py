"""Reading Mortara's XML (ELI): parsed by ``ecgdatakit``.

No vendor's file was at hand: the record says so.
"""

from dataclasses import replace
from pathlib import Path

from ecgcore.records.formats.ecgdatakit_adapter import contents, parsed
from ecgcore.records.formats.xml_elements import xml_content, xml_root
from ecgcore.records.parser_errors import refusing
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import number, record_of

_FORM = "Mortara XML"


def stated_fs_hz(path: Path) -> float | None:
    """Return the rate in Hz of the first channel."""
    channel = xml_root(path, _FORM).find("CHANNEL")
    return number(channel.get("SAMPLE_FREQ")) if channel is not None else None


def read_mortara(path: Path, *, start_s: float = 0.0) -> Record:
    """Read the channels of a Mortara file.

    Parameters
    ----------
    path
        The XML file.
    start_s
        Seconds to leave out at the start.

    Raises
    ------
    UnreadableRecord
        Not twelve leads, or not whole.
    """
    xml_content(path, _FORM)
    reading = parsed(path, _FORM)
    with refusing(path, _FORM):
        found = contents(path, _FORM, reading)
    note = "layout not checked against a vendor's file: Mortara XML"
    return record_of(path, replace(found, notes=(*found.notes, note)), start_s=start_s)
