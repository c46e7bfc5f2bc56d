"""Sections of a report on results: performance, classes, calibration, subgroups."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ecgcore.calibration.calibration import BINNING, calibration_metrics
from ecgcore.comparison.text import p_text
from ecgcore.evaluation.referral_coverage import referral_section
from ecgcore.evaluation.subgroups import FEW
from ecgcore.evaluation.text import METRIC_TITLES, number, share_text, with_range
from ecgcore.report import statements
from ecgcore.report.blocks import bullets, figure, table, text
from ecgcore.report.facts import Facts, Side
from ecgcore.report.methods import rows_of_both


def performance(facts: Facts) -> list[dict]:
    c, evaluation = facts.comparison, facts.sides[0].evaluation
    rows = []
    for metric, title in METRIC_TITLES.items():
        sides = [_with_interval(side.evaluation, metric) for side in facts.sides]
        change = with_range(c["differences"][metric], signed=True)
        rows.append((title, *sides, change, number(evaluation["baseline"][metric])))
    test = c["mcnemar"]
    return [
        text(facts.finding),
        table(
            "Both runs, their difference and the naive baseline, with 95 % intervals",
            ("metric", "A", "B", "B − A", "baseline"),
            rows,
        ),
        text(
            f"Accuracy is over {evaluation['accuracy_of']}. The baseline answers "
            f"{evaluation['baseline']['form']}. McNemar ({test['form']}): only A "
            f"right {test['only_a_right']:,}, only B right {test['only_b_right']:,}, "
            f"p {_p_equation(test['p'])}."
        ),
        figure(
            "confusions",
            "Confusion matrices of A and of B, and A minus B, counts in the cells",
            evaluation["confusion_title"] + ". Colour: share of the row.",
        ),
    ]


def _p_equation(p: float | None) -> str:
    words = p_text(p)
    return words if words.startswith("<") else f"= {words}"


def _with_interval(evaluation: Mapping[str, Any], metric: str) -> str:
    if metric == "macro_auc":
        return with_range(evaluation["macro_auc"])
    return with_range(evaluation["intervals"][metric])


def classes(facts: Facts) -> list[dict]:
    evaluation = facts.sides[0].evaluation
    return [
        _class_table(facts),
        figure("differences", "Difference of AUC by class with 95 % interval", "AUC, B − A."),
        figure(
            "roc", "ROC curves by class, both runs in each panel, with their AUC", "ROC curves."
        ),
        figure("pr", "Precision-recall curves by class, both runs", "Precision–recall curves."),
        _operating_points(facts),
        bullets(
            [
                *evaluation["notes"],
                *(f"{code}: {why}" for code, why in evaluation["not_available"].items()),
            ]
        ),
    ]


def _class_table(facts: Facts) -> dict[str, Any]:
    a, b = (side.evaluation["classes"] for side in facts.sides)
    measures = {"precision": "precision", "recall": "recall", "f1": "F1", "auc": "AUC"}
    rows = []
    for code, test in facts.comparison["delong"].items():
        values = (number(of_side[code][m]) for m in measures for of_side in (a, b))
        change = with_range(facts.comparison["class_differences"][code]["auc"], signed=True)
        p = test["why"] or p_text(test["p_holm"])
        rows.append((code, f"{a[code]['n']:,}", *values, change, p))
    heads = (head for name in measures.values() for head in (f"{name} A", "B"))
    return table(
        "Each class: present records, both runs, and the test of the AUCs",
        ("class", "n", *heads, "AUC, B − A", "p (DeLong, Holm)"),
        rows,
    )


def _operating_points(facts: Facts) -> dict[str, Any]:
    """Return the table of sensitivity, specificity and predictive values."""
    a, b = (side.utility["operating"] for side in facts.sides)
    rows = [
        (
            code,
            *(with_range(of[code][m]) for m in ("sensitivity", "specificity") for of in (a, b)),
            *(number(of[code][m]["value"]) for m in ("ppv", "npv") for of in (a, b)),
        )
        for code in a
        if code in b
    ]
    heads = ("sensitivity A", "B", "specificity A", "B", "PPV A", "B", "NPV A", "B")
    caption = "Operating points at each run's thresholds, predictive values at this prevalence"
    return table(caption, ("class", *heads), rows)


def calibration(facts: Facts) -> list[dict]:
    metrics = [calibration_metrics(side.scores) for side in facts.sides]
    names = {
        "ece": "ECE, mean over classes",
        "ece_pooled": "ECE, all cells",
        "brier": "Brier score",
    }
    temperatures = [side.run.calibration["temperature"] for side in facts.sides]
    referral = [_referral(side, facts.traits) for side in facts.sides]
    rows = [
        ("temperature", *("none" if t is None else f"{t:.3f}" for t in temperatures)),
        *((words, *(number(m[key]) for m in metrics)) for key, words in names.items()),
        *rows_of_both(*referral),
    ]
    return [
        text(f"{' '.join(map(statements.temperature, facts.sides))} ECE over {BINNING}."),
        table("Calibration on the scored records", ("", "A", "B"), rows),
        figure(
            "reliability",
            "Reliability diagram of both runs: observed share against probability",
            "Reliability over all known cells; the dotted line is perfect.",
        ),
    ]


_REFERRAL_ROWS = (
    "referral: no certain class wrong, aim",
    "reached",
    "answered, not referred",
    "all right, of all",
    "all right, of those answered",
)


def _referral(side: Side, traits: pd.DataFrame | None) -> dict[str, str]:
    """Return the effect of the run's referral band on these records."""
    by_record = None if traits is None else traits.reset_index()
    report = referral_section(side.scores, side.run.calibration, by_record)
    if report is None:
        return dict.fromkeys(_REFERRAL_ROWS, "no band")
    whole = report["groups"]["records"]["all"]
    how = "cross-fitted by patient" if report["cross_fitted"] else "band fitted on other records"
    values = (
        f"{1 - report['alpha']:g}",
        f"{share_text(whole['covered'])}, {how}",
        number(report["answered"]),
        number(report["right"]),
        share_text(whole["right_answered"]),
    )
    return dict(zip(_REFERRAL_ROWS, values, strict=True))


def subgroups(facts: Facts) -> list[dict]:
    a, b = (side.utility["subgroups"] for side in facts.sides)
    if a is None or b is None:
        return [text("Not known: neither the runs nor a cohort here describe these records.")]
    rows = [
        (
            f"{trait}: {name}",
            f"{group['n']:,}{' (few)' if group['few'] else ''}",
            *(with_range(of[trait][name][m]) for m in ("macro_auc", "macro_f1") for of in (a, b)),
            str(len(group["over"])),
        )
        for trait, groups in a.items()
        for name, group in groups.items()
    ]
    head = ("group", "n", "macro AUC A", "B", "macro-F1 A", "B", "classes")
    return [
        text(
            "Macro means are over the classes that occur in the group, so groups with different "
            f"classes are not comparable. Fewer than {FEW} records are too few to judge."
        ),
        table("By age band, sex, source and signal quality, with 95 % intervals", head, rows),
    ]
