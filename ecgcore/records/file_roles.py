"""The role of each file in a folder: a recording, a companion of one, a table, or something else.

Decided by names and by the first bytes of files, so that folders and zip files are treated alike.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

from ecgcore.errors import UnreadableRecord
from ecgcore.records import file_format
from ecgcore.records.formats import csv_parser, npy
from ecgcore.records.formats.wfdb_header import parse_wfdb_header
from ecgcore.records.lead_names import standard_lead
from ecgcore.records.metadata.tables import METADATA_TABLES
from ecgcore.records.regular_files import sibling
from ecgcore.records.unexpected_errors import refuse_unexpected_errors

RECORD, COMPANION, TABLE = "record", "companion", "table"
DOCUMENTATION, OTHER = "documentation", "other"
SIGNAL_SUFFIXES = frozenset({".dat", ".mat"})
STANDALONE = csv_parser.SUFFIXES | frozenset(
    ".xml .dcm .scp .edf .bdf .h5 .hdf5 .zip .ecg .mwf .json .md .html .htm .pdf .docx .doc .xlsx "
    ".xls .parquet .feather .npy .npz "
    ".png .jpg .jpeg .bmp .tif .tiff .gif .webp .hea .gz .xz .bz2 .7z .rar .tar".split()
)
"""Suffixes of files that are no part of the record whose header has the same name."""
_OTHER_SUFFIXES = frozenset(
    ".json .yaml .yml .toml .ini .cfg .py .ipynb .m .r .jl .sh .js .css .html .htm .md .rst .log "
    ".pyc .bib .tex .xsd .xsl .xslt .xsx .db .pkl".split()
)
_DOCUMENTATION_NAMES = (
    *("license", "licence", "copying", "readme", "records", "annotators", "changelog"),
    *("sha256sums", "sha1sums", "md5sums", "md5sum", "subjects", "citation", "notice", "source"),
)
_DOCUMENTATION_SUFFIXES = frozenset({"", ".txt", ".md", ".html", ".pdf", ".rst"})
_TABLE_NAMES = frozenset(PurePath(table).name.lower() for table in METADATA_TABLES)
_PICTURE_FORMATS = frozenset({"picture", "own_picture", "own_page"})
_DRAWN_SUFFIXES = (
    *(".hea", ".csv", ".tsv", ".txt", ".dcm", ".xml", ".scp", ".edf", ".ecg", ".h5", ".mat"),
)
"""Suffixes of recordings of which a picture may have been drawn, the likeliest first."""
_CELLS, _LINES = re.compile(r"[,;|\t]"), 200
_SMALLEST_RECORDING_BYTES = 300
"""A second of twelve leads takes more, at 50 Hz, too; a smaller text is not parsed."""
_FEWEST_LEADS = 3
"""Fewer names may be anything: ``I`` and ``II`` number chapters and grades, too."""
_LEAD_COLUMNS = frozenset({"lead", "leads", "lead_name", "lead name", "leadname"})

HeadReader = Callable[[str, int], bytes]
"""Returns the first bytes of a file of the folder; raises OSError or UnreadableRecord."""


class Role(NamedTuple):
    """A file's role (RECORD …), and the name of the file of which it is a companion."""

    role: str
    companion_of: str = ""


def header_beside(path: Path) -> Path | None:
    """Return the WFDB header of which a file may be a companion, None where there is none."""
    return None if path.suffix.lower() in STANDALONE else sibling(path.with_suffix(".hea"))


def folder_roles(names: list[str], read_head: HeadReader) -> Iterator[tuple[str, Role]]:
    """Yield the role of each file of a folder, in the given order.

    Parameters
    ----------
    names
        Names of the files of one folder, without hidden ones.
    read_head
        Called for files whose name does not settle their role.
    """
    headers = {name[:-4]: name for name in names if name.lower().endswith(".hea")}
    parts = _parts_of_headers(headers, names, read_head)
    for name in names:
        try:
            with refuse_unexpected_errors(name):
                role = _role(name, headers, parts, names, read_head)
        except UnreadableRecord:
            role = Role(RECORD)  # the reader reports the reason
        yield name, role


def single_file_role(name: str, read_head: HeadReader) -> Role:
    """Return the role of a file named on its own: more counts as a recording than in a folder."""
    suffix = PurePath(name).suffix.lower()
    if _is_documentation(name, suffix):
        return Role(DOCUMENTATION)
    if name.lower() in _TABLE_NAMES:
        return Role(TABLE)
    if suffix in csv_parser.SUFFIXES:
        head = _head(name, read_head, csv_parser.HEAD_BYTES) or b""
        return Role(TABLE if csv_parser.is_table(head) and not _mentions_leads(head) else RECORD)
    return Role(RECORD)


def _role(
    name: str,
    headers: dict[str, str],
    parts: dict[str, str],
    names: list[str],
    read_head: HeadReader,
) -> Role:
    stem, suffix = os.path.splitext(name)
    suffix = suffix.lower()
    if suffix == ".hea":
        return Role(COMPANION, parts[name]) if name in parts else Role(RECORD)
    if name in parts:
        return Role(COMPANION, parts[name])
    if stem in headers and suffix not in STANDALONE:
        return Role(COMPANION, headers[stem])
    if _is_documentation(name, suffix):
        return Role(DOCUMENTATION)
    if name.lower() in _TABLE_NAMES:
        return Role(TABLE)
    if suffix in _OTHER_SUFFIXES:
        return Role(OTHER)
    return _role_by_content(name, suffix, names, read_head)


