"""ECGs that a visitor brings. They are read in memory, stay in the session, and go with it: names
in them are neither shown nor kept, and a file's own name is shown to the visitor alone."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import state
from dashboard.data import cached_uploads
from ecgcore.errors import UnreadableRecord

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from ecgcore.inference.inputs import ClassifierInput


FORMATS = (
    "WFDB (.hea with its .mat or .dat), CSV, .mat, HDF5, DICOM, HL7 aECG, GE MUSE, CardioSoft, "
    "Philips, Mortara and Schiller XML, SCP-ECG, EDF, BDF, ISHNE, a .zip of them, or a PNG that "
    "`ecgcore convert` drew."
)
PRIVATE = (
    f"Up to {cached_uploads.MOST_FILES} files and {cached_uploads.MOST_RECORDS} ECGs at once. They "
    "stay in this session's memory and go with it; names in them are not read."
)


@dataclass(frozen=True)
class UploadResult:
    """What was read (file → record or picture), and one line for each that was not."""

    sights: dict[str, "ClassifierInput"] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


def ask(page: str) -> UploadResult:
    """Let the visitor bring ECGs to a page; nothing brought is an empty answer."""
    given = st.file_uploader(
        "ECG files, one or several: WFDB, CSV, MATLAB, HDF5, DICOM, SCP-ECG, XML, EDF, ISHNE, a "
        ".zip of them, or a PNG of ours", accept_multiple_files=True, key=f"{page}_files",
        help=f"{FORMATS} {PRIVATE}", on_change=state.keep_uploads, args=({},),
    )  # fmt: skip
    with st.expander("A file that states neither its rate nor its leads"):
        fs_hz = st.number_input(
            "Rate, Hz", 50.0, 2000.0, None, key=f"{page}_fs_hz", placeholder="as the file states"
        )
        in_order = st.checkbox(
            "Its twelve columns are I, II, III, aVR, aVL, aVF, V1 to V6", key=f"{page}_in_order"
        )
    if not given:
        return UploadResult()
    if len(given) > cached_uploads.MOST_FILES:
        why = (
            f"{len(given):,} files were given; up to {cached_uploads.MOST_FILES} are read here at "
            "once. Give fewer, or a .zip of them, or use `ecgcore classify FOLDER --run RUN`."
        )
        return UploadResult(refused=[why])
    brought = sorted_out(cached_uploads.read(named(given), fs_hz, in_order))
    state.keep_uploads(brought.sights)
    return brought


def named(given: "list[UploadedFile]") -> dict[str, bytes]:
    """Return content by name; the second file of a name stands in a folder of its own."""
    seen: Counter[str] = Counter()
    files = {}
    for file in given:
        above = f"{seen[file.name]}/" if seen[file.name] else ""
        files[above + file.name] = file.getvalue()
        seen[file.name] += 1
    return files


def sorted_out(found: "list[tuple[str, ClassifierInput | UnreadableRecord]]") -> UploadResult:
    """Return what was read by its file's name, told apart where two are alike."""
    brought = UploadResult()
    for name, sight in found:
        if isinstance(sight, UnreadableRecord):
            brought.refused.append(str(sight))
            continue
        alike = sum(label.split(" (")[0] == name for label in brought.sights)
        brought.sights[f"{name} ({alike + 1})" if alike else name] = sight
    return brought
