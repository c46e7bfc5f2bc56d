"""The study ``levels`` compared with paper 001: accuracies, recalls, matrices and curves."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from statsmodels.stats.proportion import proportion_confint

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.seeds import metrics_over_seeds
from ecgcore.evaluation.markdown import table
from ecgcore.evaluation.text import number, with_range
from ecgcore.labels.classes import CODES
from ecgcore.report.colours import MODEL_COLOURS
from ecgcore.studies.paper001_tables import (
    PrintedReport,
    as_printed,
    counts_fitting,
    printed_reports,
)
from ecgcore.studies.trial import TrialResult

FIGURES = {
    ("204", "alexnet"): 1,
    ("204", "alexnet_m_se"): 2,
    ("440", "alexnet"): 7,
    ("440", "alexnet_m_se"): 8,
}
"""(level, network) → the paper's figure with its classification report."""
COLOURS = {"alexnet": MODEL_COLOURS["A"], "alexnet_m_se": MODEL_COLOURS["B"]}

WHY = """\
## Why they differ

* **Precision of the paper's figures.** Its test sets have 64 and 130 records, hence the width of
  the intervals above. Its second difference (126 against 128 right) is compatible with no
  difference ([the paper re-read](../../paper001.md)).
* **Origin of the labels.** Ours are cardiologists' statements on PTB-XL's records, with all their
  uncertainty: two readers of one ECG do not always agree on LVH or ischaemia. The paper names
  thresholds (its section 2.3) and no readers. The sections on criteria above show networks trained
  on labels by these thresholds.
* **Test records.** Ours are of other patients than the training records, and no recording is in
  both sets. The paper does not describe its split. If images of one patient, or crops of one
  recording, are in both sets, a network is rewarded for recognising them.
* **Difficulty of the classes.** In the paper all ectopic beats are found at either level, by either
  network; here they are among the hardest. One early beat in ten seconds is a small detail in an
  image of 224 pixels; perhaps the paper's ectopic records were full of them. LVH, RVH, STEMI and
  STD, which the plain network loses there at level 204, are hard here, too.
* **Variation between draws.** Five draws of a level differ widely, and each is tested on thirty or
  sixty records. Our conclusions rest on all draws together, as shown above.

"""


def compare_with_paper(finished: Sequence[TrialResult]) -> str:
    """Return the tables of accuracies and recalls, the paper's with ours."""
    printed = printed_reports()
    rows, classes = [], []
    for (level, name), figure in FIGURES.items():
        report = printed[figure]
        for model in (name, f"{name}_gap"):
            trials = [t for t in finished if (t.config.model, t.config.level) == (model, level)]
            if not trials:
                continue
            own, holdout = ([t.scores(p) for t in trials] for p in ("test", "holdout"))
            rows.append((level, f"`{model}`", *_of_paper(report), *_ours(own), *_ours(holdout)))
            recalls = [f"{_recall(holdout, i):.2f}" for i in range(len(CODES))]
            classes.append((level, f"`{model}`", "ours, holdout", *recalls))
        of_paper = _printed_recalls(report)
        classes.append((level, f"`{name}`", f"paper, Fig. {figure}", *of_paper))
    if not rows:
        return ""
    head = (
        "level",
        "network",
        "paper: accuracy",
        "macro-F1",
        "own 15 %: accuracy",
        "macro-F1",
        "holdout: accuracy",
        "macro-F1",
    )
    return (
        "## Comparison with the paper\n\nThe paper's accuracies with Clopper–Pearson intervals; "
        "ours are means over seeds, with intervals over seeds and patients.\n\n"
        + table(head, rows)
        + "\nRecall of each class:\n\n"
        + table(("level", "network", "", *CODES), classes)
        + "\n\\* From the report's other figures; the printed one is a misprint "
        "([the paper re-read](../../paper001.md)).\n"
        + "\n![Confusion matrices on the holdout fold, all seeds together](matrices.svg)\n\n"
        "![Loss and validation AUC by epoch, each seed](curves.svg)\n\n" + WHY
    )


def _printed_recalls(report: PrintedReport) -> list[str]:
    """Return each class's recall, with a star where the printed one fits no count of records."""
    counts = counts_fitting(report)[0]
    recalls = []
    for code, right, n in zip(CODES, counts.right, counts.support, strict=True):
        star = "" if as_printed(right / n) == report.rows.loc[code, "recall"] else "\\*"
        recalls.append(f"{right / n:.2f}{star}")
    return recalls


