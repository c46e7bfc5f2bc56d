"""Compare: two runs, or several seeds of both, on the same records.

Is the difference real, where does it lie, and on which records do the runs disagree?
"""

import json
from functools import partial

import streamlit as st

from dashboard import state
from dashboard.charts import palette
from dashboard.components import (
    compare_confusion,
    compare_curves,
    compare_disagreements,
    compare_runs,
    compare_tables,
    compare_utility,
    controls,
)
from dashboard.data import cached_comparison, cached_runs
from dashboard.plain_text import message
from ecgcore import RESEARCH_USE_ONLY
from ecgcore.comparison.text import few_records_warning, finding, finding_over_seeds
from ecgcore.errors import EcgError

TABS = (
    "By class",
    "Curves",
    "Confusion",
    "Calibration",
    "Subgroups",
    "Operating points",
    "Cost",
    "Disagreements",
)


def as_json(comparison: dict) -> str:
    """Return a comparison as the command prints it, with the notice."""
    return json.dumps(comparison | {"notice": RESEARCH_USE_ONLY})


def offer_downloads(comparison: dict, part: str) -> None:
    """Offer the comparison as a report and as JSON, each made when clicked."""
    a, b = comparison["a"], comparison["b"]
    with st.container(horizontal=True):
        st.download_button(
            "Download report",
            partial(cached_runs.report, a, b, part),
            f"report-{a}-{b}.html",
            "text/html",
            type="primary",
            key="compare_report",
            icon=":material/description:",
            on_click="ignore",
            help="One page with methods, figures, failures and a checklist; made when clicked.",
        )
        st.download_button(
            "Download as JSON",
            partial(as_json, comparison),
            f"compare-{a}-{b}.json",
            "application/json",
            key="compare_json",
            icon=":material/download:",
            on_click="ignore",
        )


def show_tab(name: str, comparison: dict, part: str) -> None:
    """Show one tab; the others are not computed."""
    pair = cached_comparison.current_pair(comparison["a"], comparison["b"], part)
    runs, colours = pair.runs, list(palette.MODEL[state.is_dark()].values())
    names, cohort = controls.short_names(runs), runs[0].meta["cohort"]["name"]
    match name:
        case "By class":
            compare_tables.classes(comparison)
        case "Curves":
            compare_curves.curves(pair, names, colours)
        case "Confusion":
            compare_confusion.matrices(pair, comparison, names, cohort)
        case "Calibration":
            compare_curves.calibration(pair, names, colours)
        case "Subgroups":
            compare_utility.subgroups(pair)
        case "Operating points":
            compare_utility.operating_points(pair, names, colours)
        case "Cost":
            compare_utility.cost(pair, comparison)
        case "Disagreements":
            compare_disagreements.disagreements(comparison, runs, names, cohort)


st.title("Compare")
runs = cached_runs.comparable_runs()
if len(runs) < 2:
    st.info("A comparison needs two finished runs. Train the plain and the M-SE network first.")
    controls.link("Train both", "train", "model_training")
    st.stop()
a, b, part = compare_runs.choose(runs)
if not (a and b):
    st.info("Choose a run, or several seeds of one, for A and for B.")
    st.stop()
try:
    sides = [",".join(run.id for run in side) for side in (a, b)]
    comparison = cached_runs.compare(sides[0], sides[1], part)
    if seeds := comparison["seeds"]:
        st.write(finding_over_seeds(comparison))
        compare_tables.seeds(comparison)
        by_id = {run.id: run for run in runs}
        pairs = [[by_id[run_id] for run_id in seeds[side]] for side in "ab"]
        seed_a, seed_b = compare_runs.choose_pair(*pairs)
        if seed_a.id != comparison["a"]:
            comparison = cached_runs.compare(seed_a.id, seed_b.id, part)
    (st.error if few_records_warning(comparison) else st.write)(finding(comparison))
    for flag in comparison["flags"]:
        st.warning(message(flag), icon=":material/flag:")
    compare_tables.headline(comparison)
    offer_downloads(comparison, part)
    tabs = st.tabs(TABS, key="compare_tab", on_change="rerun", bind=state.URL)
    for name, tab in zip(TABS, tabs, strict=True):
        if tab.open:
            with tab:
                show_tab(name, comparison, part)
except EcgError as error:
    st.error(message(error))
