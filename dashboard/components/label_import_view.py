"""Import of a table of labels: upload, match, map columns, import, and make a label set of it."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components import controls
from dashboard.data import cached, cached_labels
from dashboard.plain_text import message
from ecgcore.errors import EcgError

if TYPE_CHECKING:
    from ecgcore.cohort.label_import import ImportPlan

AUTOMATIC = "found by its cells"
_SINGLE = {
    "record": "Records: names, files or ends of paths",
    "classes": "Class names",
    "patient": "Patients",
    "age": "Ages",
    "sex": "Sex",
    "date": "Dates (their order is kept)",
    "site": "Sites",
    "device": "Devices",
    "fold": "Folds",
}
_DONE = "labels_done"


def offer() -> None:
    """Show the import of a table in an expander."""
    with st.expander(
        "Import labels", icon=":material/table_view:", key="labels_import", on_change="rerun"
    ) as expander:
        if expander.open and cached.cohorts():
            show_form()


def show_form() -> None:
    """Show the form, what it would import, and the button that imports."""
    names = [cohort.name for cohort in cached.cohorts()]
    left, right = st.columns([1, 2])
    cohort = left.selectbox("Cohort of the labels", names, key="labels_cohort")
    file = right.file_uploader(
        "Table of labels: CSV, TSV, XLSX or Parquet",
        cached_labels.KINDS,
        key="labels_file",
        max_upload_size=cached_labels.LARGEST_MB,
        help="A row a record, or a patient. Columns of yes, no or empty, or one of class names. Of "
        "dates only the order within the patient is kept; names are not.",
    )
    show_done()
    if file is None:
        return
    content, suffix = file.getvalue(), PurePath(file.name).suffix.lower()
    try:
        columns = list(cached_labels.read_table(content, suffix).columns)
        roles, options = choose_columns(columns)
        planned = cached_labels.plan(cohort, content, suffix, roles, options)
    except EcgError as error:
        st.error(message(error))
        return
    show_plan(planned)
    if st.button("Import these labels", type="primary", key="labels_start"):
        try:
            version = cached_labels.import_plan(cohort, planned)
        except EcgError as error:
            st.error(message(error))
            return
        st.session_state[_DONE] = cohort, version
        st.rerun()


def choose_columns(columns: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Show a list for each role of a column; return the roles and options that were chosen."""
    roles: dict[str, Any] = {}
    with st.popover("Columns", icon=":material/view_column:", key="labels_columns"):
        for role, title in _SINGLE.items():
            chosen = st.selectbox(title, [AUTOMATIC, *columns], key=f"labels_{role}")
            if chosen != AUTOMATIC:
                roles[role] = chosen
        for role, title in (
            ("labels", "Yes, no or empty"),
            ("numbers", "Numbers, for thresholds"),
            ("ignored", "Left out"),
        ):
            roles[role] = tuple(st.multiselect(title, columns, key=f"labels_{role}"))
        id_from = st.text_input(
            "Pattern of the id in a path",
            key="labels_id_from",
            placeholder="e.g. (\\d+)_lr",
            help="A regular expression with one group, for ids inside file names.",
        )
        absent = st.checkbox(
            "Empty cells, and classes that a row does not name, are absent (else unknown)",
            key="labels_absent",
        )
    return roles, {"id_from": id_from or None, "absent_if_missing": absent}


def show_plan(planned: "ImportPlan") -> None:
    """Show what matches, what does not, and the findings."""
    st.markdown(
        f"**{planned.matched:,}** of {planned.rows:,} rows match **{planned.records:,}** records; "
        f"{planned.n_unmatched:,} rows without a record, {len(planned.without_row):,} records "
        f"without a row, {planned.repeated:,} repeated rows, {len(planned.conflicts):,} "
        "contradictions (left unknown)."
    )
    roles = planned.as_json()["columns"]
    used = [{"use": role, "column": _listed(column)} for role, column in roles.items()]
    used += [{"use": "not used", "column": name} for name in planned.unused]
    _table(used, "labels_used", "Columns and their use")
    rows = [vars(finding) for finding in planned.findings]
    rows += [{"code": name, "present": n} for name, n in planned.attributes.items()]
    _table(rows, "labels_found", "Findings and their records")
    _table([vars(row) for row in planned.unmatched], "labels_unmatched", "Rows without a record")
    lacking = [{"record": name, "what": "no row"} for name in planned.without_row[:2000]]
    lacking += [{"record": r, "what": f"contradiction: {c}"} for r, c in planned.conflicts[:2000]]
    _table(lacking, "labels_lacking", "Records without a row, and contradictions")
    for note in planned.notes:
        st.caption(message(note))


def show_done() -> None:
    """Show the last import, and make a label set of it."""
    if _DONE not in st.session_state:
        return
    cohort, version = st.session_state[_DONE]
    st.success(f"Imported into {cohort}: version {version} of its labels.")
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    name = left.text_input("Name of a label set of these columns", key="labels_set")
    if right.button("Make the label set", key="labels_make", disabled=not name.strip()):
        try:
            classes = cached_labels.write_set(name.strip(), cohort)
        except EcgError as error:
            st.error(message(error))
            return
        st.success(f"Label set {name.strip()}: {', '.join(classes)}.")
        query = {state.COHORT: cohort, "train_label_set": name.strip(), "train_level": "all"}
        controls.link("Train on it", "train", "model_training", query)


def _listed(value: Any) -> str:
    return value if isinstance(value, str) else ", ".join(map(str, value))


def _table(rows: list[dict[str, Any]], key: str, alt: str) -> None:
    if rows:
        st.caption(alt)
        st.dataframe(pd.DataFrame(rows), hide_index=True, key=key, alt=alt)
