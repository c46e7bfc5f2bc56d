"""Plotly figures of trainings: records of each class, and learning curves."""

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.charts import palette
from dashboard.charts.figures import MARGINS


def level_bars(counts: pd.DataFrame) -> go.Figure:
    """Plot the records drawn of each class, with a mark at the number requested."""
    colours = [palette.of_class(code) for code in counts.index]
    figure = go.Figure(
        go.Bar(
            y=counts.index,
            x=counts["drawn"],
            orientation="h",
            marker_color=colours,
            hoverinfo="skip",
            showlegend=False,
        )
    )
    figure.add_scatter(
        y=counts.index,
        x=counts["requested"],
        mode="markers+text",
        marker={"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": palette.NEUTRAL}},
        text=[
            f" {r.drawn:,} of {r.requested:,} requested, {r.available:,} available"
            for r in counts.itertuples()
        ],
        textposition="middle right",
        cliponaxis=False,
        showlegend=False,
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    most = max(1, counts["requested"].max())
    figure.update_yaxes(autorange="reversed", ticks="")
    figure.update_xaxes(title="records of each class", range=[0, 1.6 * most])
    height = 60 + 27 * max(4, len(counts))
    figure.update_layout(height=height, margin=MARGINS | {"t": 8})
    return figure


def training_curves(
    histories: Mapping[str, pd.DataFrame], colours: Sequence[str], epochs: int
) -> go.Figure:
    """Plot loss and validation macro AUC by epoch for each run (name → its history)."""
    figure = make_subplots(1, 2, subplot_titles=("Loss", "Validation macro AUC"))
    for (name, history), colour in zip(histories.items(), colours, strict=True):
        rows = history if len(history) else pd.DataFrame({"epoch": []})
        for column, panel, style, label in (
            ("train_loss", 1, "dot", f"{name}, training"),
            ("val_loss", 1, "solid", f"{name}, validation"),
            ("val_macro_auc", 2, "solid", name),
        ):
            figure.add_scatter(
                x=rows["epoch"],
                y=rows.get(column, []),
                mode="lines+markers",
                line={"color": colour, "dash": style, "width": 2},
                marker={"size": 4},
                name=label,
                showlegend=panel == 1,
                hovertemplate="epoch %{x}: %{y:.3f}<extra>" + label + "</extra>",
                row=1,
                col=panel,
            )
    figure.update_xaxes(title="epoch", range=[0.5, epochs + 0.5], dtick=max(1, epochs // 10))
    figure.update_yaxes(rangemode="tozero", row=1, col=1)
    figure.update_yaxes(range=[0.4, 1.02], row=1, col=2)
    figure.update_layout(height=300, margin=MARGINS, legend={"orientation": "h", "y": -0.3})
    return figure
