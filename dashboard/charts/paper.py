"""The ECG page with its choices: how it is laid out, and files of it to take along."""

import re
from functools import partial
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.charts import paper_view
from ecgcore.paper.display_filter import FILTERS
from ecgcore.paper.draw import FORMATS, page_bytes
from ecgcore.paper.layout import (
    GAINS_MM_MV,
    LEAD_ORDERS,
    MAX_RHYTHM_LEADS,
    PAPER_LAYOUTS,
    SPEEDS_MM_S,
    TRACE_LENGTH_MM,
)
from ecgcore.records.record import LEADS, Record

SPEEDS = [f"{speed:g}" for speed in SPEEDS_MM_S]
GAINS = [f"{gain:g}" for gain in GAINS_MM_MV]


def show(record: Record, key: str, measured: dict[str, Any]) -> None:
    """Show a record on millimetre paper with what was measured, as the visitor lays it out."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        how = choices(record, key)
        with st.popover("Save", icon=":material/download:", key=f"{key}_save"):
            save(record, how, key)
    paper_view.show(record, state.is_dark(), f"{key}_paper", **how, measurements=measured)


def choices(record: Record, key: str) -> dict[str, Any]:
    """Let the visitor lay the page out; return it as ``page_svg`` takes it."""

    def one_of(label: str, options: list[str], first: str, name: str) -> str:
        return st.segmented_control(
            label, options, default=first, required=True, key=f"{key}_{name}", bind=state.URL
        )

    layout = one_of("Layout", list(PAPER_LAYOUTS), "3x4", "layout")
    speed_mm_s = float(one_of("Speed, mm/s", SPEEDS, "25", "speed"))
    gain_mm_mv = float(one_of("Gain, mm/mV", GAINS, "10", "gain"))
    left_over_s = record.duration_s - TRACE_LENGTH_MM / speed_mm_s
    start_s = 0.0
    if left_over_s > 0:
        start_s = st.number_input(
            "From, s", 0.0, left_over_s, step=2.5, width=140, key=f"{key}_from", bind=state.URL
        )
    with st.popover("More", icon=":material/tune:", key=f"{key}_more"):
        order = one_of("Limb leads", list(LEAD_ORDERS), "standard", "order")
        rhythm = st.multiselect(
            "Rhythm leads", LEADS, ["II"], max_selections=MAX_RHYTHM_LEADS, key=f"{key}_rhythm",
            bind=state.URL, disabled=layout == "12x1",
        )  # fmt: skip
        band = one_of("Display filter, Hz", list(FILTERS), "none", "filter")
    return {
        "layout": layout,
        "speed_mm_s": speed_mm_s,
        "gain_mm_mv": gain_mm_mv,
        "start_s": start_s,
        "lead_order": order,
        "rhythm_leads": () if layout == "12x1" else tuple(rhythm),
        "display_filter": band,
    }


def save(record: Record, how: dict[str, Any], key: str) -> None:
    """Offer the page as files, light and true to the millimetre; each is made when asked for."""
    name = re.sub(r"[^\w.-]+", "_", record.name)
    for form in FORMATS:
        st.download_button(
            f"{form[1:].upper()}", partial(_file, record, form, how), f"{name}{form}",
            key=f"{key}_save_{form[1:]}", on_click="ignore", width="stretch",
        )  # fmt: skip


def _file(record: Record, form: str, how: dict[str, Any]) -> bytes:
    from ecgcore.measure.measurements import measure

    return page_bytes(record, form, **how, measurements=measure(record).as_json())
