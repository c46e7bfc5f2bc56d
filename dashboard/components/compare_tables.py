"""Compare: tables of metrics with differences, intervals and p-values."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import draw
from dashboard.data import cached_runs
from ecgcore.comparison.text import p_text
from ecgcore.evaluation.text import METRIC_TITLES


def headline(comparison: Mapping[str, Any]) -> None:
    """Show both runs' metrics, the naive baseline, and B − A with its interval and p-value."""
    sides = [comparison["evaluations"][side] for side in "ab"]
    test = comparison["mcnemar"]
    rows = {}
    for metric, title in METRIC_TITLES.items():
        a, b = (s[metric]["value"] if metric == "macro_auc" else s[metric] for s in sides)
        change = comparison["differences"][metric]
        rows[title] = {
            "A": draw.number(a),
            "B": draw.number(b),
            "B − A": draw.number(change["value"]),
            "95 % interval": draw.span(change),
            "p": p_text(test["p"]) if metric == "accuracy" else "",
            "naive baseline": draw.number(sides[0]["baseline"][metric]),
        }
    draw.table(pd.DataFrame(rows).T, "Metrics of both runs and their difference")
    access = cached_runs.access_summary(comparison["a"], comparison["b"], comparison["part"])
    st.caption(
        f"{comparison['n_common']:,} common records of {comparison['patients']:,} patients; "
        f"intervals by bootstrap over patients. p: McNemar ({test['form']}): only A right "
        f"{test['only_a_right']:,}, only B right {test['only_b_right']:,}. Accuracy and matrices: "
        f"{sides[0]['accuracy_of']}. {access}"
    )


def seeds(comparison: Mapping[str, Any]) -> None:
    """Show means over seeds, and B − A with its three intervals."""
    summary = comparison["seeds"]
    rows = {}
    for metric, title in METRIC_TITLES.items():
        change = summary["differences"][metric]
        rows[title] = {
            "A, mean": draw.number(summary["sides"]["a"][metric]["mean"]),
            "B, mean": draw.number(summary["sides"]["b"][metric]["mean"]),
            "B − A": draw.number(change["mean"]),
            "over patients": draw.span(change["patients"]),
            "over seeds": draw.span(change["seeds"]),
            "over both": draw.span(change["both"]),
        }
    draw.table(pd.DataFrame(rows).T, "Means over seeds and their difference")
    notes = " ".join(summary["notes"])
    st.caption(
        f"{len(summary['a'])} seeds a side, paired by seed; 95 % intervals. Over patients: these "
        "networks, other patients. Over seeds: these records, other seeds. Over both: other "
        f"seeds and other patients. {notes}"
    )


def classes(comparison: Mapping[str, Any]) -> None:
    """Show each class's records, F1 and AUC, and the test of the difference in AUC."""
    a, b = (comparison["evaluations"][side] for side in "ab")
    rows = {}
    for code, test in comparison["delong"].items():
        change = comparison["class_differences"][code]["auc"]
        rows[code] = {
            "n": f"{a['classes'][code]['n']:,}",
            "F1 A": draw.number(a["classes"][code]["f1"]),
            "F1 B": draw.number(b["classes"][code]["f1"]),
            "AUC A": draw.number(a["classes"][code]["auc"]),
            "AUC B": draw.number(b["classes"][code]["auc"]),
            "B − A": draw.number(change["value"]),
            "95 % interval": draw.span(change),
            "p (Holm)": p_text(test["p_holm"]),
        }
    draw.table(pd.DataFrame(rows).T, "F1 and AUC of each class, and their difference")
    reasons = {test["why"] for test in comparison["delong"].values() if test["why"]}
    by_form: dict[str, list[str]] = {}
    for code, test in comparison["delong"].items():
        if test["p"] is not None:
            by_form.setdefault(test["form"], []).append(code)
    forms = [
        form if len(by_form) == 1 else f"{', '.join(codes)}: {form}"
        for form, codes in by_form.items()
    ]
    missing = [f"{code}: {reason}" for code, reason in a["not_available"].items()]
    notes = [*forms, *sorted(reasons), *a["notes"], *missing]
    st.caption(". ".join(note.rstrip(".") for note in notes) + ".")
