"""Figures of a report, as self-contained SVG."""

import io
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from ecgcore.calibration.calibration import calibration_metrics
from ecgcore.evaluation.roc import pr_curves_of, roc_curves_of
from ecgcore.report.colours import MODEL_COLOURS
from ecgcore.report.facts import Facts

GREY = "#6B7280"
_COLUMNS = 5
_INCH = 1.9  # side of a small panel


def svg(figure: Figure) -> bytes:
    """Return a figure as SVG; the same numbers give the same bytes."""
    file = io.BytesIO()
    with rc_context({"svg.hashsalt": "ecgcore", "svg.fonttype": "path"}):
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None})
    return file.getvalue()


def roc(facts: Facts) -> Figure:
    """Return the ROC curves, a panel a class, both runs in each."""
    curves = [roc_curves_of(side.scores) for side in facts.sides]
    figure, panels = _panels(_common_classes(facts, curves), "1 − specificity", "sensitivity")
    for axes in panels.values():
        axes.plot([0, 1], [0, 1], color=GREY, lw=0.6, ls=":")
    _draw_curves(facts, curves, panels, ("fpr", "tpr", "auc"), "lower right")
    return figure


def pr(facts: Facts) -> Figure:
    """Return the precision–recall curves, a panel a class, both runs in each."""
    curves = [pr_curves_of(side.scores) for side in facts.sides]
    figure, panels = _panels(_common_classes(facts, curves), "recall", "precision")
    _draw_curves(facts, curves, panels, ("recall", "precision", "average_precision"), "upper right")
    return figure


def _common_classes(facts: Facts, curves: Sequence[Mapping]) -> list[str]:
    """Return the classes for which both runs have a curve."""
    return [c for c in facts.sides[0].scores.classes if all(c in of_side for of_side in curves)]


def _draw_curves(
    facts: Facts,
    curves: Sequence[Mapping],
    panels: Mapping[str, Axes],
    keys: tuple[str, str, str],
    legend: Literal["upper right", "lower right"],
) -> None:
    """Draw both runs' curves of each class; ``keys`` are those of x, y and the area."""
    x, y, area = keys
    for code, axes in panels.items():
        for side, of_side in zip(facts.sides, curves, strict=True):
            curve, colour = of_side[code], MODEL_COLOURS[side.letter]
            label = f"{side.letter} {curve[area]:.3f}"
            axes.plot(curve[x], curve[y], color=colour, lw=1.2, label=label)
        axes.legend(loc=legend, frameon=False, fontsize=6.5)


def confusions(facts: Facts) -> Figure:
    """Return both confusion matrices and their difference, counts in the cells."""
    matrices = [np.array(side.evaluation["confusion"]) for side in facts.sides]
    codes = list(facts.sides[0].evaluation["classes"])
    figure = Figure(figsize=(11, 4.0), layout="constrained")
    titles = [f"{side.letter}  {side.name}" for side in facts.sides]
    left, middle, right = figure.subplots(1, 3)
    for axes, title, matrix in zip((left, middle), titles, matrices, strict=True):
        _matrix(axes, matrix, codes, title, signed=False)
    _matrix(right, matrices[0] - matrices[1], codes, "A − B", signed=True)
    return figure


