"""Plotly figure of a study: one point per training."""

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import palette
from dashboard.charts.figures import MARGINS


def training_points(scores: pd.DataFrame, colour: str) -> go.Figure:
    """Plot each training's macro AUC, one row per group, and each group's mean."""
    figure = go.Figure()
    known = scores.dropna(subset="macro_auc")
    figure.add_scatter(
        x=known["macro_auc"],
        y=known["group"],
        mode="markers",
        name="training",
        text=known["trial"],
        marker={"color": colour, "size": 8, "opacity": 0.55},
        hovertemplate="%{text}: %{x:.3f}<extra></extra>",
    )
    means = known.groupby("group", sort=False)["macro_auc"].mean()
    figure.add_scatter(
        x=means,
        y=means.index,
        mode="markers",
        name="mean",
        marker={"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": palette.NEUTRAL}},
        hovertemplate="%{y}: mean %{x:.3f}<extra></extra>",
    )
    figure.update_yaxes(autorange="reversed", ticks="", type="category")
    figure.update_xaxes(title=f"macro AUC, {' and '.join(known['part'].unique())} records")
    figure.update_layout(
        height=110 + 22 * known["group"].nunique(),
        margin=MARGINS,
        legend={"orientation": "h", "y": 1.04, "yanchor": "bottom"},
    )
    return figure
