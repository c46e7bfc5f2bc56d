"""Writers of small recordings in binary formats: DICOM, EDF, SCP-ECG, ISHNE, MFER."""

import binascii
import struct
from datetime import date, datetime
from pathlib import Path

import numpy as np
from vendor_person import EIGHT, PERSON, QUOTED, SCP_CODES, SIGNED, Person, rows

from ecgcore.records.record import LEADS


def write_dicom(
    file: Path,
    signal_uv: np.ndarray,
    *,
    fs_hz: float = 500,
    leads: tuple[str, ...] = LEADS,
    unit: str = "uV",
    padding: bytes | None = None,
    person: Person = PERSON,
    groups: tuple[str, ...] = ("MEDIAN BEAT", "RHYTHM"),
) -> Path:
    """Write a 12-lead ECG waveform object, by pydicom; the median beat is the first 60 samples."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    head = Dataset()
    head.file_meta = FileMetaDataset()
    head.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    head.SOPClassUID = head.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.9.1.1"
    head.SOPInstanceUID = head.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    head.Modality = "ECG"
    head.PatientName = head.OtherPatientNames = f"{person.family}^{person.given}"
    head.PatientID = head.AccessionNumber = head.StudyID = person.number
    head.PatientBirthDate = "{:04}{:02}{:02}".format(*person.born)
    head.StudyDate = head.AcquisitionDate = "{:04}{:02}{:02}".format(*person.on)
    head.AcquisitionDateTime = head.StudyDate + "101500"
    head.PatientSex = "F"
    head.ReferringPhysicianName = head.OperatorsName = person.doctor
    head.InstitutionName = head.PatientAddress = person.hospital
    head.PatientComments = head.ImageComments = f"{person.given} complains of pain"
    head.WaveformSequence = []
    for label in groups:
        group = Dataset()
        samples = signal_uv[:, :60] if "MEDIAN" in label else signal_uv
        group.MultiplexGroupLabel = label
        group.WaveformOriginality = "DERIVED" if "MEDIAN" in label else "ORIGINAL"
        group.NumberOfWaveformChannels = len(leads)
        group.NumberOfWaveformSamples = samples.shape[1]
        group.SamplingFrequency = fs_hz
        group.WaveformBitsAllocated = 16
        group.WaveformSampleInterpretation = "SS"
        group.ChannelDefinitionSequence = [_channel(lead, unit) for lead in leads]
        table = np.stack(list(rows(samples, leads).values()), axis=1).astype("<i2")
        group.WaveformData = table.tobytes()
        if padding is not None:
            group.WaveformPaddingValue = padding
        head.WaveformSequence.append(group)
    head.WaveformAnnotationSequence = [_statement(t) for t in ("Sinus rhythm", SIGNED, QUOTED)]
    head.WaveformAnnotationSequence.append(_measurement("QRS Duration", 92))
    head.WaveformAnnotationSequence.append(_measurement("PR Interval", 0))
    head.save_as(file, enforce_file_format=True)
    return file


def _channel(lead: str, unit: str):
    from pydicom.dataset import Dataset

    channel, source, units = Dataset(), Dataset(), Dataset()
    source.CodeValue, source.CodingSchemeDesignator = f"5.6.3-9-{SCP_CODES[lead]}", "SCPECG"
    source.CodeMeaning = f"Lead {lead}"
    units.CodeValue, units.CodingSchemeDesignator = unit, "UCUM"
    units.CodeMeaning = unit
    channel.ChannelSourceSequence = [source]
    channel.ChannelSensitivity = "1" if unit == "uV" else "0.001"
    channel.ChannelSensitivityUnitsSequence = [units]
    channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelBaseline = "0"
    channel.WaveformBitsStored = 16
    return channel


def _statement(sentence: str):
    from pydicom.dataset import Dataset

    annotation = Dataset()
    annotation.UnformattedTextValue = sentence
    return annotation


def _measurement(meaning: str, value: int):
    from pydicom.dataset import Dataset

    annotation, concept = Dataset(), Dataset()
    concept.CodeValue, concept.CodingSchemeDesignator = "x", "SCPECG"
    concept.CodeMeaning = meaning
    annotation.ConceptNameCodeSequence = [concept]
    annotation.NumericValue = str(value)
    return annotation


def write_edf(
    file: Path,
    signal_uv: np.ndarray,
    *,
    fs_hz: int = 500,
    leads: tuple[str, ...] = LEADS,
    prefix: str = "ECG ",
    person: Person = PERSON,
) -> Path:
    """Write EDF+, by pyedflib, in µV at 1 µV a step."""
    import pyedflib

    with pyedflib.EdfWriter(str(file), len(leads), file_type=pyedflib.FILETYPE_EDFPLUS) as out:
        out.setPatientName(f"{person.given}_{person.family}")
        out.setPatientCode(person.number)
        out.setTechnician(person.doctor)
        out.setAdmincode(person.number)
        out.setPatientAdditional(person.hospital)
        out.setBirthdate(date(*person.born))
        out.setStartdatetime(datetime(*person.on))
        out.setSex(0)
        for row, lead in enumerate(leads):
            out.setSignalHeader(
                row,
                {
                    "label": f"{prefix}{lead}",
                    "dimension": "uV",
                    "sample_frequency": fs_hz,
                    "physical_max": 32767,
                    "physical_min": -32768,
                    "digital_max": 32767,
                    "digital_min": -32768,
                    "transducer": person.doctor,
                    "prefilter": "",
                },
            )
        out.writeSamples([row.astype(np.float64) for row in rows(signal_uv, leads).values()])
    return file


def write_scp(
    file: Path,
    signal_uv: np.ndarray,
    *,
    interval_us: int = 1667,
    leads: tuple[str, ...] = EIGHT,
    first: int = 1,
    firsts: tuple[int, ...] | None = None,
    packed: bool = False,
    bimodal: bool = False,
    person: Person = PERSON,
) -> Path:
    """Write SCP-ECG version 2 at 1 µV a step: plain, or Huffman-coded first differences.

    ``firsts`` gives the first sample of each lead in place of ``first``.
    """
    table = list(rows(signal_uv.astype(np.int64), leads).values())
    stored = [_huffman(row) if packed else row.astype("<i2").tobytes() for row in table]
    count = signal_uv.shape[1]
    last = first + count - 1 if first else count
    sections = {1: _scp_person(person)} | ({2: struct.pack("<H", 19999)} if packed else {})
    sections[3] = struct.pack("<BB", len(leads), 0b100 | len(leads) << 3) + b"".join(
        struct.pack("<IIB", at, at + last - first, SCP_CODES[lead])
        for at, lead in zip(firsts or [first] * len(leads), leads, strict=True)
    )
    sections[6] = struct.pack("<HHBB", 1000, interval_us, int(packed), int(bimodal))
    sections[6] += b"".join(struct.pack("<H", len(lead)) for lead in stored) + b"".join(stored)
    sections[7] = struct.pack("<BBHH5H3hH", 1, 0, 900, 0, 100, 200, 260, 352, 640, 30, 0, 999, 0)
    sections[7] += struct.pack("<3HB", 61, 0, 0, 0)
    sections[8] = _scp_statements(("Sinus rhythm", SIGNED, QUOTED))
    file.write_bytes(_scp_record(sections))
    return file


def _scp_person(person: Person) -> bytes:
    fields = {
        0: person.family,
        1: person.given,
        2: person.number,
        3: person.family,
        20: person.doctor,
        21: person.doctor,
        22: person.doctor,
        16: person.hospital,
        30: f"{person.given} has pain",
        35: person.family,
    }
    raw = {tag: text.encode() + b"\0" for tag, text in fields.items()}
    raw |= {5: struct.pack("<HBB", *person.born), 25: struct.pack("<HBB", *person.on)}
    raw |= {8: b"\2", 26: b"\x0a\x0f\0"}
    return b"".join(struct.pack("<BH", t, len(v)) + v for t, v in raw.items()) + b"\xff\0\0"


def _scp_statements(sentences: tuple[str, ...]) -> bytes:
    lines = [sentence.encode() + b"\0" for sentence in sentences]
    body = b"".join(struct.pack("<BH", i, len(line)) + line for i, line in enumerate(lines, 1))
    return struct.pack("<BHBBBBBB", 0, 1999, 6, 2, 10, 16, 0, len(lines)) + body


def _scp_record(sections: dict[int, bytes]) -> bytes:
    """Return sections after their pointers, each with its checksum."""

    def section(number: int, body: bytes) -> bytes:
        body += b"\0" * (len(body) % 2)
        head = struct.pack("<HIBB6s", number, len(body) + 16, 20, 20, b"SCPECG" * (number == 0))
        return struct.pack("<H", binascii.crc_hqx(head + body, 0xFFFF)) + head + body

    complete = {number: section(number, body) for number, body in sections.items()}
    length = 16 + 10 * 12
    pointers, at = [(0, length, 7)], 7 + length
    for number in range(1, 12):
        size = len(complete.get(number, b""))
        pointers.append((number, size, at if size else 0))
        at += size
    first = section(0, b"".join(struct.pack("<HII", *pointer) for pointer in pointers))
    rest = first + b"".join(complete.values())
    sized = struct.pack("<I", len(rest) + 6) + rest
    return struct.pack("<H", binascii.crc_hqx(sized, 0xFFFF)) + sized


def _huffman(row: np.ndarray) -> bytes:
    """Return first differences in the default table's 8-bit and 16-bit codes."""
    differences = np.diff(row, prepend=0)
    bits = "".join(
        f"1111111110{int(d) & 255:08b}" if -128 <= d < 128 else f"1111111111{int(d) & 65535:016b}"
        for d in differences
    )
    bits += "0" * (-len(bits) % 16)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def write_ishne(
    file: Path,
    signal_uv: np.ndarray,
    *,
    fs_hz: int = 200,
    leads: tuple[str, ...] = LEADS,
    person: Person = PERSON,
) -> Path:
    """Write an ISHNE Holter file at 1 µV a step."""
    codes = [5 + LEADS.index(lead) for lead in leads]
    head = bytearray(522)
    comment = f"{person.given} was tired".encode()
    head[:8] = b"ISHNE1.0"
    struct.pack_into("<iiii", head, 10, len(comment), signal_uv.shape[1], 522, 522 + len(comment))
    struct.pack_into("<h", head, 26, 1)
    struct.pack_into(
        "<40s40s20s", head, 28, *(t.encode() for t in (person.given, person.family, person.number))
    )
    struct.pack_into("<hh", head, 128, 2, 0)
    for at, (year, month, day) in ((132, person.born), (138, person.on), (144, person.on)):
        struct.pack_into("<3h", head, at, day, month, year)
    struct.pack_into("<h", head, 156, len(leads))
    struct.pack_into("<12h", head, 158, *(codes + [-9] * (12 - len(codes))))
    struct.pack_into("<12h", head, 206, *[1000] * 12)
    struct.pack_into("<h40sh", head, 230, 0, person.hospital.encode(), fs_hz)
    table = np.stack(list(rows(signal_uv, leads).values()), axis=1).astype("<i2")
    checked = bytes(head[10:]) + comment
    struct.pack_into("<H", head, 8, binascii.crc_hqx(checked, 0xFFFF))
    file.write_bytes(bytes(head) + comment + table.tobytes())
    return file


