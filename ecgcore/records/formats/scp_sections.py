"""Where the sections of an SCP-ECG file lie, and what they declare (EN 1064, ISO 11073-91064).

Enough to refuse what cannot be decoded before it is tried; the samples are decoded elsewhere.
"""

import binascii
import struct
from pathlib import Path
from typing import NamedTuple

from ecgcore.errors import UnreadableRecord

_HEADER_BYTES = 16
_MOST_SAMPLES = 2_000_000
"""Over all leads together: 12 leads of 2 minutes at 1000 Hz are 1.4 million."""


class Lead(NamedTuple):
    """First and last sample of a lead, counted from 1, and its code; ``at`` is its place."""

    first: int
    last: int
    code: int
    at: int


class Layout(NamedTuple):
    """What sections 3 and 6 declare.

    ``interval_us`` is the time from sample to sample, ``coded`` whether samples are Huffman-coded,
    ``lead_bytes`` the stored length of each lead, ``intact`` whether the checksum is right.
    """

    leads: list[Lead]
    interval_us: int
    coded: bool
    bimodal: bool
    lead_bytes: list[int]
    intact: bool


def layout(path: Path, data: bytes) -> Layout:
    """Return what an SCP-ECG file declares.

    Raises
    ------
    UnreadableRecord
        It is no SCP-ECG, is cut off, holds no rhythm data, or claims more than any ECG has.
    """
    sections = _sections(path, data)
    if 3 not in sections or 6 not in sections:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} holds no rhythm data (section 6 with section 3)."
        )
    leads = _leads(sections[3][0] + _HEADER_BYTES, data)
    rhythm = sections[6][0] + _HEADER_BYTES
    _, interval_us, _, flag = struct.unpack_from("<HHBB", data, rhythm)
    protocol = data[sections[6][0] + 9]
    return Layout(
        leads=_plausible(path, leads),
        interval_us=interval_us,
        coded=2 in sections,
        bimodal=bool(flag) and protocol < 30,  # from version 3 on, the byte is reserved
        lead_bytes=list(struct.unpack_from(f"<{len(leads)}H", data, rhythm + 6)),
        intact=struct.unpack_from("<H", data)[0] == binascii.crc_hqx(data[2:], 0xFFFF),
    )


def _sections(path: Path, data: bytes) -> dict[int, tuple[int, int]]:
    """Return start and length of every section that is there."""
    size, _, of_pointers = struct.unpack_from("<I4xHI", data, 2) if len(data) > 32 else (0, 0, 0)
    if not data.startswith(b"SCPECG", 16) and struct.unpack_from("<HII", data, 22)[2] != 7:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is not SCP-ECG, whatever its name (a private layout "
            "such as Healforce's is not read). Export it as SCP-ECG, DICOM or HL7 aECG."
        )
    if size != len(data):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} declares {size:,} bytes and has {len(data):,}. "
            "Fetch it again: it is cut off or altered."
        )
    found: dict[int, tuple[int, int]] = {}
    for at in range(22, min(6 + of_pointers, len(data) - 10), 10):
        number, length, start = struct.unpack_from("<HII", data, at)
        if length:
            found.setdefault(number, (start - 1, length))
    return found


def _leads(at: int, data: bytes) -> list[Lead]:
    places = [at + 2 + 9 * i for i in range(data[at])]
    fields = [(*struct.unpack_from("<IIB", data, place), place) for place in places]
    return [Lead(*numbers) for numbers in fields]


def _plausible(path: Path, leads: list[Lead]) -> list[Lead]:
    claimed = sum(max(lead.last - lead.first + 1, 0) for lead in leads)
    if claimed > _MOST_SAMPLES:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} claims {claimed:,} samples; at most "
            f"{_MOST_SAMPLES:,} are read of an SCP-ECG. It is altered, or no resting ECG."
        )
    return leads
