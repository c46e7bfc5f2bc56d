"""Reading HL7 annotated ECG (ANSI/HL7 V3 ECG R1-2004): persons and statements by ``ecgdatakit``."""

from pathlib import Path

from ecgcore.records.formats.aecg_waveforms import rhythm_groups
from ecgcore.records.formats.ecgdatakit_adapter import parse, to_metadata
from ecgcore.records.formats.xml_elements import xml_root
from ecgcore.records.lead_groups import combine_groups
from ecgcore.records.parser_errors import refuse_parser_errors
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import VendorRecording, make_record

_FORMAT = "HL7 aECG"
_EVIDENCE = {
    "rate": "the increment of its time sequence",
    "leads": "the codes of its sequences",
    "unit": "the scale of each sequence",
}


def read_aecg(path: Path, *, start_s: float = 0.0) -> Record:
    """Read the first rhythm of an aECG file, never its representative beat.

    Parameters
    ----------
    path
        The XML file.
    start_s
        Seconds to leave out at the start.

    Raises
    ------
    UnreadableRecord
        No waveform, a representative beat alone, not twelve leads, or damaged.
    """
    root = xml_root(path, _FORMAT)
    with refuse_parser_errors(path, _FORMAT):
        leads = combine_groups(path.stem, rhythm_groups(path, root))
    parsed = parse(path, _FORMAT)
    with refuse_parser_errors(path, _FORMAT):
        recording = VendorRecording(
            columns=leads.columns,
            signal_mv=leads.signal_mv,
            fs_hz=leads.fs_hz,
            notes=leads.notes,
            evidence=_EVIDENCE,
            **to_metadata(parsed),
        )
    return make_record(path, recording, start_s=start_s)