def _role_by_content(name: str, suffix: str, names: list[str], read_head: HeadReader) -> Role:
    head = _head(name, read_head, file_format.HEAD_BYTES)
    if head is None:
        return Role(RECORD)  # the reader reports why it cannot be opened
    format_name = file_format.format_from_head(head, name)
    if format_name == "csv":
        return _role_of_csv(_head(name, read_head, csv_parser.HEAD_BYTES) or b"", suffix)
    if format_name in ("xml", "broken_xml") and suffix != ".xml":
        return Role(OTHER)
    if format_name == "document" and suffix in (".xls", ".ods"):
        return Role(TABLE)
    if format_name == "npy":
        return _role_of_array(head, names)
    if format_name in _PICTURE_FORMATS and (recording := _drawn_recording(name, names)):
        return Role(COMPANION, recording)
    if format_name == "wfdb" and suffix not in SIGNAL_SUFFIXES:
        return Role(COMPANION)  # annotations without their header
    if format_name == "empty":
        return Role(OTHER if suffix not in STANDALONE | SIGNAL_SUFFIXES else RECORD)
    if format_name == "unknown":
        return _role_of_unknown(head)
    return Role(RECORD)


def _role_of_csv(head: bytes, suffix: str) -> Role:
    """Return the role of a text of cells: what names leads in any way is left to the reader."""
    is_too_small = 0 < len(head) < _SMALLEST_RECORDING_BYTES
    if not is_too_small and csv_parser.looks_like_recording(head, suffix):
        return Role(RECORD)
    return Role(RECORD if _mentions_leads(head) else TABLE)


def _mentions_leads(head: bytes) -> bool:
    """Return whether the first line or the first column names leads, or a column is called so."""
    text = head.decode("utf-8", "replace").strip() or "\n"
    lines = [_CELLS.split(line) for line in text.splitlines()[:_LINES]]
    cells = {cell.strip(" \t\"'").lower() for cell in (*lines[0], *(line[0] for line in lines))}
    leads = {standard_lead(cell) for cell in cells} - {None}
    return len(leads) >= _FEWEST_LEADS or not _LEAD_COLUMNS.isdisjoint(cells)


def _drawn_recording(name: str, names: list[str]) -> str:
    """Return the recording of the same name that a picture shows, '' where there is none."""
    stem = os.path.splitext(name)[0]
    candidates = (f"{stem}{suffix}" for suffix in _DRAWN_SUFFIXES)
    return next((candidate for candidate in candidates if candidate in names), "")


def _role_of_array(head: bytes, names: list[str]) -> Role:
    """Return the role of a NumPy array: recordings, pictures of a set for networks, or others."""
    if "labels.csv" in names:
        return Role(COMPANION, "labels.csv")
    return Role(RECORD if npy.is_recording(head) else OTHER)


def _role_of_unknown(head: bytes) -> Role:
    """Return the role of an unknown format: a recording unless it is text."""
    return Role(OTHER if csv_parser.is_words(head) else RECORD)


def _parts_of_headers(
    headers: dict[str, str], names: list[str], read_head: HeadReader
) -> dict[str, str]:
    """Return the header to which each signal file of another name, and each segment, belongs.

    A header with a signal file of its own name refers to no other file, and is not opened unless
    there are signal files that no header accounts for.
    """
    present = {name: name for name in names}
    spellings = {name.lower(): name for name in names} | present
    plain = {s for s in headers if f"{s}.dat" in present or f"{s}.mat" in present}
    has_orphans = any(
        stem not in headers and suffix.lower() not in STANDALONE | _OTHER_SUFFIXES
        for stem, suffix in map(os.path.splitext, names)
    )
    parts: dict[str, str] = {}
    for stem, name in headers.items():
        if stem in plain and not has_orphans:
            continue
        content = _head(name, read_head, 1_000_000)
        try:
            header = parse_wfdb_header(Path(name), (content or b"").decode("latin-1"))
        except UnreadableRecord:
            continue  # still a recording; the reader reports the reason
        signals = {file for file in header.signal_files if not file.lower().endswith(".hea")}
        parts |= {file: name for file in signals if file not in parts}
        parts |= {f"{segment}.hea": name for segment in header.segments if segment != stem}
    names_present = ((spellings.get(part, spellings.get(part.lower())), part) for part in parts)
    return {name: parts[part] for name, part in names_present if name is not None}


def _is_documentation(name: str, suffix: str) -> bool:
    return name.lower().startswith(_DOCUMENTATION_NAMES) and suffix in _DOCUMENTATION_SUFFIXES


def _head(name: str, read_head: HeadReader, n_bytes: int) -> bytes | None:
    try:
        return read_head(name, n_bytes)
    except (OSError, UnreadableRecord):
        return None
