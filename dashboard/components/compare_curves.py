"""Compare: ROC and precision–recall curves, and the calibration of both runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import draw, figures_curves
from dashboard.data import cached_comparison
from dashboard.data.cached_comparison import Pair
from ecgcore.calibration.calibration import is_out_of_fold

ALL_CLASSES = "All classes"
FIGURE_PX = 540


def curves(pair: Pair, names: Sequence[str], colours: Sequence[str]) -> None:
    """Show curves: all classes of each run side by side, or one class of both in one figure."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control(
            "Kind",
            list(figures_curves.AXES),
            default="ROC",
            required=True,
            key="compare_curve_kind",
            bind=state.URL,
        )
        both, points = cached_comparison.curves(pair, kind), cached_comparison.curve_points(pair)
        options = [ALL_CLASSES, *dict.fromkeys(["macro", "micro", *both[0]])]
        chosen = st.selectbox("Curve", options, key="compare_curve", bind=state.URL, width=240)
    if chosen == ALL_CLASSES:
        for side, column, name, by_class, points_by_class in zip(
            "ab", st.columns(2), names, both, points, strict=True
        ):
            with column:
                title = f"{side.upper()} · {name}"
                chart = figures_curves.of_classes(kind, by_class, points_by_class, title)
                alt = f"{kind} curves of every class, {name}, {_description(pair)}"
                draw.figure(chart, f"compare_curves_{side}", alt, FIGURE_PX)
    else:
        sides = [
            (name, by_class[chosen], points_by_class.get(chosen))
            for name, by_class, points_by_class in zip(names, both, points, strict=True)
            if chosen in by_class
        ]
        chart = figures_curves.of_runs(kind, sides, colours, f"{chosen}, one against the rest")
        alt = f"{kind} curves of both runs for {chosen}, {_description(pair)}"
        draw.figure(chart, "compare_curve_of_runs", alt, FIGURE_PX)
    st.caption(
        "Hover over a curve to see its thresholds. Diamond: the operating point, at the run's own "
        "threshold if each class is called separately, else of the most probable class."
    )


def calibration(pair: Pair, names: Sequence[str], colours: Sequence[str]) -> None:
    """Show reliability diagrams before and after temperature scaling, with calibration errors."""
    reports = cached_comparison.calibration(pair)
    rows = {}
    for letter, column, name, report, colour in zip(
        "AB", st.columns(2), names, reports, colours, strict=True
    ):
        is_fitted = report["temperature"] is not None
        after = f"after, temperature {report['temperature']:.2f}" if is_fitted else "as it is"
        bins = {after: report["after"]["bins"]}
        if is_fitted:
            bins["before"] = report["before"]["bins"]
        with column:
            chart = figures_curves.reliability(bins, colour, f"{letter} · {name}")
            alt = f"Reliability of {name}, {_description(pair)}"
            draw.figure(chart, f"compare_reliability_{letter.lower()}", alt, FIGURE_PX)
        for when in ("before", "after") if is_fitted else ("after",):
            errors = report[when]
            label = f"{letter}, {when}" if is_fitted else f"{letter}, no temperature"
            rows[label] = {
                "ECE, mean of classes": draw.number(errors["ece"]),
                "ECE, all cells": draw.number(errors["ece_pooled"]),
                "Brier": draw.number(errors["brier"]),
                "negative log likelihood": draw.number(errors["nll"]),
            }
    draw.table(pd.DataFrame(rows).T, "Calibration errors of both runs")
    st.caption(
        f"{reports[0]['binning'].capitalize()}, all known cells together. "
        f"{_fitted_on(reports)} ECE: expected calibration error, without an interval; it is above "
        "0 even for perfect probabilities."
    )


def _fitted_on(reports: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence on the records from which temperatures and thresholds come."""
    on_shown = [letter for letter, one in zip("AB", reports, strict=True) if is_out_of_fold(one)]
    if not on_shown:
        return (
            "The temperature comes from validation records only; nothing is fitted on the records "
            "shown here."
        )
    return (
        f"Temperature and thresholds of {' and '.join(on_shown)} come from these same "
        "out-of-fold answers, which makes calibration and F1 look slightly better."
    )


def _description(pair: Pair) -> str:
    return f"{pair.part} records; {pair.a} against {pair.b}"
