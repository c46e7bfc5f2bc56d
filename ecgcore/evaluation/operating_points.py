"""Operating points: sensitivity, specificity and predictive values of each class at its threshold.

Predictive values hold at a prevalence that the user sets (Altman & Bland 1994,
doi:10.1136/bmj.309.6947.102). Sensitivity at a fixed specificity chooses its cut anew in each
resample. Intervals are over patients.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ecgcore.calibration.scores import Scores
from ecgcore.errors import NotFound, RequestError
from ecgcore.evaluation.bootstrap import RESAMPLES, Basis, interval, patient_draws, ratio

SPECIFICITIES = (0.9, 0.95)
OWN_PREVALENCE = "these records"


@dataclass(frozen=True)
class _ClassRows:
    """Known records of one class, in ascending order of probability."""

    rows: np.ndarray
    y: np.ndarray
    p: np.ndarray
    predicted: np.ndarray

    @classmethod
    def of(cls, scores: Scores, index: int) -> "_ClassRows":
        rows = np.flatnonzero(scores.known[:, index])
        rows = rows[np.argsort(scores.p[rows, index], kind="stable")]
        y, p = scores.positive[rows, index], scores.p[rows, index]
        return cls(rows, y, p, scores.predicted[rows, index])


def check_prevalence(prevalence: Mapping[str, float], classes: tuple[str, ...]) -> None:
    """Refuse an unknown class and a prevalence outside 0..1."""
    for code, share in prevalence.items():
        if code not in classes:
            raise NotFound.among("class", code, classes)
        if not 0 < share < 1:
            raise RequestError(
                f"A prevalence of {share:g} for {code} is not a share; a number between 0 and 1 is "
                "accepted."
            )


def operating_points(
    scores: Scores, prevalence: Mapping[str, float] | None = None, resamples: int = RESAMPLES
) -> dict[str, dict]:
    """Return each class's operating point; classes without positives or negatives have none.

    Parameters
    ----------
    prevalence
        Class code → share in 0..1 in the target population; by default that of these records.

    Returns
    -------
    dict
        class code → intervals ``sensitivity``, ``specificity``, ``ppv``, ``npv``,
        ``average_precision``, ``sensitivity_at`` {specificity: interval}; ``threshold`` (None: the
        most probable class is predicted), ``prevalence`` and ``prevalence_of``.
    """
    by_class = prevalence or {}
    check_prevalence(by_class, scores.classes)
    points: dict[str, dict] = {}
    for i, code in enumerate(scores.classes):
        records = _ClassRows.of(scores, i)
        if records.y.any() and not records.y.all():
            points[code] = _operating_point(scores, records, by_class.get(code), resamples)
            points[code]["threshold"] = _threshold(scores, i)
    return points


def curve_points(scores: Scores) -> dict[str, dict[str, float | None]]:
    """Return the position of each class's operating point on its curves, without intervals.

    Returns
    -------
    dict
        class code → ``sensitivity``, ``specificity``, ``precision`` (None where the class is never
        predicted) and ``threshold`` (None: the most probable class is predicted). Classes without
        positives or negatives have none.
    """
    points: dict[str, dict[str, float | None]] = {}
    for i, code in enumerate(scores.classes):
        known = scores.known[:, i]
        y, predicted = scores.positive[known, i], scores.predicted[known, i]
        if y.any() and not y.all():
            points[code] = {
                "sensitivity": float(predicted[y].mean()),
                "specificity": float(1 - predicted[~y].mean()),
                "precision": float(y[predicted].mean()) if predicted.any() else None,
                "threshold": _threshold(scores, i),
            }
    return points


def _threshold(scores: Scores, index: int) -> float | None:
    """Return a class's threshold, None where the most probable class is predicted."""
    return float(scores.thresholds[index]) if scores.target_mode == "multilabel" else None


