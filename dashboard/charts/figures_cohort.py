"""Plotly figures of a cohort: what became of its files."""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from dashboard.charts import palette
from dashboard.charts.figures import MARGINS


def flow(told: Mapping[str, Any]) -> go.Figure:
    """Draw how many files were found, readable, labelled and used, and how many were lost."""
    used = {f"used ({mode})": one["used"] for mode, one in told["used"].items()}
    steps = {name: told[name] for name in ("found", "readable", "labelled")}
    before = [told["found"], told["found"], told["readable"], *[told["labelled"]] * len(used)]
    steps |= used
    figure = go.Figure()
    figure.add_bar(
        y=list(steps), x=list(steps.values()), orientation="h", marker_color=palette.NEUTRAL,
        text=[f"{n:,}" for n in steps.values()], textposition="auto", cliponaxis=False,
        name="left", hovertemplate="%{y}: %{x:,}<extra></extra>",
    )  # fmt: skip
    lost = [whole - n for whole, n in zip(before, steps.values(), strict=True)]
    figure.add_bar(
        y=list(steps), x=lost, orientation="h", name="lost at this step",
        marker={"color": palette.CELL, "line": {"color": palette.NEUTRAL, "width": 1}},
        text=[f"−{n:,}" if n else "" for n in lost], textposition="auto", cliponaxis=False,
        hovertemplate="%{y}: %{x:,} lost<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", ticks="")
    figure.update_xaxes(title="files, then records", rangemode="tozero")
    figure.update_layout(
        height=80 + 34 * len(steps), margin=MARGINS, barmode="stack", bargap=0.35,
        legend={"orientation": "h", "y": 1.12},
    )  # fmt: skip
    return figure
