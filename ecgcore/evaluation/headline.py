"""Headline metrics: accuracy, macro-F1 and macro AUC, with intervals over patients."""

from collections.abc import Mapping
from typing import Any

from ecgcore.calibration.scores import Scores
from ecgcore.evaluation.bootstrap import Resampled, interval
from ecgcore.evaluation.metrics import accuracy_of, averages, per_class_metrics


def headline_intervals(
    scores: Scores, resampled: Resampled, means: Mapping[str, Any] | None = None
) -> dict[str, dict]:
    """Return the interval of each headline metric; macro AUC's also lists its classes as ``over``.

    ``means`` are the averages over classes (:func:`ecgcore.evaluation.metrics.averages`) where they
    are already computed.
    """
    means = means or averages(per_class_metrics(scores))
    values = {
        "accuracy": accuracy_of(scores),
        "macro_f1": means["macro"]["f1"],
        "macro_auc": means["macro"]["auc"],
    }
    intervals = {
        metric: interval(value, getattr(resampled, metric), resampled.metric_basis(metric))
        for metric, value in values.items()
    }
    intervals["macro_auc"]["over"] = means["over"]["auc"]
    return intervals


def headline_values(evaluation: Mapping[str, Any]) -> dict[str, float | None]:
    """Return accuracy, macro-F1 and macro AUC of an evaluation's content."""
    return {
        "accuracy": evaluation["accuracy"],
        "macro_f1": evaluation["macro_f1"],
        "macro_auc": evaluation["macro_auc"]["value"],
    }
