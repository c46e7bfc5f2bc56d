"""Browse: filter a cohort's records and view one on ECG paper, with its labels, their origin and
its network image; or view the cohort as a whole."""

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
from dashboard.plain_text import message
from ecgcore.errors import EcgError
from ecgcore.labels.classes import CODES

MAX_ROWS = 50_000
KEYS_OF_CLASSES = "1234567890"
KEYS = {
    "← →": "previous, next record",
    "1 to 9, 0": "switch the filter for a class on or off, by core, broad and criteria "
    f"{', '.join(CODES)}",
    "?": "this list",
    "On the ECG": "arrow keys move a point by 1 mm (Shift: 0.1 mm), Enter sets it, Escape clears, "
    "+ and − zoom",
}


def show_table(cohort: str, rows: np.ndarray, label_source: str) -> None:
    """List the records; selecting a row shows its record."""

    def select_record() -> None:
        if selected := st.session_state["browse_table"].selection.rows:
            name = cached_browse.listing(cohort).name_of(rows[selected[0]])
            st.session_state[state.RECORD] = name

    classes_title = f"Classes ({record_filters.title_of(label_source)})"
    label_set = cached_browse.label_set(cohort, label_source)
    colours = [label_set.colours.get(code, palette.of_class(code)) for code in label_set.codes]
    column = st.column_config
    st.dataframe(
        cached_browse.table(cohort, rows[:MAX_ROWS], label_source),
        hide_index=True,
        height=470,
        key="browse_table",
        on_select=select_record,
        selection_mode="single-row",
        alt="Records that match the filters",
        column_config={
            "record": column.Column("Record", width=140),
            "classes": column.MultiselectColumn(
                classes_title, options=label_set.codes, width=180, color=colours
            ),
            "age": column.NumberColumn("Age, years", format="%d", width=85),
            "sex": column.Column("Sex", width=75),
            "quality": column.Column("Quality", width=130),
            "source": column.Column("Source", width=95),
            "statements": "Statements",
        },
    )
    if len(rows) > MAX_ROWS:
        st.caption(f"The table holds the first {MAX_ROWS:,}; filter to see the others.")


def choose_record(cohort: str, rows: np.ndarray) -> str:
    """Show controls that step through the matching records; return the selected one."""
    listing = cached_browse.listing(cohort)

    def step(by: int) -> None:
        current = position if is_matching else (-1 if by > 0 else 0)
        st.session_state[state.RECORD] = listing.name_of(rows[(current + by) % len(rows)])

    if not st.session_state.get(state.RECORD):
        st.session_state[state.RECORD] = listing.name_of(rows[0])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        record = st.text_input("Record", key=state.RECORD, bind=state.URL, width=220) or ""
        row = listing.row_of(record)
        position = int(np.searchsorted(rows, row)) if row is not None else len(rows)
        is_matching = position < len(rows) and rows[position] == row
        controls.step_buttons("browse", step)
        matching = f"{position + 1:,} of {len(rows):,}"
        st.caption(matching if is_matching else "does not match the filters")
        query = {state.COHORT: cohort, state.RECORD: record}
        controls.link("Explain in Saliency", "saliency", "center_focus_strong", query)
    return record


def press(key: str) -> None:
    """Run the action of a key."""
    if key == "?":
        st.session_state["browse_keys_shown"] = True
    else:
        source = st.session_state.get("browse_policy", "core")
        codes = cached_browse.label_set(st.session_state[state.COHORT], source).codes
        record_filters.toggle_class((int(key) - 1) % len(KEYS_OF_CLASSES), codes)


@st.dialog("Keys")
def show_keys() -> None:
    """List the keys."""
    st.markdown("\n".join(f"- **{key}** {action}" for key, action in KEYS.items()))


def show_records(cohort: str) -> None:
    """Show the filters, the matching records, and one of them."""
    left, right = st.columns([1, 3])
    with left:
        filters = record_filters.choose(cohort)
    listing = cached_browse.listing(cohort)
    rows = cached_browse.select_rows(cohort, filters)
    with right:
        record_filters.show_linked_records(len(rows))
        st.write(f"**{len(rows):,}** of {len(listing):,} records")
        show_table(cohort, rows, filters.label_source)
    if not len(rows):
        st.info("No record matches these filters. Widen one of them.")
        return
    name = choose_record(cohort, rows)
    row = listing.row_of(name)
    record = cached.record(cohort, name if row is None else row)
    record_view.show(record, cached_browse.measurements(cohort, record))


st.title("Browse")
if not cached.cohorts():
    controls.offer_examples()
    ingest_view.offer("browse")
    st.stop()
with st.container(horizontal=True, vertical_alignment="bottom"):
    with st.container(width=320):
        cohort = controls.choose_cohort()
    options, key = ["records", "cohort"], "browse_view"
    view = st.segmented_control(
        "Show", options, default="records", required=True, key=key, bind=state.URL
    )
    if st.button("Keys", icon=":material/keyboard:", key="browse_keys", type="tertiary"):
        show_keys()
try:
    if view == "cohort":
        cohort_view.show(cohort)
    else:
        show_records(cohort)
        keyboard.listen("browse_pressed", f"{KEYS_OF_CLASSES}?", press)
except EcgError as error:
    st.error(message(error))
if st.session_state.pop("browse_keys_shown", False):
    show_keys()
