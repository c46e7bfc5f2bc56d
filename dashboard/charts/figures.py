"""Plotly figures, from what ecgcore counted and measured; nothing is computed here but places."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from dashboard.charts import palette

MARGINS = {"l": 8, "r": 8, "t": 30, "b": 8}


def lead_relevance(
    sides: Mapping[str, Mapping[str, float | None]], colours: Sequence[str]
) -> go.Figure:
    """Draw each run's share of relevance by lead: run name → lead → share."""
    figure = _shares(sides, colours)
    figure.add_hline(
        1 / 12, line={"dash": "dot", "width": 1, "color": palette.NEUTRAL},
        annotation={"text": "even share", "font": {"size": 11}}, annotation_position="top left",
    )  # fmt: skip
    return figure


def wave_relevance(
    sides: Mapping[str, Mapping[str, float]],
    chance: Mapping[str, Mapping[str, float]],
    colours: Sequence[str],
) -> go.Figure:
    """Draw each run's share of relevance by wave, and a mark at the share of time that it takes."""
    figure = _shares(sides, colours)
    mark = {"symbol": "line-ew", "size": 42, "line": {"width": 2, "color": palette.NEUTRAL}}
    for by_wave in list(chance.values())[:1]:  # the same record, the same waves
        figure.add_scatter(
            x=list(by_wave), y=list(by_wave.values()), mode="markers", name="share of the time",
            marker=mark, hovertemplate="%{x}: %{y:.1%} of the time<extra></extra>",
        )  # fmt: skip
    return figure


def _shares(sides: Mapping[str, Mapping[str, float | None]], colours: Sequence[str]) -> go.Figure:
    """Draw each run's shares as bars: run name → lead or wave → share."""
    figure = go.Figure()
    for (name, shares), colour in zip(sides.items(), colours, strict=True):
        figure.add_bar(
            x=list(shares), y=list(shares.values()), name=name, marker_color=colour,
            hovertemplate="%{x}: %{y:.1%}<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.update_yaxes(title="share of relevance", rangemode="tozero", tickformat=".0%")
    figure.update_layout(
        height=260, margin=MARGINS, barmode="group", legend={"orientation": "h", "y": 1.15}
    )
    return figure


def differences(found: Mapping[str, Mapping], colour: str) -> go.Figure:
    """Draw B − A with its interval, a row a metric: name → value, low, high."""
    there = {k: v for k, v in found.items() if v["value"] is not None}
    values = [v["value"] for v in there.values()]
    spans = [
        [(v[end] if v[end] is not None else v["value"]) - v["value"] for v in there.values()]
        for end in ("high", "low")
    ]
    figure = go.Figure(
        go.Scatter(
            x=values, y=list(there), mode="markers",
            marker={"color": colour, "size": 9, "symbol": "square"},
            error_x={"array": spans[0], "arrayminus": [-s for s in spans[1]], "thickness": 1.6},
            hovertemplate="%{y}: %{x:+.3f}<extra></extra>",
        )
    )  # fmt: skip
    figure.add_vline(x=0, line_width=1, line_color=palette.NEUTRAL)
    figure.update_yaxes(autorange="reversed", ticks="")
    figure.update_xaxes(title="B − A (square: estimate, line: interval)")
    figure.update_layout(height=90 + 36 * len(there), margin=MARGINS | {"t": 8})
    return figure
