"""Put on the page what ``figures`` and ecgcore drew, and tables as statisticians want them."""

import base64
import io
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from dashboard.charts import palette
from dashboard.charts.figure_data import csv_of
from ecgcore.paper.draw import page_svg
from ecgcore.records.record import Record

if TYPE_CHECKING:
    from ecgcore.cohort.subsets import Split
    from ecgcore.explain.api import Explanation
    from ecgcore.imaging import Geometry

PICTURES = ("SVG", "PNG")


def figure(
    drawn: go.Figure,
    key: str,
    alt: str,
    width_px: int | None = None,
    on_click: Callable[[], None] | None = None,
) -> None:
    """Show a figure that can be saved as SVG, PNG and CSV; ``alt`` says what it shows.

    ``on_click`` is called when a point is clicked; ``st.session_state[key]`` holds it.
    """
    form = st.session_state.get(f"{key}_picture") or PICTURES[0]
    with st.container(width=width_px or "stretch", horizontal_alignment="right", gap=None):
        st.plotly_chart(
            drawn,
            width=width_px or "stretch",
            key=key,
            alt=alt,
            on_select=on_click or "ignore",
            selection_mode="points",
            config={
                "displaylogo": False,
                "modeBarButtons": [["toImage"]],
                "toImageButtonOptions": {"format": form.lower(), "filename": key, "scale": 2},
            },
        )
        _save(drawn, key, alt)


def _save(drawn: go.Figure, key: str, alt: str) -> None:
    """Offer a figure's data, and choose what its camera saves."""
    with st.popover("Save", type="tertiary", icon=":material/download:", key=f"{key}_save"):
        st.segmented_control(
            "The camera on the figure saves it as", PICTURES, default=PICTURES[0], required=True,
            key=f"{key}_picture",
        )  # fmt: skip
        st.download_button(
            "Data as CSV", partial(csv_of, drawn, alt), f"{key}.csv", "text/csv",
            key=f"{key}_csv", icon=":material/table:", on_click="ignore", width="stretch",
        )  # fmt: skip


def table(rows: pd.DataFrame, alt: str, left: tuple[str, ...] = ()) -> None:
    """Show a small table of ready text: numbers to the right, the columns in ``left`` as words."""
    numbers = [c for c in rows.columns if c not in left]
    right = "text-align: right !important"  # Streamlit aligns text to the left in each cell
    places = [f".col{i}" for i, c in enumerate(rows.columns) if c in numbers]
    styled = rows.style.set_table_styles([{"selector": p, "props": right} for p in places])
    st.table(styled, border="horizontal", alt=alt)


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with fixed decimals and a true minus sign, ``n/a`` for None."""
    return "n/a" if value is None else f"{value:.{digits}f}".replace("-", "−")


def span(found: Mapping[str, Any], digits: int = 3) -> str:
    """Return an interval, ``n/a`` where none could be computed."""
    if found["low"] is None:
        return "n/a"
    return f"{number(found['low'], digits)} to {number(found['high'], digits)}"


def minutes(seconds: float | None) -> str:
    """Return how long something takes yet, in words."""
    if seconds is None:
        return "time left not known yet"
    return f"{seconds:.0f} s left" if seconds < 90 else f"{seconds / 60:.0f} min left"


def parts_table(plan: "Split") -> None:
    """Show records and patients of each part of a plan."""
    rows = {
        part: {"records": f"{(plan.part == part).sum():,}", "patients": f"{patients:,}"}
        for part, patients in plan.patients.items()
        if patients
    }
    table(pd.DataFrame(rows).T, "Records and patients of each part")


def paper(record: Record, dark: bool, **how: Any) -> None:
    """Show an ECG page at its own size, so that a millimetre is a whole number of pixels.

    ``how`` is that of ``page_svg``: layout, speed, gain, relevance.
    """
    svg = page_svg(record, theme="dark" if dark else "light", **how)
    st.image(svg, alt=f"Twelve-lead ECG of record {record.name}")


def quality(flags: list[str]) -> None:
    """Show in one line what is doubtful about a recording, as ecgcore says it."""
    if flags:
        st.warning("; ".join(flags), icon=":material/troubleshoot:")
    else:
        st.caption("Quality: nothing doubtful found by the automatic checks.")


def explained_paper(record: Record, dark: bool, found: "Explanation", **how: Any) -> None:
    """Show an ECG page with what an explanation found behind its traces; ``how`` as ``paper``."""
    duration_s = found.geometry.duration_s
    paper(record, dark, relevance=found.by_lead_time, relevance_duration_s=duration_s, **how)


def network_image(image: np.ndarray, alt: str) -> None:
    """Show the image (3, H, W) in 0..1 just as a network gets it."""
    _pixels(image.transpose(1, 2, 0), alt)


def trust(found: Mapping[str, Any]) -> None:
    """Show whether a map can be relied on: the verdict, and the checks that it rests on."""
    if found["verdict"] is None:
        st.info(found["why"])
        return
    passes = found["verdict"] == "passes"
    (st.success if passes else st.warning)(f"Trust: {found['verdict']}.")
    rows = {
        name: {
            "statistic": check["statistic"],
            "value": number(check["value"], 2),
            "limit": f"{check['relation']} {check['threshold']:g}",
            "result": {True: "passes", False: "fails", None: "n/a"}[check["passes"]],
        }
        for name, check in found["checks"].items()
    }
    table(pd.DataFrame(rows).T, "Checks of the map", ("statistic", "limit", "result"))


def image_scale(measures: "Geometry") -> str:
    """Return what a network's image shows, and at which scale, in words."""
    rows = {
        "stacked": "leads I to V6 from the top",
        "clinical": "three rows of four leads, a quarter of the time each, "
        f"above lead {measures.rhythm}",
        "panels": f"the median beat of each lead around its R peak, above lead {measures.rhythm}",
    }[measures.layout]
    return (
        f"{measures.width} × {measures.height} px, {measures.px_per_s:.1f} px/s, "
        f"{measures.px_per_mv:.1f} px/mV, {rows}; neighbouring rows in different colour channels."
    )


def relevance_image(image: np.ndarray, relevance: np.ndarray, alt: str) -> None:
    """Show a network's image, ink dark on white, with relevance (H, W) in 0..1 behind the ink."""
    ink = image.max(axis=0)[..., None]
    trace = np.array(to_rgb(palette.TEXT[False]))
    _pixels(relevance_ground(relevance) * (1 - ink) + trace * ink, alt)


def relevance_ground(relevance: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) in 0..1: white at zero, then amber to dark red."""
    strength = relevance.clip(0, 1)[..., None]
    weak, strong = (np.array(c) / 255 for c in (palette.AMBER, palette.DARK_RED))
    cover = np.minimum(1, 2 * strength)
    return (1 - cover) + cover * (weak * (1 - strength) + strong * strength)


def to_rgb(colour: str) -> tuple[float, ...]:
    """Return a #RRGGBB colour as three shares of 1."""
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _pixels(shares: np.ndarray, alt: str) -> None:
    """Show (H, W, 3) in 0..1 twice as large, exact to the pixel.

    The picture travels in the page itself: a file of its own would be gone before a slow browser
    asks for it when the visitor steps on quickly.
    """
    pixels = (255 * shares.clip(0, 1)).astype(np.uint8)
    png = io.BytesIO()
    Image.fromarray(pixels.repeat(2, axis=0).repeat(2, axis=1)).save(png, "PNG")
    st.image(f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}", alt=alt)
