"""Choosing: a cohort, a run, a class. Each choice stands in the URL; each lack says what to do."""

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from dashboard import state
from dashboard.charts import draw
from dashboard.data import cached, cached_runs
from ecgcore.calibration.calibration import is_out_of_fold
from ecgcore.errors import EcgError
from ecgcore.labels.classes import CODES
from ecgcore.labels.label_sets import label_set
from ecgcore.runs.run import SHIPPED, Run

PARTS = {
    "test": "each run's own 15 % of patients (the paper's protocol)",
    "untouched": "patients that no run was trained on, the same for every level, model and seed",
}


def need_cohort() -> None:
    """Go on where there is a cohort; else offer the examples and stop the page here."""
    if not cached.cohorts():
        offer_examples()
        st.stop()


def choose_cohort() -> str:
    """Let the visitor choose one of the cohorts that there are."""
    names = [c.name for c in cached.cohorts()]
    state.settle(state.COHORT, names, names[0])
    st.selectbox(
        "Cohort", names, index=None, key=state.COHORT, bind=state.URL,
        on_change=state.forget_record,
    )  # fmt: skip
    return st.session_state[state.COHORT]


def offer_examples() -> None:
    """Say that there is no cohort, and offer to read the example ECGs."""
    st.info(
        "There is no cohort yet. Read the example ECGs that come with the product, or a folder of "
        "your own: `ecgcore ingest FOLDER --cohort NAME`."
    )
    if st.button("Read the example ECGs", type="primary", key="read_examples"):
        try:
            with st.spinner("Reading the example ECGs …", show_time=True):
                cached.ingest_examples()
        except EcgError as error:
            st.error(str(error))
        else:
            st.rerun()


def link(label: str, page: str, icon: str, looked_at: Mapping[str, str] | None = None) -> None:
    """Offer a link to a page of ``app_pages``, there to look at something."""
    st.page_link(
        f"app_pages/{page}.py",
        label=label,
        icon=f":material/{icon}:",
        query_params=dict(looked_at or {}),
    )


def step_buttons(key: str, step: Callable[[int], None]) -> None:
    """Offer to go to the previous and the next record, by ← and →, too: ``step`` gets −1 or 1."""
    st.button(
        "Previous", icon=":material/arrow_back:", on_click=step, args=(-1,), shortcut="Left",
        key=f"{key}_previous",
    )  # fmt: skip
    st.button(
        "Next", icon=":material/arrow_forward:", on_click=step, args=(1,), shortcut="Right",
        key=f"{key}_next",
    )  # fmt: skip


def choose_run(label: str, key: str, runs: Sequence[Run], first: Run) -> Run:
    """Let the visitor choose a run by its id, which says network, cohort, level and seed."""
    by_id = {run.id: run for run in runs}
    state.settle(key, list(by_id), first.id)
    st.selectbox(label, list(by_id), index=None, key=key, bind=state.URL)
    return by_id[st.session_state[key]]


def choose_runs(label: str, key: str, runs: Sequence[Run]) -> list[Run]:
    """Let the visitor choose one or two runs; at first the last pair, else the shipped one."""
    by_id = {run.id: run for run in runs}
    first = cached_runs.latest_pair() or list(by_id.values())[:2]
    st.session_state.setdefault(key, [run.id for run in first if run.id in by_id])
    chosen = st.multiselect(
        label,
        list(by_id),
        max_selections=2,
        key=key,
        bind=state.URL,
    )
    return [by_id[run_id] for run_id in chosen]


def run_name(run: Run) -> str:
    """Return a run's name for people: network, cohort, level, seed, when."""
    meta = run.meta
    config = meta["config"]
    when = meta["created"][:16].replace("T", " ")
    return f"{network_name(run)} · {config['cohort']} · level {config['level']} · {when}"


def network_name(run: Run) -> str:
    """Return what to call a run's network: a shipped one as it is asked for, else its kind."""
    return run.id if run.folder.parent == SHIPPED else run.meta["model"]


def short_names(runs: Sequence[Run]) -> list[str]:
    """Return what to call runs side by side: their networks, told apart by A, B … where equal."""
    models = [network_name(run) for run in runs]
    if len(set(models)) == len(models):
        return models
    return [f"{side} {model}" for side, model in zip("ABCD", models, strict=False)]


def worth(run: Run) -> str:
    """Return how good a network proved to be on its own test records, and on how many."""
    scores = run.evaluation
    if scores is None:
        return "not evaluated"
    auc, f1 = scores["macro_auc"], scores["macro_f1"]
    of = "records, out of fold," if is_out_of_fold(scores.get("calibration")) else "test records"
    return (
        f"macro AUC {draw.number(auc['value'])} (95 % interval {draw.span(auc)}), macro-F1 "
        f"{draw.number(f1)} on {scores['n']:,} {of} of {run.meta['cohort']['name']}"
    )


def sight(run: Run) -> str:
    """Return what a network reads, in words."""
    seen = run.meta["input"]
    if "layout" not in seen:
        return f"signals of {seen['duration_s']:g} s at {seen['fs_hz']:g} Hz"
    height, width = seen["size"]
    return f"{seen['layout']} images of {width} × {height} px at {seen['fs_hz']:g} Hz"


def answering() -> list[Run]:
    """Return what can classify: the shipped models, then this home's runs that are done."""
    return [*cached_runs.shipped(), *cached_runs.done_runs()]


def choose_classes(key: str, label: str = "Class") -> list[str]:
    """Let the visitor choose classes; none chosen means all."""
    return st.multiselect(
        label, CODES, key=key, bind=state.URL, placeholder="All classes",
        on_change=state.forget_record,
    )  # fmt: skip


def class_name(code: str, run: Run) -> str:
    """Return the code and words of a class that a run answers."""
    names = {c.code: c.name for c in label_set(run.config.label_set).classes}
    return f"{code} · {names[code]}"
