"""Saliency: where each network found evidence for a class, in a cohort's record or an uploaded ECG,
and how finely its method can resolve it."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard import state
from dashboard.components import controls, explanation_view, uploads
from dashboard.data import cached, cached_browse, cached_uploads
from dashboard.plain_text import message
from ecgcore.errors import EcgError, RequestError
from ecgcore.explanation.methods import METHODS

if TYPE_CHECKING:
    from ecgcore.explanation.api import Explanation
    from ecgcore.inference.inputs import ClassifierInput
    from ecgcore.runs.run import Run

COHORT_RECORD, OWN_ECG = "a cohort's record", "an ECG of mine"
IMAGE, PAPER = "on the network's image", "on paper"


def choose_ecg() -> "ClassifierInput":
    """Show the choice between a cohort's record and an uploaded ECG; return the chosen ECG."""
    prefer_upload = bool(state.uploads()) and state.RECORD not in st.query_params
    source = st.segmented_control(
        "Explain",
        [COHORT_RECORD, OWN_ECG],
        default=OWN_ECG if prefer_upload else COHORT_RECORD,
        required=True,
        key="saliency_source",
    )
    return choose_record() if source == COHORT_RECORD else choose_upload()


def choose_record() -> "ClassifierInput":
    """Show controls for a cohort's record; return it."""
    controls.need_cohort()
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        cohort = controls.choose_cohort()
    if not st.session_state.get(state.RECORD):
        st.session_state[state.RECORD] = cached_browse.listing(cohort).name_of(0)
    name = right.text_input("Record", key=state.RECORD, bind=state.URL) or ""
    return cached.record(cohort, name)


def choose_upload() -> "ClassifierInput":
    """Show the file uploader and a list of this session's uploads; return the chosen one."""
    for reason in uploads.upload("saliency").refused:
        st.error(message(reason))
    ecgs = state.uploads()
    if not ecgs:
        st.info("Upload an ECG, or try an example on Classify: it can then be explained here, too.")
        st.stop()
    return ecgs[st.selectbox("ECG", list(ecgs), key="saliency_upload")]


def choose_class(runs: "list[Run]", tops: list[str]) -> str:
    """Show a list of the classes that all chosen networks answer; return the chosen one."""
    answered = [set(run.meta["classes"]) for run in runs]
    codes = [code for code in runs[0].meta["classes"] if all(code in known for known in answered)]
    if not codes:
        raise RequestError(
            "These networks answer different classes; choose one, or two with the same label set."
        )
    state.ensure_option("saliency_class", codes, tops[-1] if tops[-1] in codes else codes[0])
    st.selectbox("Class", codes, index=None, key="saliency_class", bind=state.URL)
    return st.session_state["saliency_class"]


def choose_method() -> str:
    """Show a list of the explanation methods; return the chosen one."""
    state.ensure_option("saliency_method", list(METHODS), "grad_cam")
    st.selectbox(
        "Method",
        list(METHODS),
        format_func=lambda name: METHODS[name].title,
        index=None,
        key="saliency_method",
        bind=state.URL,
    )
    return str(st.session_state["saliency_method"])


def explain(run: "Run", name: str, ecg: "ClassifierInput", code: str, method: str) -> "Explanation":
    """Return a network's explanation; show the elapsed time meanwhile."""
    with st.spinner(f"{METHODS[method].title} of {name} …", show_time=True):
        return cached.explain(run.id, ecg, code, method)


st.title("Saliency")
st.write("See where each network found evidence for a class, and how finely it can be resolved.")
available = controls.classifying_runs()
if not available:
    st.info("There is no trained network yet. Train one first; its maps are then available here.")
    controls.link("Train both", "train", "model_training")
    st.stop()
try:
    ecg = choose_ecg()
    runs = controls.choose_runs("Networks (one or two)", "saliency_runs", available)
    if not runs:
        st.info("Choose a network.")
        st.stop()
    answers = [cached_uploads.answers(run.id, [ecg])[0] for run in runs]
    for answer in answers:
        if answer["error"]:
            raise RequestError(answer["error"])
    left, right = st.columns(2)
    with left:
        code = choose_class(runs, [answer["top"] for answer in answers])
    with right:
        method = choose_method()
    st.caption(f"{METHODS[method].title} {METHODS[method].resolves}.")
    names = controls.short_names(runs)
    pairs = list(zip(runs, names, strict=True))
    explanations = [explain(run, name, ecg, code, method) for run, name in pairs]
    view = st.segmented_control(
        "Map", [IMAGE, PAPER], default=IMAGE, required=True, key="saliency_view", bind=state.URL
    )
    columns = st.columns(len(runs)) if view == IMAGE else [st.container() for _ in runs]
    sides = zip("AB", columns, runs, names, explanations, answers, strict=False)
    for side, column, run, name, explanation, answer in sides:
        with column:
            explanation_view.heading(side, name, code, answer["probabilities"][code])
            if view == IMAGE:
                explanation_view.on_image(explanation, name)
            else:
                explanation_view.on_paper(ecg, explanation, side.lower())
            explanation_view.message(explanation)
            explanation_view.trust(run.id, ecg, explanation, side)
    st.caption(
        "Amber to dark red: relevance relative to each map's own maximum, one scale for all "
        "networks."
    )
    explanation_view.bars(dict(zip(names, explanations, strict=True)), code)
except EcgError as error:
    st.error(message(error))
