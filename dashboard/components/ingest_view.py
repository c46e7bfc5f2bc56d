"""Importing a folder of this server: choosing it, watching it being read, what was refused.

An import is a process of its own and goes on when the page is closed; the page finds it again.
"""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import draw
from dashboard.components import controls
from dashboard.data import cached
from ecgcore.cohort import ingest_job
from ecgcore.cohort.allowed_folders import VARIABLE, import_roots, list_subfolders, resolve_folder
from ecgcore.cohort.ingest_job import ALIVE, IngestJob, IngestRequest
from ecgcore.errors import EcgError
from ecgcore.records.read import ReadOptions

_AS_THEY_ARE = "as 90 % of the records have it"
_RATES = {_AS_THEY_ARE: None, "100 Hz": 100, "500 Hz": 500}


def choose() -> None:
    """Let the visitor choose a folder below the roots and a cohort's name, and start."""
    roots = import_roots()
    if not roots:
        st.info(
            f"No folder of this server may be imported: set {VARIABLE} to the folders whose "
            "contents may, or read one with `ecgcore ingest FOLDER --cohort NAME`."
        )
        return
    left, middle, right = st.columns(3)
    name = left.selectbox("Folder of this server", list(roots), key="import_root")
    below = middle.selectbox(
        "Folder in it", list_subfolders(roots[name]), key="import_below", accept_new_options=True,
        help='"." is the whole of it. A deeper folder can be typed. All below it is searched.',
    )  # fmt: skip
    cohort = right.text_input(
        "Name of the cohort", key="import_cohort", placeholder="e.g. ward-7",
        help="Letters, digits, - and _. The name of a cohort that is there brings that one up to "
        "date: records of files that are gone from the folder leave it.",
    )  # fmt: skip
    how = options()
    if st.button("Import", type="primary", key="import_start", disabled=not cohort.strip()):
        try:
            folder = resolve_folder(roots[name], below or ".")
            ingest_job.start(IngestRequest(str(folder), cohort.strip(), **how), cached.workspace())
        except EcgError as error:
            st.error(str(error))
        else:
            st.rerun()  # it is watched above


def options() -> dict[str, Any]:
    """Let the visitor change what ``ecgcore ingest`` has options for."""
    with st.popover("More", icon=":material/tune:", key="import_more"):
        rate = st.selectbox("Rate to store", list(_RATES), key="import_rate")
        seconds = st.number_input(
            "Seconds to store of each record", 1.0, 600.0, None, key="import_seconds",
            placeholder="10, or what the cohort has",
        )  # fmt: skip
        from_s = st.number_input(
            "From second", 0.0, None, ReadOptions().start_s, step=1.0, key="import_from"
        )
        upsample = st.checkbox("Also take records of a lower rate, raised", key="import_upsample")
        measure = st.checkbox("Measure each record, find its beats", True, key="import_measure")
        file_hz = st.number_input(
            "Rate of files that do not say theirs, Hz", 50.0, 40_000.0, None, key="import_file_hz",
            placeholder="such files are refused",
        )  # fmt: skip
        in_order = st.checkbox(
            "Take twelve unnamed leads for I, II, III, aVR, aVL, aVF, V1 to V6",
            key="import_in_order",
        )
    return {
        "store_fs_hz": _RATES[rate], "duration_s": seconds, "start_s": from_s, "upsample": upsample,
        "measure": measure, "source_fs_hz": file_hz, "assume_order": in_order,
    }  # fmt: skip


def watch() -> None:
    """Show the imports at work and those that ended, live while there is one at work."""
    found = ingest_job.list_jobs(cached.workspace())
    st.session_state["import_done"] = _done(found)
    alive = any(one.status["state"] in ALIVE for one in found)
    st.fragment(_all, run_every="1s" if alive else None)()


def _all() -> None:
    if said := st.session_state.pop("import_error", None):
        st.error(said)
    found = ingest_job.list_jobs(cached.workspace())
    for one in found:
        _one(one)
    if _done(found) - st.session_state["import_done"]:
        st.rerun()  # the whole page: there is a cohort more


def _done(found: list[IngestJob]) -> set[str]:
    return {one.cohort for one in found if one.status["state"] == "done"}


def _one(one: IngestJob) -> None:
    """Show where an import stands, what can be done about it, and what it refused."""
    status = one.status
    with st.container(key=f"import_{one.cohort}"):
        left, right = st.columns([5, 2], vertical_alignment="center")
        with left:
            _stands(one.cohort, status)
        with right.container(horizontal=True, horizontal_alignment="right"):
            _acts(one, status)
        if rejected := status.get("rejected"):
            refused(rejected, status["refused"], f"import_refused_{one.cohort}")


def _stands(cohort: str, status: dict[str, Any]) -> None:
    if status["state"] == "done":
        copies = f", {status['duplicates']:,} copies" if status["duplicates"] else ""
        st.markdown(
            f"**Cohort {cohort}** is read: {status['found']:,} found = {status['read']:,} records"
            f"{copies}, {status['refused']:,} refused."
        )
        return
    share = status["done"] / status["found"] if status["found"] else 0.0
    told = f"**Import of {cohort}** · {status['state']} · {ingest_job.in_words(status)}"
    if status["state"] in ALIVE and status["found"]:
        told += f" · {draw.minutes(status['eta_s'])}"
    st.progress(share, text=f"{told} {status['message']}".strip())


def _acts(one: IngestJob, status: dict[str, Any]) -> None:
    def do(act: str) -> None:
        try:
            one.cancel() if act == "cancel" else getattr(one, act)(cached.workspace())
        except EcgError as error:
            st.session_state["import_error"] = str(error)

    def button(label: str, act: str, icon: str) -> None:
        key = f"import_{act}_{one.cohort}"
        st.button(label, icon=f":material/{icon}:", key=key, on_click=do, args=(act,))

    if status["state"] in ALIVE:
        button("Cancel", "cancel", "close")
        return
    if status["state"] == "done":
        looked_at = {state.COHORT: one.cohort}
        controls.link("Browse it", "browse", "ecg", looked_at)
        controls.link("Train both", "train", "model_training", looked_at)
    if one.can_resume:
        button("Go on", "resume", "play_arrow")
    button("Dismiss", "dismiss", "close")


def refused(rows: list[dict[str, str]], n: int, key: str) -> None:
    """Show the files that were refused, by record id."""
    st.dataframe(
        pd.DataFrame(rows), hide_index=True, key=key, alt="Refused files",
        column_config={"record": "Record id", "reason": st.column_config.Column("Why", width=700)},
    )  # fmt: skip
    more = f"The first {len(rows):,} of {n:,}. " if n > len(rows) else ""
    st.caption(
        f"{more}File names may hold names of patients and are not shown: `ecgcore ingest` of the "
        "same folder lists them in its terminal."
    )


def offer(key: str) -> None:
    """Show the imports there are, and the form behind a click."""
    watch()
    with st.expander(
        "Import a folder", icon=":material/folder_open:", key=f"{key}_import", on_change="rerun"
    ) as form:
        if form.open:
            choose()
