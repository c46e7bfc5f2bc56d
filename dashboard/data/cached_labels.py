"""Tables of labels that a visitor hands in, matched with a cohort; nothing stays before import."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.data.cached import workspace
from ecgcore.cohort.store import Cohort
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.cohort.label_import import ImportPlan
    from ecgcore.labels.table_file import LabelTable

LARGEST_MB = 100
KINDS = ["csv", "tsv", "txt", "xlsx", "parquet"]


@st.cache_data(max_entries=2, show_spinner="Reading the table …", scope="session")
def read_table(content: bytes, suffix: str) -> "LabelTable":
    """Return an uploaded table; the file exists only while it is read, for its owner alone."""
    from ecgcore.labels.table_file import read_label_table

    with tempfile.TemporaryDirectory(prefix="ecgcore-labels-") as folder:
        file = Path(folder) / f"table{suffix}"
        file.write_bytes(content)
        return read_label_table(file)


@st.cache_data(max_entries=4, show_spinner="Matching …", scope="session")
def plan(
    cohort: str, content: bytes, suffix: str, roles: dict[str, Any], options: dict[str, Any]
) -> "ImportPlan":
    """Return what an import would write, as ``ecgcore label import --dry-run`` shows it.

    ``roles`` are the roles of columns that the visitor chose, ``options`` those of ``plan_import``.
    """
    from ecgcore.cohort.label_columns import ColumnRoles
    from ecgcore.cohort.label_import import plan_import

    home = workspace()
    table = read_table(content, suffix)
    return plan_import(Cohort.open(cohort, home), table, home, ColumnRoles(**roles), **options)


def import_plan(cohort: str, planned: "ImportPlan") -> str:
    """Write a plan into the cohort's labels; return the hash of the new version."""
    from ecgcore.cohort.label_import import apply_import

    home: Workspace = workspace()
    return apply_import(Cohort.open(cohort, home), planned, home, "dashboard").hash


def write_set(name: str, cohort: str) -> list[str]:
    """Write a label set of a cohort's imported columns; return its classes."""
    from ecgcore.cohort.label_set_draft import write_draft

    return list(write_draft(name, cohort, workspace())[1].codes)
