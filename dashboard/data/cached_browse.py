"""Lists of records and audits of cohorts as Browse and Overview ask for them.

As in ``cached``: values in, answers out, every cache bounded, nothing stale. A listing only reads,
so one stands for all sessions of the server.
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
from dashboard.data.cached import workspace, written
from ecgcore.cohort.listing import Filters, Listing
from ecgcore.cohort.store import Cohort
from ecgcore.records.record import Record
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.cohort.store import CohortSummary

_DRAWS_IMAGES = "ecgcore.imaging.network_view"


def listing(name: str) -> Listing:
    """Return what lists show of a cohort, read once a server."""
    return _listing(workspace().path, name, *_stamps(name))


@st.cache_resource(max_entries=4, show_spinner="Reading the cohort's index …")
def _listing(home_path: Path, name: str, *stamps: int) -> Listing:
    return Listing(Cohort.open(name, Workspace(home_path)))


def _stamps(name: str) -> tuple[int, int]:
    """Return the times of a cohort's index and of its last measurements."""
    folder = workspace().cohorts / name
    measures = (folder / "shards").glob("*/measures.parquet")
    return written(folder / "cohort.json"), max(map(written, measures), default=0)


def kept(name: str, filters: Filters) -> np.ndarray:
    """Return the rows that filters leave of a cohort, in its order."""
    return listing(name).select_rows(filters)


def table(name: str, rows: np.ndarray, label_source: str) -> pa.Table:
    """Return what the list shows of some rows."""
    return listing(name).table(rows, label_source)


def class_counts(cohort: "CohortSummary") -> dict[str, int]:
    """Return how many records of a cohort state each class (core tier)."""
    return _class_counts(workspace().path, cohort.name, *_stamps(cohort.name))


@st.cache_data(max_entries=64, show_spinner=False)
def _class_counts(home_path: Path, name: str, *stamps: int) -> dict[str, int]:
    from ecgcore.cohort.listing import class_counts_of

    return class_counts_of(Cohort.open(name, Workspace(home_path)))


def can_draw_images() -> bool:
    """Whether what draws networks' images is loaded; on a fresh server it is loaded beside the
    page, which takes seconds (torch) and would else hold up the ECG."""
    if hasattr(sys.modules.get(_DRAWS_IMAGES), "seen"):
        return True
    _loading()
    return False


@st.cache_resource(max_entries=1, show_spinner=False)
def _loading() -> threading.Thread:
    thread = threading.Thread(target=import_module, args=(_DRAWS_IMAGES,), daemon=True)
    thread.start()
    return thread


def measured(name: str, shown: Record) -> dict[str, Any]:
    """Return what was measured of a cohort's record at ingest; now, where it was not."""
    row = listing(name).row_of(shown.name)
    stored = None if row is None else cached.cohort(name).measurements_of(row)
    return cached.measured(shown) if stored is None else stored.as_json()


def audit(name: str) -> dict[str, Any]:
    """Return what ``ecgcore label audit`` says of a cohort."""
    return _audit(workspace().path, name, *_stamps(name))


@st.cache_data(max_entries=8, show_spinner="Auditing the labels …")
def _audit(home_path: Path, name: str, *stamps: int) -> dict[str, Any]:
    from ecgcore.cohort.label_audit import audit_cohort

    return audit_cohort(Cohort.open(name, Workspace(home_path)))


def refused(name: str) -> list[dict[str, str]]:
    """Return the files of a cohort that were refused: record id, and why in words of no file."""
    from ecgcore.cohort.exclusions import rejected_files

    return rejected_files(Cohort.open(name, workspace()))
