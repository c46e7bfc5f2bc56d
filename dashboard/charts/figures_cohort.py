"""Plotly figure of a cohort's exclusion flow."""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from dashboard.charts import palette
from dashboard.charts.figures import MARGINS


def exclusion_flow(counts: Mapping[str, Any]) -> go.Figure:
    """Plot how many files were found, readable, labelled and used, and how many were lost."""
    used = {f"used ({mode})": step["used"] for mode, step in counts["used"].items()}
    steps = {name: counts[name] for name in ("found", "readable", "labelled")}
    before = [
        counts["found"],
        counts["found"],
        counts["readable"],
        *[counts["labelled"]] * len(used),
    ]
    steps |= used
    figure = go.Figure()
    figure.add_bar(
        y=list(steps),
        x=list(steps.values()),
        orientation="h",
        marker_color=palette.NEUTRAL,
        text=[f"{n:,}" for n in steps.values()],
        textposition="auto",
        cliponaxis=False,
        name="remaining",
        hovertemplate="%{y}: %{x:,}<extra></extra>",
    )
    lost = [total - n for total, n in zip(before, steps.values(), strict=True)]
    figure.add_bar(
        y=list(steps),
        x=lost,
        orientation="h",
        name="lost at this step",
        marker={"color": palette.CELL, "line": {"color": palette.NEUTRAL, "width": 1}},
        text=[f"−{n:,}" if n else "" for n in lost],
        textposition="auto",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:,} lost<extra></extra>",
    )
    figure.update_yaxes(autorange="reversed", ticks="")
    figure.update_xaxes(title="files, then records", rangemode="tozero")
    figure.update_layout(
        height=80 + 34 * len(steps),
        margin=MARGINS,
        barmode="stack",
        bargap=0.35,
        legend={"orientation": "h", "y": 1.12},
    )
    return figure
