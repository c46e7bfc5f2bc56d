"""Record lists and label audits for Browse and Overview, cached.

A listing is read-only, so one per cohort serves all sessions of the server.
"""

import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import streamlit as st

from dashboard.data import cached
from dashboard.data.cached import modified_ns, workspace
from ecgcore.cohort.listing import LABEL_SOURCES, SET_PREFIX, Filters, Listing
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError
from ecgcore.labels.label_set_file import set_names
from ecgcore.labels.label_sets import LABEL_SETS, LabelSet
from ecgcore.records.record import Record
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.cohort.catalogue import CohortSummary

_IMAGE_MODULE = "ecgcore.imaging.network_view"


def listing(name: str) -> Listing:
    """Return the listing of a cohort, read once per server."""
    sets = max(map(modified_ns, workspace().label_sets.glob("*.toml")), default=0)
    return _listing(workspace().path, name, sets, *_stamps_ns(name))


@st.cache_resource(max_entries=4, show_spinner="Reading the cohort's index …")
def _listing(workspace_path: Path, name: str, *stamps_ns: int) -> Listing:
    home = Workspace(workspace_path)
    return Listing(Cohort.open(name, home), home.label_sets)


def label_sources(name: str) -> list[str]:
    """Return the bases of listed classes: statements, measurements, and label sets that fit."""
    own = set_names(workspace().label_sets)[len(LABEL_SETS) :]
    return [
        *LABEL_SOURCES,
        *(f"{SET_PREFIX}{one}" for one in own if _fits(name, f"{SET_PREFIX}{one}")),
    ]


def _fits(name: str, label_source: str) -> bool:
    """Return whether a cohort has what a label set is made from."""
    try:
        listing(name).states(label_source)
    except RequestError:
        return False
    return True


def _stamps_ns(name: str) -> tuple[int, int]:
    """Return the modification times of a cohort's index or labels, and of its measurements."""
    folder = workspace().cohorts / name
    measurement_files = (folder / "shards").glob("*/measures.parquet")
    latest = max(map(modified_ns, measurement_files), default=0)
    return max(modified_ns(folder / "cohort.json"), modified_ns(folder / "labels")), latest


def select_rows(name: str, filters: Filters) -> np.ndarray:
    """Return the rows of a cohort that match the filters, in the cohort's order."""
    return listing(name).select_rows(filters)


def table(name: str, rows: np.ndarray, label_source: str) -> pa.Table:
    """Return the list's columns for some rows."""
    return listing(name).table(rows, label_source)


def label_set(name: str, label_source: str) -> LabelSet:
    """Return the label set whose classes a label source has."""
    return listing(name).label_set(label_source)


def class_counts(cohort: "CohortSummary") -> dict[str, int]:
    """Return the number of records of a cohort that state each class (core tier)."""
    return _class_counts(workspace().path, cohort.name, *_stamps_ns(cohort.name))


@st.cache_data(max_entries=64, show_spinner=False)
def _class_counts(workspace_path: Path, name: str, *stamps_ns: int) -> dict[str, int]:
    from ecgcore.cohort.listing import class_counts_of

    return class_counts_of(Cohort.open(name, Workspace(workspace_path)))


def can_draw_images() -> bool:
    """Return True once network images can be drawn; start loading what they need (torch).

    Loading takes seconds on a fresh server and would otherwise delay the ECG, so it runs in a
    thread beside the page.
    """
    if hasattr(sys.modules.get(_IMAGE_MODULE), "network_image"):
        return True
    _load_image_module()
    return False


@st.cache_resource(max_entries=1, show_spinner=False)
def _load_image_module() -> threading.Thread:
    thread = threading.Thread(target=import_module, args=(_IMAGE_MODULE,), daemon=True)
    thread.start()
    return thread


def measurements(name: str, record: Record) -> dict[str, Any]:
    """Return a cohort record's measurements: those stored at ingest, else measured now."""
    row = listing(name).row_of(record.name)
    stored = None if row is None else cached.cohort(name).measurements_of(row)
    return cached.measurements(record) if stored is None else stored.as_json()


def audit(name: str) -> dict[str, Any]:
    """Return the label audit of a cohort, as ``ecgcore label audit`` computes it."""
    return _audit(workspace().path, name, *_stamps_ns(name))


@st.cache_data(max_entries=8, show_spinner="Auditing the labels …")
def _audit(workspace_path: Path, name: str, *stamps_ns: int) -> dict[str, Any]:
    from ecgcore.cohort.label_audit import audit_cohort

    return audit_cohort(Cohort.open(name, Workspace(workspace_path)))


def rejected_files(name: str) -> list[dict[str, str]]:
    """Return the refused files of a cohort: record id, and the reason without file names."""
    from ecgcore.cohort import exclusions

    return exclusions.rejected_files(Cohort.open(name, workspace()))
