"""Reading SCP-ECG (EN 1064): decoded by ``ecgdatakit``, once the layout shows that it can be."""

import struct
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats.ecgdatakit_adapter import contents, parsed
from ecgcore.records.formats.scp_sections import Layout, layout
from ecgcore.records.parser_errors import file_bytes, refusing
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import Contents, record_of

_FORM = "SCP-ECG"
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
        No SCP-ECG, bimodal compression, not twelve leads, or not whole.
    """
    data = file_bytes(path, _FORM, _LARGEST_BYTES)
    with refusing(path, _FORM):
        declared = layout(path, data)
    _refuse_undecodable(path, declared)
    reading, notes = _reading(path, data, declared)
    with refusing(path, _FORM):
        found = contents(path, _FORM, reading, 1e6 / declared.interval_us)
        found = replace(found, machine=_machine(found, reading), notes=notes)
    return record_of(path, found, start_s=start_s)


def stated_fs_hz(path: Path) -> float | None:
    """Return the rate in Hz that section 6 states, unrounded (1667 µs are 599.88 Hz)."""
    data = file_bytes(path, _FORM, _LARGEST_BYTES)
    with refusing(path, _FORM):
        return 1e6 / layout(path, data).interval_us


def _refuse_undecodable(path: Path, declared: Layout) -> None:
    if declared.bimodal:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is SCP-ECG with bimodal compression (samples outside "
            "the QRS at a lower rate), which is not decoded. Export it without."
        )
    if not declared.interval_us:
        raise UnreadableRecord(f"Record {path.stem}: {path.name} states no sampling rate.")
    for lead, stored in zip(declared.leads, declared.lead_bytes, strict=True):
        count = lead.last if lead.first == 0 else lead.last - lead.first + 1
        if not declared.coded and stored != 2 * count:
            raise UnreadableRecord(
                f"Record {path.stem}: {path.name} declares {count:,} samples a lead and holds "
                f"{stored // 2:,}. Export it again, shorter or compressed."
            )


def _reading(path: Path, data: bytes, declared: Layout) -> tuple[Any, tuple[str, ...]]:
    """Return the parser's reading, and what is to be told of it."""
    notes = () if declared.intact else ("checksum does not match",)
    if any(lead.first for lead in declared.leads) or not declared.leads:
        return parsed(path, _FORM), notes
    with tempfile.TemporaryDirectory(prefix="ecgcore-scp-") as place:
        copy = Path(place) / path.name
        copy.write_bytes(_counted_from_one(data, declared))
        return parsed(copy, _FORM), (*notes, "samples counted from 0 in the file, taken as from 1")


def _counted_from_one(data: bytes, declared: Layout) -> bytes:
    """Return the file with its leads' first sample called 1, as the standard has it."""
    mended = bytearray(data)
    for lead in declared.leads:
        struct.pack_into("<I", mended, lead.at, 1)
    return bytes(mended)


def _machine(found: Contents, reading: Any) -> dict[str, float | None]:
    """Return the machine's measurements: section 7 gives the edges of waves, in ms."""
    blocks = reading.raw_metadata.get("measurement_blocks") or [{}]
    edges = {name: at for name, at in blocks[0].items() if at < _LAST_TIME_MS}

    def between(start: str, end: str) -> float | None:
        return edges[end] - edges[start] if start in edges and end in edges else None

    return dict(found.machine) | {
        "pr_ms": between("p_onset", "qrs_onset"),
        "qrs_ms": between("qrs_onset", "qrs_offset"),
        "qt_ms": between("qrs_onset", "t_offset"),
    }
