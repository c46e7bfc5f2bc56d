"""Compare: the records on which the runs differ, each with its ECG and both maps on demand."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import draw
from dashboard.components import controls, explanation_view
from dashboard.components.compare_confusion import link_to_all
from dashboard.data import cached, cached_uploads
from ecgcore.errors import EcgError
from ecgcore.explain.methods import METHODS
from ecgcore.records.record import Record
from ecgcore.runs.run import Run

METHOD = "grad_cam"
SHOWN = "compare_record"


def disagreements(
    found: Mapping[str, Any], pair: Sequence[Run], names: Sequence[str], cohort: str
) -> None:
    """List the records that the runs call differently; show the chosen one."""
    details = found["disagreement_details"]
    st.subheader(f"Disagreements: {len(details):,} of {found['n_common']:,} records")
    if not details:
        return
    rows = pd.DataFrame(details)
    for column in ("truth", "a", "b"):
        rows[column] = [" ".join(codes) or "none" for codes in rows[column]]
    rows["right"] = rows["right"].replace({"a": "A", "b": "B"})

    def look_at() -> None:
        if chosen := st.session_state["compare_disagreements"].selection.rows:
            _look_at(details[chosen[0]])

    st.dataframe(
        rows,
        hide_index=True,
        height=260,
        key="compare_disagreements",
        on_select=look_at,
        selection_mode="single-row",
        alt="Records that the two runs call differently",
        column_config={
            "record": "Record", "truth": "Label", "a": "A says", "b": "B says", "right": "Right",
        },
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        place = _steps(details)
        link_to_all(cohort, rows["record"].tolist(), "A and B differ")
    if place is None:
        st.caption("Select a record to see its ECG.")
        return
    _one(details[place], pair, names, cohort)


def _look_at(differs: Mapping[str, Any]) -> None:
    """Look at a record, and at the evidence for a class on which the runs differ there."""
    st.session_state[SHOWN] = differs["record"]
    st.session_state["compare_map_class"] = _telling(differs)


def _telling(differs: Mapping[str, Any]) -> str:
    """Return the class to ask about: one that only one run calls, the label's own if it is so."""
    apart = [
        c for c in (*differs["b"], *differs["a"]) if (c in differs["a"]) != (c in differs["b"])
    ]
    return next((c for c in differs["truth"] if c in apart), apart[0])


def _steps(details: Sequence[Mapping[str, Any]]) -> int | None:
    """Let the visitor step through the records; return the place of the one looked at."""
    names = [differs["record"] for differs in details]

    def step(by: int) -> None:
        here = names.index(record) if record in names else (-1 if by > 0 else 0)
        _look_at(details[(here + by) % len(names)])

    record = st.text_input("Record", key=SHOWN, bind=state.URL, width=220) or ""
    controls.step_buttons("compare", step)
    if record not in names:
        if record:
            st.caption("not among them")
        return None
    st.caption(f"{names.index(record) + 1:,} of {len(names):,}")
    return names.index(record)


def _one(
    differs: Mapping[str, Any], pair: Sequence[Run], names: Sequence[str], cohort: str
) -> None:
    """Show a record's ECG, and where both networks looked if that is asked for."""
    said = [" ".join(differs[side]) or "none" for side in ("truth", "a", "b")]
    st.markdown(f"**{differs['record']}** · label {said[0]} · A says {said[1]} · B says {said[2]}")
    try:
        record = cached.record(cohort, differs["record"])
    except EcgError as error:
        st.info(f"The ECG cannot be shown: {error}")
        return
    codes = pair[0].meta["classes"]
    state.settle("compare_map_class", codes, _telling(differs))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Evidence for", codes, index=None, key="compare_map_class", bind=state.URL, width=160
        )
        code = st.session_state["compare_map_class"]
        asked = st.toggle("Show where both looked", key="compare_maps", bind=state.URL)
        looked_at = {state.COHORT: cohort, state.RECORD: differs["record"]}
        controls.link("See it in Browse", "browse", "ecg", looked_at)
        more = looked_at | {"saliency_class": code}
        controls.link("More in Saliency", "saliency", "center_focus_strong", more)
    if asked:
        _maps(record, pair, names, code)
    draw.paper(record, state.is_dark())


def _maps(record: Record, pair: Sequence[Run], names: Sequence[str], code: str) -> None:
    """Show both networks' maps side by side, on one scale."""
    for letter, column, run, name in zip("AB", st.columns(2), pair, names, strict=True):
        with column, st.spinner(f"Asking {name} …"):
            answer = cached_uploads.answers(run.id, [record])[0]
            found = cached.explain(run.id, record, code, METHOD)
            explanation_view.head(letter, name, code, answer["probabilities"][code])
            explanation_view.on_image(found, name)
            explanation_view.told(found)
    st.caption(
        f"{METHODS[METHOD].title}. Amber to dark red: relevance relative to each map's own "
        "maximum, one scale for both."
    )