def _operating_point(
    scores: Scores, records: _ClassRows, prevalence: float | None, resamples: int
) -> dict[str, object]:
    point = _weighted_metrics(records, np.ones((1, len(records.rows))), prevalence)
    draws = _resampled_metrics(scores, records, prevalence, resamples)
    basis = {
        kind: Basis.of_rows(scores, np.isin(np.arange(len(scores)), records.rows[subset]))
        for kind, subset in (
            ("positives", records.y),
            ("negatives", ~records.y),
            ("predicted", records.predicted),
            ("not predicted", ~records.predicted),
        )
    }
    basis_of = {"specificity": "negatives", "ppv": "predicted", "npv": "not predicted"}
    intervals = {}
    for name, values in point.items():
        value = None if np.isnan(values[0]) else float(values[0])
        intervals[name] = interval(value, draws[name], basis[basis_of.get(name, "positives")])
    at = {f"{s:g}": intervals.pop(f"at {s:g}") for s in SPECIFICITIES}
    return {
        **intervals,
        "sensitivity_at": at,
        "prevalence": float(records.y.mean()) if prevalence is None else prevalence,
        "prevalence_of": OWN_PREVALENCE if prevalence is None else "given",
    }


def _resampled_metrics(
    scores: Scores, records: _ClassRows, prevalence: float | None, resamples: int
) -> dict[str, np.ndarray]:
    patients, number = np.unique(scores.patient, return_inverse=True)
    pieces = [
        _weighted_metrics(records, weights[:, number[records.rows]], prevalence)
        for weights in patient_draws(len(patients), resamples, seed=0, n_records=len(scores))
    ]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def _weighted_metrics(
    records: _ClassRows, weights: np.ndarray, prevalence: float | None
) -> dict[str, np.ndarray]:
    """Return (R,) metrics, one per row of ``weights`` (R, n); NaN where undefined."""
    y, predicted = records.y, records.predicted
    positives, negatives = weights @ y, weights @ ~y
    sensitivity = ratio(weights @ (y & predicted), positives)
    specificity = ratio(weights @ (~y & ~predicted), negatives)
    share = ratio(positives, positives + negatives) if prevalence is None else prevalence
    ppv, npv = predictive_values(sensitivity, specificity, share)
    fixed = {f"at {s:g}": _sensitivity_at(records, weights, s) for s in SPECIFICITIES}
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ppv": ppv,
        "npv": npv,
        "average_precision": _average_precision(records, weights),
        **fixed,
    }


def predictive_values(
    sensitivity: np.ndarray, specificity: np.ndarray, prevalence: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Return positive and negative predictive value by Bayes' rule.

    NaN where the class is never predicted, or always.
    """
    true_positives = sensitivity * prevalence
    false_positives = (1 - specificity) * (1 - prevalence)
    true_negatives = specificity * (1 - prevalence)
    false_negatives = (1 - sensitivity) * prevalence
    return (
        ratio(true_positives, true_positives + false_positives),
        ratio(true_negatives, true_negatives + false_negatives),
    )


def _sensitivity_at(records: _ClassRows, weights: np.ndarray, specificity: float) -> np.ndarray:
    """Return (R,) the highest sensitivity at which specificity is at least this."""
    below = np.cumsum(weights[:, ~records.y], axis=1)  # negatives up to each negative
    too_few = (below < specificity * below[:, -1:] - 1e-9).sum(axis=1)
    cut = records.p[~records.y][np.minimum(too_few, below.shape[1] - 1)]  # predicted above it
    of_positives = weights[:, records.y]
    missed = np.zeros((len(weights), of_positives.shape[1] + 1))
    np.cumsum(of_positives, axis=1, out=missed[:, 1:])
    rank = np.searchsorted(records.p[records.y], cut, side="right")
    return np.where(
        below[:, -1] > 0,
        1 - ratio(missed[np.arange(len(rank)), rank], missed[:, -1]),
        np.nan,
    )


def _average_precision(records: _ClassRows, weights: np.ndarray) -> np.ndarray:
    """Return (R,) sums of precision over steps of recall, equal probabilities being one step."""
    last = np.append(np.flatnonzero(np.diff(records.p[::-1])), len(records.p) - 1)
    descending, y = weights[:, ::-1], records.y[::-1]
    hits = np.cumsum(descending * y, axis=1)[:, last]
    precision = ratio(hits, np.cumsum(descending, axis=1)[:, last])
    steps = np.diff(hits, axis=1, prepend=0)
    return ratio(np.nansum(steps * precision, axis=1), hits[:, -1])
