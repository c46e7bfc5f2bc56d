"""A comparison as HTML for notebooks: a table of the differences and a forest plot in SVG."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ecgcore.comparison.text import display_names, finding, p_text
from ecgcore.evaluation.text import METRIC_TITLES, number, with_range
from ecgcore.version import RESEARCH_USE_ONLY

_ROW_PX, _LABEL_PX, _PLOT_PX, _AXIS_PX = 22, 110, 360, 34
_TICK_PX = 40  # least distance of two tick labels
_COLOUR, _GREY = "#0F766E", "#6B7280"


def comparison_html(comparison: Mapping[str, Any]) -> str:
    """Return the finding, the differences with intervals and p values, and a forest plot."""
    name_a, name_b = map(escape, display_names(comparison))
    head = ("", f"A: {name_a}", f"B: {name_b}", "B − A (95 % interval over patients)", "p")
    cells = "".join(f"<th>{text}</th>" for text in head)
    body = "".join(
        f"<tr><th style='text-align:left'>{escape(row[0])}</th>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in _rows(comparison)
    )
    return (
        f"<div><p>{escape(finding(comparison))}</p>"
        f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"
        f"{forest_plot(comparison)}"
        f"<p><small>{comparison['n_common']:,} common records of {comparison['patients']:,} "
        f"patients. p: exact McNemar for accuracy, DeLong with Holm's correction for the AUC of a "
        f"class. {RESEARCH_USE_ONLY}</small></p></div>"
    )


def _rows(comparison: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return name, A, B, difference and p of each headline metric and of each class's AUC."""
    a, b = (comparison["evaluations"][side] for side in "ab")
    rows = []
    for metric, title in METRIC_TITLES.items():
        values = [e[metric]["value"] if metric == "macro_auc" else e[metric] for e in (a, b)]
        change = with_range(comparison["differences"][metric], signed=True)
        p = p_text(comparison["mcnemar"]["p"]) if metric == "accuracy" else ""
        rows.append((title, *map(number, values), change, p))
    for code, test in comparison["delong"].items():
        change = with_range(comparison["class_differences"][code]["auc"], signed=True)
        aucs = (number(e["classes"][code]["auc"]) for e in (a, b))
        rows.append((f"AUC {code}", *aucs, change, test["why"] or p_text(test["p_holm"])))
    return rows


def forest_plot(comparison: Mapping[str, Any]) -> str:
    """Return an SVG of each difference B − A with its interval, and a line at zero."""
    rows = [
        (name, interval)
        for name, interval in (
            *((METRIC_TITLES[m], i) for m, i in comparison["differences"].items()),
            *((f"AUC {c}", both["auc"]) for c, both in comparison["class_differences"].items()),
        )
        if interval["low"] is not None
    ]
    if not rows:
        return ""
    ends = [end for _, interval in rows for end in (interval["low"], interval["high"])]
    low, high = min(0.0, *ends), max(0.0, *ends)
    margin = 0.05 * (high - low or 1.0)
    return _svg(rows, low - margin, high + margin)


def _svg(rows: Sequence[tuple[str, Mapping[str, Any]]], low: float, high: float) -> str:
    def x(value: float) -> float:
        return _LABEL_PX + _PLOT_PX * (value - low) / (high - low)

    bottom = _ROW_PX * len(rows) + 6
    ticks = [0.0, *(end for end in (low, high) if abs(x(end) - x(0)) > _TICK_PX)]
    marks = [
        f"<line x1='{x(0):.1f}' x2='{x(0):.1f}' y1='4' y2='{bottom}' stroke='{_GREY}'/>",
        *(_svg_row(name, interval, i, x) for i, (name, interval) in enumerate(rows)),
        *(
            f"<text x='{x(value):.1f}' y='{bottom + 14}' text-anchor='middle'>"
            f"{number(value, 2)}</text>"
            for value in ticks
        ),
        f"<text x='{_LABEL_PX + _PLOT_PX / 2}' y='{bottom + 28}' text-anchor='middle'>"
        "difference, B − A, with 95 % interval</text>",
    ]
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_LABEL_PX + _PLOT_PX + 20}' "
        f"height='{bottom + _AXIS_PX}' font-family='sans-serif' font-size='11' role='img' "
        f"aria-label='Differences B − A with 95 % intervals' fill='{_GREY}'>{''.join(marks)}</svg>"
    )


def _svg_row(name: str, interval: Mapping[str, Any], row: int, x: Any) -> str:
    y = _ROW_PX * row + 16
    return (
        f"<text x='{_LABEL_PX - 8}' y='{y + 4}' text-anchor='end'>{escape(name)}</text>"
        f"<line x1='{x(interval['low']):.1f}' x2='{x(interval['high']):.1f}' y1='{y}' y2='{y}' "
        f"stroke='{_COLOUR}' stroke-width='2'/>"
        f"<circle cx='{x(interval['value']):.1f}' cy='{y}' r='3.5' fill='{_COLOUR}'/>"
    )
