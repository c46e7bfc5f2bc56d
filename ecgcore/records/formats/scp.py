"""Reading SCP-ECG (EN 1064): decoded by ``ecgdatakit`` after its sections have been checked."""

import struct
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats.ecgdatakit_adapter import parse, to_recording
from ecgcore.records.formats.scp_sections import Layout, read_layout
from ecgcore.records.parser_errors import read_bytes, refuse_parser_errors
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import VendorRecording, make_record

_FORMAT = "SCP-ECG"
_LARGEST_BYTES = 4_000_000
_LAST_TIME_MS = 20_000
"""Later than this no wave of an average beat ends: 29999 stands for "not measured"."""


def read_scp(path: Path, *, start_s: float = 0.0) -> Record:
    """Read the rhythm of an SCP-ECG file.

    Parameters
    ----------
    path
        The ``.scp`` file.
    start_s
        Seconds to leave out at the start.

    Raises
    ------
    UnreadableRecord
        No SCP-ECG, bimodal compression, not twelve leads, or damaged.
    """
    data = read_bytes(path, _FORMAT, _LARGEST_BYTES)
    with refuse_parser_errors(path, _FORMAT):
        layout = read_layout(path, data)
    _refuse_undecodable(path, layout)
    parsed, notes = _parse(path, data, layout)
    with refuse_parser_errors(path, _FORMAT):
        # The interval in µs gives the rate unrounded: 1667 µs are 599.88 Hz.
        recording = to_recording(path, parsed, 1e6 / layout.interval_us)
        recording = replace(recording, machine=_machine(recording, parsed), notes=notes)
    return make_record(path, recording, start_s=start_s)


def _refuse_undecodable(path: Path, layout: Layout) -> None:
    if layout.bimodal:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is SCP-ECG with bimodal compression (samples outside "
            "the QRS at a lower rate), which is not decoded. Export it without."
        )
    if not layout.interval_us:
        raise UnreadableRecord(f"Record {path.stem}: {path.name} states no sampling rate.")
    for lead, stored_bytes in zip(layout.leads, layout.lead_bytes, strict=True):
        count = lead.last if lead.first == 0 else lead.last - lead.first + 1
        if not layout.huffman_coded and stored_bytes != 2 * count:
            raise UnreadableRecord(
                f"Record {path.stem}: {path.name} declares {count:,} samples a lead and holds "
                f"{stored_bytes // 2:,}. Export it again, shorter or compressed."
            )


def _parse(path: Path, data: bytes, layout: Layout) -> tuple[Any, tuple[str, ...]]:
    """Return the parsed file, and notes on its irregularities."""
    notes = () if layout.checksum_matches else ("checksum does not match",)
    if any(lead.first for lead in layout.leads) or not layout.leads:
        return parse(path, _FORMAT), notes
    with tempfile.TemporaryDirectory(prefix="ecgcore-scp-") as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(_count_from_one(data, layout))
        note = "samples counted from 0 in the file, taken as from 1"
        return parse(copy, _FORMAT), (*notes, note)


def _count_from_one(data: bytes, layout: Layout) -> bytes:
    """Return the file with its leads' first sample numbered 1, as the standard requires."""
    corrected = bytearray(data)
    for lead in layout.leads:
        struct.pack_into("<I", corrected, lead.offset, 1)
    return bytes(corrected)


def _machine(recording: VendorRecording, parsed: Any) -> dict[str, float | None]:
    """Return the machine's measurements; section 7 gives onsets and offsets of waves in ms."""
    blocks = parsed.raw_metadata.get("measurement_blocks") or [{}]
    times_ms = {name: ms for name, ms in blocks[0].items() if ms < _LAST_TIME_MS}

    def interval_ms(start: str, end: str) -> float | None:
        return times_ms[end] - times_ms[start] if {start, end} <= times_ms.keys() else None

    return dict(recording.machine) | {
        "pr_ms": interval_ms("p_onset", "qrs_onset"),
        "qrs_ms": interval_ms("qrs_onset", "qrs_offset"),
        "qt_ms": interval_ms("qrs_onset", "t_offset"),
    }
