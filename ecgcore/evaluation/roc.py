"""ROC and precision–recall curves, one-vs-rest with micro and macro, thinned for drawing."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

from ecgcore.calibration.scores import Scores

MAX_POINTS = 500

Curve = dict[str, np.ndarray | float]


def roc_curves(
    predictions: pd.DataFrame, classes: Sequence[str], part: str = "test"
) -> dict[str, Curve]:
    """Return the curve of each class that has positives and negatives, then ``micro``, ``macro``.

    Micro pools all known (record, class) cells; macro is the mean of the classes' curves at equal
    false positive rates. Unknown labels are left out.

    Returns
    -------
    dict
        class code, ``micro`` or ``macro`` → ``fpr``, ``tpr`` (≤ 500,), ``threshold`` (≤ 500,; NaN
        where nothing is predicted, and throughout macro) and ``auc`` of the full curve.
    """
    return roc_curves_of(Scores.from_predictions(predictions, classes, "multilabel", part=part))


def roc_curves_of(scores: Scores) -> dict[str, Curve]:
    """Return the ROC curves of scores; see :func:`roc_curves`."""
    return _curves(scores, _roc_curve, _macro_roc, ("fpr", "tpr"))


def pr_curves(
    predictions: pd.DataFrame, classes: Sequence[str], part: str = "test"
) -> dict[str, Curve]:
    """Return the precision–recall curves of the same classes as :func:`roc_curves`.

    Macro is the mean precision at equal recalls; between two points of a curve the precision is
    that of the point with the higher recall, as in average precision.

    Returns
    -------
    dict
        class code, ``micro`` or ``macro`` → ``recall`` (ascending), ``precision``, ``threshold``
        (≤ 500, each) and ``average_precision`` of the full curve; ``prevalence`` is the average
        precision of a constant answer.
    """
    return pr_curves_of(Scores.from_predictions(predictions, classes, "multilabel", part=part))


def pr_curves_of(scores: Scores) -> dict[str, Curve]:
    """Return the precision–recall curves of scores; see :func:`pr_curves`."""
    return _curves(scores, _pr_curve, _macro_pr, ("recall", "precision"))


def _curves(
    scores: Scores,
    curve: Callable[[np.ndarray, np.ndarray], Curve],
    macro: Callable[[list[Curve]], Curve],
    axes: tuple[str, str],
) -> dict[str, Curve]:
    """Return each class's curve, micro and macro, thinned; empty where no class has both sides."""
    full = {}
    for i, code in enumerate(scores.classes):
        known = scores.known[:, i]
        y = scores.positive[known, i]
        if y.any() and not y.all():
            full[code] = curve(y, scores.p[known, i])
    if not full:
        return {}
    of_classes = list(full.values())
    full["micro"] = curve(scores.positive[scores.known], scores.p[scores.known])
    full["macro"] = macro(of_classes)
    return {name: _thinned(one, *axes) for name, one in full.items()}


def _pr_curve(y: np.ndarray, p: np.ndarray) -> Curve:
    precision, recall, threshold = precision_recall_curve(y, p)
    return {
        "recall": recall[::-1],
        "precision": precision[::-1],
        "threshold": np.append(np.nan, threshold[::-1]),  # at recall 0 nothing is predicted
        "average_precision": float(average_precision_score(y, p)),
        "prevalence": float(y.mean()),
    }


def _macro_pr(curves: list[Curve]) -> Curve:
    grid = np.unique(np.concatenate([np.asarray(c["recall"]) for c in curves]))
    at = [np.asarray(c["precision"])[np.searchsorted(c["recall"], grid)] for c in curves]
    return {
        "recall": grid,
        "precision": np.mean(at, axis=0),
        "threshold": np.full(len(grid), np.nan),
        "average_precision": float(np.mean([c["average_precision"] for c in curves])),
        "prevalence": float(np.mean([c["prevalence"] for c in curves])),
    }


def _roc_curve(y: np.ndarray, p: np.ndarray) -> Curve:
    fpr, tpr, threshold = roc_curve(y, p)
    threshold[np.isinf(threshold)] = np.nan
    return {"fpr": fpr, "tpr": tpr, "threshold": threshold, "auc": float(auc(fpr, tpr))}


def _macro_roc(curves: list[Curve]) -> Curve:
    """Return the mean curve (scikit-learn's example "Multiclass ROC"); its AUC is the mean AUC."""
    grid = np.unique(np.concatenate([np.asarray(c["fpr"]) for c in curves]))
    tpr = np.mean([np.interp(grid, c["fpr"], c["tpr"]) for c in curves], axis=0)
    grid, tpr = np.insert(grid, 0, 0.0), np.insert(tpr, 0, 0.0)
    mean = float(np.mean([c["auc"] for c in curves]))
    return {"fpr": grid, "tpr": tpr, "threshold": np.full(len(grid), np.nan), "auc": mean}


def _thinned(curve: Curve, x: str, y: str) -> Curve:
    """Keep at most MAX_POINTS points, evenly along the curve, the ends among them."""
    horizontal, vertical = np.asarray(curve[x]), np.asarray(curve[y])
    if len(horizontal) <= MAX_POINTS:
        return curve
    steps = np.abs(np.diff(horizontal)) + np.abs(np.diff(vertical))
    along = np.append(0, steps.cumsum())
    evenly = np.linspace(0, along[-1], MAX_POINTS)
    keep = np.unique(np.searchsorted(along, evenly).clip(0, len(along) - 1))
    keep[-1] = len(along) - 1
    return {k: v[keep] if isinstance(v, np.ndarray) else v for k, v in curve.items()}
