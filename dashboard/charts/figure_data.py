"""A figure's data as a table, read from the figure itself: what is drawn is what is saved."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ecgcore import RESEARCH_USE_ONLY


def csv_of(figure: go.Figure, about: str) -> str:
    """Return a figure's data as CSV; ``about`` says what it shows."""
    return rows_of(figure).assign(figure=about, notice=RESEARCH_USE_ONLY).to_csv(index=False)


def rows_of(figure: go.Figure) -> pd.DataFrame:
    """Return one row a point: ``series``, both coordinates, and what its hover tells.

    Lines that only guide the eye are left out; of a matrix, a row a cell.
    """
    told = [trace for trace in figure.data if trace.hoverinfo != "skip" and trace.y is not None]
    tables = [_of_trace(trace, figure) for trace in told]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _of_trace(trace: go.Scatter | go.Bar, figure: go.Figure) -> pd.DataFrame:
    x, y = _title(figure, trace, "x"), _title(figure, trace, "y")
    columns = {"series": trace.name or "", x: list(trace.x)}
    columns[y if y != x else f"{y}, y"] = list(trace.y)
    if trace.text is not None and not isinstance(trace.text, str):
        columns["text"] = list(trace.text)
    if trace.customdata is not None:
        told = np.atleast_2d(np.asarray(trace.customdata, object).reshape(len(trace.y), -1))
        names = (figure.layout.meta or {}).get("customdata", ())
        columns |= {name: told[:, i] for i, name in enumerate(names) if i < told.shape[1]}
    return pd.DataFrame(columns)


def _title(figure: go.Figure, trace: go.Scatter | go.Bar, axis: str) -> str:
    place = (getattr(trace, f"{axis}axis") or axis).removeprefix(axis)
    title = figure.layout[f"{axis}axis{place}"].title.text
    return title or {"x": "x", "y": "y"}[axis]
