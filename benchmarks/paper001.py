"""Write docs/paper001.md: the paper's printed figures, re-read by this program's own report.

    .venv/bin/python benchmarks/paper001.py

What is printed stands in ecgcore/studies/paper001.csv and paper001_texts.csv.
"""

from itertools import islice
from pathlib import Path

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from ecgcore.evaluation.evaluate import evaluate
from ecgcore.evaluation.markdown import table
from ecgcore.labels.classes import CODES
from ecgcore.studies.paper001_tables import (
    AVERAGES,
    MEASURES,
    PrintedReport,
    contradictions,
    counts_fitting,
    inconsistent_figures,
    matrices_fitting,
    mcnemar_over_pairings,
    printed_reports,
    reconstruct_predictions,
)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "paper001.md"
PAIRS = ((1, 2), (7, 8))  # figures of AlexNet and AlexNet-M-SE on the same test set
FEW = 50  # resamples: the intervals below are exact ones, of independent records
MANY = 1000
HEAD = """# Paper 001, re-read

"Improved Accuracy for ECG Arrhythmia Classification using AlexNet-M-SE with Dropout and
BatchNorm" (K. C. Pidugu, M. Devarakonda Venkata) prints four classification reports, of two
networks on two test sets. For each report, the numbers of records that yield its precisions,
recalls and accuracy are reconstructed; the resulting predictions are scored by
`ecgcore.evaluation.evaluate`. Written by `python benchmarks/paper001.py` from
`ecgcore/studies/paper001.csv` and `paper001_texts.csv`.

"""
ACCURACY = """## How sure the accuracies are

Intervals by Clopper and Pearson, at 95 %, for records that are independent of each other.

"""
PAIRED = """
## Is one network better?

Both networks were tested on the same records, so that McNemar's exact test applies. The paper
does not state which records both networks have right; these are all the pairings that its
accuracies allow.

"""
AGAINST = """
## What the paper says against its own tables

Numbers of records according to the text below a matrix and to the printed report of the same test
set.

"""
NOT_FOLLOWING = """
## Printed figures that do not follow from the others

"""
MATRICES = """
## Which records were called what

"""


def page() -> str:
    """Return the page."""
    reports = printed_reports()
    evaluations = {
        figure: evaluate(
            reconstruct_predictions(report), CODES, "exclusive", resamples=FEW
        ).as_json()
        for figure, report in reports.items()
    }
    parts = (
        (HEAD, averages(reports, evaluations)),
        (ACCURACY, intervals(reports)),
        (PAIRED, pairings(reports)),
        (AGAINST, against(reports)),
        (NOT_FOLLOWING, misprints(reports, evaluations)),
        (MATRICES, matrices(reports)),
    )
    return "".join(head + body for head, body in parts)


def averages(reports: dict[int, PrintedReport], evaluations: dict[int, dict]) -> str:
    """Return printed and reconstructed accuracy and averages."""
    rows = []
    for figure, report in reports.items():
        printed, ours = report.rows, evaluations[figure]
        accuracy = (printed.loc["accuracy", "f1"], f"{ours['accuracy']:.3f}")
        rows.append((f"Fig. {figure}", report.model, "accuracy", *accuracy))
        for kind in AVERAGES:
            as_printed = " ".join(printed.loc[kind, m] for m in MEASURES)
            ours_again = " ".join(f"{ours['averages'][kind][m]:.3f}" for m in MEASURES)
            rows.append(
                (
                    f"Fig. {figure}",
                    report.model,
                    f"{kind}: precision, recall, F1",
                    as_printed,
                    ours_again,
                )
            )
    return table(("", "network", "", "printed", "ours"), rows) + "\n"


def intervals(reports: dict[int, PrintedReport]) -> str:
    """Return each accuracy with its exact interval."""
    rows = []
    for figure, report in reports.items():
        right, n = right_of(report), report.n
        low, high = proportion_confint(right, n, method="beta")
        span = f"{low:.3f} to {high:.3f}"
        rows.append((f"Fig. {figure}", report.model, f"{right} of {n}", f"{right / n:.3f}", span))
    return table(("", "network", "right", "accuracy", "interval"), rows)


def pairings(reports: dict[int, PrintedReport]) -> str:
    """Return McNemar's p for every pairing of both comparisons."""
    rows = []
    for a, b in PAIRS:
        n = reports[a].n
        for test in mcnemar_over_pairings(right_of(reports[a]), right_of(reports[b]), n):
            only = (str(test["only_a_right"]), str(test["only_b_right"]))
            rows.append((f"Fig. {a} and {b}, {n} records", *only, f"{test['p']:.3g}"))
    first, second = ([float(r[3]) for r in rows if r[0].startswith(f"Fig. {a} ")] for a, _ in PAIRS)
    head = ("", "only AlexNet right", "only AlexNet-M-SE right", "p")
    return table(head, rows) + (
        f"\nThe first difference is significant in every pairing (p at most {max(first):.3g});\n"
        f"the second is not under any (p at least {min(second):.3g}).\n"
    )


def against(reports: dict[int, PrintedReport]) -> str:
    """Return the contradictions between prose and tables."""
    rows = [
        (c["text"], f"Fig. {figure}", c["of"], str(c["prose"]), str(c["table"]))
        for figure, report in reports.items()
        for c in contradictions(report)
    ]
    return table(("prose", "report", "records", "prose says", "report says"), rows)


def misprints(reports: dict[int, PrintedReport], evaluations: dict[int, dict]) -> str:
    """Return the printed figures that the reconstruction does not give."""
    rows = []
    for figure, report in reports.items():
        for c in inconsistent_figures(report, evaluations[figure]):
            value = f"{c['value']:.{len(c['printed']) - 2}f}"
            rows.append((f"Fig. {figure}", c["row"], c["column"], c["printed"], value))
    return table(("", "row", "column", "printed", "follows"), rows) + (
        "\nWith equal support in every class, as in Fig. 7, macro and weighted averages are one "
        "number;\nit prints two.\n"
    )


def matrices(reports: dict[int, PrintedReport]) -> str:
    """Return how far each report determines its matrix, and the errors of the first that fits."""
    rows = []
    for figure, report in reports.items():
        fitting = list(islice(matrices_fitting(counts_fitting(report)[0]), MANY))
        wrong = [
            f"{CODES[i]} → {CODES[j]} {fitting[0][i, j]}"
            for i, j in zip(*np.nonzero(fitting[0]), strict=True)
            if i != j
        ]
        rows.append((f"Fig. {figure}", report.model, str(len(fitting)), ", ".join(wrong)))
    return table(("", "network", "matrices that fit", "errors in the first of them"), rows)


def right_of(report: PrintedReport) -> int:
    """Return the number of records predicted correctly."""
    return int(counts_fitting(report)[0].right.sum())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
