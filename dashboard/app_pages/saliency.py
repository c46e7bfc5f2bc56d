"""Saliency: where did each network find evidence for a class, in a cohort's record or an uploaded
one, and how finely can that be told?"""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard import state
from dashboard.components import controls, explanation_view, uploads
from dashboard.data import cached, cached_browse, cached_uploads
from ecgcore.errors import EcgError, RequestError
from ecgcore.explain.methods import METHODS

if TYPE_CHECKING:
    from ecgcore.explain.api import Explanation
    from ecgcore.inference.inputs import ClassifierInput
    from ecgcore.runs.run import Run

FROM_COHORT, OWN = "a cohort's record", "an ECG of mine"
IMAGE, PAPER = "on the network's image", "on paper"


def choose_record() -> "ClassifierInput":
    """Let the visitor choose a record of a cohort, or an ECG uploaded in this session, or here."""
    mine = bool(state.uploads()) and state.RECORD not in st.query_params
    source = st.segmented_control(
        "Explain", [FROM_COHORT, OWN], default=OWN if mine else FROM_COHORT, required=True,
        key="saliency_source",
    )  # fmt: skip
    return of_cohort() if source == FROM_COHORT else own()


def of_cohort() -> "ClassifierInput":
    """Let the visitor choose a cohort's record."""
    controls.need_cohort()
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        cohort = controls.choose_cohort()
    if not st.session_state.get(state.RECORD):
        st.session_state[state.RECORD] = cached_browse.listing(cohort).name_of(0)
    name = right.text_input("Record", key=state.RECORD, bind=state.URL) or ""
    return cached.record(cohort, name)


def own() -> "ClassifierInput":
    """Let the visitor upload an ECG, or choose one of those uploaded in this session."""
    given = uploads.ask("saliency")
    for why in given.refused:
        st.error(why)
    there = state.uploads()
    if not there:
        st.info("Give an ECG file, or try an example on Classify: it can be explained here, too.")
        st.stop()
    return there[st.selectbox("ECG", list(there), key="saliency_upload")]


def choose_class(chosen: "list[Run]", tops: list[str]) -> str:
    """Let the visitor choose a class that all chosen networks answer."""
    answered = [set(run.meta["classes"]) for run in chosen]
    codes = [code for code in chosen[0].meta["classes"] if all(code in of for of in answered)]
    if not codes:
        raise RequestError(
            "These networks answer different classes; choose one, or two of one label set."
        )
    state.settle("saliency_class", codes, tops[-1] if tops[-1] in codes else codes[0])
    st.selectbox("Class", codes, index=None, key="saliency_class", bind=state.URL)
    return st.session_state["saliency_class"]


def choose_method() -> str:
    """Let the visitor choose how the networks are explained."""
    state.settle("saliency_method", list(METHODS), "grad_cam")
    st.selectbox(
        "Method", list(METHODS), format_func=lambda name: METHODS[name].title, index=None,
        key="saliency_method", bind=state.URL,
    )  # fmt: skip
    return str(st.session_state["saliency_method"])


def found_by(
    run: "Run", name: str, sight: "ClassifierInput", code: str, method: str
) -> "Explanation":
    """Return what a method finds; say how long it works where it takes seconds."""
    with st.spinner(f"{METHODS[method].title} of {name} …", show_time=True):
        return cached.explain(run.id, sight, code, method)


st.title("Saliency")
st.write("Where did each network find evidence for a class, and how finely can that be told?")
there = controls.answering()
if not there:
    st.info("There is no trained network yet. Train one first; its maps can be seen here at once.")
    controls.link("Train both", "train", "model_training")
    st.stop()
try:
    sight = choose_record()
    chosen = controls.choose_runs("Networks (one or two)", "saliency_runs", there)
    if not chosen:
        st.info("Choose a network.")
        st.stop()
    said = [cached_uploads.answers(run.id, [sight])[0] for run in chosen]
    for answer in said:
        if answer["error"]:
            raise RequestError(answer["error"])
    left, right = st.columns(2)
    with left:
        code = choose_class(chosen, [answer["top"] for answer in said])
    with right:
        method = choose_method()
    st.caption(f"{METHODS[method].title} {METHODS[method].resolves}.")
    names = controls.short_names(chosen)
    pairs = list(zip(chosen, names, strict=True))
    found = [found_by(run, name, sight, code, method) for run, name in pairs]
    view = st.segmented_control(
        "Map", [IMAGE, PAPER], default=IMAGE, required=True, key="saliency_view", bind=state.URL
    )
    places = st.columns(len(chosen)) if view == IMAGE else [st.container() for _ in chosen]
    sides = zip(places, names, found, said, strict=True)
    for place, (column, name, explained, answer) in enumerate(sides):
        with column:
            explanation_view.head("AB"[place], name, code, answer["probabilities"][code])
            if view == IMAGE:
                explanation_view.on_image(explained, name)
            else:
                explanation_view.on_paper(sight, explained, "ab"[place])
            explanation_view.told(explained)
            explanation_view.trust(chosen[place].id, sight, explained, "AB"[place])
    st.caption(
        "Amber to dark red: relevance as a share of each map's own highest value, one scale for "
        "all networks."
    )
    explanation_view.bars(dict(zip(names, found, strict=True)), code)
except EcgError as error:
    st.error(str(error))
