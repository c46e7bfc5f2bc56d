"""The database a recording comes from, identified by its name and its header's comments."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Origin(NamedTuple):
    """A database and the recording's own number in it, the same for every rate and copy."""

    source: str
    number: str


PTB_XL_NAME = re.compile(r"(\d{5})_(lr|hr)(?:_\d+hz)?$")

# Names in the PhysioNet/CinC challenges 2020 and 2021 (doi:10.13026/34va-7q14); they count only
# together with the challenge's own "#Dx:" line. HR00001 is PTB-XL's record 1.
_CHALLENGE_NAMES = (
    (re.compile(r"HR(\d{5})$"), "ptb-xl"),
    (re.compile(r"(JS\d{5})$"), "ecg-arrhythmia"),
    (re.compile(r"(A\d{4})$"), "cpsc_2018"),
    (re.compile(r"(Q\d{4})$"), "cpsc_2018_extra"),
    (re.compile(r"(E\d{5})$"), "georgia"),
    (re.compile(r"(S\d{4})$"), "ptb"),
    (re.compile(r"I00(\d{2})$"), "incart"),
)
_STATED_SOURCES = {"code-15": "code-15", "sami-trop": "sami-trop", "ptb-xl": "ptb-xl"}
"""``# Source:`` of the PhysioNet challenge 2025 on Chagas disease, in small letters, no ``%``."""
_CODE_NAME = re.compile(r"code_15_(\d+)$")
_CHAPMAN_NAME = re.compile(r"(MUSE_\d{8}_\d{6}_\d{5})$")
_PTB_NAME = re.compile(r"(s\d{4}l?_?re)$")
_INCART_NAME = re.compile(r"I(\d{2})$")
_MIMIC_FOLDERS = re.compile(r"p\d{4}/p\d{8}/s(\d{8})")


def identify_origin(
    name: str, comments: Iterable[str] = (), path: Path | None = None
) -> Origin | None:
    """Return the origin of a record, None where name, comments and folders do not show it.

    Parameters
    ----------
    name
        The record's name, without folder or suffix.
    comments
        The header's comments, without their ``#``.
    path
        The header; MIMIC-IV-ECG's folders name patient and study, also where its comments are lost.
    """
    if match := PTB_XL_NAME.match(name):
        return Origin("ptb-xl", match[1])
    if match := _CODE_NAME.match(name):
        return Origin("code-15", match[1])
    if match := _CHAPMAN_NAME.match(name):
        return Origin("chapman-figshare", match[1])
    lines = [comment.lower() for comment in comments]
    if name.isdigit() and (source := _stated_source(lines)):
        return Origin(source, name)
    is_mimic = any(line.startswith("<subject_id>") for line in lines)
    if name.isdigit() and (is_mimic or _lies_in_mimic_folders(name, path)):
        return Origin("mimic-iv-ecg", name)
    if (match := _INCART_NAME.match(name)) and any(line.startswith("patient ") for line in lines):
        return Origin("incart", match[1])
    if any(line.startswith("<diagnoses>") for line in lines) and name.isdigit():
        return Origin("ludb", name)
    if any(line.startswith("chagas label") for line in lines) and name.isdigit():
        return Origin("code-15", name)
    if any(line.startswith("reason for admission") for line in lines) and _PTB_NAME.match(name):
        return Origin("ptb", name)
    if any(line.startswith("dx") for line in lines):
        return _challenge_origin(name)
    return None


def _lies_in_mimic_folders(name: str, path: Path | None) -> bool:
    folders = "" if path is None else "/".join(path.absolute().parts[-4:-1])
    match = _MIMIC_FOLDERS.fullmatch(folders)
    return match is not None and match[1] == name


def source_name(origin: Origin | None) -> str:
    """Return the database's name, ``unknown`` for None."""
    return origin.source if origin else "unknown"


def _stated_source(lines: list[str]) -> str | None:
    """Return the database that a ``# Source:`` line names."""
    values = [line.partition(":")[2] for line in lines if line.startswith("source:")]
    return _STATED_SOURCES.get(values[0].strip().rstrip("%").replace(" ", "-")) if values else None


def _challenge_origin(name: str) -> Origin | None:
    for pattern, source in _CHALLENGE_NAMES:
        if match := pattern.match(name):
            return Origin(source, match[1])
    return None
