"""Compare: the records that the runs call differently, with the ECG and both maps on request."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import draw
from dashboard.components import controls, explanation_view
from dashboard.components.compare_confusion import link_to_all
from dashboard.data import cached, cached_uploads
from dashboard.plain_text import message, plain
from ecgcore.errors import EcgError
from ecgcore.explanation.methods import METHODS
from ecgcore.records.record import Record
from ecgcore.runs.run import Run

METHOD = "grad_cam"
RECORD_KEY = "compare_record"


def disagreements(
    comparison: Mapping[str, Any], runs: Sequence[Run], names: Sequence[str], cohort: str
) -> None:
    """List the records that the runs call differently; show the selected one."""
    details = comparison["disagreement_details"]
    st.subheader(f"Disagreements: {len(details):,} of {comparison['n_common']:,} records")
    if not details:
        return
    rows = pd.DataFrame(details)
    for column in ("truth", "a", "b"):
        rows[column] = [" ".join(codes) or "none" for codes in rows[column]]
    rows["right"] = rows["right"].replace({"a": "A", "b": "B"})

    def select_row() -> None:
        if selected := st.session_state["compare_disagreements"].selection.rows:
            _select(details[selected[0]])

    st.dataframe(
        rows,
        hide_index=True,
        height=260,
        key="compare_disagreements",
        on_select=select_row,
        selection_mode="single-row",
        alt="Records that the two runs call differently",
        column_config={
            "record": "Record",
            "truth": "Label",
            "a": "A says",
            "b": "B says",
            "right": "Right",
        },
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        index = _step(details)
        link_to_all(cohort, rows["record"].tolist(), "A and B differ")
    if index is None:
        st.caption("Select a record to see its ECG.")
        return
    _show(details[index], runs, names, cohort)


def _select(disagreement: Mapping[str, Any]) -> None:
    """Select a record, and a class on which the runs differ for its map."""
    st.session_state[RECORD_KEY] = disagreement["record"]
    st.session_state["compare_map_class"] = _disputed_class(disagreement)


def _disputed_class(disagreement: Mapping[str, Any]) -> str:
    """Return a class that only one run calls, preferably one of the label's own."""
    a, b = disagreement["a"], disagreement["b"]
    disputed = [code for code in (*b, *a) if (code in a) != (code in b)]
    return next((code for code in disagreement["truth"] if code in disputed), disputed[0])


def _step(details: Sequence[Mapping[str, Any]]) -> int | None:
    """Show controls that step through the records; return the index of the selected one."""
    names = [disagreement["record"] for disagreement in details]

    def step(by: int) -> None:
        current = names.index(record) if record in names else (-1 if by > 0 else 0)
        _select(details[(current + by) % len(names)])

    record = st.text_input("Record", key=RECORD_KEY, bind=state.URL, width=220) or ""
    controls.step_buttons("compare", step)
    if record not in names:
        if record:
            st.caption("not in the list")
        return None
    st.caption(f"{names.index(record) + 1:,} of {len(names):,}")
    return names.index(record)


def _show(
    disagreement: Mapping[str, Any], runs: Sequence[Run], names: Sequence[str], cohort: str
) -> None:
    """Show a record's ECG, and both networks' maps if requested."""
    label, a, b = (" ".join(disagreement[side]) or "none" for side in ("truth", "a", "b"))
    st.markdown(f"**{plain(disagreement['record'])}** · label {label} · A says {a} · B says {b}")
    try:
        record = cached.record(cohort, disagreement["record"])
    except EcgError as error:
        st.info(f"The ECG cannot be shown: {message(error)}")
        return
    codes = runs[0].meta["classes"]
    state.ensure_option("compare_map_class", codes, _disputed_class(disagreement))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Evidence for", codes, index=None, key="compare_map_class", bind=state.URL, width=160
        )
        code = st.session_state["compare_map_class"]
        with_maps = st.toggle("Show both maps", key="compare_maps", bind=state.URL)
        query = {state.COHORT: cohort, state.RECORD: disagreement["record"]}
        controls.link("Show in Browse", "browse", "ecg", query)
        query |= {"saliency_class": code}
        controls.link("More in Saliency", "saliency", "center_focus_strong", query)
    if with_maps:
        _show_maps(record, runs, names, code)
    draw.paper(record, state.is_dark())


def _show_maps(record: Record, runs: Sequence[Run], names: Sequence[str], code: str) -> None:
    """Show both networks' maps side by side, on one scale."""
    for letter, column, run, name in zip("AB", st.columns(2), runs, names, strict=True):
        with column, st.spinner(f"Computing the map of {name} …"):
            answer = cached_uploads.answers(run.id, [record])[0]
            explanation = cached.explain(run.id, record, code, METHOD)
            explanation_view.heading(letter, name, code, answer["probabilities"][code])
            explanation_view.on_image(explanation, name)
            explanation_view.message(explanation)
    st.caption(
        f"{METHODS[METHOD].title}. Amber to dark red: relevance relative to each map's own "
        "maximum, one scale for both."
    )
