"""Choosing records: what a visitor filters by, and the records that a link asks for."""

import streamlit as st

from dashboard import state
from dashboard.components import controls
from dashboard.data import cached_browse
from ecgcore.cohort.listing import LABEL_SOURCES, OLDEST_YEARS, UNKNOWN, Filters
from ecgcore.labels.classes import CODES

POLICY = {
    "core": "expert, core",
    "broad": "expert, broad",
    "criteria": "criteria, unconfirmed",
}
_ASKED = {
    "browse_class": [],
    "browse_source": [],
    "browse_sex": [],
    "browse_quality": [],
    "browse_age": (0, OLDEST_YEARS),
    "browse_text": "",
}


def choose(cohort: str) -> Filters:
    """Let the visitor filter; the first record left is looked at when a filter changes."""
    listing = cached_browse.listing(cohort)
    label_source = st.segmented_control(
        "Classes by",
        LABEL_SOURCES,
        default="core",
        required=True,
        key="browse_policy",
        bind=state.URL,
        on_change=state.forget_record,
        help="core, broad: what experts stated, certain statements alone or wider ones too. "
        "criteria: automatic measurements against published thresholds, unconfirmed.",
    )
    classes = controls.choose_classes("browse_class")
    one, other = st.columns(2)
    with one:
        sources = _several("Source", listing.sources, "browse_source", "All")
    with other:
        sexes = _several("Sex", ["female", "male", UNKNOWN], "browse_sex", "All")
    low, high = st.slider(
        "Age, years (90: 90 or more)",
        0,
        OLDEST_YEARS,
        (0, OLDEST_YEARS),
        key="browse_age",
        bind=state.URL,
        on_change=state.forget_record,
    )
    quality = _several("Quality", listing.quality, "browse_quality", "Any quality")
    text = st.text_input(
        "Statement, source or record",
        key="browse_text",
        bind=state.URL,
        placeholder="e.g. CLBBB, or bundle",
        on_change=state.forget_record,
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
        tuple(asked_for()),
    )


def clear() -> None:
    """Let all records through again."""
    for key, nothing in _ASKED.items():
        st.session_state[key] = nothing
    forget_asked_for()


def turn_class(place: int) -> None:
    """Filter by the class of that place (0 to 9), or no longer, where it is filtered by."""
    code = CODES[place]
    chosen = st.session_state.get("browse_class", [])
    without = [other for other in chosen if other != code]
    st.session_state["browse_class"] = without if code in chosen else [*chosen, code]
    state.forget_record()


def asked_for() -> list[str]:
    """Return the records that the link which led here asks for, none where it asks for all."""
    return [name for name in st.query_params.get(state.RECORDS, "").split(",") if name]


def show_asked_for(found: int) -> None:
    """Say which records a link asks for, and offer to see all again."""
    asked = len(asked_for())
    if not asked:
        return
    why = st.query_params.get(state.WHY, "")[: state.LONGEST_WHY] or "as the link asks for"
    records = "1 record" if asked == 1 else f"{asked:,} records"
    missing = f" ({asked - found:,} left out: not in this cohort, or filtered out)"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"{records}: {why}{missing if found < asked else ''}", width="content")
        st.button(
            "Show all records", icon=":material/close:", key="browse_all", on_click=forget_asked_for
        )


def forget_asked_for() -> None:
    """Look at all records again."""
    for name in (state.RECORDS, state.WHY):
        if name in st.query_params:
            del st.query_params[name]
    state.forget_record()


def _several(label: str, options: list[str], key: str, none: str) -> list[str]:
    return st.multiselect(
        label, options, key=key, bind=state.URL, placeholder=none, on_change=state.forget_record
    )
