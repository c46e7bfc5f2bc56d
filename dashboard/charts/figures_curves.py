"""Plotly figures of curves: ROC, precision–recall, reliability and decision curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard.charts import palette
from dashboard.charts.figures import MARGINS

# kind → keys of a curve's x and y, and of the area shown in the legend
AXES = {"ROC": ("fpr", "tpr"), "Precision–recall": ("recall", "precision")}
AREA = {"ROC": "auc", "Precision–recall": "average_precision"}
TITLES = {
    "ROC": ("1 − specificity", "sensitivity", "AUC"),
    "Precision–recall": ("recall", "precision", "average precision"),
}
_HOVER = {
    "ROC": "sensitivity %{y:.3f}, specificity %{customdata[1]:.3f}<br>threshold %{customdata[0]}",
    "Precision–recall": "precision %{y:.3f}, recall %{x:.3f}<br>threshold %{customdata[0]}",
}

Curves = Mapping[str, Mapping[str, Any]]


def of_classes(kind: str, curves: Curves, points: Curves, title: str) -> go.Figure:
    """Plot every class's curve of one run with its operating point, micro and macro in grey."""
    figure = _axes(kind, title)
    for code, curve in curves.items():
        average = code not in palette.CLASS
        line = {
            "color": palette.of_class(code),
            "dash": {"micro": "dot", "macro": "solid"}.get(code, palette.dash(code)),
            "width": 3 if average else 1.6,
        }
        _add(figure, kind, curve, points.get(code), code, line)
    return figure


def of_runs(
    kind: str,
    sides: Sequence[tuple[str, Mapping, Mapping | None]],
    colours: Sequence[str],
    title: str,
) -> go.Figure:
    """Plot one curve of several runs: (name, curve, operating point) of each."""
    figure = _axes(kind, title)
    if kind != "ROC" and sides:
        chance = sides[0][1]["prevalence"]
        figure.add_hline(chance, line={"color": palette.NEUTRAL, "width": 1, "dash": "dot"})
    for (name, curve, point), colour in zip(sides, colours, strict=True):
        _add(figure, kind, curve, point, name, {"color": colour, "width": 2.4})
    return figure


def _axes(kind: str, title: str) -> go.Figure:
    figure = go.Figure()
    if kind == "ROC":
        figure.add_scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
            line={"color": palette.NEUTRAL, "width": 1, "dash": "dot"},
        )
    x, y, area = TITLES[kind]
    figure.update_xaxes(title=x, range=[-0.01, 1.01], constrain="domain")
    figure.update_yaxes(title=y, range=[-0.01, 1.02], scaleanchor="x")
    figure.update_layout(
        height=440,
        margin=MARGINS,
        title={"text": title, "font": {"size": 14}},
        legend={"title": area, "tracegroupgap": 0},
        meta={"customdata": ["threshold", "specificity"]},
    )
    return figure


def _add(
    figure: go.Figure, kind: str, curve: Mapping, point: Mapping | None, name: str, line: Mapping
) -> None:
    """Plot a curve with thresholds on hover, and its operating point as an open diamond."""
    x, y = (np.asarray(curve[axis]) for axis in AXES[kind])
    specificity = 1 - x if kind == "ROC" else np.full(len(x), np.nan)
    figure.add_scatter(
        x=x,
        y=y,
        customdata=list(zip(_threshold_texts(curve["threshold"]), specificity, strict=True)),
        mode="lines",
        name=f"{name} {curve[AREA[kind]]:.3f}",
        line=dict(line),
        legendgroup=name,
        hovertemplate=_HOVER[kind] + f"<extra>{name}</extra>",
    )
    if point is None:
        return
    at = {
        "ROC": (1 - point["specificity"], point["sensitivity"]),
        "Precision–recall": (point["sensitivity"], point["precision"]),
    }[kind]
    threshold = point["threshold"]
    threshold_text = "most probable class" if threshold is None else f"{threshold:.3f}"
    figure.add_scatter(
        x=[at[0]],
        y=[at[1]],
        customdata=[(threshold_text, point["specificity"])],
        mode="markers",
        name=f"{name}, operating point",
        legendgroup=name,
        showlegend=False,
        marker={"symbol": "diamond-open", "size": 11, "color": line["color"], "line_width": 2},
        hovertemplate=_HOVER[kind] + f"<extra>{name}, operating point</extra>",
    )


def _threshold_texts(thresholds: np.ndarray) -> list[str]:
    return ["n/a" if np.isnan(t) else f"{t:.3f}" for t in thresholds]


def reliability(bins: Mapping[str, Sequence[Mapping]], colour: str, title: str) -> go.Figure:
    """Plot observed share against mean probability, one line per name (e.g. before, after)."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        line={"color": palette.NEUTRAL, "width": 1, "dash": "dot"},
    )
    styles = ({"dash": "solid", "width": 2.4}, {"dash": "dot", "width": 1.6})
    for (name, points), style in zip(bins.items(), styles, strict=False):
        figure.add_scatter(
            x=[b["p"] for b in points],
            y=[b["share"] for b in points],
            customdata=[[b["n"]] for b in points],
            mode="lines+markers",
            name=name,
            line={"color": colour, **style},
            marker={"size": 6},
            hovertemplate="predicted %{x:.3f}, observed %{y:.3f}, n %{customdata[0]:,}"
            f"<extra>{name}</extra>",
        )
    figure.update_xaxes(title="mean probability", range=[-0.02, 1.02], constrain="domain")
    figure.update_yaxes(title="share with the class", range=[-0.02, 1.02], scaleanchor="x")
    figure.update_layout(
        height=400,
        margin=MARGINS,
        title={"text": title, "font": {"size": 14}},
        legend={"orientation": "h", "y": -0.2},
        meta={"customdata": ["n"]},
    )
    return figure


def decision_curves(
    sides: Sequence[tuple[str, Sequence[Mapping[str, float]]]], colours: Sequence[str]
) -> go.Figure:
    """Plot net benefit by threshold probability: (name, curve) of each run, and calling all."""
    figure = go.Figure()
    for (name, curve), colour in zip(sides, colours, strict=True):
        figure.add_scatter(
            x=[row["threshold"] for row in curve],
            y=[row["model"] for row in curve],
            mode="lines",
            name=name,
            line={"color": colour, "width": 2.4},
            hovertemplate="threshold %{x:.2f}: net benefit %{y:.4f}<extra>" + name + "</extra>",
        )
    call_all = sides[0][1] if sides else []
    figure.add_scatter(
        x=[row["threshold"] for row in call_all],
        y=[row["all"] for row in call_all],
        mode="lines",
        name="call all",
        line={"color": palette.NEUTRAL, "width": 1, "dash": "dot"},
        hovertemplate="threshold %{x:.2f}: net benefit %{y:.4f}<extra>call all</extra>",
    )
    figure.add_hline(0, line={"color": palette.NEUTRAL, "width": 1})
    best = max((row["model"] for _, curve in sides for row in curve), default=0.0)
    figure.update_xaxes(title="threshold probability", range=[0, 1])
    room = max(best, 0.01)
    figure.update_yaxes(title="net benefit per record", range=[-0.3 * room, 1.15 * room])
    figure.update_layout(height=340, margin=MARGINS, legend={"orientation": "h", "y": -0.25})
    return figure