def write_mfer(
    file: Path,
    signal_uv: np.ndarray,
    *,
    fs_hz: int = 500,
    leads: tuple[str, ...] = LEADS,
    person: Person = PERSON,
    waveform_type: int = 1,
) -> Path:
    """Write MFER (ISO 22077-1) in one frame, little-endian, at 1 µV a step."""
    name = f"{person.given}^{person.family}".encode()
    born, on = struct.pack("<BHHBB", 0, 0, *person.born), struct.pack("<H5B", *person.on, 10, 15, 0)
    body = _mfer(0x40, b"MFR Standard 12-lead ECG".ljust(32, b"\0")) + _mfer(0x01, b"\1")
    body += _mfer(0x81, name) + _mfer(0x82, person.number.encode()) + _mfer(0x84, b"\2")
    body += _mfer(0x83, born) + _mfer(0x85, on) + _mfer(0x16, person.hospital.encode())
    body += _mfer(0x08, struct.pack("<H", waveform_type)) + _mfer(0x05, bytes([len(leads)]))
    body += _mfer(0x0B, struct.pack("<BbH", 0, 0, fs_hz))
    body += _mfer(0x0C, struct.pack("<BbH", 0, -6, 1))
    body += _mfer(0x04, struct.pack("<I", signal_uv.shape[1])) + _mfer(0x06, b"\1")
    for channel, lead in enumerate(leads):
        body += bytes([0x3F, channel]) + _mfer(
            0x09, struct.pack("<H", SCP_CODES[lead]), nested=True
        )
    samples = np.stack(list(rows(signal_uv, leads).values())).astype("<i2").tobytes()
    file.write_bytes(body + _mfer(0x1E, samples) + b"\x80\0")
    return file


def _mfer(tag: int, value: bytes, nested: bool = False) -> bytes:
    """Return a definition; nested as the value of the tag before it."""
    size = len(value)
    length = bytes([size]) if size < 128 else b"\x84" + size.to_bytes(4, "big")
    definition = bytes([tag]) + length + value
    return bytes([len(definition)]) + definition if nested else definition
