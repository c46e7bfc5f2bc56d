"""Reading MFER (ISO 22077-1), the waveform format of Japanese devices: decoded by ``ecgdatakit``.

Checked against a monitor's strip of two leads; no vendor's file of twelve was at hand, and the
record's notes say so.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats.ecgdatakit_adapter import parse, to_recording
from ecgcore.records.lead_names import standard_lead
from ecgcore.records.parser_errors import read_bytes, refuse_parser_errors
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import make_record, refuse_median_beat

_FORMAT = "MFER"
_LARGEST_BYTES = 50_000_000
_MOST_CHANNELS, _MOST_DEFINITIONS = 256, 50_000
_CHANNELS, _ATTRIBUTES, _SET, _END = 0x05, 0x3F, 0x67, 0x80
_EVIDENCE = {
    "rate": "the sampling interval (MWF_IVL)",
    "leads": "the lead codes (MWF_LDN)",
    "unit": "the sampling resolution (MWF_SEN)",
}
_CUT_OFF = ("shorter than the frame definition", "with no waveform data")
_GAPS = "without a gap"
"""What the parser's warnings say of frames with missing samples, and of frames apart."""


def read_mfer(path: Path, *, start_s: float = 0.0) -> Record:
    """Read the waveforms of an MFER file.

    Parameters
    ----------
    path
        The ``.mwf`` file.
    start_s
        Seconds to leave out at the start.

    Raises
    ------
    UnreadableRecord
        Fewer samples than declared, frames apart, a dominant beat alone, not twelve leads, or
        damaged.
    """
    data = read_bytes(path, _FORMAT, _LARGEST_BYTES)
    with refuse_parser_errors(path, _FORMAT):
        end = _end_of_definitions(path, data)
    parsed = parse(path, _FORMAT)
    with refuse_parser_errors(path, _FORMAT):
        if not parsed.leads and parsed.median_beats:
            refuse_median_beat(path)
        _refuse_incomplete(path, parsed)
        recording = to_recording(path, parsed, _exact_hz(parsed))
        notes = _notes(parsed, has_end=end < len(data))
        recording = replace(recording, notes=notes, evidence=_EVIDENCE)
    return make_record(path, recording, start_s=start_s)


def _end_of_definitions(path: Path, data: bytes) -> int:
    """Return where the end mark stands; beyond the file where there is none.

    A definition is a tag, a length and a value; channel attributes and sets hold definitions.

    Raises
    ------
    UnreadableRecord
        It declares more channels, or holds more definitions, than any recording: they would take
        memory and time.
    """
    at = n_definitions = 0
    while at < len(data) and data[at] != _END:
        tag, at = data[at], at + 1
        if tag == 0:
            continue
        if tag == _ATTRIBUTES:
            while data[at] & 0x80:
                at += 1
            at += 1
        n_definitions += 1
        if n_definitions > _MOST_DEFINITIONS:
            raise UnreadableRecord(
                f"Record {path.stem}: {path.name} holds more MFER definitions than any ECG does."
            )
        length, at = _length(data, at)
        if tag == _CHANNELS and _smallest(data[at : at + length]) > _MOST_CHANNELS:
            raise UnreadableRecord(
                f"Record {path.stem}: {path.name} declares more than {_MOST_CHANNELS} channels. "
                "It is altered."
            )
        if tag not in (_ATTRIBUTES, _SET):
            at += length
    return at


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Return a definition's length (0 where its end is marked) and the start of its value."""
    n_bytes = data[at] & 0x7F if data[at] >= 0x80 else 0
    if not n_bytes:
        return data[at] % 0x80, at + 1
    return int.from_bytes(data[at + 1 : at + 1 + n_bytes], "big"), at + 1 + n_bytes


def _smallest(value: bytes) -> int:
    """Return a number in whichever byte order makes it smaller."""
    return min(int.from_bytes(value, "big"), int.from_bytes(value, "little"))


def _refuse_incomplete(path: Path, parsed: Any) -> None:
    """Refuse samples that the parser leaves out or joins across a gap."""
    warned = " ".join(parsed.raw_metadata["warnings"])
    if any(words in warned for words in _CUT_OFF):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} holds fewer samples than it declares. Fetch it "
            "again: it is cut off."
        )
    if _GAPS in warned:
        raise UnreadableRecord(
            f"Record {path.stem}: the frames of {path.name} are not contiguous; a recording "
            "without gaps is needed."
        )


def _exact_hz(parsed: Any) -> float | None:
    """Return the rate of the ECG leads, which the parser rounds."""
    rates_hz = parsed.raw_metadata.get("sampling_rates") or []
    pairs = zip(parsed.leads, rates_hz, strict=False)
    return next((fs_hz for lead, fs_hz in pairs if standard_lead(lead.label)), None)


def _notes(parsed: Any, has_end: bool) -> tuple[str, ...]:
    notes = [] if has_end else ["no end mark: bytes may be missing"]
    notes += ["layout not checked against a vendor's file of 12 leads: MFER"]
    if parsed.raw_metadata.get("sampling_rate_stated") is False:
        notes.append("sampling rate assumed: 1000 Hz, as MFER does where none is stated")
    if any("redefine the channels" in text for text in parsed.raw_metadata["warnings"]):
        notes.append("not used: later frames with other channels")
    return tuple(notes)
