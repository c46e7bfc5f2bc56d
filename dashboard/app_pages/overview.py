"""Overview: which cohorts and runs there are, what was found last, and what to do next."""

import pandas as pd
import streamlit as st

from dashboard import cached, cached_browse, cached_runs, controls, draw, figures, palette, state
from ecgcore.comparison.text import finding
from ecgcore.errors import EcgError
from ecgcore.labels.classes import CODES
from ecgcore.training.run import ALIVE, Run

METRICS = {"accuracy": "Accuracy", "macro_f1": "Macro-F1", "macro_auc": "Macro AUC"}


def latest_comparison() -> bool:
    """Show the last two comparable runs as B − A with intervals; tell whether there are any."""
    pair = cached_runs.latest_pair()
    if pair is None:
        return False
    a, b = pair
    try:
        found = cached_runs.compare(a.id, b.id, "test")
    except EcgError as error:
        st.error(str(error))
        return True
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
    return True


def cohorts() -> None:
    """List the cohorts with their records a class; a click opens one."""
    st.subheader("Cohorts")
    found = cached.cohorts()
    if not found:
        controls.offer_examples()
        return
    rows = [
        {"cohort": c.name, "records": c.records, "Hz": c.fs_hz, **cached_browse.class_counts(c)}
        for c in found
    ]
    shown = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="overview_cohorts",
        on_select="rerun",
        selection_mode="single-row",
        alt="Cohorts with their records a class",
        column_config={
            name: st.column_config.NumberColumn(format="localized") for name in ("records", *CODES)
        },
    )
    st.caption("Classes by expert statements, core tier; a record may state several.")
    if shown.selection.rows:
        chosen = found[shown.selection.rows[0]].name
        st.switch_page("app_pages/browse.py", query_params={state.COHORT: chosen})


def runs() -> None:
    """List runs and shipped models with their state and scores."""
    st.subheader("Runs and shipped models")
    found = [*cached_runs.runs(), *cached_runs.shipped()]
    if not found:
        st.info("No network was trained yet.")
        return
    decimals = st.column_config.NumberColumn(format="%.3f")
    st.dataframe(
        pd.DataFrame([run_row(run) for run in found]),
        hide_index=True,
        key="overview_runs",
        alt="Runs with their state and scores",
        column_config={
            "accuracy": decimals, "macro-F1": decimals, "macro AUC": decimals,
            "test records": st.column_config.NumberColumn(format="localized"),
            "done": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
        },
    )  # fmt: skip


def run_row(run: Run) -> dict:
    """Return what the table says of a run."""
    meta, status, scores = run.meta, run.status, run.evaluation or {}
    return {
        "run": run.id,
        "network": meta["model"],
        "cohort": meta["cohort"]["name"],
        "level": meta["config"]["level"],
        "state": status["state"],
        "done": status["epoch"] / max(1, status["epochs"]) if status["state"] in ALIVE else 1.0,
        "test records": scores.get("n"),
        "accuracy": scores.get("accuracy"),
        "macro-F1": scores.get("macro_f1"),
        "macro AUC": (scores.get("macro_auc") or {}).get("value"),
    }


st.title("Overview")
if not latest_comparison():
    st.write(
        "Does the M-SE network read ECG images better than plain AlexNet? Choose a cohort, train "
        "both on it, compare them on the same records."
    )
if cached.cohorts():
    controls.link("Train both on a cohort", "train", "model_training")
cohorts()
runs()
