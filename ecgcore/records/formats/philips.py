"""Reading Philips XML (Sierra 1.03, PhilipsECG 1.04, XLI): parsed by ``ecgdatakit``.

The eleven seconds that PageWriters store are read whole; callers that need ten take a window.
"""

import base64
import re
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats.ecgdatakit_adapter import parse, to_recording
from ecgcore.records.formats.xml_elements import text, texts, xml_root
from ecgcore.records.parser_errors import refuse_parser_errors
from ecgcore.records.record import Record
from ecgcore.records.vendor_record import make_record

_FORMAT = "Philips XML"
_TYPES = ("SierraECG", "PhilipsECG")
_VERSIONS = ("1.03", "1.04", "1.04.01", "1.04.02")
_MOST_UNPACKED_BYTES = 400_000
"""A lead of 11 s at 500 Hz unpacks to 11 kB; this is 3 minutes at 1000 Hz."""
_PRIVATE_TAGS = (
    "patientid uniquepatientid MRN lastname firstname middlename operatorid operator editor "
    "orderingclinician referringclinician attendingclinician mdsignatureline encounterid"
).split()


def read_philips(path: Path, *, start_s: float = 0.0) -> Record:
    """Read the waveforms of a Philips file.

    Parameters
    ----------
    path
        The XML file, UTF-8 or UTF-16.
    start_s
        Seconds to leave out at the start.

    Raises
    ------
    UnreadableRecord
        Another version, a stream that does not unpack, not twelve leads, or damaged.
    """
    root = xml_root(path, _FORMAT)
    with refuse_parser_errors(path, _FORMAT):
        _refuse_unknown_version(path, root)
        _refuse_stream(path, root)
    parsed = parse(path, _FORMAT)
    with refuse_parser_errors(path, _FORMAT):
        recording = to_recording(path, parsed)
        private = [*recording.private, *texts(root, *_PRIVATE_TAGS)]
        recording = replace(recording, private=private)
    return make_record(path, recording, start_s=start_s)


def _refuse_unknown_version(path: Path, root: Element) -> None:
    file_type = text(root, "documentinfo/documenttype")
    version = text(root, "documentinfo/documentversion")
    if file_type not in _TYPES or version not in _VERSIONS:
        is_type = re.fullmatch(r"[A-Za-z]{1,20}ECG", file_type)
        finding = file_type if is_type else "a file of unknown type"
        finding += f" {version}" if re.fullmatch(r"[\d.]{1,8}", version) else ""
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is {finding}; accepted are {' and '.join(_TYPES)} "
            f"{', '.join(_VERSIONS)}. Export it in one of these."
        )


def _refuse_stream(path: Path, root: Element) -> None:
    """Refuse missing waveforms, and those that would unpack to more than any ECG has."""
    block = next(root.iter("parsedwaveforms"), None)
    if block is None or not (block.text or "").strip():
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} holds no waveforms. Export the ECG with them."
        )
    method = block.get("compression") or block.get("compressmethod") or ""
    if method.upper() != "XLI":
        return
    for chunk in _chunks(base64.b64decode("".join((block.text or "").split()))):
        if _unpacked_bytes(chunk) > _MOST_UNPACKED_BYTES:
            raise UnreadableRecord(
                f"Record {path.stem}: a lead of {path.name} unpacks to more than "
                f"{_MOST_UNPACKED_BYTES:,} bytes; no ECG does. It is altered."
            )


def _chunks(data: bytes) -> list[bytes]:
    """Return the packed bytes of each lead: eight bytes of header, the first four their number."""
    chunks, start = [], 0
    while start + 8 <= len(data):
        size = int.from_bytes(data[start : start + 4], "little", signed=True)
        chunks.append(data[start + 8 : start + 8 + max(size, 0)])
        start += 8 + max(size, 0)
    return chunks


def _unpacked_bytes(chunk: bytes) -> int:
    """Return the number of bytes that LZW codes of 10 bits stand for, without unpacking them.

    Each code but the first adds a string: the one before it and one byte more.
    """
    bits = np.unpackbits(np.frombuffer(chunk, dtype=np.uint8))
    codes = bits[: len(bits) // 10 * 10].reshape(-1, 10) @ (1 << np.arange(9, -1, -1))
    lengths = [1] * 256
    total = previous = 0
    for code in codes.tolist():
        if code > 1022:  # ends the stream
            break
        length = lengths[code] if code < len(lengths) else previous + 1
        if previous and len(lengths) <= 1022:
            lengths.append(previous + 1)
        total += length
        previous = length
    return total
