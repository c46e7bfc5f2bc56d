"""Reading HL7 annotated ECG (ANSI/HL7 V3 ECG R1-2004): parsed by ``ecgdatakit``."""

from pathlib import Path
from typing import Any

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats.ecgdatakit_adapter import contents, parsed
from ecgcore.records.formats.xml_elements import xml_root
from ecgcore.records.parser_errors import refusing
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import number, record_of

_FORM = "HL7 aECG"
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


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
        No waveform, not twelve leads, or not whole.
    """
    _refuse_without_waveform(path)
    reading = parsed(path, _FORM)
    with refusing(path, _FORM):
        found = contents(path, _FORM, reading, _exact_hz(reading))
    return record_of(path, found, start_s=start_s)


def stated_fs_hz(path: Path) -> float | None:
    """Return the rate in Hz that the first time base states."""
    for increment in xml_root(path, _FORM).iter("increment"):
        second = _SECONDS.get(increment.get("unit", ""))
        step = number(increment.get("value"))
        return round(1 / (step * second), 6) if step and second else None
    return None


def _refuse_without_waveform(path: Path) -> None:
    root = xml_root(path, _FORM)
    if next(root.iter("digits"), None) is None:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is an aECG without a waveform (no sequence holds "
            "digits). Export the ECG with its rhythm series."
        )


def _exact_hz(reading: Any) -> float | None:
    """Return the rate that the increment states, which the parser rounds."""
    exact = reading.raw_metadata.get("rhythm_time", {}).get("sampling_rate_exact")
    if exact is None:
        return None
    return float(round(exact)) if abs(exact - round(exact)) < 1e-6 * exact else float(exact)
