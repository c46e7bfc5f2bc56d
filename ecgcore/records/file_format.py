"""Detection of a file's format: by its content first, by its suffix second.

Knows the signatures of every format that is read, and of those that are refused by name; reads no
samples and imports no format's library.
"""

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from ecgcore.errors import UnreadableRecord
from ecgcore.records import reading_process
from ecgcore.records.budget import limit_container
from ecgcore.records.record import Record
from ecgcore.records.regular_files import read_head

HEAD_BYTES = 16_384
"""Size of the head that ``format_from_head`` needs."""

VENDOR_READERS = {
    "dicom": "dicom:read_dicom",
    "aecg": "aecg:read_aecg",
    "philips": "philips:read_philips",
    "muse": "muse:read_muse",
    "cardiosoft": "cardiosoft:read_cardiosoft",
    "mortara": "mortara:read_mortara",
    "schiller": "schiller:read_schiller",
    "scp": "scp:read_scp",
    "edf": "edf:read_edf",
    "ishne": "ishne:read_ishne",
    "mfer": "mfer:read_mfer",
}
"""Module and function of each vendor format's reader: ``read(path, *, start_s=0.0) -> Record``."""

ARRAY_READERS = {
    "csv": "csv:read_csv",
    "parquet": "parquet:read_parquet",
    "xlsx": "xlsx:read_xlsx",
    "mat": "mat:read_mat",
    "hdf5": "hdf5:read_hdf5",
    "npy": "npy:read_npy",
    "npz": "npy:read_npz",
}
"""Reader of each form of table or array: ``read(path, *, source_fs_hz, assume_order) -> Record``;
those of CONTAINERS take the name of a recording in the file, too."""

OWN_PROCESS = frozenset({"parquet", "xlsx", "mat", "hdf5", "npy", "npz"})
"""Formats that libraries in C open: in a process of its own (see ``reading_process``)."""

CONTAINERS = {"hdf5": "hdf5:exams", "npy": "npy:rows"}
"""Function that names the recordings of a file of many: ``names(path) -> list[str]``."""

RECOGNIZERS = {"parquet": "parquet:looks_like_recording", "xlsx": "xlsx:looks_like_recording"}
"""Function that tells a recording from another table: ``is_recording(path) -> bool``."""

REFUSALS = {
    "empty": "{file} is empty",
    "contec": "{file} is in Contec's own binary form; it is not read. Export it as SCP-ECG or CSV",
    "btl": "{file} is BTL's XML; it is not read. Export it as SCP-ECG, DICOM or HL7 aECG",
    "ishne_annotations": "{file} holds annotations of an ISHNE recording and no signal",
    "picture": "{file} is a picture of an ECG that this program did not draw; a picture holds no "
    "signal. Give the recording it was drawn from",
    "own_picture": "{file} is a picture that 'ecgcore convert' drew for networks; classify it, or "
    "give the recording",
    "own_page": "{file} is an ECG page for people that 'ecgcore plot' drew. Give the recording",
    "document": "{file} is a document (PDF or Office) and holds no signal. Give the recording",
    "archive": "{file} is packed in a form that is not opened; unpack it, or pack it as .zip",
    "xml": "{file} is XML of another kind (root element {root}); accepted are HL7 aECG, Philips, "
    "GE MUSE, CardioSoft, Mortara and Schiller",
    "broken_xml": "{file} is not well-formed XML. Fetch it again: it is cut off or altered",
}
"""Messages for formats that are known and not read."""

