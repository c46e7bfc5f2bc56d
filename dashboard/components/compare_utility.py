"""Compare: subgroups, operating points, decision curves and cost of both runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import draw, figures_curves
from dashboard.data import cached_comparison
from dashboard.data.cached_comparison import Pair

METRIC_GROUPS = {
    "Macro AUC": {"macro_auc": "macro AUC"},
    "Macro-F1 and accuracy": {"macro_f1": "macro-F1", "accuracy": "accuracy"},
}
RATES = {"sensitivity": "Sensitivity", "specificity": "Specificity", "ppv": "PPV", "npv": "NPV"}
COSTS = {"parameters": "Parameters", "multiply_adds": "Multiply-adds, one ECG"}


def with_interval(estimate: Mapping[str, Any], digits: int = 2) -> str:
    """Return an estimate with its interval in brackets, on one line."""
    value, low, high = (draw.number(estimate[name], digits) for name in ("value", "low", "high"))
    return value if estimate["low"] is None else f"{value}\u00a0({low}–{high})"


def subgroups(pair: Pair) -> None:
    """Show both runs' metrics by age, sex, source and quality, with n."""
    a, b = cached_comparison.subgroups(pair)
    if a is None or b is None:
        st.info("Subgroups are not available: the cohort of these records is not in the workspace.")
        return
    chosen = st.segmented_control(
        "Metric",
        list(METRIC_GROUPS),
        default="Macro AUC",
        required=True,
        key="compare_subgroup_figure",
        bind=state.URL,
    )
    rows = []
    for trait, groups in a.items():
        for group, scores_a in groups.items():
            row = {
                "": trait,
                "group": group,
                "n": f"{scores_a['n']:,}",
                "patients": f"{scores_a['patients']:,}",
            }
            for metric, title in METRIC_GROUPS[chosen].items():
                row |= {
                    f"{title} {side}": with_interval(scores[metric])
                    for side, scores in _sides(scores_a, b[trait][group])
                }
            rows.append(row | {"note": "few records" if scores_a["few"] else ""})
    table = pd.DataFrame(rows)
    table[""] = table[""].mask(table[""].duplicated(), "")
    draw.table(table.set_index(""), "Metrics of subgroups", left=("group", "note"))
    st.caption(
        "In brackets: 95 % intervals over patients. Macro means are over the classes with "
        "positives in the group, so groups with other classes are not comparable. Few: below 20 "
        "records."
    )


def operating_points(pair: Pair, names: Sequence[str], colours: Sequence[str]) -> None:
    """Show each class's operating point in both runs, and the decision curve of a class."""
    a, b = cached_comparison.operating_points(pair)
    rows = {}
    for code in [code for code in a if code in b]:
        sides = _sides(a[code], b[code])
        row = {"prevalence": draw.number(a[code]["prevalence"], 2)}
        if a[code]["threshold"] is not None:
            row |= {f"threshold {side}": draw.number(p["threshold"], 2) for side, p in sides}
        for rate, title in RATES.items():
            row |= {f"{title} {side}": with_interval(point[rate]) for side, point in sides}
        rows[code] = row
    draw.table(pd.DataFrame(rows).T, "Operating points of both runs")
    st.caption(
        "At each run's own threshold, else of the most probable class. Predictive values hold for "
        "the prevalence in these records; `ecgcore evaluate --prevalence` gives them for another. "
        "In brackets: 95 % intervals over patients."
    )
    code = st.selectbox(
        "Decision curve of", list(rows), key="compare_decision", bind=state.URL, width=240
    )
    curves = cached_comparison.decision_curves(pair, code)
    chart = figures_curves.decision_curves(list(zip(names, curves, strict=True)), colours)
    alt = f"Decision curves of both runs for {code}, {pair.part} records; {pair.a} against {pair.b}"
    draw.figure(chart, "compare_decision_curve", alt)
    st.caption(
        "Net benefit per record: true calls minus false calls, weighted by the threshold "
        "probability from which one would act. A run is useful where its curve is above zero and "
        "above that of calling all."
    )


def cost(pair: Pair, comparison: Mapping[str, Any]) -> None:
    """Show the cost of both networks, and the settings that differ."""
    costs = comparison["cost"]
    rows = {
        title: {**_each(costs[name], "{:,}"), "B / A": _ratio(costs[name])}
        for name, title in COSTS.items()
    }
    key = "compare_measured"
    is_timed = st.session_state.get(key) == pair
    if is_timed:
        ms = dict(zip("ab", cached_comparison.ms_per_ecg(pair), strict=True))
        rows["ms per ECG, here, one thread"] = {**_each(ms, "{:.1f}"), "B / A": _ratio(ms)}
    draw.table(pd.DataFrame(rows).T, "Cost of both networks")
    if not is_timed and st.button(
        "Measure the time per ECG",
        icon=":material/timer:",
        key="compare_measure",
        help="Loads both networks and classifies nine simulated ECGs with each; takes seconds.",
    ):
        st.session_state[key] = pair
        st.rerun()
    st.subheader("Settings that differ")
    differences = comparison["config_differences"]
    if not differences:
        st.caption("None.")
        return
    settings = {
        name: {"A": _setting_text(values["a"]), "B": _setting_text(values["b"])}
        for name, values in differences.items()
    }
    draw.table(pd.DataFrame(settings).T, "Settings that differ", left=("A", "B"))


def _sides(a: Any, b: Any) -> tuple[tuple[str, Any], tuple[str, Any]]:
    return ("A", a), ("B", b)


def _each(values: Mapping[str, float | None], form: str) -> dict[str, str]:
    return {
        side.upper(): "n/a" if value is None else form.format(value)
        for side, value in values.items()
    }


def _ratio(values: Mapping[str, float | None]) -> str:
    a, b = values["a"], values["b"]
    return f"{b / a:.2f}" if a and b else "n/a"


def _setting_text(value: Any) -> str:
    return "default" if value is None else str(value)
