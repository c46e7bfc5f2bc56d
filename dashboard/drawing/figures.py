"""Plotly figures, from what ecgcore counted and measured; nothing is computed here but places."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from dashboard.drawing import palette

MARGINS = {"l": 8, "r": 8, "t": 30, "b": 8}


def probabilities(answers: Mapping[str, Mapping[str, float]], colours: Sequence[str]) -> go.Figure:
    """Draw each run's probability of each class: run name → class code → 0..1."""
    figure = go.Figure()
    for (name, by_class), colour in zip(answers.items(), colours, strict=True):
        figure.add_bar(
            y=list(by_class),
            x=list(by_class.values()),
            name=name,
            orientation="h",
            marker_color=colour,
            text=[f"{p:.3f}" for p in by_class.values()],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y} %{x:.3f}<extra>" + name + "</extra>",
        )
    figure.update_xaxes(title="probability", range=[0, 1.08], tickvals=[0, 0.25, 0.5, 0.75, 1])
    figure.update_yaxes(autorange="reversed", ticks="")
    figure.update_layout(
        height=120 + 22 * sum(len(a) for a in answers.values()), margin=MARGINS, bargap=0.25,
        barmode="group", legend={"orientation": "h", "y": 1.06, "traceorder": "normal"},
    )  # fmt: skip
    return figure


def lead_relevance(
    sides: Mapping[str, Mapping[str, float | None]], colours: Sequence[str]
) -> go.Figure:
    """Draw each run's share of relevance by lead: run name → lead → share."""
    figure = go.Figure()
    for (name, by_lead), colour in zip(sides.items(), colours, strict=True):
        figure.add_bar(
            x=list(by_lead), y=list(by_lead.values()), name=name, marker_color=colour,
            hovertemplate="%{x}: %{y:.3f}<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.add_hline(
        1 / 12, line={"dash": "dot", "width": 1, "color": palette.NEUTRAL},
        annotation={"text": "even share", "font": {"size": 11}}, annotation_position="top left",
    )  # fmt: skip
    figure.update_yaxes(title="share of relevance", rangemode="tozero", tickformat=".0%")
    figure.update_layout(
        height=260, margin=MARGINS, barmode="group", legend={"orientation": "h", "y": 1.15}
    )
    return figure


def wave_relevance(
    sides: Mapping[str, Mapping[str, float]],
    chance: Mapping[str, Mapping[str, float]],
    colours: Sequence[str],
) -> go.Figure:
    """Draw each run's share of relevance by wave, and a mark at the share of time that it takes."""
    figure = go.Figure()
    for (name, by_wave), colour in zip(sides.items(), colours, strict=True):
        figure.add_bar(
            x=list(by_wave), y=list(by_wave.values()), name=name, marker_color=colour,
            hovertemplate="%{x}: %{y:.1%}<extra>" + name + "</extra>",
        )  # fmt: skip
    mark = {"symbol": "line-ew", "size": 42, "line": {"width": 2, "color": palette.NEUTRAL}}
    for by_wave in list(chance.values())[:1]:  # the same record, the same waves
        figure.add_scatter(
            x=list(by_wave), y=list(by_wave.values()), mode="markers", name="share of the time",
            marker=mark, hovertemplate="%{x}: %{y:.1%} of the time<extra></extra>",
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
