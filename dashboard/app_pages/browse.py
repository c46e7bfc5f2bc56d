"""Browse: filter a cohort's records, and see one on ECG paper, as the network sees it, and with
its labels and where they come from; or see the cohort as a whole."""

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.charts import palette
from dashboard.components import (
    cohort_view,
    controls,
    ingest_view,
    keyboard,
    record_filters,
    record_view,
)
from dashboard.data import cached, cached_browse
from ecgcore.errors import EcgError
from ecgcore.labels.classes import CODES

MOST_ROWS = 50_000
KEYS = {
    "← →": "previous, next record",
    "1 to 9, 0": f"filter by a class, or no longer: {', '.join(CODES)}",
    "?": "these keys",
    "On the ECG": "arrows move a point by 1 mm (Shift: 0.1 mm), Enter sets it, Escape clears, "
    "+ and − zoom",
}


def table(cohort: str, rows: np.ndarray, label_source: str) -> None:
    """Show the records; a selected row becomes the record looked at."""

    def look_at() -> None:
        if chosen := st.session_state["browse_table"].selection.rows:
            name = cached_browse.listing(cohort).name_of(rows[chosen[0]])
            st.session_state[state.RECORD] = name

    st.dataframe(
        cached_browse.table(cohort, rows[:MOST_ROWS], label_source),
        hide_index=True,
        height=470,
        key="browse_table",
        on_select=look_at,
        selection_mode="single-row",
        alt="Records that the filters leave",
        column_config={
            "record": st.column_config.Column("Record", width=140),
            "classes": st.column_config.MultiselectColumn(
                f"Classes ({record_filters.POLICY[label_source]})", options=CODES, width=180,
                color=[palette.of_class(c) for c in CODES],
            ),
            "age": st.column_config.NumberColumn("Age, years", format="%d", width=85),
            "sex": st.column_config.Column("Sex", width=75),
            "quality": st.column_config.Column("Quality", width=130),
            "source": st.column_config.Column("Source", width=95), "statements": "Statements",
        },
    )  # fmt: skip


def steps(cohort: str, rows: np.ndarray) -> str:
    """Let the visitor step through the records that are left; return the one looked at."""
    listing = cached_browse.listing(cohort)

    def step(by: int) -> None:
        here = place if among else (-1 if by > 0 else 0)
        st.session_state[state.RECORD] = listing.name_of(rows[(here + by) % len(rows)])

    if not st.session_state.get(state.RECORD):
        st.session_state[state.RECORD] = listing.name_of(rows[0])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        record = st.text_input("Record", key=state.RECORD, bind=state.URL, width=220) or ""
        row = listing.row_of(record)
        place = int(np.searchsorted(rows, row)) if row is not None else len(rows)
        among = place < len(rows) and rows[place] == row
        controls.step_buttons("browse", step)
        st.caption(f"{place + 1:,} of {len(rows):,}" if among else "not in the filters")
        looked_at = {state.COHORT: cohort, state.RECORD: record}
        controls.link("Where do the networks look?", "saliency", "center_focus_strong", looked_at)
    return record


def press(pressed: str) -> None:
    """Do what a key asks for."""
    if pressed == "?":
        st.session_state["browse_keys_shown"] = True
    else:
        record_filters.turn_class((int(pressed) - 1) % len(CODES))


@st.dialog("Keys")
def show_keys() -> None:
    """List the keys."""
    st.markdown("\n".join(f"- **{key}** {does}" for key, does in KEYS.items()))


def records(cohort: str) -> None:
    """Show the filters, the records that they leave, and one of them."""
    left, right = st.columns([1, 3])
    with left:
        wanted = record_filters.choose(cohort)
    rows = cached_browse.kept(cohort, wanted)
    with right:
        record_filters.show_asked_for(len(rows))
        st.write(f"**{len(rows):,}** of {len(cached_browse.listing(cohort)):,} records")
        table(cohort, rows, wanted.label_source)
        if len(rows) > MOST_ROWS:
            st.caption(f"The table holds the first {MOST_ROWS:,}; filter to see the others.")
    if not len(rows):
        st.info("No record is left by these filters. Widen one of them.")
        return
    name = steps(cohort, rows)
    row = cached_browse.listing(cohort).row_of(name)
    record = cached.record(cohort, name if row is None else row)
    record_view.show(record, cached_browse.measured(cohort, record))


st.title("Browse")
if not cached.cohorts():
    controls.offer_examples()
    ingest_view.offer("browse")
    st.stop()
with st.container(horizontal=True, vertical_alignment="bottom"):
    with st.container(width=320):
        cohort = controls.choose_cohort()
    view = st.segmented_control(
        "Show", ["records", "cohort"], default="records", required=True, key="browse_view",
        bind=state.URL,
    )  # fmt: skip
    if st.button("Keys", icon=":material/keyboard:", key="browse_keys", type="tertiary"):
        show_keys()
try:
    if view == "cohort":
        cohort_view.show(cohort)
    else:
        records(cohort)
        keyboard.listen("browse_pressed", "1234567890?", press)
except EcgError as error:
    st.error(str(error))
if st.session_state.pop("browse_keys_shown", False):
    show_keys()
