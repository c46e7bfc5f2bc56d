"""Plotly figures of confusion matrices with clickable cells.

A heatmap raises no selection event; transparent squares over its cells do. The counts are the text
of heatmaps, too, because those do not fade when something is selected.
"""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dashboard.charts import palette
from dashboard.charts.figures import MARGINS

Cell = tuple[str, str] | None


def confusion(
    counts: Sequence[Sequence[int]], codes: Sequence[str], dark: bool, selected: Cell = None
) -> go.Figure:
    """Plot counts (C, C), rows the label, columns the prediction, shaded by their share of the row.

    ``selected`` is the (label, prediction) to frame.
    """
    table = np.asarray(counts)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    scale = [[0, palette.rgba(palette.COUNTS, 0)], [1, palette.rgba(palette.COUNTS, 1)]]
    figure = _matrix(share, codes, scale, (0, 1))
    _write(figure, [[f"{n:,}" if n else "" for n in row] for row in table], codes, share, dark)
    texts = [f"{record_count(n)}, {part:.0%} of the row" for n, part in _flat(table, share)]
    return _clickable(figure, codes, texts, selected)


def confusion_difference(
    counts: Sequence[Sequence[int]], codes: Sequence[str], dark: bool, selected: Cell = None
) -> go.Figure:
    """Plot A − B: orange where A has more, blue where B has more."""
    table = np.asarray(counts)
    most = max(1, int(np.abs(table).max()))
    scale = [
        [0, palette.rgba(palette.FEWER, 1)],
        [0.5, palette.rgba(palette.FEWER, 0)],
        [0.5, palette.rgba(palette.MORE, 0)],
        [1, palette.rgba(palette.MORE, 1)],
    ]
    figure = _matrix(table, codes, scale, (-most, most))
    labels = [[f"{n:+,}".replace("-", "−") if n else "" for n in row] for row in table]
    _write(figure, labels, codes, np.abs(table) / most, dark)
    texts = [f"A − B {n:+,}".replace("-", "−") for n in table.ravel()]
    return _clickable(figure, codes, texts, selected)


def record_count(records: int) -> str:
    """Return ``1 record``, ``2 records``."""
    return "1 record" if records == 1 else f"{records:,} records"


def _flat(table: np.ndarray, share: np.ndarray) -> zip:
    return zip(table.ravel().tolist(), share.ravel().tolist(), strict=True)


def _matrix(
    values: np.ndarray, codes: Sequence[str], scale: list, limits: tuple[float, float]
) -> go.Figure:
    figure = go.Figure()
    for z, colours, low, high in (
        (np.zeros_like(values), [[0, palette.CELL], [1, palette.CELL]], 0, 1),  # shade empty cells
        (values, scale, *limits),
    ):
        figure.add_heatmap(
            z=z,
            x=list(codes),
            y=list(codes),
            colorscale=colours,
            zmin=low,
            zmax=high,
            showscale=False,
            xgap=1,
            ygap=1,
            hoverinfo="skip",
        )
    ends = [-0.5, len(codes) - 0.5]  # the default range leaves room for markers at the border
    figure.update_xaxes(title="predicted", tickangle=-60, showgrid=False, ticks="", range=ends)
    figure.update_yaxes(title="label", showgrid=False, ticks="", range=ends[::-1])
    figure.update_layout(height=380, margin=MARGINS | {"t": 8}, clickmode="event+select")
    return figure


def _write(
    figure: go.Figure, cells: list[list[str]], codes: Sequence[str], shade: np.ndarray, dark: bool
) -> None:
    """Write the counts over the cells, in white on dark cells."""
    transparent = [[0, "rgba(0,0,0,0)"], [1, "rgba(0,0,0,0)"]]
    longest = max(len(text) for row in cells for text in row)
    size = 6 if len(codes) > 12 else 10 if longest > 3 else 12
    for strong, colour in ((False, palette.TEXT[dark]), (True, "#FFFFFF")):
        visible = [
            [text if (s > 0.55) == strong else "" for text, s in zip(row, strengths, strict=True)]
            for row, strengths in zip(cells, shade, strict=True)
        ]
        figure.add_heatmap(
            z=np.zeros(shade.shape),
            x=list(codes),
            y=list(codes),
            colorscale=transparent,
            text=visible,
            texttemplate="%{text}",
            textfont={"color": colour, "size": size},
            showscale=False,
            hoverinfo="skip",
        )


def _clickable(
    figure: go.Figure, codes: Sequence[str], texts: list[str], selected: Cell
) -> go.Figure:
    """Cover the cells with clickable squares and frame the selected cell."""
    clear = {"opacity": 0}
    figure.add_scatter(
        x=[column for _ in codes for column in codes],
        y=[row for row in codes for _ in codes],
        mode="markers",
        name="cells",
        showlegend=False,
        text=texts,
        marker={"symbol": "square", "size": 24, "color": palette.NEUTRAL, "opacity": 0},
        selected={"marker": clear},
        unselected={"marker": clear},
        hovertemplate="label %{y}, predicted %{x}: %{text}<extra></extra>",
    )
    if selected and set(selected) <= set(codes):
        y, x = (list(codes).index(code) for code in selected)
        figure.add_shape(
            type="rect",
            x0=x - 0.5,
            x1=x + 0.5,
            y0=y - 0.5,
            y1=y + 0.5,
            line={"color": palette.NEUTRAL, "width": 3},
        )
    return figure
