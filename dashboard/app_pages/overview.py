"""Overview: the latest comparison, the cohorts and runs, and the next steps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import draw, figures, palette
from dashboard.components import controls, ingest_view, label_import_view
from dashboard.data import cached, cached_browse, cached_runs
from dashboard.plain_text import message
from ecgcore.comparison.text import finding
from ecgcore.errors import EcgError
from ecgcore.evaluation.text import METRIC_TITLES
from ecgcore.labels.classes import CODES
from ecgcore.runs.run import ALIVE, Run

if TYPE_CHECKING:
    from ecgcore.cohort.catalogue import CohortSummary
    from ecgcore.workspace import Damaged

COMPARISON_PX = 430


def show_latest_comparison() -> None:
    """Show the latest comparable runs as B − A with intervals, or the question of the product."""
    pair = cached_runs.latest_pair()
    if pair is None:
        st.write(
            "Does the M-SE network read ECG images better than plain AlexNet? Choose a cohort, "
            "train both networks on it, and compare them on the same records."
        )
        return
    a, b = pair
    try:
        comparison = cached_runs.compare(a.id, b.id, "test")
    except EcgError as error:
        st.error(message(error))
        return
    st.write(finding(comparison))
    changes = {title: comparison["differences"][metric] for metric, title in METRIC_TITLES.items()}
    chart = figures.differences(changes, palette.MODEL[state.is_dark()]["b"])
    draw.figure(chart, "overview_differences", "B minus A with intervals, for three metrics")
    st.caption(
        f"A {controls.run_title(a)}; B {controls.run_title(b)}; {comparison['n_common']:,} test "
        f"records of {comparison['patients']:,} patients."
    )
    query = {state.RUN_A: a.id, state.RUN_B: b.id}
    controls.link("Open the comparison", "compare", "compare_arrows", query)


def show_cohorts() -> None:
    """List the cohorts with their records of each class; a click opens one."""
    st.subheader("Cohorts")
    show_damaged(cached.damaged_cohorts())
    cohorts = cached.cohorts()
    if not cohorts:
        controls.offer_examples()
        return
    rows = [
        {
            "cohort": cohort.name,
            "records": cohort.records,
            "classes": classes_of(cohort),
            "patients": cohort.patients,
        }
        for cohort in cohorts
    ]
    number = st.column_config.NumberColumn(format="localized", width="small")
    event = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="overview_cohorts",
        on_select="rerun",
        selection_mode="single-row",
        alt="Cohorts with their records of each class",
        column_config={
            "records": number,
            "patients": number,
            "classes": st.column_config.BarChartColumn(width=150, y_min=0),
        },
    )
    st.caption(f"Bars: records of each class ({', '.join(CODES)}), expert statements, core tier.")
    if event.selection.rows:
        cohort = cohorts[event.selection.rows[0]]
        st.switch_page("app_pages/browse.py", query_params={state.COHORT: cohort.name})


def classes_of(cohort: "CohortSummary") -> list[int]:
    """Return the number of records of each class; say so and return none where they are damaged."""
    try:
        return list(cached_browse.class_counts(cohort).values())
    except EcgError as error:
        st.warning(message(error), icon=":material/broken_image:")
        return []


def show_damaged(damaged: "Sequence[Damaged]") -> None:
    """Show one line for each cohort or run that cannot be opened."""
    for one in damaged:
        st.warning(message(one.reason), icon=":material/broken_image:")


def show_runs() -> None:
    """List runs and shipped models with their state and scores; a click opens one."""
    st.subheader("Runs and shipped models")
    show_damaged(cached_runs.damaged_runs())
    runs = [*cached_runs.runs(), *cached_runs.shipped()]
    if not runs:
        st.info("No network has been trained yet.")
        return
    decimals = st.column_config.NumberColumn(format="%.3f", width="small")
    number = st.column_config.NumberColumn(format="localized", width="small")
    columns = dict.fromkeys(("macro AUC", "macro-F1", "accuracy"), decimals)
    event = st.dataframe(
        pd.DataFrame([run_row(run) for run in runs]),
        hide_index=True,
        key="overview_runs",
        on_select="rerun",
        selection_mode="single-row",
        alt="Runs with their state and scores",
        column_config=columns
        | {"test records": number, "run": st.column_config.Column("run", width="medium")},
    )
    st.caption("Accuracy and macro-F1 are on each run's own test records.")
    if event.selection.rows:
        open_run(runs[event.selection.rows[0]])


def run_row(run: Run) -> dict:
    """Return a run's row of the table."""
    meta, scores = run.meta, run.evaluation or {}
    return {
        "network": controls.network_name(run),
        "cohort": meta["cohort"]["name"],
        "level": str(meta["config"]["level"]),
        "state": state_text(run.status),
        "macro AUC": (scores.get("macro_auc") or {}).get("value"),
        "macro-F1": scores.get("macro_f1"),
        "accuracy": scores.get("accuracy"),
        "test records": scores.get("n"),
        "run": run.id,
    }


def state_text(status: dict) -> str:
    """Return a run's state, with its progress while it is running or queued."""
    share = status["epoch"] / max(1, status["epochs"])
    return f"{status['state']} {share:.0%}" if status["state"] in ALIVE else status["state"]


def open_run(run: Run) -> None:
    """Open a run's comparison with another network's, or Train if there is none."""
    pair = cached_runs.pair_of(run, cached_runs.comparable_runs())
    if pair is None or run.evaluation is None:
        st.switch_page("app_pages/train.py")
    a, b = pair
    st.switch_page("app_pages/compare.py", query_params={state.RUN_A: a.id, state.RUN_B: b.id})


st.title("Overview")
# Filled last, because a comparison takes time on a fresh server; the space is reserved meanwhile.
has_comparison = cached_runs.latest_pair() is not None
top = st.container(height=COMPARISON_PX if has_comparison else "content", border=False)
left, right = st.columns([2, 3], gap="large")
with left:
    show_cohorts()
with right:
    show_runs()
if cached.cohorts():
    with st.container(horizontal=True):
        controls.link("Train both on a cohort", "train", "model_training")
        controls.link("Classify an ECG", "classify", "upload_file")
ingest_view.offer("overview")
if cached.cohorts():
    label_import_view.offer()
with top:
    show_latest_comparison()
