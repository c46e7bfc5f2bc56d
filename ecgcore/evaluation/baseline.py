"""The naive baseline: what one reaches by knowing how frequent the classes are and no ECG."""

import numpy as np
from sklearn.metrics import f1_score

from ecgcore.calibration.scores import Scores


def naive_baseline(scores: Scores) -> dict:
    """Return the metrics of one constant answer to every record.

    The top class is the most frequent one. In multilabel mode every class is called present, the
    constant with the highest F1. Frequencies are those of the records scored, which favours the
    baseline.
    """
    n = scores.positive.sum(axis=0)
    there = np.flatnonzero(n)
    counts = np.bincount(scores.truth[scores.single], minlength=len(scores.classes))
    top = int(counts.argmax())
    f1 = _f1(scores, top)
    prevalence = n[there] / scores.known[:, there].sum(axis=0)
    return {
        "form": f"always {scores.classes[top]}" + _and_every_class(scores),
        "accuracy": float(counts[top] / counts.sum()) if counts.any() else None,
        "macro_f1": float(np.mean([f1[i] for i in there])) if len(there) else None,
        "macro_auc": 0.5 if len(there) else None,
        "average_precision": {
            scores.classes[i]: float(v) for i, v in zip(there, prevalence, strict=True)
        },
    }


def _f1(scores: Scores, top: int) -> list[float]:
    """Return each class's F1 under the constant answer."""
    always = scores.target_mode == "multilabel"
    found = []
    for i in range(len(scores.classes)):
        y = scores.positive[scores.known[:, i], i]
        called = np.full(len(y), always or i == top)
        found.append(float(f1_score(y, called, zero_division=0)) if len(y) else 0.0)
    return found


def _and_every_class(scores: Scores) -> str:
    """Say what the constant answer is per class, where classes are answered one by one."""
    return "; per class: always present" if scores.target_mode == "multilabel" else ""
