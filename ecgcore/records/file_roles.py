"""What each file of a folder is: a recording, a part of one, a table, a paper, or something else.

Works on names and on the first bytes of files, so that folders and zip files are told alike.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

from ecgcore.errors import UnreadableRecord
from ecgcore.records import file_format
from ecgcore.records.formats import csv_parser
from ecgcore.records.formats.wfdb_header import parse_header
from ecgcore.records.metadata.tables import TABLES

RECORD, COMPANION, TABLE, PAPER, OTHER = "record", "companion", "table", "paper", "other"
SIGNAL_SUFFIXES = frozenset({".dat", ".mat"})
STANDALONE = csv_parser.SUFFIXES | frozenset(
    ".xml .dcm .scp .edf .bdf .h5 .hdf5 .zip .ecg .mwf .json .md .html .htm .pdf .docx .doc .xlsx "
    ".xls .png .jpg .jpeg .bmp .tif .tiff .gif .webp .hea .gz .xz .bz2 .7z .rar .tar".split()
)
"""Suffixes of files that are no part of the record whose header has the same name."""
_OTHER = frozenset(
    ".json .yaml .yml .toml .ini .cfg .py .ipynb .m .r .jl .sh .js .css .html .htm .md .rst .log "
    ".pyc .bib .tex .xsd .xsl .xslt .xsx .db .parquet .feather .pkl .npz".split()
)
_PAPERS = (
    *("license", "licence", "copying", "readme", "records", "annotators", "changelog"),
    *("sha256sums", "sha1sums", "md5sums", "md5sum", "subjects", "citation", "notice", "source"),
)
_PAPER_SUFFIXES = frozenset({"", ".txt", ".md", ".html", ".pdf", ".rst"})
_TABLE_NAMES = frozenset(PurePath(table).name.lower() for table in TABLES)
_PICTURES = frozenset({"picture", "own_picture", "own_page"})
_DRAWN = (".hea", ".csv", ".tsv", ".txt", ".dcm", ".xml", ".scp", ".edf", ".ecg", ".h5", ".mat")
_NPY = b"\x93NUMPY"


class Role(NamedTuple):
    """What a file is (RECORD …), and the name of the file of which it is a companion."""

    role: str
    of: str = ""


Head = Callable[[str, int], bytes]
"""Returns the first bytes of a file of the folder; raises OSError or UnreadableRecord."""


def roles(names: list[str], head: Head) -> Iterator[tuple[str, Role]]:
    """Yield what each file of a folder is, in the order given.

    Parameters
    ----------
    names
        Of the files of one folder, without hidden ones.
    head
        Called for those that their names do not tell.
    """
    headers = {name[:-4]: name for name in names if name.lower().endswith(".hea")}
    parts = _parts_of_headers(headers, names, head)
    for name in names:
        yield name, _role(name, headers, parts, names, head)


def role_alone(name: str, head: Head) -> Role:
    """Return what a file is that was named by itself: more is taken for a recording than here."""
    suffix = PurePath(name).suffix.lower()
    if _is_paper(name, suffix) or name.lower() in _TABLE_NAMES:
        return Role(PAPER if _is_paper(name, suffix) else TABLE)
    if suffix in csv_parser.SUFFIXES and csv_parser.is_table(
        _head(name, head, csv_parser.HEAD_BYTES)
    ):
        return Role(TABLE)
    return Role(RECORD)


def _role(
    name: str, headers: dict[str, str], parts: dict[str, str], names: list[str], head: Head
) -> Role:
    stem, suffix = os.path.splitext(name)
    suffix = suffix.lower()
    if suffix == ".hea":
        return Role(COMPANION, parts[name]) if name in parts else Role(RECORD)
    if name in parts:
        return Role(COMPANION, parts[name])
    if stem in headers and suffix not in STANDALONE:
        return Role(COMPANION, headers[stem])
    if _is_paper(name, suffix):
        return Role(PAPER)
    if name.lower() in _TABLE_NAMES:
        return Role(TABLE)
    if suffix in _OTHER:
        return Role(OTHER)
    return _by_content(name, suffix, names, head)


def _by_content(name: str, suffix: str, names: list[str], head: Head) -> Role:
    content = _head(name, head, file_format.HEAD_BYTES)
    if content is None:
        return Role(RECORD)  # whoever reads it can say why it cannot be opened
    kind = file_format.kind_of(content, name)
    if kind == "csv":
        whole = _head(name, head, csv_parser.HEAD_BYTES) or b""
        return Role(RECORD if csv_parser.looks_like_recording(whole, suffix) else TABLE)
    if kind in ("xml", "broken_xml") and suffix != ".xml":
        return Role(OTHER)
    if kind == "document" and suffix in (".xlsx", ".xls", ".ods"):
        return Role(TABLE)
    if kind in _PICTURES and (of := _drawn_of(name, names)):
        return Role(COMPANION, of)
    if kind == "wfdb" and suffix not in SIGNAL_SUFFIXES:
        return Role(COMPANION)  # annotations whose header is not there
    if kind == "empty":
        return Role(OTHER if suffix not in STANDALONE | SIGNAL_SUFFIXES else RECORD)
    if kind == "unknown":
        return _unknown(content, names)
    return Role(RECORD)


def _drawn_of(name: str, names: list[str]) -> str:
    """Return the recording of the same name that a picture shows, '' where there is none."""
    stem = os.path.splitext(name)[0]
    return next((f"{stem}{suffix}" for suffix in _DRAWN if f"{stem}{suffix}" in names), "")


def _unknown(content: bytes, names: list[str]) -> Role:
    """Tell text and arrays of labels from a file that may be an ECG of an unknown form."""
    if content.startswith(_NPY) and "labels.csv" in names:
        return Role(COMPANION, "labels.csv")
    return Role(OTHER if csv_parser.is_words(content) else RECORD)


def _parts_of_headers(headers: dict[str, str], names: list[str], head: Head) -> dict[str, str]:
    """Return the header to which each signal file of another name, and each segment, belongs.

    A header with a signal file of its own name speaks of no other file, and is not opened: unless
    there are signal files that no header accounts for.
    """
    there = set(names)
    plain = {s for s in headers if f"{s}.dat" in there or f"{s}.mat" in there}
    orphans = any(
        stem not in headers and suffix.lower() not in STANDALONE | _OTHER
        for stem, suffix in map(os.path.splitext, names)
    )
    parts: dict[str, str] = {}
    for stem, name in headers.items():
        if stem in plain and not orphans:
            continue
        content = _head(name, head, 1_000_000)
        try:
            header = parse_header(Path(name), (content or b"").decode("latin-1"))
        except UnreadableRecord:
            continue  # a recording all the same; the reader says what is wrong with it
        signals = {file for file in header.signal_files if not file.lower().endswith(".hea")}
        parts |= {file: name for file in signals if file not in parts}
        parts |= {f"{segment}.hea": name for segment in header.segments if segment != stem}
    return {part: whole for part, whole in parts.items() if part in there}


def _is_paper(name: str, suffix: str) -> bool:
    return name.lower().startswith(_PAPERS) and suffix in _PAPER_SUFFIXES


def _head(name: str, head: Head, n_bytes: int) -> bytes | None:
    try:
        return head(name, n_bytes)
    except (OSError, UnreadableRecord):
        return None
