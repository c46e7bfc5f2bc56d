"""Reading Philips XML (Sierra 1.03, PhilipsECG 1.04, XLI): parsed by ``ecgdatakit``.

The eleven seconds that PageWriters store are read whole; callers that need ten take a window.
"""

import base64
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats.ecgdatakit_adapter import parse, to_recording
from ecgcore.records.formats.xml_elements import text, texts, xml_root
from ecgcore.records.lead_names import standard_lead
from ecgcore.records.parser_errors import refuse_parser_errors
from ecgcore.records.record import LEADS, Record
from ecgcore.records.vendor_record import make_record, parse_number, refuse_median_beat

_FORMAT = "Philips XML"
_TYPES = ("SierraECG", "PhilipsECG")
_VERSIONS = ("1.03", "1.04", "1.04.01", "1.04.02")
_CHUNK_HEADER_BYTES = 8
_MOST_UNPACKED_BYTES = 400_000
"""A lead of 11 s at 500 Hz unpacks to 11 kB; this is 3 minutes at 1000 Hz."""
_EVIDENCE = {
    "rate": "samplespersecond of its waveforms",
    "leads": "leadlabels of its waveforms, or its lead set",
    "unit": "resolution of its waveforms in µV",
}
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
        Another version, a stream that does not unpack to the length that is stated, a median beat
        alone, not twelve leads, or damaged.
    """
    root = xml_root(path, _FORMAT)
    with refuse_parser_errors(path, _FORMAT):
        _refuse_unknown_version(path, root)
        block = _waveform_block(path, root)
        if _is_packed(block):
            _keep_labelled_leads(path, root, block)
        else:
            _refuse_length(path, root, block, _plain_samples(block))
    parsed = _parse_copy(path, root)
    with refuse_parser_errors(path, _FORMAT):
        recording = replace(to_recording(path, parsed), evidence=_EVIDENCE)
        private = [*recording.private, *texts(root, *_PRIVATE_TAGS)]
        off, others = _inoperative_leads(root)
        notes = _inoperative_notes(others)
        recording = replace(recording, private=private, off=off, notes=notes)
    return make_record(path, recording, start_s=start_s)


def _parse_copy(path: Path, root: Element) -> Any:
    """Return the parsed file as it stands in ``root``."""
    with tempfile.TemporaryDirectory(prefix="ecgcore-philips-") as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(ElementTree.tostring(root))
        return parse(copy, _FORMAT)


def _inoperative_leads(root: Element) -> tuple[list[str], list[str]]:
    """Return the leads that the device names off, and those it names inoperative otherwise."""
    off: list[str] = []
    others: list[str] = []
    for lead in root.iter("leadmeasurement"):
        inops = [element for block in lead.iter("inops") for element in block.iter()]
        stated = " ".join(
            [e.text or "" for e in inops] + [v for e in inops for v in e.attrib.values()]
        )
        if stated.strip():
            is_off = re.search("off|disconnect", stated, re.IGNORECASE)
            (off if is_off else others).append(lead.get("leadname", ""))
    return off, others


def _inoperative_notes(leads: list[str]) -> tuple[str, ...]:
    listed = ", ".join(lead for lead in map(standard_lead, leads) if lead)
    return (f"{listed}: inoperative, as the device states",) if listed else ()


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


def _waveform_block(path: Path, root: Element) -> Element:
    block = next(root.iter("parsedwaveforms"), None)
    if block is not None and (block.text or "").strip():
        return block
    if next(root.iter("repbeat"), None) is not None:
        refuse_median_beat(path)
    raise UnreadableRecord(
        f"Record {path.stem}: {path.name} holds no waveforms. Export the ECG with them."
    )


def _is_packed(block: Element) -> bool:
    method = block.get("compression") or block.get("compressmethod") or ""
    return method.upper() == "XLI" and block.get("compressflag", "True").lower() != "false"


def _n_leads(root: Element, block: Element) -> int:
    """Return the number of leads that have a label; streams hold those of open inputs, too."""
    labels = block.get("leadlabels", "").split()
    stated = block.get("numberofleads") or text(root, ".//numberchannelsallocated") or len(labels)
    return min(int(stated), len(labels) or int(stated))


def _keep_labelled_leads(path: Path, root: Element, block: Element) -> None:
    """Leave the packed leads that have a label, after a look at their unpacked length.

    Inputs without an electrode hold noise, which need not unpack to samples of 16 bits.
    """
    labels = [standard_lead(label) for label in block.get("leadlabels", "").split()]
    if labels and labels[:6] != list(LEADS[:6]):
        raise UnreadableRecord(
            f"Record {path.stem}: its packed leads are not in the order I, II, III, aVR, aVL, aVF, "
            "the only one that is unpacked. Export it uncompressed."
        )
    chunks = _chunks(base64.b64decode("".join((block.text or "").split())))
    labelled = chunks[: _n_leads(root, block)]
    for chunk in labelled:
        unpacked_bytes = _unpacked_bytes(chunk[_CHUNK_HEADER_BYTES:])
        if unpacked_bytes > _MOST_UNPACKED_BYTES:
            raise UnreadableRecord(
                f"Record {path.stem}: a lead of {path.name} unpacks to more than "
                f"{_MOST_UNPACKED_BYTES:,} bytes; no ECG does. It is altered."
            )
        _refuse_length(path, root, block, unpacked_bytes // 2)
    block.text = base64.b64encode(b"".join(labelled)).decode()


def _plain_samples(block: Element) -> int | None:
    """Return the samples a lead of an uncompressed block, None where its form is not known."""
    n_leads = len(block.get("leadlabels", "").split())
    content = (block.text or "").split()
    if block.get("dataencoding") == "Base64" and n_leads:
        return len(base64.b64decode("".join(content))) // 2 // n_leads
    return len(content) // n_leads if n_leads else None


def _refuse_length(path: Path, root: Element, block: Element, n_samples: int | None) -> None:
    """Refuse a lead of another length than stated: it would be cut without a word."""
    fs_hz = parse_number(block.get("samplespersecond") or text(root, ".//samplingrate"))
    duration_ms = parse_number(block.get("durationperchannel"))
    if n_samples is None or not fs_hz or not duration_ms:
        return
    declared = duration_ms * fs_hz / 1000
    if round(declared) != n_samples:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} declares {declared:.12g} samples a lead and holds "
            f"{n_samples:,}. Fetch it again: it is cut off or altered."
        )


def _chunks(data: bytes) -> list[bytes]:
    """Return each packed lead with its header of eight bytes, the first four its length."""
    chunks, start = [], 0
    while start + _CHUNK_HEADER_BYTES <= len(data):
        size = int.from_bytes(data[start : start + 4], "little", signed=True)
        chunks.append(data[start : start + _CHUNK_HEADER_BYTES + max(size, 0)])
        start += _CHUNK_HEADER_BYTES + max(size, 0)
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
