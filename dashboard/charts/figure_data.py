"""A figure's data as a table, read from the figure itself, so that both always agree."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.plain_text import csv_of as as_csv
from ecgcore import RESEARCH_USE_ONLY


def csv_of(figure: go.Figure, description: str) -> str:
    """Return a figure's data as CSV with the figure's description."""
    return as_csv(rows_of(figure).assign(figure=description, notice=RESEARCH_USE_ONLY))


def rows_of(figure: go.Figure) -> pd.DataFrame:
    """Return one row per point: ``series``, both coordinates, and its hover values.

    Guide lines are left out; a matrix has one row per cell.
    """
    traces = [trace for trace in figure.data if trace.hoverinfo != "skip" and trace.y is not None]
    tables = [_of_trace(trace, figure) for trace in traces]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _of_trace(trace: go.Scatter | go.Bar, figure: go.Figure) -> pd.DataFrame:
    x, y = _title(figure, trace, "x"), _title(figure, trace, "y")
    columns = {"series": trace.name or "", x: list(trace.x)}
    columns[y if y != x else f"{y}, y"] = list(trace.y)
    if trace.text is not None and not isinstance(trace.text, str):
        columns["text"] = list(trace.text)
    if trace.customdata is not None:
        values = np.atleast_2d(np.asarray(trace.customdata, object).reshape(len(trace.y), -1))
        names = (figure.layout.meta or {}).get("customdata", ())
        columns |= {name: values[:, i] for i, name in enumerate(names) if i < values.shape[1]}
    return pd.DataFrame(columns)


def _title(figure: go.Figure, trace: go.Scatter | go.Bar, axis: str) -> str:
    number = (getattr(trace, f"{axis}axis") or axis).removeprefix(axis)
    title = figure.layout[f"{axis}axis{number}"].title.text
    return title or {"x": "x", "y": "y"}[axis]
