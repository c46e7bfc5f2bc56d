"""Reading Mortara's XML (ELI): parsed by ``ecgdatakit``.

No vendor's file was at hand; the record's notes say so.
"""

from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats.ecgdatakit_adapter import parse, to_recording
from ecgcore.records.formats.xml_elements import xml_root
from ecgcore.records.parser_errors import refuse_parser_errors
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import make_record, parse_number, refuse_median_beat

_FORMAT = "Mortara XML"
_EVIDENCE = {
    "rate": "SAMPLE_FREQ of its channels",
    "leads": "NAME of its channels",
    "unit": "UNITS_PER_MV of its channels",
}


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
        A typical cycle alone, not twelve leads, or damaged.
    """
    root = xml_root(path, _FORMAT)
    if root.find("CHANNEL") is None and root.find("TYPICAL_CYCLE") is not None:
        refuse_median_beat(path)
    _refuse_offset(path, root)
    parsed = parse(path, _FORMAT)
    with refuse_parser_errors(path, _FORMAT):
        recording = to_recording(path, parsed, _exact_hz(root))
    note = "layout not checked against a vendor's file: Mortara XML"
    recording = replace(recording, notes=(*recording.notes, note), evidence=_EVIDENCE)
    return make_record(path, recording, start_s=start_s)


def _exact_hz(root: Element) -> float | None:
    """Return the rate that all channels state, which the parser rounds."""
    rates_hz = {parse_number(channel.get("SAMPLE_FREQ")) for channel in root.findall("CHANNEL")}
    return rates_hz.pop() if len(rates_hz) == 1 else None


def _refuse_offset(path: Path, root: Element) -> None:
    """Refuse channels that start later than others: the unit of OFFSET is not known."""
    if len({channel.get("OFFSET", "0").strip() for channel in root.findall("CHANNEL")}) > 1:
        raise UnreadableRecord(
            f"Record {path.stem}: its channels start at different times (OFFSET); leads recorded "
            "together are needed."
        )
