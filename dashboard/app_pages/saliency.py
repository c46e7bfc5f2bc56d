"""Saliency: where did each network find evidence for a class, in a cohort's record or an uploaded
one, and how finely can that be told?"""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard import cached, controls, draw, figures, palette, state
from ecgcore.errors import EcgError
from ecgcore.explain.names import NAMES, TELLS
from ecgcore.records.record import Record

if TYPE_CHECKING:
    from ecgcore.explain.explaining import Explanation

FROM_COHORT, UPLOADED = "a cohort's record", "the ECG from Classify"


def choose_record() -> Record:
    """Let the visitor choose a record of a cohort, or one that was uploaded in this session."""
    uploads = state.uploads()
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        source = FROM_COHORT
        if uploads:
            first = FROM_COHORT if state.RECORD in st.query_params else UPLOADED
            source = st.segmented_control(
                "Explain", [FROM_COHORT, UPLOADED], default=first, required=True,
                key="saliency_source",
            )  # fmt: skip
    if source == UPLOADED:
        return uploads[right.selectbox("ECG", list(uploads), key="saliency_upload")]
    controls.need_cohort()
    with left:
        cohort = controls.choose_cohort()
    if not st.session_state.get(state.RECORD):
        st.session_state[state.RECORD] = cached.records(cohort)["record"].iloc[0]
    name = right.text_input("Record", key=state.RECORD, bind=state.URL) or ""
    return cached.record(cohort, name)


def choose_method() -> str:
    """Let the visitor choose how the networks are explained; say what that can tell."""
    state.settle("saliency_method", list(NAMES), "grad_cam")
    st.selectbox(
        "Method", list(NAMES), format_func=lambda name: NAMES[name], index=None,
        key="saliency_method", bind=state.URL,
    )  # fmt: skip
    method = str(st.session_state["saliency_method"])
    st.caption(f"{NAMES[method]} {TELLS[method]}.")
    return method


def side(
    place: int, run_id: str, name: str, record: Record, code: str, method: str
) -> "Explanation":
    """Show one network's map on the image, and its check on demand; return what it found."""
    answer = cached.answers(run_id, [record])[0]
    found = cached.explain(run_id, record, code, method)
    st.markdown(f"**{'AB'[place]} · {name}** · {code} {answer['probabilities'][code]:.3f}")
    alt = f"Image that {name} saw, with its map by {NAMES[method]} for {code}"
    if found.map is None:
        draw.network_image(found.image, alt)
    else:
        draw.relevance_image(found.image, found.map, alt)
    st.caption(found.message)
    if found.warning:
        st.warning(found.warning)
    if st.button("Check whether to trust it", key=f"saliency_trust_{place}"):
        draw.trust(cached.trust(run_id, record, code, method))
    return found


def bars(found: dict[str, "Explanation"], code: str) -> None:
    """Show relevance by lead and by wave, as far as the maps tell them apart; else say why not."""
    colours = dict(zip(found, palette.MODEL[state.is_dark()].values(), strict=False))
    leads = {n: f.lead_relevance for n, f in found.items() if any(f.lead_relevance.values())}
    if leads:
        st.subheader("Leads")
        drawn = figures.lead_relevance(leads, [colours[n] for n in leads])
        draw.figure(drawn, "saliency_leads", f"Share of relevance by lead for {code}")
    waves = {n: f.wave_relevance for n, f in found.items() if f.wave_relevance is not None}
    chance = {n: f.wave_time for n, f in found.items() if f.wave_time is not None}
    st.subheader("Waves")
    if waves:
        drawn = figures.wave_relevance(waves, chance, [colours[n] for n in waves])
        draw.figure(drawn, "saliency_waves", f"Share of relevance by wave for {code}")
    for name, explained in found.items():
        if explained.why_no_waves:
            st.caption(f"{name}, no bars by wave: {explained.why_no_waves}.")


st.title("Saliency")
st.write(
    "Where did each network find evidence for a class? An ECG classified in this session can be "
    "explained here, too."
)
there = controls.answering()
if not there:
    st.info("There is no trained network yet. Train one first; its maps can be seen here at once.")
    controls.link("Train both", "train", "model_training")
    st.stop()
try:
    record = choose_record()
    chosen = controls.choose_runs("Networks (one or two)", "saliency_runs", there)
    if not chosen:
        st.info("Choose a network.")
        st.stop()
    names = controls.short_names(chosen)
    tops = [cached.answers(run.id, [record])[0]["top"] for run in chosen]
    answered = [set(run.meta["classes"]) for run in chosen]
    codes = [code for code in chosen[0].meta["classes"] if all(code in of for of in answered)]
    if not codes:
        st.info("These networks answer different classes; choose one, or two of one label set.")
        st.stop()
    state.settle("saliency_class", codes, tops[-1] if tops[-1] in codes else codes[0])
    st.selectbox("Class", codes, index=None, key="saliency_class", bind=state.URL)
    code = st.session_state["saliency_class"]
    method = choose_method()
    columns = st.columns(len(chosen))
    found = []
    for place, (column, run, name) in enumerate(zip(columns, chosen, names, strict=True)):
        with column:
            found.append(side(place, run.id, name, record, code, method))
    st.caption(
        "Amber to dark red: relevance as a share of each map's own highest value, one scale for "
        "all networks."
    )
    bars(dict(zip(names, found, strict=True)), code)
    for name, explained in zip(names, found, strict=True):
        st.subheader(f"On paper: {name}")
        draw.explained_paper(record, state.is_dark(), explained)
except EcgError as error:
    st.error(str(error))
