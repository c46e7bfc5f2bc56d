"""Reading Mortara's XML (ELI): parsed by ``ecgdatakit``.

No vendor's file was at hand; the record's notes say so.
"""

from dataclasses import replace
from pathlib import Path

from ecgcore.records.formats.ecgdatakit_adapter import parse, to_recording
from ecgcore.records.formats.xml_elements import xml_content
from ecgcore.records.parser_errors import refuse_parser_errors
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import make_record

_FORMAT = "Mortara XML"


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
        Not twelve leads, or damaged.
    """
    xml_content(path, _FORMAT)
    parsed = parse(path, _FORMAT)
    with refuse_parser_errors(path, _FORMAT):
        recording = to_recording(path, parsed)
    note = "layout not checked against a vendor's file: Mortara XML"
    return make_record(path, replace(recording, notes=(*recording.notes, note)), start_s=start_s)
