"""Bar chart of the networks' answers to one ECG."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import plotly.graph_objects as go

from dashboard.charts import palette
from dashboard.charts.figures import MARGINS

TICK = 0.006  # width of a threshold mark, in probability


@dataclass(frozen=True)
class Side:
    """One network's answer: calibrated probability by class, with thresholds and ranges.

    Attributes
    ----------
    bands
        Class → range of probabilities in which the network is uncertain.
    raw
        Class → probability before calibration; None to leave it out.
    """

    probabilities: Mapping[str, float]
    colour: str
    thresholds: Mapping[str, float] = field(default_factory=dict)
    bands: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    raw: Mapping[str, float] | None = None


def answer_bars(sides: Mapping[str, Side], dark: bool) -> go.Figure:
    """Plot each network's probability of each class, with threshold and uncertain range.

    Classes are in the order of the first network's answer.
    """
    figure = go.Figure()
    for i, (name, side) in enumerate(sides.items()):
        if side.bands:
            _add_band(figure, side, name, i)
        _add_bars(figure, side, name)
        if side.thresholds:
            _add_thresholds(figure, side, name, i, palette.TEXT[dark])
        if side.raw is not None:
            _add_raw(figure, side, name, i)
    classes = len(next(iter(sides.values())).probabilities)
    figure.update_xaxes(title="probability", range=[0, 1.08], tickvals=[0, 0.25, 0.5, 0.75, 1])
    figure.update_yaxes(range=[classes - 0.5, -0.5], ticks="")
    figure.update_layout(
        height=120 + 22 * classes * len(sides),
        margin=MARGINS | {"t": 64},
        bargap=0.25,
        barmode="group",
        legend={"orientation": "h", "y": 1.01, "yanchor": "bottom", "traceorder": "normal"},
    )
    return figure


def _add_bars(figure: go.Figure, side: Side, name: str) -> None:
    figure.add_bar(
        y=list(side.probabilities),
        x=list(side.probabilities.values()),
        name=name,
        orientation="h",
        marker_color=side.colour,
        offsetgroup=name,
        text=[f"{p:.3f}" for p in side.probabilities.values()],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y} %{x:.3f}<extra>" + name + "</extra>",
    )


def _add_band(figure: go.Figure, side: Side, name: str, index: int) -> None:
    """Shade the range in which the network is uncertain, behind its bar."""
    codes = [code for code in side.probabilities if code in side.bands]
    ends = [side.bands[code] for code in codes]
    figure.add_bar(
        y=codes,
        base=[low for low, _ in ends],
        x=[high - low for low, high in ends],
        name="uncertain range",
        orientation="h",
        offsetgroup=name,
        showlegend=index == 0,
        marker={"color": "rgba(107,114,128,0.30)", "line": {"width": 0}},
        customdata=ends,
        hovertemplate="%{y}: uncertain from %{customdata[0]:.2f} to %{customdata[1]:.2f}"
        f"<extra>{name}</extra>",
    )


def _add_thresholds(figure: go.Figure, side: Side, name: str, index: int, colour: str) -> None:
    """Mark the probability from which each class is called."""
    codes = [code for code in side.probabilities if code in side.thresholds]
    figure.add_bar(
        y=codes,
        base=[side.thresholds[code] - TICK / 2 for code in codes],
        x=[TICK] * len(codes),
        name="threshold",
        orientation="h",
        offsetgroup=name,
        showlegend=index == 0,
        marker={"color": colour, "line": {"width": 0}},
        customdata=[side.thresholds[code] for code in codes],
        hovertemplate="%{y} is called from %{customdata:.3f}<extra>" + name + "</extra>",
    )


def _add_raw(figure: go.Figure, side: Side, name: str, index: int) -> None:
    """Outline the probability before calibration."""
    raw = side.raw or {}
    figure.add_bar(
        y=list(raw),
        x=list(raw.values()),
        name="raw, before calibration",
        orientation="h",
        offsetgroup=name,
        showlegend=index == 0,
        marker={"color": "rgba(0,0,0,0)", "line": {"width": 1.2, "color": palette.NEUTRAL}},
        hovertemplate="%{y} raw %{x:.3f}<extra>" + name + "</extra>",
    )
