"""Reading SCP-ECG (EN 1064): decoded by ``ecgdatakit`` after its sections have been checked."""

import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats.ecgdatakit_adapter import lead_mv, parse, to_metadata
from ecgcore.records.formats.scp_sections import Layout, read_layout
from ecgcore.records.lead_groups import LeadGroup, combine_groups
from ecgcore.records.parser_errors import read_bytes, refuse_parser_errors
from ecgcore.records.record import ALTERED, Record
from ecgcore.records.vendor_record import VendorRecording, make_record

_FORMAT = "SCP-ECG"
_LARGEST_BYTES = 4_000_000
_EVIDENCE = {
    "rate": "the sample interval of section 6",
    "leads": "the lead codes of section 3",
    "unit": "the amplitude multiplier of section 6",
}
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
        No SCP-ECG, bimodal compression, a reference beat alone, not twelve leads, or damaged.
    """
    data = read_bytes(path, _FORMAT, _LARGEST_BYTES)
    with refuse_parser_errors(path, _FORMAT):
        layout = read_layout(path, data)
    _refuse_undecodable(path, layout)
    parsed, notes = _parse(path, data, layout)
    with refuse_parser_errors(path, _FORMAT):
        leads = combine_groups(path.stem, _groups(path, parsed, layout))
        metadata = to_metadata(parsed)
        metadata["machine"] = _machine(metadata["machine"], parsed)
        recording = VendorRecording(
            columns=leads.columns,
            signal_mv=leads.signal_mv,
            fs_hz=leads.fs_hz,
            notes=(*notes, *leads.notes),
            evidence=_EVIDENCE,
            **metadata,
        )
    return make_record(path, recording, start_s=start_s)


def _groups(path: Path, parsed: Any, layout: Layout) -> list[LeadGroup]:
    """Return the leads that have the same first and last sample, group by group."""
    fs_hz = 1e6 / layout.interval_us  # unrounded: 1667 µs are 599.88 Hz
    spans: dict[tuple[int, int], list[Any]] = {}
    for declared, lead in zip(layout.leads, parsed.leads, strict=True):
        spans.setdefault((declared.first, declared.last), []).append(lead)
    return [
        LeadGroup(
            columns=[lead.label for lead in leads],
            signal_mv=np.stack([lead_mv(path, lead) for lead in leads]),
            fs_hz=fs_hz,
            start_s=first / fs_hz,
        )
        for (first, _), leads in spans.items()
    ]


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
    notes = () if layout.checksums_match else (f"{ALTERED}a checksum differs",)
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


def _machine(measurements: dict[str, float | None], parsed: Any) -> dict[str, float | None]:
    """Return the machine's measurements; section 7 gives onsets and offsets of waves in ms."""
    blocks = parsed.raw_metadata.get("measurement_blocks") or [{}]
    times_ms = {name: ms for name, ms in blocks[0].items() if ms < _LAST_TIME_MS}

    def interval_ms(start: str, end: str) -> float | None:
        return times_ms[end] - times_ms[start] if {start, end} <= times_ms.keys() else None

    return measurements | {
        "pr_ms": interval_ms("p_onset", "qrs_onset"),
        "qrs_ms": interval_ms("qrs_onset", "qrs_offset"),
        "qt_ms": interval_ms("qrs_onset", "t_offset"),
    }