def differences(facts: Facts) -> Figure:
    """Return a forest plot of each class's difference of AUC, B − A, with its interval."""
    rows = {
        code: both["auc"]
        for code, both in facts.comparison["class_differences"].items()
        if both["auc"]["low"] is not None
    }
    figure = Figure(figsize=(6.4, 0.6 + 0.28 * max(len(rows), 1)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=GREY, lw=0.8)
    for y, interval in enumerate(rows.values()):
        axes.plot([interval["low"], interval["high"]], [y, y], color=MODEL_COLOURS["B"], lw=1.6)
        axes.plot(interval["value"], y, "o", color=MODEL_COLOURS["B"], ms=4)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("difference of AUC, B − A, with 95 % interval", fontsize=8)
    return _plain(figure)


def training(facts: Facts) -> Figure:
    """Return loss and validation macro AUC by epoch of both runs."""
    figure = Figure(figsize=(9, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for side in facts.sides:
        rows, colour = side.run.history, MODEL_COLOURS[side.letter]
        left.plot(rows["epoch"], rows["train_loss"], color=colour, label=f"{side.letter} training")
        best = side.best
        if pd.isna(best["val_macro_auc"]):
            right.plot([], [], color=colour, label=f"{side.letter}: nothing validated")
            continue
        label = f"{side.letter} validation"
        left.plot(rows["epoch"], rows["val_loss"], color=colour, ls="--", label=label)
        right.plot(rows["epoch"], rows["val_macro_auc"], color=colour, label=side.letter)
        right.plot(best["epoch"], best["val_macro_auc"], "o", color=colour, ms=5)
    left.set_ylabel("loss", fontsize=8)
    right.set_ylabel("validation macro AUC", fontsize=8)
    for axes in (left, right):
        axes.set_xlabel("epoch", fontsize=8)
        axes.legend(frameon=False, fontsize=7)
    return _plain(figure)


def reliability(facts: Facts) -> Figure:
    """Return the reliability diagram of both runs over all known cells."""
    figure = Figure(figsize=(3.4, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.6, ls=":")
    for side in facts.sides:
        bins = calibration_metrics(side.scores)["bins"]
        x, y = ([one[name] for one in bins] for name in ("p", "share"))
        axes.plot(x, y, "o-", color=MODEL_COLOURS[side.letter], ms=3, lw=1.2, label=side.letter)
    axes.set(xlim=(0, 1), ylim=(0, 1), box_aspect=1)
    axes.set_xlabel("probability", fontsize=8)
    axes.set_ylabel("observed share", fontsize=8)
    axes.legend(frameon=False, fontsize=7)
    return _plain(figure)


def _panels(codes: Sequence[str], x: str, y: str) -> tuple[Figure, dict[str, Axes]]:
    """Return a figure with one unit square per class, and those squares by class."""
    rows = max(1, ceil(len(codes) / _COLUMNS))
    figure = Figure(figsize=(_COLUMNS * _INCH + 0.6, rows * _INCH + 0.4), layout="constrained")
    grid = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    for axes in grid[len(codes) :]:
        axes.set_visible(False)
    for code, axes in zip(codes, grid, strict=False):
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), box_aspect=1)
        axes.set_title(code, fontsize=8, pad=2)
    figure.supxlabel(x, fontsize=8)
    figure.supylabel(y, fontsize=8)
    return _plain(figure), dict(zip(codes, grid, strict=False))


def _matrix(axes: Axes, matrix: np.ndarray, codes: Sequence[str], title: str, signed: bool) -> None:
    """Draw counts; the colour is the share of the row, or of the largest difference."""
    if signed:
        largest = max(1, np.abs(matrix).max())
        axes.imshow(matrix / largest, cmap="PuOr_r", vmin=-1, vmax=1)
        strength = np.abs(matrix) / largest
    else:
        strength = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        axes.imshow(strength, cmap="Greens", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        if count and len(codes) <= 20:
            text_colour = "white" if strength[row, column] > 0.6 else "#111827"
            text = f"{count:+d}".replace("-", "−") if signed else f"{count}"
            axes.text(column, row, text, ha="center", va="center", fontsize=6, color=text_colour)
    axes.set_xticks(range(len(codes)), codes, rotation=90, fontsize=6)
    axes.set_yticks(range(len(codes)), codes, fontsize=6)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("top class", fontsize=7)


def _plain(figure: Figure) -> Figure:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7)
    return figure


FIGURES: dict[str, Callable[[Facts], Figure]] = {
    "training": training,
    "confusions": confusions,
    "differences": differences,
    "roc": roc,
    "pr": pr,
    "reliability": reliability,
}
"""Figures by name, as ``sections`` refers to them."""