_SIGNATURES = (  # offset, signature, format
    (0, b"PK\x03\x04", "zip"),
    (0, b"PK\x05\x06", "zip"),
    (0, b"PAR1", "parquet"),
    (0, b"ARROW1", "parquet"),
    (0, b"\x93NUMPY", "npy"),
    (0, b"\x89HDF\r\n\x1a\n", "hdf5"),
    (512, b"\x89HDF\r\n\x1a\n", "hdf5"),
    (0, b"MATLAB 5.0 MAT-file", "mat"),
    (128, b"DICM", "dicom"),
    (16, b"SCPECG", "scp"),
    (0, b"ISHNE1.0", "ishne"),
    (0, b"ANN  1.0", "ishne_annotations"),
    (0, b"\xffBIOSEMI", "edf"),
    (0, b"\x89PNG\r\n\x1a\n", "picture"),
    (0, b"\xff\xd8\xff", "picture"),
    (0, b"GIF8", "picture"),
    (0, b"II*\0", "picture"),
    (0, b"MM\0*", "picture"),
    (8, b"WEBP", "picture"),
    (0, b"%PDF", "document"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "document"),
    (0, b"\x1f\x8b", "archive"),
    (0, b"BZh", "archive"),
    (0, b"\xfd7zXZ\0", "archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "archive"),
    (0, b"Rar!\x1a\x07", "archive"),
    (257, b"ustar", "archive"),
)
_PATTERNS = (
    (
        re.compile(
            rb"PK\x03\x04.{26}(?:\[Content_Types\]|docProps/|_rels/|xl/|word/|ppt/|mimetypeapp)",
            re.S,
        ),
        "document",
    ),
    # version, person and date (maybe blank), size of the header, number and length of data records
    (re.compile(rb"0 {7}[^\n\r]{176}\d{3}[\d ]{5}[^\n\r]{44}[-\d][\d ]{7}[\d.eE+ -]{8}\d"), "edf"),
    (re.compile(rb"@.MFR ", re.S), "mfer"),
    (re.compile(rb"BM.{4}\0{4}.{4}[\x0c\x28\x38\x40\x6c\x7c]\0\0\0", re.S), "picture"),
    (re.compile(rb"[\x02\x08]\0[\0-\x18]\0(?:UL|CS|UI|SH|DA|[\x02-\x40]\0\0\0)"), "dicom"),
    (re.compile(rb"\d{7}[ \0]*\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "contec"),
    # MATLAB 4: five small numbers (type, rows, columns, imaginary, length of name), then the name
    (
        re.compile(rb"[\0-\x3d]\0\0\0.{2}\0\0.{3}\0\0\0\0\0[\x02-\x40]\0\0\0[A-Za-z]\w*\0", re.S),
        "mat",
    ),
)
_XML_ROOTS = {
    "AnnotatedECG": "aecg",
    "restingecgdata": "philips",
    "RestingECG": "muse",
    "CardiologyXML": "cardiosoft",
    "SchillerEDI": "schiller",
}
_ROOT_ELEMENT = re.compile(r"<(?![?!])(?:[\w.-]+:)?(?P<name>[^\s<>/]+)(?P<rest>[^<>]*)")
_CONTROL_CHARACTERS = re.compile(r"[\0-\x08\x0e-\x1f]")
_PROLOG = re.compile(r"<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^\[>]*(?:\[.*?\])?\s*>", re.S)
_FORMATS_BY_SUFFIX = {
    ".hea": "wfdb",
    ".dat": "wfdb",
    ".atr": "wfdb",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".mat": "mat",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".parquet": "parquet",
    ".feather": "parquet",
    ".zip": "zip",
    ".dcm": "dicom",
    ".scp": "scp",
    ".edf": "edf",
    ".bdf": "edf",
    ".mwf": "mfer",
    ".xml": "broken_xml",
}


def detect_format(path: Path) -> str:
    """Return a file's format; see ``format_from_head``.

    Raises
    ------
    UnreadableRecord
        It is a folder, does not exist, or cannot be opened.
    """
    return format_from_head(read_head(path, HEAD_BYTES), path.name)


def format_from_head(head: bytes, name: str) -> str:
    """Return a file's format by its first bytes, or by its suffix where they show nothing.

    Parameters
    ----------
    head
        The first ``HEAD_BYTES`` of the file, all of it where it is shorter.
    name
        The file's name.

    Returns
    -------
    str
        A key of VENDOR_READERS, ARRAY_READERS or REFUSALS, or ``wfdb``, ``zip``, ``unknown``.
    """
    if not head:
        return "empty"
    suffix = Path(name).suffix.lower()
    if suffix == ".hea":  # its text may start with another format's signature
        return "wfdb"
    if suffix == ".npz" and head.startswith(b"PK"):
        return "npz"
    for pattern, format_name in _PATTERNS:
        if pattern.match(head):
            is_workbook = format_name == "document" and (suffix == ".xlsx" or b"xl/" in head)
            return "xlsx" if is_workbook else format_name
    for offset, signature, format_name in _SIGNATURES:
        if head.startswith(signature, offset):
            return _picture_origin(head) if format_name == "picture" else format_name
    if (text := _xml_text(head)) is not None:
        return _xml_format(text)
    return _FORMATS_BY_SUFFIX.get(suffix, "unknown")


def vendor_reader(format_name: str) -> Callable[..., Record] | None:
    """Return the function that reads a vendor format, imported now; None where there is none."""
    return _function(VENDOR_READERS, format_name)


def array_reader(format_name: str) -> Callable[..., Record] | None:
    """Return the function that reads a table or an array, imported now; None for others."""
    return _function(ARRAY_READERS, format_name)


def recordings_in(path: Path, format_name: str) -> list[str]:
    """Return the names of the recordings of a file of many, [] for a file of one.

    Raises
    ------
    UnreadableRecord
        It is damaged.
    """
    list_names = _function(CONTAINERS, format_name)
    if list_names and needs_own_process(format_name):
        with limit_container(path.name):
            function = f"formats.{CONTAINERS[format_name]}"
            return reading_process.call(function, path)
    return list_names(path) if list_names else []


def is_other_table(path: Path, format_name: str) -> bool:
    """Return whether a file holds a table of something else than a recording."""
    is_recording = _function(RECOGNIZERS, format_name)
    if is_recording and needs_own_process(format_name):
        with limit_container(path.name):
            return not reading_process.call(f"formats.{RECOGNIZERS[format_name]}", path)
    return is_recording is not None and not is_recording(path)


def needs_own_process(format_name: str) -> bool:
    """Return whether a file of this format has to be opened in another process than this one."""
    return format_name in OWN_PROCESS and not reading_process.is_reading_process()


def _function(table: dict[str, str], format_name: str) -> Callable[..., Any] | None:
    if format_name not in table:
        return None
    module, function = table[format_name].split(":")
    return getattr(import_module(f"ecgcore.records.formats.{module}"), function)


def refusal(path: Path, format_name: str) -> UnreadableRecord:
    """Return the error that says why a file of this format is not read."""
    root = root_element(path) if format_name == "xml" else ""
    reason = REFUSALS.get(format_name, "{file} is in no form that is known here")
    return UnreadableRecord(f"Record {path.stem}: {reason.format(file=path.name, root=root)}.")


def root_element(path: Path) -> str:
    """Return the name of an XML file's root element, '' where its head shows none."""
    with path.open("rb") as file:
        match = _ROOT_ELEMENT.search(_PROLOG.sub("", _xml_text(file.read(HEAD_BYTES)) or ""))
    return match["name"][:40] if match else ""


def _picture_origin(head: bytes) -> str:
    """Return ``own_picture`` or ``own_page`` for a PNG that imaging/png.py marked, else
    ``picture``."""
    marks = (("own_picture", b"tEXtecgcore\0"), ("own_page", b"tEXtecgcore-page\0"))
    return next((format_name for format_name, mark in marks if mark in head), "picture")


def _xml_text(head: bytes) -> str | None:
    """Return the head of an XML file as text, None where it is no XML."""
    if head.startswith((b"\xff\xfe", b"<\0")):
        text = head.decode("utf-16-le", "replace")
    elif head.startswith((b"\xfe\xff", b"\0<")):
        text = head.decode("utf-16-be", "replace")
    else:
        text = head.decode("latin-1").removeprefix("ï»¿")
    text = text.lstrip("\ufeff \t\r\n")
    is_xml = re.match(r"<[?!A-Za-z]", text) and not _CONTROL_CHARACTERS.search(text)
    return text if is_xml else None


def _xml_format(text: str) -> str:
    match = _ROOT_ELEMENT.search(_PROLOG.sub("", text))
    if match is None:
        return "broken_xml"
    name = match["name"]
    if name == "ECG" and "mortara" in text.lower():
        return "mortara"
    if name.upper().startswith("BTL"):
        return "btl"
    return _XML_ROOTS.get(name, "xml")
