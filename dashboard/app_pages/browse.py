"""Browse: filter a cohort's records, and see one on ECG paper, as the network sees it, and with
its labels and where they come from."""

import pandas as pd
import streamlit as st

from dashboard import cached, controls, draw, palette, paper, state
from ecgcore.errors import EcgError
from ecgcore.imaging import LAYOUTS
from ecgcore.labels.classes import CODES
from ecgcore.records.record import Record


def filters(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the records that the filters leave; the first is looked at when one changes."""
    classes = controls.choose_classes("browse_class")
    sexes = st.multiselect(
        "Sex", ["female", "male"], key="browse_sex", bind=state.URL,
        placeholder="Both, or unknown", on_change=state.forget_record,
    )  # fmt: skip
    ages = st.slider(
        "Age, years (90: 90 or more)", 0, 90, (0, 90), key="browse_age", bind=state.URL,
        on_change=state.forget_record,
    )  # fmt: skip
    text = st.text_input(
        "Statement, source or record", key="browse_text", bind=state.URL,
        placeholder="e.g. CLBBB", on_change=state.forget_record,
    )  # fmt: skip
    return cached.filtered(rows, tuple(classes), tuple(sexes), ages, text)


def table(rows: pd.DataFrame) -> None:
    """Show the records; a selected row becomes the record looked at."""

    def look_at() -> None:
        if chosen := st.session_state["browse_table"].selection.rows:
            st.session_state[state.RECORD] = rows["record"].iloc[chosen[0]]

    st.dataframe(
        rows,
        hide_index=True,
        height=388,
        key="browse_table",
        on_select=look_at,
        selection_mode="single-row",
        alt="Records that the filters leave",
        column_config={
            "record": "Record",
            "classes": st.column_config.MultiselectColumn(
                "Classes (core)", options=CODES, color=[palette.of_class(c) for c in CODES]
            ),
            "age": st.column_config.NumberColumn("Age, years", format="%d"), "sex": "Sex",
            "source": "Source", "statements": "Statements",
        },
    )  # fmt: skip


def steps(cohort: str, names: list[str]) -> str:
    """Let the visitor step through the records; return the one looked at."""

    def step(by: int) -> None:
        here = names.index(record) if among else (-1 if by > 0 else 0)
        st.session_state[state.RECORD] = names[(here + by) % len(names)]

    if not st.session_state.get(state.RECORD):
        st.session_state[state.RECORD] = names[0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        record = st.text_input("Record", key=state.RECORD, bind=state.URL, width=220) or ""
        among = record in names
        st.button(
            "Previous", icon=":material/arrow_back:", on_click=step, args=(-1,), shortcut="Left",
            key="browse_previous",
        )  # fmt: skip
        st.button(
            "Next", icon=":material/arrow_forward:", on_click=step, args=(1,), shortcut="Right",
            key="browse_next",
        )  # fmt: skip
        place = f"{names.index(record) + 1:,} of {len(names):,}" if among else "not in the filters"
        st.caption(place)
        looked_at = {state.COHORT: cohort, state.RECORD: record}
        controls.link("Where do the networks look?", "saliency", "center_focus_strong", looked_at)
    return record


def labels_and_image(record: Record) -> None:
    """Show where the labels come from beside the image that a network gets."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Labels and why")
        by = st.segmented_control(
            "Stated (core or broad tier), or measured (criteria)", ["core", "broad", "criteria"],
            default="core", required=True, key="browse_tier", bind=state.URL,
        )  # fmt: skip
        if by == "criteria":
            st.caption("Measurements, and labels from them: automatic, unconfirmed.")
        there, absent = cached.trace(record, by)
        st.markdown("\n".join(f"- {line}" for line in there) or "No class is present or unknown.")
        if absent:
            with st.expander("Absent, and why"):
                st.markdown("\n".join(f"- {line}" for line in absent))
        if against := cached.contradictions(record):
            st.warning(f"Stated together: {'; '.join(against)}.")
    with right:
        st.subheader("As the network sees it")
        layout = st.segmented_control(
            "Image layout", LAYOUTS, default=LAYOUTS[0], required=True, key="browse_image_layout",
            bind=state.URL,
        )  # fmt: skip
        image, measures = cached.network_image(record, layout)
        draw.network_image(image, f"Network image of record {record.name}, {layout}")
        st.caption(draw.image_scale(measures))


st.title("Browse")
controls.need_cohort()
left, right = st.columns([1, 3])
with left:
    cohort = controls.choose_cohort()
try:
    rows = cached.records(cohort)
    with left:
        kept = filters(rows)
    with right:
        st.write(f"**{len(kept):,}** of {len(rows):,} records")
        table(kept)
    if kept.empty:
        st.info("No record is left by these filters. Widen one of them.")
        st.stop()
    record = cached.record(cohort, steps(cohort, kept["record"].tolist()))
    paper.show(record, "browse")
    draw.quality(cached.quality(record))
    labels_and_image(record)
except EcgError as error:
    st.error(str(error))
