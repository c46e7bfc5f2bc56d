"""Filters of a cohort's records, and the records that a link selects."""

from collections.abc import Sequence

import streamlit as st

from dashboard import state
from dashboard.components import controls
from dashboard.data import cached_browse
from ecgcore.cohort.listing import OLDEST_YEARS, SET_PREFIX, UNKNOWN, Filters
from ecgcore.labels.classes import CODES

LABEL_SOURCE_TITLES = {
    "core": "expert, core",
    "broad": "expert, broad",
    "criteria": "criteria, unconfirmed",
}
_NO_FILTERS = {
    "browse_class": [],
    "browse_source": [],
    "browse_sex": [],
    "browse_quality": [],
    "browse_age": (0, OLDEST_YEARS),
    "browse_text": "",
}


def choose(cohort: str) -> Filters:
    """Show the filters and return them; a change selects the first matching record."""
    listing = cached_browse.listing(cohort)
    label_source = st.segmented_control(
        "Classes by",
        cached_browse.label_sources(cohort),
        default="core",
        required=True,
        key="browse_policy",
        bind=state.URL,
        on_change=state.clear_record,
        help="core, broad: expert statements, certain ones only or wider ones as well. criteria: "
        "automatic measurements against published thresholds, unconfirmed. set: a label set of "
        "your own.",
    )
    codes = cached_browse.label_set(cohort, label_source).codes
    keep_known("browse_class", codes)
    classes = controls.choose_classes("browse_class", options=codes)
    left, right = st.columns(2)
    with left:
        sources = _several("Source", listing.sources, "browse_source", "All")
    with right:
        sexes = _several("Sex", ["female", "male", UNKNOWN], "browse_sex", "All")
    low, high = st.slider(
        "Age, years (90: 90 or more)",
        0,
        OLDEST_YEARS,
        (0, OLDEST_YEARS),
        key="browse_age",
        bind=state.URL,
        on_change=state.clear_record,
    )
    quality = _several("Quality", listing.quality, "browse_quality", "Any quality")
    text = st.text_input(
        "Statement, source or record",
        key="browse_text",
        bind=state.URL,
        placeholder="e.g. CLBBB, or bundle",
        on_change=state.clear_record,
    )
    st.button("Clear filters", icon=":material/filter_alt_off:", key="browse_clear", on_click=clear)
    return Filters(
        label_source,
        tuple(classes),
        tuple(sources),
        (low, high),
        tuple(sexes),
        tuple(quality),
        text,
        tuple(linked_records()),
    )


def clear() -> None:
    """Remove all filters."""
    for key, empty in _NO_FILTERS.items():
        st.session_state[key] = empty
    clear_linked_records()


def title_of(label_source: str) -> str:
    """Return a label source in words."""
    return LABEL_SOURCE_TITLES.get(label_source, label_source.removeprefix(SET_PREFIX))


def keep_known(key: str, codes: Sequence[str]) -> None:
    """Remove classes of another label set from a filter."""
    chosen = st.session_state.get(key)
    if chosen and not set(chosen) <= set(codes):
        st.session_state[key] = [code for code in chosen if code in codes]


def toggle_class(index: int, codes: Sequence[str] = CODES) -> None:
    """Add the class at an index (0 to 9) to the filter, or remove it."""
    if index >= len(codes):
        return
    code = codes[index]
    chosen = st.session_state.get("browse_class", [])
    others = [other for other in chosen if other != code]
    st.session_state["browse_class"] = others if code in chosen else [*chosen, code]
    state.clear_record()


def linked_records() -> list[str]:
    """Return the records that the URL selects; empty if it selects none."""
    return [name for name in st.query_params.get(state.RECORDS, "").split(",") if name]


def show_linked_records(n_matching: int) -> None:
    """Describe the records that the URL selects, and offer to show all records again."""
    n_linked = len(linked_records())
    if not n_linked:
        return
    why = st.query_params.get(state.WHY, "")[: state.MAX_WHY_CHARS] or "selected by the link"
    records = "1 record" if n_linked == 1 else f"{n_linked:,} records"
    missing = f" ({n_linked - n_matching:,} left out: not in this cohort, or filtered out)"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"{records}: {why}{missing if n_matching < n_linked else ''}", width="content")
        st.button(
            "Show all records",
            icon=":material/close:",
            key="browse_all",
            on_click=clear_linked_records,
        )


def clear_linked_records() -> None:
    """Remove the selection of records from the URL."""
    for name in (state.RECORDS, state.WHY):
        if name in st.query_params:
            del st.query_params[name]
    state.clear_record()


def _several(label: str, options: list[str], key: str, placeholder: str) -> list[str]:
    return st.multiselect(
        label,
        options,
        key=key,
        bind=state.URL,
        placeholder=placeholder,
        on_change=state.clear_record,
    )
