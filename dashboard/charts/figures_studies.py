"""Plotly figures of studies: a point a training."""

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts import palette
from dashboard.charts.figures import MARGINS


def trainings(points: pd.DataFrame, colour: str) -> go.Figure:
    """Draw each training's macro AUC, a row a group, and each group's mean."""
    figure = go.Figure()
    known = points.dropna(subset="macro_auc")
    figure.add_scatter(
        x=known["macro_auc"], y=known["group"], mode="markers", name="a training",
        text=known["trial"], marker={"color": colour, "size": 8, "opacity": 0.55},
        hovertemplate="%{text}: %{x:.3f}<extra></extra>",
    )  # fmt: skip
    means = known.groupby("group", sort=False)["macro_auc"].mean()
    figure.add_scatter(
        x=means, y=means.index, mode="markers", name="mean",
        marker={"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": palette.NEUTRAL}},
        hovertemplate="%{y}: mean %{x:.3f}<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", ticks="", type="category")
    figure.update_xaxes(title=f"macro AUC, {' and '.join(known['part'].unique())} records")
    figure.update_layout(
        height=110 + 22 * known["group"].nunique(), margin=MARGINS,
        legend={"orientation": "h", "y": 1.04, "yanchor": "bottom"},
    )  # fmt: skip
    return figure
