"""Reading HL7 annotated ECG (ANSI/HL7 V3 ECG R1-2004): parsed by ``ecgdatakit``."""

from pathlib import Path
from typing import Any

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats.ecgdatakit_adapter import parse, to_recording
from ecgcore.records.formats.xml_elements import xml_root
from ecgcore.records.parser_errors import refuse_parser_errors
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import make_record

_FORMAT = "HL7 aECG"


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
        No waveform, not twelve leads, or damaged.
    """
    _refuse_without_waveform(path)
    parsed = parse(path, _FORMAT)
    with refuse_parser_errors(path, _FORMAT):
        recording = to_recording(path, parsed, _exact_hz(parsed))
    return make_record(path, recording, start_s=start_s)


def _refuse_without_waveform(path: Path) -> None:
    root = xml_root(path, _FORMAT)
    if next(root.iter("digits"), None) is None:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is an aECG without a waveform (no sequence holds "
            "digits). Export the ECG with its rhythm series."
        )


def _exact_hz(parsed: Any) -> float | None:
    """Return the rate that the increment states, which the parser rounds."""
    exact_hz = parsed.raw_metadata.get("rhythm_time", {}).get("sampling_rate_exact")
    if exact_hz is None:
        return None
    is_whole = abs(exact_hz - round(exact_hz)) < 1e-6 * exact_hz
    return float(round(exact_hz)) if is_whole else float(exact_hz)
