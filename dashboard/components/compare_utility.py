"""Compare: for whom and at what price. Subgroups, operating points, decision curves, cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import draw, figures_curves
from dashboard.data import cached_comparison
from dashboard.data.cached_comparison import Pair

MEASURES = {
    "Macro AUC": {"macro_auc": "macro AUC"},
    "Macro-F1 and accuracy": {"macro_f1": "macro-F1", "accuracy": "accuracy"},
}
POINTS = {"sensitivity": "Sensitivity", "specificity": "Specificity", "ppv": "PPV", "npv": "NPV"}
COSTS = {"parameters": "Parameters", "multiply_adds": "Multiply-adds, one ECG"}


def with_interval(found: Mapping[str, Any], digits: int = 2) -> str:
    """Return a share with its interval in brackets, on one line."""
    value, low, high = (draw.number(found[name], digits) for name in ("value", "low", "high"))
    return value if found["low"] is None else f"{value}\u00a0({low}–{high})"


def subgroups(of: Pair) -> None:
    """Show both sides' figures by age, sex, source and quality, with n."""
    a, b = cached_comparison.subgroups(of)
    if a is None or b is None:
        st.info("What these records are is not known here: their cohort is not in this home.")
        return
    measure = st.segmented_control(
        "Figure", list(MEASURES), default="Macro AUC", required=True,
        key="compare_subgroup_figure", bind=state.URL,
    )  # fmt: skip
    rows = []
    for trait, groups in a.items():
        for group, of_a in groups.items():
            of_b = b[trait][group]
            row = {
                "": trait, "group": group, "n": f"{of_a['n']:,}",
                "patients": f"{of_a['patients']:,}",
            }  # fmt: skip
            for name, words in MEASURES[measure].items():
                row |= {f"{words} {side}": with_interval(o[name]) for side, o in _ab(of_a, of_b)}
            rows.append(row | {"note": "few records" if of_a["few"] else ""})
    shown = pd.DataFrame(rows)
    shown[""] = shown[""].mask(shown[""].duplicated(), "")
    draw.table(shown.set_index(""), "Figures of subgroups", left=("group", "note"))
    st.caption(
        "In brackets 95 % intervals over patients. Macro means are over the classes that a group "
        "has positives of; groups with other classes are not comparable. Few: below 20 records."
    )


def operating(of: Pair, names: Sequence[str], colours: Sequence[str]) -> None:
    """Show each class's operating point of both sides, and a class's decision curve."""
    a, b = cached_comparison.operating(of)
    rows = {}
    for code in [c for c in a if c in b]:
        sides = _ab(a[code], b[code])
        row = {"prevalence": draw.number(a[code]["prevalence"], 2)}
        if a[code]["threshold"] is not None:
            row |= {f"threshold {s}": draw.number(one["threshold"], 2) for s, one in sides}
        for name, words in POINTS.items():
            row |= {f"{words} {s}": with_interval(one[name]) for s, one in sides}
        rows[code] = row
    draw.table(pd.DataFrame(rows).T, "Operating points of both runs")
    st.caption(
        "At each run's own threshold, else of the most probable class. Predictive values at the "
        "prevalence of these records; another is given by `ecgcore evaluate --prevalence`. In "
        "brackets 95 % intervals over patients."
    )
    code = st.selectbox(
        "Decision curve of", list(rows), key="compare_decision", bind=state.URL, width=240
    )
    curves = cached_comparison.decision(of, code)
    drawn = figures_curves.decision(list(zip(names, curves, strict=True)), colours)
    alt = f"Decision curves of both runs for {code}, {of.part} records; {of.a} against {of.b}"
    draw.figure(drawn, "compare_decision_curve", alt)
    st.caption(
        "Net benefit a record: true calls less false calls, weighed by the threshold probability "
        "from which one would act. A run is of use where it lies above zero and above calling all."
    )


def cost(of: Pair, found: Mapping[str, Any]) -> None:
    """Show what both networks cost, and which settings differ."""
    rows = {
        words: {**_each(found["cost"][name], "{:,}"), "B / A": _ratio(found["cost"][name])}
        for name, words in COSTS.items()
    }
    key = "compare_measured"
    if st.session_state.get(key) == of:
        ms = dict(zip("ab", cached_comparison.ms_per_ecg(of), strict=True))
        rows["ms an ECG, here, one thread"] = {**_each(ms, "{:.1f}"), "B / A": _ratio(ms)}
    draw.table(pd.DataFrame(rows).T, "What both networks cost")
    if st.session_state.get(key) != of and st.button(
        "Measure the time of one ECG", icon=":material/timer:", key="compare_measure",
        help="Loads both networks, and answers nine simulated ECGs with each: some seconds.",
    ):  # fmt: skip
        st.session_state[key] = of
        st.rerun()
    st.subheader("Settings that differ")
    differ = found["config_differences"]
    if not differ:
        st.caption("None.")
        return
    told = {name: {"A": _said(pair["a"]), "B": _said(pair["b"])} for name, pair in differ.items()}
    draw.table(pd.DataFrame(told).T, "Settings that differ", left=("A", "B"))


def _ab(a: Any, b: Any) -> tuple[tuple[str, Any], tuple[str, Any]]:
    return ("A", a), ("B", b)


def _each(pair: Mapping[str, float | None], form: str) -> dict[str, str]:
    return {
        side.upper(): "n/a" if value is None else form.format(value) for side, value in pair.items()
    }


def _ratio(pair: Mapping[str, float | None]) -> str:
    a, b = pair["a"], pair["b"]
    return f"{b / a:.2f}" if a and b else "n/a"


def _said(value: Any) -> str:
    return "by default" if value is None else str(value)
