"""Compare: the figures in tables, with differences, intervals and p."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import draw
from dashboard.data import cached_runs
from ecgcore.comparison.text import p_text

METRICS = {"accuracy": "Accuracy", "macro_f1": "Macro-F1", "macro_auc": "Macro AUC"}


def headline(found: Mapping[str, Any]) -> None:
    """Show both runs' metrics, the naive baseline, and B − A with its interval and p."""
    sides = [found["evaluations"][side] for side in "ab"]
    rows = {}
    for metric, name in METRICS.items():
        a, b = (s[metric]["value"] if metric == "macro_auc" else s[metric] for s in sides)
        change = found["differences"][metric]
        rows[name] = {
            "A": draw.number(a), "B": draw.number(b),
            "B − A": draw.number(change["value"]), "95 % interval": draw.span(change),
            "p": p_text(found["mcnemar"]["p"]) if metric == "accuracy" else "",
            "naive baseline": draw.number(sides[0]["baseline"][metric]),
        }  # fmt: skip
    draw.table(pd.DataFrame(rows).T, "Metrics of both runs and their difference")
    test = found["mcnemar"]
    st.caption(
        f"{found['n_common']:,} common records of {found['patients']:,} patients; intervals by "
        f"bootstrap over patients. p: McNemar ({test['form']}): only A right "
        f"{test['only_a_right']:,}, only B right {test['only_b_right']:,}. Accuracy and matrices: "
        f"{sides[0]['accuracy_of']}. {cached_runs.looks(found['a'], found['b'], found['part'])}"
    )


def seeds(found: Mapping[str, Any]) -> None:
    """Show means over seeds and B − A with its three intervals."""
    told = found["seeds"]
    rows = {}
    for metric, name in METRICS.items():
        change = told["differences"][metric]
        rows[name] = {
            "A, mean": draw.number(told["sides"]["a"][metric]["mean"]),
            "B, mean": draw.number(told["sides"]["b"][metric]["mean"]),
            "B − A": draw.number(change["mean"]),
            "over patients": draw.span(change["patients"]),
            "over seeds": draw.span(change["seeds"]),
            "over both": draw.span(change["both"]),
        }
    draw.table(pd.DataFrame(rows).T, "Means over seeds and their difference")
    notes = " ".join(told["notes"])
    st.caption(
        f"{len(told['a'])} seeds a side, paired by seed; 95 % intervals. Over patients: these "
        "networks, other patients. Over seeds: these records, other starts. Over both: other "
        f"starts and other patients. {notes}"
    )


def classes(found: Mapping[str, Any]) -> None:
    """Show each class's records, AUCs, F1, and the test of the AUCs' difference."""
    a, b = (found["evaluations"][side] for side in "ab")
    rows = {}
    for code, test in found["delong"].items():
        change = found["class_differences"][code]["auc"]
        rows[code] = {
            "n": f"{a['classes'][code]['n']:,}",
            "F1 A": draw.number(a["classes"][code]["f1"]),
            "F1 B": draw.number(b["classes"][code]["f1"]),
            "AUC A": draw.number(a["classes"][code]["auc"]),
            "AUC B": draw.number(b["classes"][code]["auc"]),
            "B − A": draw.number(change["value"]), "95 % interval": draw.span(change),
            "p (Holm)": p_text(test["p_holm"]),
        }  # fmt: skip
    draw.table(pd.DataFrame(rows).T, "F1 and AUC of each class, and their difference")
    why = {t["why"] for t in found["delong"].values() if t["why"]}
    forms: dict[str, list[str]] = {}
    for code, test in found["delong"].items():
        if test["p"] is not None:
            forms.setdefault(test["form"], []).append(code)
    tests = [
        form if len(forms) == 1 else f"{', '.join(codes)}: {form}" for form, codes in forms.items()
    ]
    notes = [*tests, *sorted(why), *found["evaluations"]["a"]["notes"]]
    missing = [f"{code}: {reason}" for code, reason in a["not_available"].items()]
    st.caption(". ".join(n.rstrip(".") for n in [*notes, *missing]) + ".")
