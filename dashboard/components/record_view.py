"""One record: ECG paper, measurements, labels with their origin, and its network image."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import draw, paper
from dashboard.data import cached, cached_browse
from dashboard.plain_text import plain
from ecgcore.imaging import LAYOUTS
from ecgcore.records.record import Record

_IMAGE_PX = 520  # an image of 448 px and its caption
_ROWS = (  # label with unit, key of our measurement, key of the device's own, decimals
    ("Rate, /min", "rate_bpm", "rate_bpm", 0),
    ("PR, ms", "pr_ms", "pr_ms", 0),
    ("QRS, ms", "qrs_ms", "qrs_ms", 0),
    ("QT, ms", "qt_ms", "qt_ms", 0),
    ("QTc Bazett, ms", "qtc_bazett_ms", "", 0),
    ("QTc Fridericia, ms", "qtc_fridericia_ms", "", 0),
    ("QTc, formula not stated, ms", "", "qtc_ms", 0),
    ("Axis, °", "axis_deg", "axis_deg", 0),
    ("Sokolow–Lyon, mV", "sokolow_lyon_mv", "", 2),
    ("Cornell, mV", "cornell_mv", "", 2),
)


def show(record: Record, measurements: dict[str, Any]) -> None:
    """Show a record with its measurements (as `ecgcore measure` gives them), labels and image."""
    paper.show(record, "browse", measurements)
    draw.quality(cached.quality(record))
    if record.notes:
        st.caption(f"Notes of reading: {plain('; '.join(record.notes))}.")
    left, middle, right = st.columns([3, 5, 4], gap="large")
    with left:
        show_measurements(record, measurements)
    with middle:
        show_labels(record)
    with right:
        show_network_image(record)


def show_measurements(record: Record, automatic: dict[str, Any]) -> None:
    """Show rate, intervals, axis and voltages, next to the electrocardiograph's own values."""
    st.subheader("Measurements")
    device = record.machine
    rows = [
        {
            "": label,
            "automatic": _value(automatic.get(key), digits),
            "device's own": _value(device.get(device_key), digits),
        }
        for label, key, device_key, digits in _ROWS
        if key or device_key in device
    ]
    table = pd.DataFrame(rows).set_index("")
    if not any(device_key in device for _, _, device_key, _ in _ROWS):
        table = table.drop(columns="device's own")
    draw.table(table, f"Measurements of record {record.name}")
    st.caption("Unconfirmed. n/a: could not be measured.")


def show_labels(record: Record) -> None:
    """Show every label of a record with the statement or measurement behind it."""
    st.subheader("Labels and their origin")
    source = st.segmented_control(
        "Expert statements (core or broad tier), or measurements (criteria)",
        ["core", "broad", "criteria"],
        default="core",
        required=True,
        key="browse_tier",
        bind=state.URL,
    )
    if source == "criteria":
        st.caption("Measurements, and labels from them: automatic, unconfirmed.")
    present, absent = cached.trace(record, source)
    st.markdown("\n".join(f"- {line}" for line in present) or "No class is present or unknown.")
    if absent:
        with st.expander("Absent, and why"):
            st.markdown("\n".join(f"- {line}" for line in absent))
    if contradictions := cached.contradictions(record):
        st.warning(f"Contradictory statements: {plain('; '.join(contradictions))}.")


def show_network_image(record: Record) -> None:
    """Show a record's network image with its scale."""
    st.subheader("Network image")
    layout = st.segmented_control(
        "Image layout",
        LAYOUTS,
        default=LAYOUTS[0],
        required=True,
        key="browse_image_layout",
        bind=state.URL,
    )
    if not cached_browse.can_draw_images():
        with st.container(height=_IMAGE_PX, border=False):
            st.fragment(_wait_for_images, run_every="0.5s")()
        return
    image, geometry = cached.network_image(record, layout)
    draw.network_image(image, f"Network image of record {record.name}, {layout}")
    st.caption(draw.image_scale(geometry))


def _wait_for_images() -> None:
    st.caption("Loading the image library …")
    if cached_browse.can_draw_images():
        st.rerun()


def _value(value: Any, digits: int) -> str:
    return draw.number(value if isinstance(value, (int, float)) else None, digits)
