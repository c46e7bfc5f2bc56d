"""The study of levels beside what paper 001 prints: accuracies, recalls, matrices, curves."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from statsmodels.stats.proportion import proportion_confint

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.seeds import over_seeds
from ecgcore.evaluation.text import number, with_range
from ecgcore.labels.classes import CODES
from ecgcore.studies.markdown import table
from ecgcore.studies.paper001_tables import Printed, as_printed, counts_fitting, printed_reports
from ecgcore.studies.trial import TrialResult

FIGURES = {
    ("204", "alexnet"): 1, ("204", "alexnet_m_se"): 2, ("440", "alexnet"): 7,
    ("440", "alexnet_m_se"): 8,
}  # fmt: skip
"""(level, network) → the paper's figure with its classification report."""
COLOURS = {"alexnet": "#475569", "alexnet_m_se": "#0F766E"}

WHY = """\
## Why they differ

* **How sure the paper's figures are.** Its test sets hold 64 and 130 records; the intervals above
  are as wide as that makes them. Its second difference (126 against 128 right) is compatible with
  none ([the paper re-read](../../paper001.md)).
* **Where the labels come from.** Ours are what cardiologists stated of PTB-XL's records, with all
  their doubt: two readers of one ECG do not always agree on LVH or ischaemia. The paper names
  thresholds (its section 2.3) and no readers. What a network makes of labels by these thresholds
  stands in the sections on criteria above.
* **Which records test.** Ours are of other patients than those that train, and no recording is on
  both sides. The paper does not say how it split. Where images of one patient, or crops of one
  recording, are on both sides, a network is rewarded for knowing them again.
* **What is easy.** In the paper all ectopic beats are found at either level, by either
  network; here they are among the hardest. One early beat in ten seconds is a small thing in an
  image of 224 pixels; perhaps the paper's ectopic records were full of them. LVH, RVH, STEMI and
  STD, which the plain network loses there at level 204, are hard here, too.
* **How much one draw says.** Five draws of a level differ widely, and each tests on thirty or
  sixty records. What holds over all of them stands above, and is what we conclude from.

"""


def beside_the_paper(finished: Sequence[TrialResult]) -> str:
    """Return the tables of accuracies and recalls, the paper's beside ours."""
    printed = printed_reports()
    rows, classes = [], []
    for (level, name), figure in FIGURES.items():
        report = printed[figure]
        for model in (name, f"{name}_gap"):
            of = [c for c in finished if (c.config.model, c.config.level) == (model, level)]
            if not of:
                continue
            own, untouched = ([c.scores(p) for c in of] for p in ("test", "untouched"))
            rows.append((level, f"`{model}`", *_of_paper(report), *_ours(own), *_ours(untouched)))
            recalls = [f"{_recall(untouched, i):.2f}" for i in range(len(CODES))]
            classes.append((level, f"`{model}`", "ours, untouched", *recalls))
        of_paper = _printed_recalls(report)
        classes.append((level, f"`{name}`", f"paper, Fig. {figure}", *of_paper))
    if not rows:
        return ""
    head = (
        "level", "network", "paper: accuracy", "macro-F1", "own 15 %: accuracy", "macro-F1",
        "untouched: accuracy", "macro-F1",
    )  # fmt: skip
    return (
        "## Beside the paper\n\nThe paper's accuracies with Clopper–Pearson intervals; ours are "
        "means over seeds, with intervals over seeds and patients.\n\n"
        + table(head, rows)
        + "\nRecall of each class:\n\n"
        + table(("level", "network", "", *CODES), classes)
        + "\n\\* As the report's other figures have it; the one printed is a misprint "
        "([the paper re-read](../../paper001.md)).\n"
        + "\n![Confusion matrices on the untouched fold, all seeds together](matrices.svg)\n\n"
        "![Loss and validation AUC by epoch, each seed](curves.svg)\n\n" + WHY
    )


def _printed_recalls(report: Printed) -> list[str]:
    """Return each class's recall; with a star where the printed one fits no count of records."""
    counts = counts_fitting(report)[0]
    found = []
    for code, right, n in zip(CODES, counts.right, counts.support, strict=True):
        star = "" if as_printed(right / n) == report.rows.loc[code, "recall"] else "\\*"
        found.append(f"{right / n:.2f}{star}")
    return found


def _of_paper(report: Printed) -> tuple[str, str]:
    right, n = round(float(report.rows.loc["accuracy", "f1"]) * report.n), report.n
    low, high = proportion_confint(right, n, method="beta")
    accuracy = f"{right} of {n}: {right / n:.3f} ({low:.3f} to {high:.3f})"
    return accuracy, report.rows.loc["macro", "f1"]


def _ours(seeds: list[Scores]) -> tuple[str, str]:
    found = over_seeds(seeds)
    return with_range(found["accuracy"]["both"]), number(found["macro_f1"]["mean"])


def _recall(seeds: list[Scores], index: int) -> float:
    """Return the share of a class's records that are called so, over all seeds."""
    there = [scores.top[scores.truth == index] == index for scores in seeds]
    return float(np.concatenate(there).mean())


def figures(finished: Sequence[TrialResult]) -> dict[str, Figure]:
    """Return the pictures by file name; none where nothing is finished."""
    if not finished:
        return {}
    return {"matrices.svg": _matrices(finished), "curves.svg": _curves(finished)}


def _groups(finished: Sequence[TrialResult]) -> dict[tuple[str, str], list[TrialResult]]:
    found: dict[tuple[str, str], list[TrialResult]] = {}
    for cell in finished:
        found.setdefault((cell.config.level, cell.config.model), []).append(cell)
    return dict(sorted(found.items()))


def _matrices(finished: Sequence[TrialResult]) -> Figure:
    """Draw each network's confusion matrix on the untouched fold, shares of the row."""
    groups = _groups(finished)
    columns = 2
    lines = -(-len(groups) // columns)
    figure = Figure(figsize=(4.6 * columns, 4.3 * lines), layout="constrained")
    panels = np.atleast_1d(figure.subplots(lines, columns)).ravel()
    for axes in panels[len(groups) :]:
        axes.set_axis_off()
    for axes, ((level, model), cells) in zip(panels, groups.items(), strict=False):
        counts = np.zeros((len(CODES), len(CODES)), int)
        for scores in (cell.scores("untouched") for cell in cells):
            np.add.at(counts, (scores.truth, scores.top), 1)
        _matrix(axes, counts)
        axes.set_title(f"{model}, level {level}, {len(cells)} seeds", fontsize=9)
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
    """Draw validation loss and macro AUC by epoch, a line a seed."""
    pairs = sorted({(level, model.endswith("_gap")) for level, model in _groups(finished)})
    figure = Figure(figsize=(9, 2.6 * len(pairs)), layout="constrained")
    panels = figure.subplots(len(pairs), 2, squeeze=False)
    for line, (level, pooled) in zip(panels, pairs, strict=True):
        for cell in finished:
            if cell.config.level == level and cell.config.model.endswith("_gap") == pooled:
                colour = COLOURS[cell.config.model.removesuffix("_gap")]
                rows = cell.history
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
