"""Point metrics, all by scikit-learn; None where there is nothing to measure, with the reason."""

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

from ecgcore.calibration.scores import Scores

MEASURES = ("precision", "recall", "f1", "auc", "average_precision")


def per_class_metrics(scores: Scores) -> dict[str, dict]:
    """Return every class's metrics (see :func:`class_metrics`) by code."""
    return {code: class_metrics(scores, i) for i, code in enumerate(scores.classes)}


def class_metrics(scores: Scores, index: int) -> dict:
    """Return one class's metrics over the records in which the class is known.

    ``n`` is the support: records in which the class is stated. With none, all measures are None.
    Precision is None where the class was never predicted, AUC where no record is without it.
    """
    known = scores.known[:, index]
    y = scores.positive[known, index]
    p = scores.p[known, index]
    predicted = scores.predicted[known, index]
    metrics: dict = {"n": int(y.sum()), "known": int(known.sum()), **dict.fromkeys(MEASURES)}
    if scores.target_mode == "multilabel" and scores.thresholds.ndim == 1:
        metrics["threshold"] = float(scores.thresholds[index])
    if not y.any():
        return metrics
    precision, recall, f1, _ = precision_recall_fscore_support(
        y, predicted, average="binary", zero_division=0
    )
    metrics["precision"] = float(precision) if predicted.any() else None
    metrics["recall"], metrics["f1"] = float(recall), float(f1)
    metrics["average_precision"] = float(average_precision_score(y, p))
    if not y.all():
        metrics["auc"] = float(roc_auc_score(y, p))
    return metrics


def why_not_available(scores: Scores, index: int) -> str | None:
    """Return why a class cannot be measured at all, None where it can."""
    if not scores.known[:, index].any():
        return "n/a (not annotated in these records)"
    if not scores.positive[:, index].any():
        return "n/a (0 positives)"
    return None


def class_notes(scores: Scores, classes: dict[str, dict]) -> list[str]:
    """Return sentences on single measures missing in classes that are otherwise measured."""
    notes = []
    for code, metrics in classes.items():
        if metrics["n"] and metrics["precision"] is None:
            notes.append(
                f"{code} was never predicted: its precision is n/a and counts as 0 in averages, "
                "its F1 is 0."
            )
        if metrics["n"] and metrics["auc"] is None:
            notes.append(f"{code} is stated in every record: its AUC is n/a (0 negatives).")
    unknown = {c: len(scores) - metrics["known"] for c, metrics in classes.items() if metrics["n"]}
    counts = ", ".join(f"{c} in {n:,}" for c, n in unknown.items() if n)
    if counts:
        notes.append(f"Records in which a class is unknown are left out of its metrics: {counts}.")
    return notes


def averages(classes: dict[str, dict]) -> dict:
    """Return macro and support-weighted means over the classes that have the measure.

    The precision of a class that was never predicted counts as 0, as in scikit-learn: leaving it
    out would reward a model for giving up on a class.
    """
    kinds: dict = {"macro": {}, "weighted": {}, "over": {}}
    for measure in MEASURES:
        measured = {
            code: metrics
            for code, metrics in classes.items()
            if metrics[measure] is not None or (measure == "precision" and metrics["n"])
        }
        values = [metrics[measure] or 0.0 for metrics in measured.values()]
        weights = [metrics["n"] for metrics in measured.values()]
        kinds["macro"][measure] = float(np.mean(values)) if values else None
        kinds["weighted"][measure] = float(np.average(values, weights=weights)) if values else None
        kinds["over"][measure] = list(measured)
    return kinds


def micro_metrics(scores: Scores) -> dict[str, float | None]:
    """Return the measures over all known (record, class) cells taken together.

    Where one class is predicted a record, micro precision, recall and F1 all equal the accuracy.
    """
    known = scores.known
    y, p, predicted = scores.positive[known], scores.p[known], scores.predicted[known]
    if not y.any():
        return dict.fromkeys(MEASURES)
    precision, recall, f1, _ = precision_recall_fscore_support(
        y, predicted, average="binary", zero_division=0
    )
    return {
        "precision": float(precision) if predicted.any() else None,
        "recall": float(recall),
        "f1": float(f1),
        "auc": micro_auc(scores),
        "average_precision": float(average_precision_score(y, p)),
    }


def micro_auc(scores: Scores) -> float | None:
    """Return the AUC over all known (record, class) cells, None where they are all alike."""
    y, p = scores.positive[scores.known], scores.p[scores.known]
    return float(roc_auc_score(y, p)) if y.any() and not y.all() else None


def accuracy_of(scores: Scores) -> float | None:
    """Return the share of right top classes among the records with exactly one stated class."""
    rows = scores.single_label
    return float(accuracy_score(scores.truth[rows], scores.top[rows])) if rows.any() else None


def accuracy_basis(scores: Scores) -> str:
    """Return in words the records and the decision that the accuracy is about."""
    if scores.target_mode != "multilabel":
        return f"all {len(scores):,} records, by the most probable class"
    return (
        f"the {scores.single_label.sum():,} of {len(scores):,} records with exactly one stated "
        "class, by the class of highest calibrated probability"
    )


def confusion(scores: Scores) -> np.ndarray:
    """Return the (C, C) counts over records with exactly one stated class.

    Rows are the stated class, columns the top class.
    """
    labels, rows = np.arange(len(scores.classes)), scores.single_label
    if not rows.any():
        return np.zeros((len(labels), len(labels)), int)
    return confusion_matrix(scores.truth[rows], scores.top[rows], labels=labels)


def confusion_title(scores: Scores) -> str:
    """Return a title for the (C, C) matrix: its records, rows and columns."""
    if scores.target_mode != "multilabel":
        return f"All {len(scores):,} records: rows the label, columns the most probable class"
    return (
        f"The {scores.single_label.sum():,} of {len(scores):,} records with exactly one stated "
        "class: rows that class, columns the class of highest calibrated probability"
    )


def confusion_per_class(scores: Scores) -> dict[str, list[list[int]]]:
    """Return each class's 2×2 over its known records: [[TN, FP], [FN, TP]]."""
    tables = {}
    for i, code in enumerate(scores.classes):
        known = scores.known[:, i]
        if known.any():
            table = confusion_matrix(
                scores.positive[known, i], scores.predicted[known, i], labels=[False, True]
            )
            tables[code] = table.tolist()
    return tables
