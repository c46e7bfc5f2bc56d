"""The ECG page with its controls: layout, scale, filter and download."""

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


def show(record: Record, key: str, measurements: dict[str, Any]) -> None:
    """Show a record on millimetre paper with its measurements, in the chosen layout."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        options = choose_layout(record, key)
        with st.popover("Save", icon=":material/download:", key=f"{key}_save"):
            offer_files(record, options, key)
    paper_view.show(record, state.is_dark(), f"{key}_paper", **options, measurements=measurements)


def choose_layout(record: Record, key: str) -> dict[str, Any]:
    """Show the layout controls; return the options as ``page_svg`` takes them."""

    def choose(label: str, values: list[str], default: str, name: str) -> str:
        return st.segmented_control(
            label, values, default=default, required=True, key=f"{key}_{name}", bind=state.URL
        )

    layout = choose("Layout", list(PAPER_LAYOUTS), "3x4", "layout")
    speed_mm_s = float(choose("Speed, mm/s", SPEEDS, "25", "speed"))
    gain_mm_mv = float(choose("Gain, mm/mV", GAINS, "10", "gain"))
    hidden_s = record.duration_s - TRACE_LENGTH_MM / speed_mm_s
    start_s = 0.0
    if hidden_s > 0:
        start_s = st.number_input(
            "Start, s", 0.0, hidden_s, step=2.5, width=140, key=f"{key}_from", bind=state.URL
        )
    with st.popover("More", icon=":material/tune:", key=f"{key}_more"):
        order = choose("Limb leads", list(LEAD_ORDERS), "standard", "order")
        rhythm = st.multiselect(
            "Rhythm leads",
            LEADS,
            ["II"],
            max_selections=MAX_RHYTHM_LEADS,
            key=f"{key}_rhythm",
            bind=state.URL,
            disabled=layout == "12x1",
        )
        band = choose("Display filter, Hz", list(FILTERS), "none", "filter")
    return {
        "layout": layout,
        "speed_mm_s": speed_mm_s,
        "gain_mm_mv": gain_mm_mv,
        "start_s": start_s,
        "lead_order": order,
        "rhythm_leads": () if layout == "12x1" else tuple(rhythm),
        "display_filter": band,
    }


def offer_files(record: Record, options: dict[str, Any], key: str) -> None:
    """Offer the page as files, in light colours and true to scale, each made when clicked."""
    name = re.sub(r"[^\w.-]+", "_", record.name)
    for suffix in FORMATS:
        st.download_button(
            f"{suffix[1:].upper()}",
            partial(_file, record, suffix, options),
            f"{name}{suffix}",
            key=f"{key}_save_{suffix[1:]}",
            on_click="ignore",
            width="stretch",
        )


def _file(record: Record, suffix: str, options: dict[str, Any]) -> bytes:
    from ecgcore.measurement.measurements import measure

    return page_bytes(record, suffix, **options, measurements=measure(record).as_json())
