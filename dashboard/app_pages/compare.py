"""Compare: two runs, or several seeds of both, on the same records. Is the difference real, where
is it, and on which records do they disagree?"""

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
from ecgcore import RESEARCH_USE_ONLY
from ecgcore.comparison.text import finding, finding_over_seeds
from ecgcore.errors import EcgError

TABS = (
    "By class", "Curves", "Confusion", "Calibration", "Subgroups", "Operating points", "Cost",
    "Disagreements",
)  # fmt: skip


def found_json(found: dict) -> str:
    """Return a comparison as the command prints it, with the notice."""
    return json.dumps(found | {"notice": RESEARCH_USE_ONLY})


def downloads(found: dict, part: str) -> None:
    """Offer the comparison as a report and as JSON; each is made when asked for."""
    a, b = found["a"], found["b"]
    with st.container(horizontal=True):
        st.download_button(
            "Download report", partial(cached_runs.report, a, b, part),
            f"report-{a}-{b}.html", "text/html", type="primary",
            key="compare_report", icon=":material/description:", on_click="ignore",
            help="One page with methods, figures, failures and a checklist; made when clicked.",
        )  # fmt: skip
        st.download_button(
            "Download as JSON", partial(found_json, found),
            f"compare-{a}-{b}.json", "application/json",
            key="compare_json", icon=":material/download:", on_click="ignore",
        )  # fmt: skip


def tab(name: str, found: dict, part: str) -> None:
    """Show one tab; none of the others is computed."""
    of = cached_comparison.pair(found["a"], found["b"], part)
    runs, colours = of.runs, list(palette.MODEL[state.is_dark()].values())
    names, cohort = controls.short_names(runs), runs[0].meta["cohort"]["name"]
    match name:
        case "By class":
            compare_tables.classes(found)
        case "Curves":
            compare_curves.curves(of, names, colours)
        case "Confusion":
            compare_confusion.matrices(of, found, names, cohort)
        case "Calibration":
            compare_curves.calibration(of, names, colours)
        case "Subgroups":
            compare_utility.subgroups(of)
        case "Operating points":
            compare_utility.operating(of, names, colours)
        case "Cost":
            compare_utility.cost(of, found)
        case "Disagreements":
            compare_disagreements.disagreements(found, runs, names, cohort)


st.title("Compare")
runs = cached_runs.comparable()
if len(runs) < 2:
    st.info("A comparison takes two finished runs. Train the plain and the M-SE network first.")
    controls.link("Train both", "train", "model_training")
    st.stop()
a, b, part = compare_runs.choose(runs)
if not (a and b):
    st.info("Choose a run, or several seeds of one, for A and for B.")
    st.stop()
try:
    sides = [",".join(run.id for run in side) for side in (a, b)]
    found = cached_runs.compare(sides[0], sides[1], part)
    if found["seeds"]:
        st.write(finding_over_seeds(found))
        compare_tables.seeds(found)
        by_id = {run.id: run for run in runs}
        paired = [[by_id[run_id] for run_id in found["seeds"][side]] for side in "ab"]
        shown = compare_runs.choose_pair(*paired)
        if shown[0].id != found["a"]:
            found = cached_runs.compare(shown[0].id, shown[1].id, part)
    st.write(finding(found))
    for flag in found["flags"]:
        st.warning(flag, icon=":material/flag:")
    compare_tables.headline(found)
    downloads(found, part)
    tabs = st.tabs(TABS, key="compare_tab", on_change="rerun", bind=state.URL)
    for name, place in zip(TABS, tabs, strict=True):
        if place.open:
            with place:
                tab(name, found, part)
except EcgError as error:
    st.error(str(error))
