"""Naive baseline: the metrics of a constant answer that knows class frequencies and no ECG."""

import numpy as np
from sklearn.metrics import f1_score

from ecgcore.calibration.scores import Scores


def naive_baseline(scores: Scores) -> dict:
    """Return the metrics of one constant answer to every record.

    The top class is the most frequent one. In multilabel mode every class is predicted present, the
    constant with the highest F1. Frequencies are those of the records scored, which favours the
    baseline.
    """
    n = scores.positive.sum(axis=0)
    with_positives = np.flatnonzero(n)
    counts = np.bincount(scores.truth[scores.single_label], minlength=len(scores.classes))
    top = int(counts.argmax())
    f1 = np.array(_f1_by_class(scores, top))[with_positives]
    prevalence = n[with_positives] / scores.known[:, with_positives].sum(axis=0)
    return {
        "form": f"always {scores.classes[top]}" + _form_per_class(scores),
        "accuracy": float(counts[top] / counts.sum()) if counts.any() else None,
        "macro_f1": float(f1.mean()) if len(f1) else None,
        "macro_auc": 0.5 if len(with_positives) else None,
        "average_precision": {
            scores.classes[i]: float(v) for i, v in zip(with_positives, prevalence, strict=True)
        },
    }


def _f1_by_class(scores: Scores, top: int) -> list[float]:
    """Return each class's F1 under the constant answer."""
    always = scores.target_mode == "multilabel"
    f1 = []
    for i in range(len(scores.classes)):
        y = scores.positive[scores.known[:, i], i]
        predicted = np.full(len(y), always or i == top)
        f1.append(float(f1_score(y, predicted, zero_division=0)) if len(y) else 0.0)
    return f1


def _form_per_class(scores: Scores) -> str:
    """Return the constant answer per class in words, where each class has its own answer."""
    return "; per class: always present" if scores.target_mode == "multilabel" else ""
