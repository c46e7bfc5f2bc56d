"""ROC curves one-vs-rest with micro and macro, thinned for drawing."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import auc, roc_curve

from ecgcore.evaluation.scores import Scores

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
        where nothing is called, and throughout macro) and ``auc`` of the full curve.
    """
    return curves_of(Scores.read(predictions, classes, "multilabel", part=part))


def curves_of(scores: Scores) -> dict[str, Curve]:
    """Return the curves of scores; see :func:`roc_curves`."""
    full = {}
    for i, code in enumerate(scores.classes):
        known = scores.known[:, i]
        y = scores.positive[known, i]
        if y.any() and not y.all():
            full[code] = _curve(y, scores.p[known, i])
    if not full:
        return {}
    macro = _macro(list(full.values()))
    full["micro"] = _curve(scores.positive[scores.known], scores.p[scores.known])
    full["macro"] = macro
    return {name: _thinned(curve) for name, curve in full.items()}


def _curve(y: np.ndarray, p: np.ndarray) -> Curve:
    """Return one curve, whole."""
    fpr, tpr, threshold = roc_curve(y, p)
    threshold[np.isinf(threshold)] = np.nan
    return {"fpr": fpr, "tpr": tpr, "threshold": threshold, "auc": float(auc(fpr, tpr))}


def _macro(curves: list[Curve]) -> Curve:
    """Return the mean curve (scikit-learn's example "Multiclass ROC"); its AUC is the mean AUC."""
    grid = np.unique(np.concatenate([np.asarray(c["fpr"]) for c in curves]))
    tpr = np.mean([np.interp(grid, c["fpr"], c["tpr"]) for c in curves], axis=0)
    grid, tpr = np.insert(grid, 0, 0.0), np.insert(tpr, 0, 0.0)
    mean = float(np.mean([c["auc"] for c in curves]))
    return {"fpr": grid, "tpr": tpr, "threshold": np.full(len(grid), np.nan), "auc": mean}


def _thinned(curve: Curve) -> Curve:
    """Keep at most MAX_POINTS points, evenly along the curve, the ends among them."""
    fpr, tpr = np.asarray(curve["fpr"]), np.asarray(curve["tpr"])
    if len(fpr) <= MAX_POINTS:
        return curve
    along = fpr + tpr  # grows from 0 to 2
    keep = np.unique(np.searchsorted(along, np.linspace(0, 2, MAX_POINTS)).clip(0, len(along) - 1))
    keep[-1] = len(along) - 1
    return {k: v[keep] if isinstance(v, np.ndarray) else v for k, v in curve.items()}
