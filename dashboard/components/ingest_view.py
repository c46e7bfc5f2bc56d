"""Import of a folder of this server: form, progress, actions and refused files.

An import is a process of its own and continues when the page is closed; the page shows it again.
"""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import draw
from dashboard.components import controls
from dashboard.data import cached
from dashboard.plain_text import message
from ecgcore.cohort import ingest_job
from ecgcore.cohort.allowed_folders import VARIABLE, import_roots, list_subfolders, resolve_folder
from ecgcore.cohort.ingest_job import ALIVE, IngestJob, IngestRequest
from ecgcore.errors import EcgError
from ecgcore.records.read import ReadOptions

_MAJORITY_RATE = "the rate of 90 % of the records"
_RATES_HZ = {_MAJORITY_RATE: None, "100 Hz": 100, "500 Hz": 500}


def show_form() -> None:
    """Show the form of an import (folder, cohort, options), and start it."""
    roots = import_roots()
    if not roots:
        st.info(
            f"No folder of this server is open for import: set {VARIABLE} to the folders that may "
            "be read, or read one with `ecgcore ingest FOLDER --cohort NAME`."
        )
        return
    left, middle, right = st.columns(3)
    root = left.selectbox("Folder of this server", list(roots), key="import_root")
    subfolder = middle.selectbox(
        "Subfolder",
        list_subfolders(roots[root]),
        key="import_below",
        accept_new_options=True,
        help='"." is the whole folder. Deeper folders can be typed. All subfolders are searched.',
    )
    cohort = right.text_input(
        "Name of the cohort",
        key="import_cohort",
        placeholder="e.g. ward-7",
        help="Letters, digits, - and _. The name of an existing cohort updates it: records whose "
        "files are no longer in the folder are removed.",
    )
    options = choose_options()
    if st.button("Import", type="primary", key="import_start", disabled=not cohort.strip()):
        try:
            folder = resolve_folder(roots[root], subfolder or ".")
            request = IngestRequest(str(folder), cohort.strip(), **options)
            ingest_job.start(request, cached.workspace())
        except EcgError as error:
            st.error(message(error))
        else:
            st.rerun()  # its progress is shown above the form


def choose_options() -> dict[str, Any]:
    """Show the options of ``ecgcore ingest``; return them."""
    with st.popover("More", icon=":material/tune:", key="import_more"):
        rate = st.selectbox("Stored rate", list(_RATES_HZ), key="import_rate")
        duration_s = st.number_input(
            "Stored duration of each record, s",
            1.0,
            600.0,
            None,
            key="import_seconds",
            placeholder="10, or that of the cohort",
        )
        start_s = st.number_input(
            "Start, s", 0.0, None, ReadOptions().start_s, step=1.0, key="import_from"
        )
        upsample = st.checkbox("Upsample records of a lower rate", key="import_upsample")
        measure = st.checkbox(
            "Measure each record and detect its beats", True, key="import_measure"
        )
        source_fs_hz = st.number_input(
            "Rate of files that do not state one, Hz",
            50.0,
            40_000.0,
            None,
            key="import_file_hz",
            placeholder="such files are refused",
        )
        assume_order = st.checkbox(
            "Read twelve unnamed leads as I, II, III, aVR, aVL, aVF, V1 to V6",
            key="import_in_order",
        )
    return {
        "store_fs_hz": _RATES_HZ[rate],
        "duration_s": duration_s,
        "start_s": start_s,
        "upsample": upsample,
        "measure": measure,
        "source_fs_hz": source_fs_hz,
        "assume_order": assume_order,
    }


def watch() -> None:
    """Show the imports, refreshed while one is running."""
    jobs = ingest_job.list_jobs(cached.workspace())
    st.session_state["import_done"] = _done_cohorts(jobs)
    is_running = any(job.status["state"] in ALIVE for job in jobs)
    st.fragment(_show_jobs, run_every="1s" if is_running else None)()


def _show_jobs() -> None:
    """Show each import; first the whole page anew where one has ended: there is a new cohort.

    The links to that cohort come with the whole page, then. Shown before, they would move under
    the pointer as the table of cohorts grows, and the refreshes could overtake a click on them.
    """
    jobs = ingest_job.list_jobs(cached.workspace())
    if _done_cohorts(jobs) - st.session_state["import_done"]:
        st.rerun()
    if error := st.session_state.pop("import_error", None):
        st.error(error)
    for job in jobs:
        _show_job(job)


def _done_cohorts(jobs: list[IngestJob]) -> set[str]:
    return {job.cohort for job in jobs if job.status["state"] == "done"}


def _show_job(job: IngestJob) -> None:
    """Show the progress of an import, its actions and its refused files."""
    status = job.status
    with st.container(key=f"import_{job.cohort}"):
        left, right = st.columns([5, 2], vertical_alignment="center")
        with left:
            _show_progress(job.cohort, status)
        with right.container(horizontal=True, horizontal_alignment="right"):
            _show_actions(job, status)
        if rejected := status.get("rejected"):
            show_refused(rejected, status["refused"], f"import_refused_{job.cohort}")


def _show_progress(cohort: str, status: dict[str, Any]) -> None:
    if status["state"] == "done":
        copies = f", {status['duplicates']:,} copies" if status["duplicates"] else ""
        st.markdown(
            f"**Cohort {cohort}** imported: {status['found']:,} found = {status['read']:,} records"
            f"{copies}, {status['refused']:,} refused."
        )
        return
    share = status["done"] / status["found"] if status["found"] else 0.0
    text = f"**Import of {cohort}** · {status['state']} · {ingest_job.progress_text(status)}"
    if status["state"] in ALIVE and status["found"]:
        text += f" · {draw.time_left(status['eta_s'])}"
    st.progress(share, text=f"{text} {status['message']}".strip())


def _show_actions(job: IngestJob, status: dict[str, Any]) -> None:
    actions = {
        "cancel": job.cancel,
        "resume": lambda: job.resume(cached.workspace()),
        "dismiss": lambda: job.dismiss(cached.workspace()),
    }

    def run(action: str) -> None:
        try:
            actions[action]()
        except EcgError as error:
            st.session_state["import_error"] = str(error)

    def button(label: str, action: str, icon: str) -> None:
        key = f"import_{action}_{job.cohort}"
        st.button(label, icon=f":material/{icon}:", key=key, on_click=run, args=(action,))

    if status["state"] in ALIVE:
        button("Cancel", "cancel", "close")
        return
    if status["state"] == "done":
        query = {state.COHORT: job.cohort}
        controls.link("Browse the cohort", "browse", "ecg", query)
        controls.link("Train both", "train", "model_training", query)
    if job.can_resume:
        button("Resume", "resume", "play_arrow")
    button("Dismiss", "dismiss", "close")


def show_refused(rows: list[dict[str, str]], n: int, key: str) -> None:
    """Show the refused files by record id."""
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key=key,
        alt="Refused files",
        column_config={
            "record": "Record id",
            "reason": st.column_config.Column("Reason", width=700),
        },
    )
    more = f"The first {len(rows):,} of {n:,}. " if n > len(rows) else ""
    st.caption(
        f"{more}File names may contain names of patients and are not shown: `ecgcore ingest` of "
        "the same folder lists them in its terminal."
    )


def offer(key: str) -> None:
    """Show the imports, and the form in an expander."""
    watch()
    with st.expander(
        "Import a folder", icon=":material/folder_open:", key=f"{key}_import", on_change="rerun"
    ) as expander:
        if expander.open:
            show_form()
