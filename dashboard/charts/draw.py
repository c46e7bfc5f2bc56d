"""Display figures, ECG pages, network images, tables and numbers on a page."""

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
from dashboard.plain_text import plain
from ecgcore.paper.draw import page_svg
from ecgcore.records.record import Record

if TYPE_CHECKING:
    from ecgcore.cohort.subsets import Split
    from ecgcore.explanation.api import Explanation
    from ecgcore.imaging import Geometry

IMAGE_FORMATS = ("SVG", "PNG")


def figure(
    chart: go.Figure,
    key: str,
    alt: str,
    width_px: int | None = None,
    on_click: Callable[[], None] | None = None,
) -> None:
    """Show a figure that can be saved as SVG, PNG and CSV; ``alt`` describes it.

    ``on_click`` is called when a point is clicked; ``st.session_state[key]`` holds the point.
    """
    form = st.session_state.get(f"{key}_picture") or IMAGE_FORMATS[0]
    with st.container(width=width_px or "stretch", horizontal_alignment="right", gap=None):
        st.plotly_chart(
            chart,
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
        _save(chart, key, alt)


def _save(chart: go.Figure, key: str, alt: str) -> None:
    """Offer a figure's data, and the format in which its camera button saves it."""
    with st.popover("Save", type="tertiary", icon=":material/download:", key=f"{key}_save"):
        st.segmented_control(
            "The camera button saves the figure as",
            IMAGE_FORMATS,
            default=IMAGE_FORMATS[0],
            required=True,
            key=f"{key}_picture",
        )
        st.download_button(
            "Data as CSV",
            partial(csv_of, chart, alt),
            f"{key}.csv",
            "text/csv",
            key=f"{key}_csv",
            icon=":material/table:",
            on_click="ignore",
            width="stretch",
        )


def table(rows: pd.DataFrame, alt: str, left: tuple[str, ...] = ()) -> None:
    """Show a small table of text: numbers right-aligned, the columns in ``left`` left-aligned."""
    numbers = [c for c in rows.columns if c not in left]
    right = "text-align: right !important"  # Streamlit aligns text to the left in each cell
    selectors = [f".col{i}" for i, c in enumerate(rows.columns) if c in numbers]
    styled = rows.style.set_table_styles([{"selector": s, "props": right} for s in selectors])
    st.table(styled, border="horizontal", alt=alt)


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with fixed decimals and a true minus sign, ``n/a`` for None."""
    return "n/a" if value is None else f"{value:.{digits}f}".replace("-", "−")


def span(interval: Mapping[str, Any], digits: int = 3) -> str:
    """Return an interval as text, ``n/a`` if none could be computed."""
    if interval["low"] is None:
        return "n/a"
    return f"{number(interval['low'], digits)} to {number(interval['high'], digits)}"


def time_left(seconds: float | None) -> str:
    """Return a remaining time in words."""
    if seconds is None:
        return "time left unknown"
    return f"{seconds:.0f} s left" if seconds < 90 else f"{seconds / 60:.0f} min left"


def parts_table(split: "Split") -> None:
    """Show records and patients of each part of a split."""
    rows = {
        part: {"records": f"{(split.part == part).sum():,}", "patients": f"{patients:,}"}
        for part, patients in split.patients.items()
        if patients
    }
    table(pd.DataFrame(rows).T, "Records and patients of each part")


def paper(record: Record, dark: bool, **options: Any) -> None:
    """Show an ECG page at its own size, so that a millimetre is a whole number of pixels.

    ``options`` are those of ``page_svg``: layout, speed, gain, relevance.
    """
    svg = page_svg(record, theme="dark" if dark else "light", **options)
    st.image(svg, alt=f"Twelve-lead ECG of record {record.name}")


def quality(flags: list[str]) -> None:
    """Show the quality flags of a recording in one line."""
    if flags:
        st.warning(plain("; ".join(flags)), icon=":material/troubleshoot:")
    else:
        st.caption("Quality: the automatic checks raised no flag.")


def explained_paper(record: Record, dark: bool, explanation: "Explanation", **options: Any) -> None:
    """Show an ECG page with an explanation's relevance behind its traces."""
    paper(
        record,
        dark,
        relevance=explanation.by_lead_time,
        relevance_duration_s=explanation.geometry.duration_s,
        **options,
    )


def network_image(image: np.ndarray, alt: str) -> None:
    """Show an image (3, H, W) in 0..1 exactly as a network reads it."""
    _pixels(image.transpose(1, 2, 0), alt)


def trust(result: Mapping[str, Any]) -> None:
    """Show the verdict on a map and the checks that it is based on."""
    if result["verdict"] is None:
        st.info(plain(result["why"]))
        return
    passes = result["verdict"] == "passes"
    (st.success if passes else st.warning)(f"Trust: {result['verdict']}.")
    rows = {
        name: {
            "statistic": check["statistic"],
            "value": number(check["value"], 2),
            "limit": f"{check['relation']} {check['threshold']:g}",
            "result": {True: "passes", False: "fails", None: "n/a"}[check["passes"]],
        }
        for name, check in result["checks"].items()
    }
    table(pd.DataFrame(rows).T, "Checks of the map", ("statistic", "limit", "result"))
    st.caption(f"Limits: {plain(result['limits'])}.")


def image_scale(geometry: "Geometry") -> str:
    """Return layout and scale of a network image in words."""
    rows = {
        "stacked": "leads I to V6 from the top",
        "clinical": "three rows of four leads, a quarter of the time each, "
        f"above lead {geometry.rhythm}",
        "panels": f"the median beat of each lead around its R peak, above lead {geometry.rhythm}",
    }[geometry.layout]
    return (
        f"{geometry.width} × {geometry.height} px, {geometry.px_per_s:.1f} px/s, "
        f"{geometry.px_per_mv:.1f} px/mV, {rows}; neighbouring rows in different colour channels."
    )


def relevance_image(image: np.ndarray, relevance: np.ndarray, alt: str) -> None:
    """Show a network image, dark ink on white, with relevance (H, W) in 0..1 behind the ink."""
    ink = image.max(axis=0)[..., None]
    trace = np.array(to_rgb(palette.TEXT[False]))
    _pixels(relevance_background(relevance) * (1 - ink) + trace * ink, alt)


def relevance_background(relevance: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) in 0..1: white at zero, then amber to dark red."""
    strength = relevance.clip(0, 1)[..., None]
    weak, strong = (np.array(c) / 255 for c in (palette.AMBER, palette.DARK_RED))
    cover = np.minimum(1, 2 * strength)
    return (1 - cover) + cover * (weak * (1 - strength) + strong * strength)


def to_rgb(colour: str) -> tuple[float, ...]:
    """Return a #RRGGBB colour as three values in 0..1."""
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _pixels(rgb: np.ndarray, alt: str) -> None:
    """Show an image (H, W, 3) in 0..1 at twice its size, without interpolation.

    The image is embedded in the page: a separate file could be gone before a slow browser requests
    it, when the visitor steps through records quickly.
    """
    pixels = (255 * rgb.clip(0, 1)).astype(np.uint8)
    png = io.BytesIO()
    Image.fromarray(pixels.repeat(2, axis=0).repeat(2, axis=1)).save(png, "PNG")
    st.image(f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}", alt=alt)
