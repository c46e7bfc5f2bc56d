"""Controls shared by pages: cohort, runs, classes, links, and what to do where one is missing."""

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from dashboard import state
from dashboard.charts import draw
from dashboard.data import cached, cached_runs
from dashboard.plain_text import message
from ecgcore.calibration.calibration import is_out_of_fold
from ecgcore.errors import EcgError
from ecgcore.labels.classes import CODES
from ecgcore.runs.run import SHIPPED, Run

PARTS = {
    "test": "each run's own 15 % of patients (the paper's protocol)",
    "holdout": "patients that no run was trained on, the same for every level, model and seed",
}


def need_cohort() -> None:
    """Stop the page and offer the examples unless there is a cohort."""
    if not cached.cohorts():
        offer_examples()
        st.stop()


def choose_cohort() -> str:
    """Show a list of the cohorts; return the chosen one."""
    names = [cohort.name for cohort in cached.cohorts()]
    state.ensure_option(state.COHORT, names, names[0])
    st.selectbox(
        "Cohort",
        names,
        index=None,
        key=state.COHORT,
        bind=state.URL,
        on_change=state.clear_record,
    )
    return st.session_state[state.COHORT]


def offer_examples() -> None:
    """Explain that there is no cohort, and offer to read the example ECGs."""
    st.info(
        "There is no cohort yet. Read the example ECGs that come with the product, or a folder of "
        "your own: `ecgcore ingest FOLDER --cohort NAME`."
    )
    if st.button("Read the example ECGs", type="primary", key="read_examples"):
        try:
            with st.spinner("Reading the example ECGs …", show_time=True):
                cached.ingest_examples()
        except EcgError as error:
            st.error(message(error))
        else:
            st.rerun()


def link(label: str, page: str, icon: str, query: Mapping[str, str] | None = None) -> None:
    """Show a link to a page of ``app_pages`` with URL parameters."""
    st.page_link(
        f"app_pages/{page}.py",
        label=label,
        icon=f":material/{icon}:",
        query_params=dict(query or {}),
    )


def step_buttons(key: str, step: Callable[[int], None]) -> None:
    """Show buttons for the previous and next record (also ← and →) that call ``step(∓1)``."""
    st.button(
        "Previous",
        icon=":material/arrow_back:",
        on_click=step,
        args=(-1,),
        shortcut="Left",
        key=f"{key}_previous",
    )
    st.button(
        "Next",
        icon=":material/arrow_forward:",
        on_click=step,
        args=(1,),
        shortcut="Right",
        key=f"{key}_next",
    )


def choose_runs(label: str, key: str, runs: Sequence[Run]) -> list[Run]:
    """Show a list of runs; return the one or two chosen, by default the latest pair."""
    by_id = {run.id: run for run in runs}
    default = cached_runs.latest_pair() or list(by_id.values())[:2]
    st.session_state.setdefault(key, [run.id for run in default if run.id in by_id])
    chosen = st.multiselect(label, list(by_id), max_selections=2, key=key, bind=state.URL)
    return [by_id[run_id] for run_id in chosen]


def run_title(run: Run) -> str:
    """Return a run's network, cohort, level and start time in words."""
    config = run.meta["config"]
    started = run.meta["created"][:16].replace("T", " ")
    return f"{network_name(run)} · {config['cohort']} · level {config['level']} · {started}"


def network_name(run: Run) -> str:
    """Return a shipped model's name, or the network of any other run."""
    return run.id if run.folder.parent == SHIPPED else run.meta["model"]


def short_names(runs: Sequence[Run]) -> list[str]:
    """Return the runs' networks, with prefixes A, B … if two are equal."""
    networks = [network_name(run) for run in runs]
    if len(set(networks)) == len(networks):
        return networks
    return [f"{side} {network}" for side, network in zip("ABCD", networks, strict=False)]


def performance_text(run: Run) -> str:
    """Return a network's scores on its own test records, with their number."""
    scores = run.evaluation
    if scores is None:
        return "not evaluated"
    auc, f1 = scores["macro_auc"], scores["macro_f1"]
    kind = "records, out of fold," if is_out_of_fold(scores.get("calibration")) else "test records"
    return (
        f"macro AUC {draw.number(auc['value'])} (95 % interval {draw.span(auc)}), macro-F1 "
        f"{draw.number(f1)} on {scores['n']:,} {kind} of {run.meta['cohort']['name']}"
    )


def input_text(run: Run) -> str:
    """Return a network's input in words."""
    network_input = run.meta["input"]
    if "layout" not in network_input:
        return f"signals of {network_input['duration_s']:g} s at {network_input['fs_hz']:g} Hz"
    height, width = network_input["size"]
    layout, fs_hz = network_input["layout"], network_input["fs_hz"]
    return f"{layout} images of {width} × {height} px at {fs_hz:g} Hz"


def classifying_runs() -> list[Run]:
    """Return the networks that can classify: shipped models, then this workspace's done runs."""
    return [*cached_runs.shipped(), *cached_runs.done_runs()]


def choose_classes(key: str, label: str = "Class", options: Sequence[str] = CODES) -> list[str]:
    """Show a list of classes; return the chosen ones, none meaning all."""
    return st.multiselect(
        label,
        options,
        key=key,
        bind=state.URL,
        placeholder="All classes",
        on_change=state.clear_record,
    )


def class_title(code: str, run: Run) -> str:
    """Return the code and name of a class in a run's label set."""
    names = {c.code: c.name for c in run.label_set.classes}
    return f"{code} · {names[code]}"
