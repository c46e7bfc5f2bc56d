"""Point metrics, all by scikit-learn; None where there is nothing to measure, and why."""

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


def class_metrics(scores: Scores, index: int) -> dict:
    """Return one class's metrics over the records in which the class is known.

    ``n`` is the support: records in which the class is stated. With none, all measures are None.
    Precision is None where the class was never called, AUC where no record is without the class.
    """
    known = scores.known[:, index]
    y = scores.positive[known, index]
    p = scores.p[known, index]
    called = scores.called[known, index]
    found: dict = {"n": int(y.sum()), "known": int(known.sum()), **dict.fromkeys(MEASURES)}
    if scores.target_mode == "multilabel":
        found["threshold"] = float(scores.thresholds[index])
    if not y.any():
        return found
    precision, recall, f1, _ = precision_recall_fscore_support(
        y, called, average="binary", zero_division=0
    )
    found["precision"] = float(precision) if called.any() else None
    found["recall"], found["f1"] = float(recall), float(f1)
    found["average_precision"] = float(average_precision_score(y, p))
    if not y.all():
        found["auc"] = float(roc_auc_score(y, p))
    return found


def why_not_available(scores: Scores, index: int) -> str | None:
    """Return why a class cannot be measured at all, None where it can."""
    if not scores.known[:, index].any():
        return "n/a (not annotated in these records)"
    if not scores.positive[:, index].any():
        return "n/a (0 positives)"
    return None


def class_notes(scores: Scores, classes: dict[str, dict]) -> list[str]:
    """Say in sentences what single measures lack in classes that are otherwise measured."""
    notes = []
    for code, found in classes.items():
        if found["n"] and found["precision"] is None:
            notes.append(
                f"{code} was never predicted: its precision is n/a and counts as 0 in averages, "
                "its F1 is 0."
            )
        if found["n"] and found["auc"] is None:
            notes.append(f"{code} is stated in every record: its AUC is n/a (0 negatives).")
    unknown = {c: len(scores) - found["known"] for c, found in classes.items() if found["n"]}
    said = ", ".join(f"{c} in {n:,}" for c, n in unknown.items() if n)
    if said:
        notes.append(f"Records in which a class is unknown are left out of its metrics: {said}.")
    return notes


def averages(classes: dict[str, dict]) -> dict:
    """Return macro and support-weighted means over the classes that have the measure.

    The precision of a class that was never called counts as 0, as in scikit-learn: leaving it out
    would reward a model for giving up on a class.
    """
    kinds: dict = {"macro": {}, "weighted": {}, "over": {}}
    for measure in MEASURES:
        there = {
            code: found
            for code, found in classes.items()
            if found[measure] is not None or (measure == "precision" and found["n"])
        }
        values = [found[measure] or 0.0 for found in there.values()]
        weights = [found["n"] for found in there.values()]
        kinds["macro"][measure] = float(np.mean(values)) if values else None
        kinds["weighted"][measure] = float(np.average(values, weights=weights)) if values else None
        kinds["over"][measure] = list(there)
    return kinds


def micro_metrics(scores: Scores) -> dict[str, float | None]:
    """Return the measures over all known (record, class) cells taken together.

    Where one class is called a record, micro precision, recall and F1 all equal the accuracy.
    """
    y, p, called = (of[scores.known] for of in (scores.positive, scores.p, scores.called))
    found: dict[str, float | None] = dict.fromkeys(MEASURES)
    if not y.any():
        return found
    precision, recall, f1, _ = precision_recall_fscore_support(
        y, called, average="binary", zero_division=0
    )
    return {
        "precision": float(precision) if called.any() else None,
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
    if not scores.single.any():
        return None
    return float(accuracy_score(scores.truth[scores.single], scores.top[scores.single]))


def accuracy_basis(scores: Scores) -> str:
    """Return which records and which decision the accuracy is of."""
    if scores.target_mode != "multilabel":
        return f"all {len(scores):,} records, by the most probable class"
    return (
        f"the {scores.single.sum():,} of {len(scores):,} records with exactly one stated class, "
        "by the class of highest calibrated probability"
    )


def confusion(scores: Scores) -> np.ndarray:
    """Return the (C, C) counts, rows the stated class, columns the top class.

    Only records with exactly one stated class take part.
    """
    labels = np.arange(len(scores.classes))
    if not scores.single.any():
        return np.zeros((len(labels), len(labels)), int)
    return confusion_matrix(scores.truth[scores.single], scores.top[scores.single], labels=labels)


def confusion_title(scores: Scores) -> str:
    """Return what the (C, C) matrix shows, for the head of every figure of it."""
    if scores.target_mode != "multilabel":
        return f"All {len(scores):,} records: rows the label, columns the most probable class"
    return (
        f"The {scores.single.sum():,} of {len(scores):,} records with exactly one stated class: "
        "rows that class, columns the class of highest calibrated probability"
    )


def confusion_per_class(scores: Scores) -> dict[str, list[list[int]]]:
    """Return each class's 2×2 over its known records: [[TN, FP], [FN, TP]]."""
    tables = {}
    for i, code in enumerate(scores.classes):
        known = scores.known[:, i]
        if known.any():
            table = confusion_matrix(
                scores.positive[known, i], scores.called[known, i], labels=[False, True]
            )
            tables[code] = table.tolist()
    return tables
