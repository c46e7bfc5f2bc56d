"""One record: on ECG paper, what was measured, where its labels come from, and its image."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import draw, paper
from dashboard.data import cached, cached_browse
from ecgcore.imaging import LAYOUTS
from ecgcore.records.record import Record

_IMAGE_PX = 520  # an image of 448 px and its caption
_ROWS = (  # name with unit, ours, the electrocardiograph's own, decimals
    ("Rate, /min", "rate_bpm", "rate_bpm", 0),
    ("PR, ms", "pr_ms", "pr_ms", 0),
    ("QRS, ms", "qrs_ms", "qrs_ms", 0),
    ("QT, ms", "qt_ms", "qt_ms", 0),
    ("QTc Bazett, ms", "qtc_bazett_ms", "", 0),
    ("QTc Fridericia, ms", "qtc_fridericia_ms", "", 0),
    ("QTc, formula not told, ms", "", "qtc_ms", 0),
    ("Axis, °", "axis_deg", "axis_deg", 0),
    ("Sokolow–Lyon, mV", "sokolow_lyon_mv", "", 2),
    ("Cornell, mV", "cornell_mv", "", 2),
)


def show(record: Record, measured: dict[str, Any]) -> None:
    """Show all there is to see of a record; ``measured`` is what `ecgcore measure` says of it."""
    paper.show(record, "browse", measured)
    draw.quality(cached.quality(record))
    left, middle, right = st.columns([3, 5, 4], gap="large")
    with left:
        measurements(record, measured)
    with middle:
        labels(record)
    with right:
        network_image(record)


def measurements(record: Record, ours: dict[str, Any]) -> None:
    """Show rate, intervals, axis and voltages, beside the electrocardiograph's own."""
    st.subheader("Measurements")
    device = record.machine
    rows = [
        {
            "": name,
            "automatic": _told(ours.get(mine), digits),
            "device's own": _told(device.get(its), digits),
        }
        for name, mine, its, digits in _ROWS
        if mine or its in device
    ]
    shown = pd.DataFrame(rows).set_index("")
    if not any(its in device for _, _, its, _ in _ROWS):
        shown = shown.drop(columns="device's own")
    draw.table(shown, f"Measurements of record {record.name}")
    st.caption("Unconfirmed. n/a: could not be measured.")


def labels(record: Record) -> None:
    """Show every label of a record with the statement or measurement behind it."""
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


def network_image(record: Record) -> None:
    """Show the image that a network gets, with its scale."""
    st.subheader("As the network sees it")
    layout = st.segmented_control(
        "Image layout", LAYOUTS, default=LAYOUTS[0], required=True, key="browse_image_layout",
        bind=state.URL,
    )  # fmt: skip
    if not cached_browse.can_draw_images():
        with st.container(height=_IMAGE_PX, border=False):
            st.fragment(_wait_for_images, run_every="0.5s")()
        return
    image, measures = cached.network_image(record, layout)
    draw.network_image(image, f"Network image of record {record.name}, {layout}")
    st.caption(draw.image_scale(measures))


def _wait_for_images() -> None:
    st.caption("Loading what draws it …")
    if cached_browse.can_draw_images():
        st.rerun()


def _told(value: Any, digits: int) -> str:
    return draw.number(value if isinstance(value, (int, float)) else None, digits)
