"""The sections of an SCP-ECG file and their declarations (EN 1064, ISO 11073-91064).

Enough to refuse a file that cannot be decoded before trying; ``ecgdatakit`` decodes the samples.
"""

import binascii
import struct
from pathlib import Path
from typing import NamedTuple

from ecgcore.errors import UnreadableRecord
from ecgcore.records.vendor_record import refuse_median_beat

_HEADER_BYTES = 16
_RHYTHM_SECTIONS = frozenset({2, 3, 4, 5, 6})
"""Sections that the samples are decoded from: codes, leads, QRS places, reference beat, rhythm."""
_MOST_SAMPLES = 2_000_000
"""Over all leads together: 12 leads of 2 minutes at 1000 Hz are 1.4 million."""


class Lead(NamedTuple):
    """First and last sample of a lead, counted from 1, its code, and its offset in the file."""

    first: int
    last: int
    code: int
    offset: int


class Layout(NamedTuple):
    """Declarations of sections 2, 3 and 6.

    Attributes
    ----------
    interval_us
        Microseconds from sample to sample.
    lead_bytes
        Stored length of each lead.
    checksums_match
        Whether those of the record and of all sections do, where they are stated.
    """

    leads: list[Lead]
    interval_us: int
    huffman_coded: bool
    bimodal: bool
    lead_bytes: list[int]
    checksums_match: bool


def read_layout(path: Path, data: bytes) -> Layout:
    """Return the layout that an SCP-ECG file declares.

    Raises
    ------
    UnreadableRecord
        It is no SCP-ECG, is cut off or altered, holds no rhythm data, or claims more than any ECG
        has.
    """
    sections = _section_starts(path, data)
    if 5 in sections and 6 not in sections:
        refuse_median_beat(path)
    if 3 not in sections or 6 not in sections:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} holds no rhythm data (section 6 with section 3)."
        )
    altered = [number for number, start in sections.items() if _is_altered(data, start)]
    if not _RHYTHM_SECTIONS.isdisjoint(altered):
        raise UnreadableRecord(
            f"Record {path.stem}: the checksum of the rhythm of {path.name} does not match. Fetch "
            "it again: it is altered."
        )
    leads = _leads(sections[3] + _HEADER_BYTES, data)
    rhythm = sections[6] + _HEADER_BYTES
    _, interval_us, _, flag = struct.unpack_from("<HHBB", data, rhythm)
    protocol = data[sections[6] + 9]
    _refuse_implausible(path, leads)
    return Layout(
        leads=leads,
        interval_us=interval_us,
        huffman_coded=2 in sections,
        bimodal=bool(flag) and protocol < 30,  # from version 3 on, the byte is reserved
        lead_bytes=list(struct.unpack_from(f"<{len(leads)}H", data, rhythm + 6)),
        checksums_match=not altered and _checksum_matches(data),
    )


def _section_starts(path: Path, data: bytes) -> dict[int, int]:
    """Return the start of every section that is not empty."""
    size, pointers_bytes = struct.unpack_from("<I4xI", data, 2) if len(data) > 32 else (0, 0)
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
    starts: dict[int, int] = {}
    for pointer in range(22, min(6 + pointers_bytes, len(data)) - 9, 10):
        number, length, start = struct.unpack_from("<HII", data, pointer)
        if length:
            starts.setdefault(number, start - 1)
    return starts


def _is_altered(data: bytes, start: int) -> bool:
    (length,) = struct.unpack_from("<I", data, start + 4)
    return not _checksum_matches(data[start : start + length])


def _checksum_matches(content: bytes) -> bool:
    """Return whether content agrees with the CRC-CCITT that it begins with; 0 states none."""
    (stated,) = struct.unpack_from("<H", content)
    return stated in (0, binascii.crc_hqx(content[2:], 0xFFFF))


def _leads(start: int, data: bytes) -> list[Lead]:
    offsets = [start + 2 + 9 * i for i in range(data[start])]
    fields = ((*struct.unpack_from("<IIB", data, offset), offset) for offset in offsets)
    return [Lead(*numbers) for numbers in fields]


def _refuse_implausible(path: Path, leads: list[Lead]) -> None:
    claimed = sum(max(lead.last - lead.first + 1, 0) for lead in leads)
    if claimed > _MOST_SAMPLES:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} claims {claimed:,} samples; at most "
            f"{_MOST_SAMPLES:,} are read of an SCP-ECG. It is altered, or no resting ECG."
        )
