"""Overview: what was found last, which cohorts and runs there are, and what to do next."""

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import draw, figures, palette
from dashboard.components import controls, ingest_view
from dashboard.data import cached, cached_browse, cached_runs
from ecgcore.comparison.text import finding
from ecgcore.errors import EcgError
from ecgcore.labels.classes import CODES
from ecgcore.runs.run import ALIVE, Run

METRICS = {"accuracy": "Accuracy", "macro_f1": "Macro-F1", "macro_auc": "Macro AUC"}

FINDING_PX = 430


def latest_comparison() -> None:
    """Show the last two comparable runs as B − A with intervals, or what this is all about."""
    pair = cached_runs.latest_pair()
    if pair is None:
        st.write(
            "Does the M-SE network read ECG images better than plain AlexNet? Choose a cohort, "
            "train both on it, compare them on the same records."
        )
        return
    a, b = pair
    try:
        found = cached_runs.compare(a.id, b.id, "test")
    except EcgError as error:
        st.error(str(error))
        return
    st.write(finding(found))
    rows = {name: found["differences"][metric] for metric, name in METRICS.items()}
    drawn = figures.differences(rows, palette.MODEL[state.is_dark()]["b"])
    draw.figure(drawn, "overview_differences", "B minus A with intervals, for three metrics")
    st.caption(
        f"A {controls.run_name(a)}; B {controls.run_name(b)}; {found['n_common']:,} test records "
        f"of {found['patients']:,} patients."
    )
    looked_at = {state.RUN_A: a.id, state.RUN_B: b.id}
    controls.link("Open the comparison", "compare", "compare_arrows", looked_at)


def cohorts() -> None:
    """List the cohorts with their records a class; a click opens one."""
    st.subheader("Cohorts")
    found = cached.cohorts()
    if not found:
        controls.offer_examples()
        return
    rows = [
        {
            "cohort": c.name,
            "records": c.records,
            "classes": list(cached_browse.class_counts(c).values()),
            "patients": c.patients,
        }
        for c in found
    ]
    number = st.column_config.NumberColumn(format="localized", width="small")
    shown = st.dataframe(
        pd.DataFrame(rows), hide_index=True, key="overview_cohorts", on_select="rerun",
        selection_mode="single-row", alt="Cohorts with their records a class",
        column_config={
            "records": number, "patients": number,
            "classes": st.column_config.BarChartColumn(width=150, y_min=0),
        },
    )  # fmt: skip
    st.caption(f"Bars: records of each class ({', '.join(CODES)}), expert statements, core tier.")
    if shown.selection.rows:
        chosen = found[shown.selection.rows[0]].name
        st.switch_page("app_pages/browse.py", query_params={state.COHORT: chosen})


def runs() -> None:
    """List runs and shipped models with their state and scores; a click opens one."""
    st.subheader("Runs and shipped models")
    found = [*cached_runs.runs(), *cached_runs.shipped()]
    if not found:
        st.info("No network was trained yet.")
        return
    decimals = st.column_config.NumberColumn(format="%.3f", width="small")
    shown = st.dataframe(
        pd.DataFrame([run_row(run) for run in found]), hide_index=True, key="overview_runs",
        on_select="rerun", selection_mode="single-row", alt="Runs with their state and scores",
        column_config={
            "macro AUC": decimals, "macro-F1": decimals, "accuracy": decimals,
            "test records": st.column_config.NumberColumn(format="localized", width="small"),
            "run": st.column_config.Column("run", width="medium"),
        },
    )  # fmt: skip
    st.caption("Accuracy and macro-F1 on each run's own test records.")
    if shown.selection.rows:
        open_run(found[shown.selection.rows[0]])


def run_row(run: Run) -> dict:
    """Return what the table says of a run."""
    meta, status, scores = run.meta, run.status, run.evaluation or {}
    return {
        "network": controls.network_name(run),
        "cohort": meta["cohort"]["name"],
        "level": str(meta["config"]["level"]),
        "state": how_far(status),
        "macro AUC": (scores.get("macro_auc") or {}).get("value"),
        "macro-F1": scores.get("macro_f1"),
        "accuracy": scores.get("accuracy"),
        "test records": scores.get("n"),
        "run": run.id,
    }


def how_far(status: dict) -> str:
    """Return a run's state, with how much of it is done while it works."""
    share = status["epoch"] / max(1, status["epochs"])
    return f"{status['state']} {share:.0%}" if status["state"] in ALIVE else status["state"]


def open_run(run: Run) -> None:
    """Go to a run's comparison with another network's, or to Train where there is none."""
    pair = cached_runs.pair_of(run, cached_runs.comparable())
    if pair is None or run.evaluation is None:
        st.switch_page("app_pages/train.py")
    a, b = pair
    st.switch_page("app_pages/compare.py", query_params={state.RUN_A: a.id, state.RUN_B: b.id})


def what_next() -> None:
    """Offer the next steps."""
    if cached.cohorts():
        with st.container(horizontal=True):
            controls.link("Train both on a cohort", "train", "model_training")
            controls.link("Classify an ECG", "classify", "upload_file")
    ingest_view.offer("overview")


st.title("Overview")
# Written last, for a comparison takes a while on a fresh server; its place is kept meanwhile.
has_finding = cached_runs.latest_pair() is not None
finding_above = st.container(height=FINDING_PX if has_finding else "content", border=False)
left, right = st.columns([2, 3], gap="large")
with left:
    cohorts()
with right:
    runs()
what_next()
with finding_above:
    latest_comparison()
