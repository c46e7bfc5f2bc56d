"""Upload of ECGs: read in memory, stored for the session only, without any personal names.

Names inside the files are neither shown nor stored; a file's own name is shown to its visitor only.
"""

import secrets
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
    "Philips, Mortara and Schiller XML, SCP-ECG, EDF, BDF, ISHNE, a .zip of these, or a PNG drawn "
    "by `ecgcore convert`."
)
LIMITS = (
    f"Up to {cached_uploads.MAX_FILES} files, {cached_uploads.MAX_TOTAL_MB} MB and "
    f"{cached_uploads.MAX_RECORDS} ECGs at once. They stay in this session's memory and are "
    "deleted with it; names in them are not read."
)
_SERVER = secrets.token_hex(4)
"""Part of the uploader's key: after a restart browser and server both begin without files."""


@dataclass(frozen=True)
class UploadResult:
    """ECGs read (file → record or network image), and one line for each refused file."""

    ecgs: dict[str, "ClassifierInput"] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


def upload(page: str) -> UploadResult:
    """Show the file uploader of a page; return its ECGs, empty without a file."""
    with st.container(key=f"{page}_files"):
        files = st.file_uploader(
            "ECG files, one or several: WFDB, CSV, MATLAB, HDF5, DICOM, SCP-ECG, XML, EDF, ISHNE, "
            "a .zip of these, or a PNG drawn by this product",
            accept_multiple_files=True,
            key=f"{page}_files_{_SERVER}",
            help=f"{FORMATS} {LIMITS}",
            on_change=state.store_uploads,
            args=({},),
        )
    with st.expander("A file that states neither its rate nor its leads"):
        fs_hz = st.number_input(
            "Rate, Hz", 50.0, 2000.0, None, key=f"{page}_fs_hz", placeholder="as the file states"
        )
        assume_order = st.checkbox(
            "Its twelve columns are I, II, III, aVR, aVL, aVF, V1 to V6", key=f"{page}_in_order"
        )
    if not files:
        return UploadResult()
    if len(files) > cached_uploads.MAX_FILES:
        reason = (
            f"{len(files):,} files were uploaded; up to {cached_uploads.MAX_FILES} are read at "
            "once. Upload fewer, or a .zip of them, or use `ecgcore classify FOLDER --run RUN`."
        )
        return UploadResult(refused=[reason])
    total_mb = sum(file.size for file in files) / 1e6
    if total_mb > cached_uploads.MAX_TOTAL_MB:
        reason = (
            f"{total_mb:,.0f} MB were uploaded; up to {cached_uploads.MAX_TOTAL_MB} MB are read at "
            "once. Upload fewer, or use `ecgcore classify FOLDER --run RUN`."
        )
        return UploadResult(refused=[reason])
    result = as_result(cached_uploads.read(by_path(files), fs_hz, assume_order))
    state.store_uploads(result.ecgs)
    return result


def by_path(files: "list[UploadedFile]") -> dict[str, bytes]:
    """Return path → content; a second file of the same name is put into its own folder."""
    counts: Counter[str] = Counter()
    contents = {}
    for file in files:
        folder = f"{counts[file.name]}/" if counts[file.name] else ""
        contents[folder + file.name] = file.getvalue()
        counts[file.name] += 1
    return contents


def as_result(inputs: "list[tuple[str, ClassifierInput | UnreadableRecord]]") -> UploadResult:
    """Separate ECGs from refused files; equal names get a number."""
    result = UploadResult()
    for name, ecg in inputs:
        if isinstance(ecg, UnreadableRecord):
            result.refused.append(str(ecg))
            continue
        n_equal = sum(label.split(" (")[0] == name for label in result.ecgs)
        result.ecgs[f"{name} ({n_equal + 1})" if n_equal else name] = ecg
    return result
