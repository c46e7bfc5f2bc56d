"""Plotly figures, from what ecgcore counted and measured; nothing is computed here but places."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard import palette

MARGINS = {"l": 8, "r": 8, "t": 30, "b": 8}
CURVE = "False positive %{x:.3f}, true positive %{y:.3f}, threshold %{customdata:.3f}"


def level_bars(counts: pd.DataFrame) -> go.Figure:
    """Draw the records of each class that a level draws, and a mark at how many it asks for."""
    colours = [palette.of_class(code) for code in counts.index]
    figure = go.Figure(
        go.Bar(
            y=counts.index, x=counts["drawn"], orientation="h", marker_color=colours,
            hoverinfo="skip", showlegend=False,
        )
    )  # fmt: skip
    figure.add_scatter(
        y=counts.index,
        x=counts["asked"],
        mode="markers+text",
        marker={"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": palette.NEUTRAL}},
        text=[f" {r.drawn:,} of {r.asked:,} asked, {r.there:,} there" for r in counts.itertuples()],
        textposition="middle right",
        cliponaxis=False,
        showlegend=False,
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    most = max(1, counts["asked"].max())
    figure.update_yaxes(autorange="reversed", ticks="")
    figure.update_xaxes(title="records of each class", range=[0, 1.6 * most])
    figure.update_layout(height=330, margin=MARGINS | {"t": 8})
    return figure


def training_curves(
    histories: Mapping[str, pd.DataFrame], colours: Sequence[str], epochs: int
) -> go.Figure:
    """Draw loss, and validation macro AUC, by epoch, for each run (name → its history)."""
    figure = make_subplots(1, 2, subplot_titles=("Loss", "Validation macro AUC"))
    for (name, history), colour in zip(histories.items(), colours, strict=True):
        rows = history if len(history) else pd.DataFrame({"epoch": []})
        for column, place, style, shown in (
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
                name=shown,
                showlegend=place == 1,
                hovertemplate="epoch %{x}: %{y:.3f}<extra>" + shown + "</extra>",
                row=1,
                col=place,
            )
    figure.update_xaxes(title="epoch", range=[0.5, epochs + 0.5], dtick=max(1, epochs // 10))
    figure.update_yaxes(rangemode="tozero", row=1, col=1)
    figure.update_yaxes(range=[0.4, 1.02], row=1, col=2)
    figure.update_layout(height=300, margin=MARGINS, legend={"orientation": "h", "y": -0.3})
    return figure


def roc_of_classes(curves: Mapping[str, Mapping], title: str) -> go.Figure:
    """Draw every class's ROC curve of one run, micro and macro in grey."""
    figure = _roc_axes(title)
    for code, curve in curves.items():
        average = code not in palette.CLASS
        line = {
            "color": palette.of_class(code),
            "dash": {"micro": "dot", "macro": "solid"}.get(code, palette.dash(code)),
            "width": 3 if average else 1.6,
        }
        _add_roc(figure, curve, f"{code} {curve['auc']:.3f}", line)
    return figure


def roc_of_runs(sides: Mapping[str, Mapping], colours: Sequence[str], title: str) -> go.Figure:
    """Draw one curve of several runs: run name → curve."""
    figure = _roc_axes(title)
    for (name, curve), colour in zip(sides.items(), colours, strict=True):
        _add_roc(figure, curve, f"{name} {curve['auc']:.3f}", {"color": colour, "width": 2.4})
    return figure


def _roc_axes(title: str) -> go.Figure:
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", hoverinfo="skip", showlegend=False,
        line={"color": palette.NEUTRAL, "width": 1, "dash": "dot"},
    )  # fmt: skip
    figure.update_xaxes(title="false positive rate", range=[-0.01, 1.01], constrain="domain")
    figure.update_yaxes(title="true positive rate", range=[-0.01, 1.02], scaleanchor="x")
    figure.update_layout(
        height=420, margin=MARGINS, title={"text": title, "font": {"size": 14}},
        legend={"title": "AUC"},
    )  # fmt: skip
    return figure


def _add_roc(figure: go.Figure, curve: Mapping, name: str, line: Mapping) -> None:
    figure.add_scatter(
        x=curve["fpr"], y=curve["tpr"], customdata=curve["threshold"], mode="lines",
        name=name, line=dict(line), hovertemplate=CURVE + f"<extra>{name}</extra>",
    )  # fmt: skip


def confusion(counts: Sequence[Sequence[int]], codes: Sequence[str], dark: bool) -> go.Figure:
    """Draw counts (C, C), rows the label, columns the prediction; shade is the row's share."""
    table = np.asarray(counts)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    scale = [[0, palette.rgba(palette.COUNTS, 0)], [1, palette.rgba(palette.COUNTS, 1)]]
    figure = _matrix(share, codes, scale, (0, 1))
    strong = share > 0.5
    _write_cells(figure, [f"{n:,}" if n else "" for n in table.ravel()], codes, strong, dark)
    hover = [f"{row:.0%} of the row" for row in share.ravel()]
    figure.data[-1].customdata = hover
    return figure


def confusion_difference(
    counts: Sequence[Sequence[int]], codes: Sequence[str], dark: bool
) -> go.Figure:
    """Draw A − B: orange where A has more, blue where B has."""
    table = np.asarray(counts)
    most = max(1, int(np.abs(table).max()))
    scale = [
        [0, palette.rgba(palette.FEWER, 1)],
        [0.5, palette.rgba(palette.FEWER, 0)],
        [0.5, palette.rgba(palette.MORE, 0)],
        [1, palette.rgba(palette.MORE, 1)],
    ]
    figure = _matrix(table, codes, scale, (-most, most))
    strong = np.abs(table) > 0.6 * most
    cells = [f"{n:+,}".replace("-", "−") if n else "" for n in table.ravel()]
    _write_cells(figure, cells, codes, strong, dark)
    figure.data[-1].customdata = ["A − B"] * table.size
    return figure


def _matrix(
    values: np.ndarray, codes: Sequence[str], scale: list, limits: tuple[float, float]
) -> go.Figure:
    figure = go.Figure()
    figure.add_heatmap(  # the cells themselves, so that an empty one is seen to be empty
        z=np.zeros_like(values), x=list(codes), y=list(codes), showscale=False, xgap=1, ygap=1,
        colorscale=[[0, palette.CELL], [1, palette.CELL]], hoverinfo="skip",
    )  # fmt: skip
    figure.add_trace(
        go.Heatmap(
            z=values, x=list(codes), y=list(codes), colorscale=scale, zmin=limits[0],
            zmax=limits[1], showscale=False, xgap=1, ygap=1, hoverinfo="skip",
        )
    )  # fmt: skip
    figure.update_xaxes(title="predicted", tickangle=-60, showgrid=False, ticks="")
    figure.update_yaxes(title="label", autorange="reversed", showgrid=False, ticks="")
    figure.update_layout(height=380, margin=MARGINS | {"t": 8})
    return figure


def _write_cells(
    figure: go.Figure, cells: list[str], codes: Sequence[str], strong: np.ndarray, dark: bool
) -> None:
    """Write the counts over the shades, light on strong ones."""
    figure.add_scatter(
        x=[column for _ in codes for column in codes],
        y=[row for row in codes for _ in codes],
        mode="text",
        text=cells,
        textfont={"color": np.where(strong.ravel(), "#FFFFFF", palette.TEXT[dark]).tolist()},
        showlegend=False,
        hovertemplate="label %{y}, predicted %{x}: %{text} (%{customdata})<extra></extra>",
    )


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
