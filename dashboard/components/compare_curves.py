"""Compare: ROC and precision–recall curves, and how far the probabilities can be believed."""

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
SQUARE_PX = 540


def curves(of: Pair, names: Sequence[str], colours: Sequence[str]) -> None:
    """Show curves: of all classes beside each other, or of one class in one figure."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control(
            "Kind", list(figures_curves.AXES), default="ROC", required=True,
            key="compare_curve_kind", bind=state.URL,
        )  # fmt: skip
        both, at = cached_comparison.curves(of, kind), cached_comparison.points(of)
        options = [ALL_CLASSES, *dict.fromkeys(["macro", "micro", *both[0]])]
        chosen = st.selectbox("Curve", options, key="compare_curve", bind=state.URL, width=240)
    if chosen == ALL_CLASSES:
        for side, column, name, drawn, dots in zip(
            "ab", st.columns(2), names, both, at, strict=True
        ):
            with column:
                figure = figures_curves.of_classes(kind, drawn, dots, f"{side.upper()} · {name}")
                alt = f"{kind} curves of every class, {name}, {_what(of)}"
                draw.figure(figure, f"compare_curves_{side}", alt, SQUARE_PX)
    else:
        sides = [
            (name, drawn[chosen], dots.get(chosen))
            for name, drawn, dots in zip(names, both, at, strict=True)
            if chosen in drawn
        ]
        figure = figures_curves.of_runs(kind, sides, colours, f"{chosen}, one against the rest")
        alt = f"{kind} curves of both runs for {chosen}, {_what(of)}"
        draw.figure(figure, "compare_curve_of_runs", alt, SQUARE_PX)
    st.caption(
        "Hover tells the threshold. Diamond: the operating point, at the run's own threshold "
        "where one class is called apart from the others, else of its most probable class."
    )


def calibration(of: Pair, names: Sequence[str], colours: Sequence[str]) -> None:
    """Show each side's reliability diagram, before and after temperature, with its errors."""
    found = cached_comparison.calibration(of)
    rows = {}
    for letter, column, name, one, colour in zip(
        "AB", st.columns(2), names, found, colours, strict=True
    ):
        fitted = one["temperature"] is not None
        after = f"after, temperature {one['temperature']:.2f}" if fitted else "as it is"
        bins = {after: one["after"]["bins"]}
        if fitted:
            bins["before"] = one["before"]["bins"]
        with column:
            drawn = figures_curves.reliability(bins, colour, f"{letter} · {name}")
            alt = f"Reliability of {name}, {_what(of)}"
            draw.figure(drawn, f"compare_reliability_{letter.lower()}", alt, SQUARE_PX)
        for when in ("before", "after") if fitted else ("after",):
            told = one[when]
            label = f"{letter}, {when}" if fitted else f"{letter}, no temperature"
            rows[label] = {
                "ECE, mean of classes": draw.number(told["ece"]),
                "ECE, all cells": draw.number(told["ece_pooled"]),
                "Brier": draw.number(told["brier"]),
                "negative log likelihood": draw.number(told["nll"]),
            }
    draw.table(pd.DataFrame(rows).T, "Calibration errors of both runs")
    st.caption(
        f"{found[0]['binning'].capitalize()}, all known cells together. {_fitted_on(found)} ECE: "
        "expected calibration error, without an interval; it is above 0 for perfect "
        "probabilities, too."
    )


def _fitted_on(found: Sequence[Mapping[str, Any]]) -> str:
    """Say from which records temperatures (and thresholds) come."""
    on_shown = [letter for letter, one in zip("AB", found, strict=True) if is_out_of_fold(one)]
    if not on_shown:
        return (
            "Temperature from validation records alone; nothing is fitted on the records shown "
            "here."
        )
    return (
        f"Temperature and thresholds of {' and '.join(on_shown)} come from these very answers, "
        "given out of fold, which flatters its calibration and F1 a little."
    )


def _what(of: Pair) -> str:
    return f"{of.part} records; {of.a} against {of.b}"