def _of_paper(report: PrintedReport) -> tuple[str, str]:
    right, n = round(float(report.rows.loc["accuracy", "f1"]) * report.n), report.n
    low, high = proportion_confint(right, n, method="beta")
    accuracy = f"{right} of {n}: {right / n:.3f} ({low:.3f} to {high:.3f})"
    return accuracy, report.rows.loc["macro", "f1"]


def _ours(seeds: list[Scores]) -> tuple[str, str]:
    metrics = metrics_over_seeds(seeds)
    return with_range(metrics["accuracy"]["both"]), number(metrics["macro_f1"]["mean"])


def _recall(seeds: list[Scores], index: int) -> float:
    """Return the recall of a class over all seeds together."""
    is_right = [scores.top[scores.truth == index] == index for scores in seeds]
    return float(np.concatenate(is_right).mean())


def figures(finished: Sequence[TrialResult]) -> dict[str, Figure]:
    """Return the figures by file name; none without finished trials."""
    if not finished:
        return {}
    return {"matrices.svg": _matrices(finished), "curves.svg": _curves(finished)}


def _groups(finished: Sequence[TrialResult]) -> dict[tuple[str, str], list[TrialResult]]:
    groups: dict[tuple[str, str], list[TrialResult]] = {}
    for trial in finished:
        groups.setdefault((trial.config.level, trial.config.model), []).append(trial)
    return dict(sorted(groups.items()))


def _matrices(finished: Sequence[TrialResult]) -> Figure:
    """Draw each network's confusion matrix on the holdout fold, coloured by share of the row."""
    groups = _groups(finished)
    columns = 2
    lines = -(-len(groups) // columns)
    figure = Figure(figsize=(4.6 * columns, 4.3 * lines), layout="constrained")
    panels = np.atleast_1d(figure.subplots(lines, columns)).ravel()
    for axes in panels[len(groups) :]:
        axes.set_axis_off()
    for axes, ((level, model), trials) in zip(panels, groups.items(), strict=False):
        counts = np.zeros((len(CODES), len(CODES)), int)
        for scores in (trial.scores("holdout") for trial in trials):
            np.add.at(counts, (scores.truth, scores.top), 1)
        _matrix(axes, counts)
        axes.set_title(f"{model}, level {level}, {len(trials)} seeds", fontsize=9)
    return figure


def _matrix(axes: Axes, counts: np.ndarray) -> None:
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Greens", vmin=0, vmax=1)
    for (row, column), n in np.ndenumerate(counts):
        if n:
            colour = "white" if share[row, column] > 0.6 else "#111827"
            axes.text(column, row, f"{n:,}", ha="center", va="center", fontsize=6, color=colour)
    axes.set_xticks(range(len(CODES)), CODES, rotation=60, fontsize=7)
    axes.set_yticks(range(len(CODES)), CODES, fontsize=7)
    axes.set_xlabel("predicted", fontsize=8)
    axes.set_ylabel("label", fontsize=8)


def _curves(finished: Sequence[TrialResult]) -> Figure:
    """Draw validation loss and macro AUC by epoch, one line for each seed."""
    pairs = sorted({(level, model.endswith("_gap")) for level, model in _groups(finished)})
    figure = Figure(figsize=(9, 2.6 * len(pairs)), layout="constrained")
    panels = figure.subplots(len(pairs), 2, squeeze=False)
    for line, (level, pooled) in zip(panels, pairs, strict=True):
        for trial in finished:
            if trial.config.level == level and trial.config.model.endswith("_gap") == pooled:
                colour = COLOURS[trial.config.model.removesuffix("_gap")]
                rows = trial.history
                line[0].plot(rows["epoch"], rows["val_loss"], color=colour, lw=0.9)
                line[1].plot(rows["epoch"], rows["val_macro_auc"], color=colour, lw=0.9)
        line[0].set_ylabel("validation loss", fontsize=8)
        line[1].set_ylabel("validation macro AUC", fontsize=8)
        for axes in line:
            axes.set_xlabel("epoch", fontsize=8)
            title = (
                f"level {level}, {'pooled' if pooled else 'dense'} heads (grey: plain, green: M-SE)"
            )
            axes.set_title(title, fontsize=8)
    return figure
