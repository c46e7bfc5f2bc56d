"""Reading ISHNE Holter recordings: a window of ten seconds from any start.

Layout: Badilini F. The ISHNE Holter Standard Output File Format. Ann Noninvasive Electrocardiol
1998;3(3):263–266. A day at 1000 Hz is 2 GB, so no more than the window is read.
"""

import binascii
import struct
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.demographics import age_at_recording, date_of
from ecgcore.records.parser_errors import refuse_parser_errors
from ecgcore.records.record import ALTERED, Record
from ecgcore.records.vendor_record import VendorRecording, make_record, refuse_start

WINDOW_S = 10.0
"""Length of the window that is read, as long as a resting ECG."""
_FORMAT = "ISHNE"
_HEADER_BYTES = 522
_LEAD_CODES = {5: "I", 6: "II", 7: "III", 8: "aVR", 9: "aVL", 10: "aVF"} | {
    code: f"V{code - 10}" for code in range(11, 17)
}
_SEX_CODES = {1: "male", 2: "female"}
_EVIDENCE = {
    "rate": "its header",
    "leads": "the lead codes in its header",
    "unit": "the resolution in its header",
}
_LEAD_OFF = -32768
"""The sample value that marks a lead as off."""


class IshneHeader(NamedTuple):
    """The declarations of an ISHNE header."""

    columns: list[str]
    nv_per_unit: list[int]
    fs_hz: int
    n_samples: int
    data_offset: int
    age_years: float | None
    sex: str
    private: list[str]
    notes: tuple[str, ...]


def read_ishne(path: Path, *, start_s: float = 0.0) -> Record:
    """Read ten seconds of an ISHNE file.

    Parameters
    ----------
    path
        The ``.ecg`` file.
    start_s
        Start of the window, in seconds from the start of the recording.

    Raises
    ------
    UnreadableRecord
        Damaged, not twelve leads, or the window is not in it.
    """
    with refuse_parser_errors(path, _FORMAT):
        header = _read_header(path)
        recording = _read_window(path, header, max(start_s, 0.0))
    return make_record(path, recording)


def _read_header(path: Path) -> IshneHeader:
    """Return the fixed header.

    Raises
    ------
    UnreadableRecord
        It is cut off, states no lead, no rate or no samples, or more of them than there are.
    """
    with path.open("rb") as file:
        fixed = file.read(_HEADER_BYTES)
    if len(fixed) < _HEADER_BYTES:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is cut off: its header of {_HEADER_BYTES} bytes has "
            f"{len(fixed)}."
        )
    (variable_bytes,) = struct.unpack_from("<i", fixed, 10)
    n_leads, *codes = struct.unpack_from("<13h", fixed, 156)
    (fs_hz,) = struct.unpack_from("<h", fixed, 272)
    offset = _HEADER_BYTES + variable_bytes
    size_bytes = path.stat().st_size
    if not 1 <= n_leads <= 12 or fs_hz <= 0 or not _HEADER_BYTES <= offset < size_bytes:
        raise UnreadableRecord(
            f"Record {path.stem}: its header states {n_leads} leads at {fs_hz} Hz, with samples "
            f"from byte {offset:,} of {size_bytes:,}: it is cut off or altered."
        )
    n_samples, notes = _n_samples(path, fixed, n_leads, size_bytes - offset)
    return IshneHeader(
        columns=[_LEAD_CODES.get(code, f"lead {code}") for code in codes[:n_leads]],
        nv_per_unit=list(struct.unpack_from(f"<{n_leads}h", fixed, 206)),
        fs_hz=fs_hz,
        n_samples=n_samples,
        data_offset=offset,
        age_years=age_at_recording(_date(fixed, 132), _date(fixed, 138)),
        sex=_SEX_CODES.get(struct.unpack_from("<h", fixed, 128)[0], ""),
        private=[fixed[28:68].decode("latin-1"), fixed[68:128].decode("latin-1")],
        notes=(*_checksum_notes(path, fixed, variable_bytes), *notes),
    )


def _n_samples(
    path: Path, fixed: bytes, n_leads: int, data_bytes: int
) -> tuple[int, tuple[str, ...]]:
    """Return the samples a lead, and a note where the header states fewer.

    Raises
    ------
    UnreadableRecord
        The header states more, or the bytes are no whole number of samples.
    """
    (stated,) = struct.unpack_from("<i", fixed, 14)
    n_samples, rest = divmod(data_bytes, 2 * n_leads)
    is_whole = rest == 0 and stated in (n_samples, n_samples * n_leads, data_bytes)
    if stated <= 0 or is_whole:
        return n_samples, ()  # some writers count all leads, or bytes
    if rest or stated > n_samples:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} declares {stated:,} samples a lead and holds "
            f"{data_bytes / (2 * n_leads):,.1f}. Fetch it again: it is cut off or altered."
        )
    return n_samples, (f"{ALTERED}{n_samples:,} samples a lead, the header states {stated:,}",)


def _checksum_notes(path: Path, fixed: bytes, variable_bytes: int) -> tuple[str, ...]:
    """Return a note where the header does not agree with its CRC-CCITT; 0 states none."""
    (stated,) = struct.unpack_from("<H", fixed, 8)
    with path.open("rb") as file:
        file.seek(10)
        content = file.read(_HEADER_BYTES - 10 + variable_bytes)
    if stated in (0, binascii.crc_hqx(content, 0xFFFF), binascii.crc_hqx(content, 0)):
        return ()
    return (f"{ALTERED}checksum of the header (leads, scale, rate) differs",)


def _read_window(path: Path, header: IshneHeader, start_s: float) -> VendorRecording:
    n_leads = len(header.columns)
    first, length = round(start_s * header.fs_hz), round(WINDOW_S * header.fs_hz)
    if first >= header.n_samples:
        refuse_start(path, header.n_samples / header.fs_hz, start_s)
    length = min(length, header.n_samples - first)
    with path.open("rb") as file:
        file.seek(header.data_offset + 2 * n_leads * first)
        raw = np.fromfile(file, dtype="<i2", count=length * n_leads).reshape(-1, n_leads).T
    mv_per_step = np.array(header.nv_per_unit, dtype=np.float64) / 1e6
    if (mv_per_step <= 0).any():
        raise UnreadableRecord(
            f"Record {path.stem}: {header.columns[int(np.argmin(mv_per_step))]} states no scale."
        )
    is_off = (raw == _LEAD_OFF).all(axis=1)
    return VendorRecording(
        columns=header.columns,
        signal_mv=np.where(raw == _LEAD_OFF, np.nan, raw * mv_per_step[:, None]),
        fs_hz=header.fs_hz,
        age_years=header.age_years,
        sex=header.sex,
        private=header.private,
        notes=(*header.notes, *_window_notes(header, start_s, length)),
        off=[column for column, off in zip(header.columns, is_off, strict=True) if off],
        evidence=_EVIDENCE,
    )


def _window_notes(header: IshneHeader, start_s: float, length: int) -> tuple[str, ...]:
    if length == header.n_samples:
        return ()
    end_s = start_s + length / header.fs_hz
    duration_s = header.n_samples / header.fs_hz
    return (f"windowed: {start_s:g}–{end_s:g} s of {duration_s:,.1f} s",)


def _date(fixed: bytes, offset: int) -> date | None:
    day, month, year = struct.unpack_from("<3h", fixed, offset)
    return date_of(year, month, day)
