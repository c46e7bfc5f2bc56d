"""Plotly figures of relevance by lead and wave, and of metric differences."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from dashboard.charts import palette

MARGINS = {"l": 8, "r": 8, "t": 30, "b": 8}


def lead_relevance(
    sides: Mapping[str, Mapping[str, float | None]], colours: Sequence[str]
) -> go.Figure:
    """Plot each run's share of relevance by lead: run name → lead → share."""
    figure = _shares(sides, colours)
    figure.add_hline(
        1 / 12,
        line={"dash": "dot", "width": 1, "color": palette.NEUTRAL},
        annotation={"text": "even share", "font": {"size": 11}},
        annotation_position="top left",
    )
    return figure


def wave_relevance(
    sides: Mapping[str, Mapping[str, float]],
    wave_time: Mapping[str, Mapping[str, float]],
    colours: Sequence[str],
) -> go.Figure:
    """Plot each run's share of relevance by wave, with a mark at the wave's share of the time."""
    figure = _shares(sides, colours)
    mark = {"symbol": "line-ew", "size": 42, "line": {"width": 2, "color": palette.NEUTRAL}}
    for by_wave in list(wave_time.values())[:1]:  # all runs explain the same record
        figure.add_scatter(
            x=list(by_wave),
            y=list(by_wave.values()),
            mode="markers",
            name="share of the time",
            marker=mark,
            hovertemplate="%{x}: %{y:.1%} of the time<extra></extra>",
        )
    return figure


def _shares(sides: Mapping[str, Mapping[str, float | None]], colours: Sequence[str]) -> go.Figure:
    """Plot each run's shares as bars: run name → lead or wave → share."""
    figure = go.Figure()
    for (name, shares), colour in zip(sides.items(), colours, strict=True):
        figure.add_bar(
            x=list(shares),
            y=list(shares.values()),
            name=name,
            marker_color=colour,
            hovertemplate="%{x}: %{y:.1%}<extra>" + name + "</extra>",
        )
    figure.update_yaxes(title="share of relevance", rangemode="tozero", tickformat=".0%")
    figure.update_layout(
        height=260, margin=MARGINS, barmode="group", legend={"orientation": "h", "y": 1.15}
    )
    return figure


def differences(changes: Mapping[str, Mapping], colour: str) -> go.Figure:
    """Plot B − A with its interval, one row per metric: name → value, low, high."""
    known = {name: change for name, change in changes.items() if change["value"] is not None}
    values = [change["value"] for change in known.values()]
    lengths = [[_distance(change, end) for change in known.values()] for end in ("high", "low")]
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=list(known),
            mode="markers",
            marker={"color": colour, "size": 9, "symbol": "square"},
            error_x={"array": lengths[0], "arrayminus": [-s for s in lengths[1]], "thickness": 1.6},
            hovertemplate="%{y}: %{x:+.3f}<extra></extra>",
        )
    )
    figure.add_vline(x=0, line_width=1, line_color=palette.NEUTRAL)
    figure.update_yaxes(autorange="reversed", ticks="")
    figure.update_xaxes(title="B − A (square: estimate, line: interval)")
    figure.update_layout(height=90 + 36 * len(known), margin=MARGINS | {"t": 8})
    return figure


def _distance(change: Mapping, end: str) -> float:
    """Return how far an end of the interval is from its value, 0 without an interval."""
    return 0.0 if change[end] is None else change[end] - change["value"]
