"""Operating points: what a class's answer is worth where it is used.

Sensitivity and specificity at the class's threshold; predictive values at a prevalence that the
user sets (Altman & Bland 1994, doi:10.1136/bmj.309.6947.102); sensitivity where specificity is
fixed, its cut chosen anew in each resample; average precision. Intervals over patients.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ecgcore.calibration.scores import Scores
from ecgcore.errors import NotFound, RequestError
from ecgcore.evaluation.bootstrap import RESAMPLES, Basis, interval, patient_draws

SPECIFICITIES = (0.9, 0.95)
OWN = "these records"


@dataclass(frozen=True)
class _Side:
    """The known records of one class, ascending by probability."""

    rows: np.ndarray
    y: np.ndarray
    p: np.ndarray
    called: np.ndarray

    @classmethod
    def of(cls, scores: Scores, index: int) -> "_Side":
        rows = np.flatnonzero(scores.known[:, index])
        rows = rows[np.argsort(scores.p[rows, index], kind="stable")]
        return cls(
            rows, scores.positive[rows, index], scores.p[rows, index], scores.called[rows, index]
        )


def check_prevalence(prevalence: Mapping[str, float], classes: tuple[str, ...]) -> None:
    """Refuse a class that is not there and a prevalence that is no share."""
    for code, share in prevalence.items():
        if code not in classes:
            raise NotFound.among("class", code, classes)
        if not 0 < share < 1:
            raise RequestError(
                f"A prevalence of {share:g} for {code} is no share; between 0 and 1 is accepted."
            )


def operating_points(
    scores: Scores, prevalence: Mapping[str, float] | None = None, resamples: int = RESAMPLES
) -> dict[str, dict]:
    """Return each class's operating point; classes without positives or negatives have none.

    Parameters
    ----------
    prevalence
        Class code → share in 0..1 in the population in mind; that of these records otherwise.

    Returns
    -------
    dict
        class code → intervals ``sensitivity``, ``specificity``, ``ppv``, ``npv``,
        ``average_precision``, ``sensitivity_at`` {specificity: interval}; ``threshold`` (None: the
        most probable class is called), ``prevalence`` and ``prevalence_of``.
    """
    given = prevalence or {}
    check_prevalence(given, scores.classes)
    found: dict[str, dict] = {}
    for i, code in enumerate(scores.classes):
        side = _Side.of(scores, i)
        if side.y.any() and not side.y.all():
            found[code] = _of_class(scores, side, given.get(code), resamples)
            by_class = scores.target_mode == "multilabel"
            found[code]["threshold"] = float(scores.thresholds[i]) if by_class else None
    return found


def points_of(scores: Scores) -> dict[str, dict[str, float | None]]:
    """Return where each class's calls lie on its curves; no intervals.

    Returns
    -------
    dict
        class code → ``sensitivity``, ``specificity``, ``precision`` (None where nothing is called)
        and ``threshold`` (None: the most probable class is called). Classes without positives or
        negatives have none.
    """
    found: dict[str, dict[str, float | None]] = {}
    for i, code in enumerate(scores.classes):
        known = scores.known[:, i]
        y, called = scores.positive[known, i], scores.called[known, i]
        if y.any() and not y.all():
            by_class = scores.target_mode == "multilabel"
            found[code] = {
                "sensitivity": float(called[y].mean()),
                "specificity": float(1 - called[~y].mean()),
                "precision": float(y[called].mean()) if called.any() else None,
                "threshold": float(scores.thresholds[i]) if by_class else None,
            }
    return found


def _of_class(
    scores: Scores, side: _Side, prevalence: float | None, resamples: int
) -> dict[str, object]:
    whole = _figures(side, np.ones((1, len(side.rows))), prevalence)
    draws = _drawn(scores, side, prevalence, resamples)
    basis = {
        kind: Basis.of(scores, np.isin(np.arange(len(scores)), side.rows[which]))
        for kind, which in (
            ("positives", side.y),
            ("negatives", ~side.y),
            ("called", side.called),
            ("not called", ~side.called),
        )
    }
    rests_on = {"specificity": "negatives", "ppv": "called", "npv": "not called"}
    spans = {}
    for name, value in whole.items():
        point = None if np.isnan(value[0]) else float(value[0])
        spans[name] = interval(point, draws[name], basis[rests_on.get(name, "positives")])
    at = {f"{s:g}": spans.pop(f"at {s:g}") for s in SPECIFICITIES}
    own = prevalence is None
    return {
        **spans,
        "sensitivity_at": at,
        "prevalence": float(side.y.mean()) if prevalence is None else prevalence,
        "prevalence_of": OWN if own else "given",
    }


def _drawn(
    scores: Scores, side: _Side, prevalence: float | None, resamples: int
) -> dict[str, np.ndarray]:
    patients, number = np.unique(scores.patient, return_inverse=True)
    pieces = [
        _figures(side, drawn[:, number[side.rows]], prevalence)
        for drawn in patient_draws(len(patients), resamples, seed=0, n_records=len(scores))
    ]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def _figures(side: _Side, weights: np.ndarray, prevalence: float | None) -> dict[str, np.ndarray]:
    """Return (R,) figures, one per row of ``weights`` (R, n); NaN where nothing is there."""
    positives, negatives = weights @ side.y, weights @ ~side.y
    sensitivity = _share(weights @ (side.y & side.called), positives)
    specificity = _share(weights @ (~side.y & ~side.called), negatives)
    share = _share(positives, positives + negatives) if prevalence is None else prevalence
    ppv, npv = predictive_values(sensitivity, specificity, share)
    fixed = {f"at {s:g}": _sensitivity_at(side, weights, s) for s in SPECIFICITIES}
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ppv": ppv,
        "npv": npv,
        "average_precision": _average_precision(side, weights),
        **fixed,
    }


def predictive_values(
    sensitivity: np.ndarray, specificity: np.ndarray, prevalence: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Return positive and negative predictive value by Bayes' rule; NaN where nothing is called
    (or nothing is not called)."""
    true_calls = sensitivity * prevalence
    false_calls = (1 - specificity) * (1 - prevalence)
    true_rest = specificity * (1 - prevalence)
    misses = (1 - sensitivity) * prevalence
    return _share(true_calls, true_calls + false_calls), _share(true_rest, true_rest + misses)


def _sensitivity_at(side: _Side, weights: np.ndarray, specificity: float) -> np.ndarray:
    """Return (R,) the highest sensitivity at which specificity is at least this."""
    below = np.cumsum(weights[:, ~side.y], axis=1)  # negatives up to each negative
    enough = (below < specificity * below[:, -1:] - 1e-9).sum(axis=1)
    cut = side.p[~side.y][np.minimum(enough, below.shape[1] - 1)]  # called above it
    of_positives = weights[:, side.y]
    missed = np.zeros((len(weights), of_positives.shape[1] + 1))
    np.cumsum(of_positives, axis=1, out=missed[:, 1:])
    rank = np.searchsorted(side.p[side.y], cut, side="right")
    return np.where(
        below[:, -1] > 0,
        1 - _share(missed[np.arange(len(rank)), rank], missed[:, -1]),
        np.nan,
    )


def _average_precision(side: _Side, weights: np.ndarray) -> np.ndarray:
    """Return (R,) sums of precision over steps of recall, equal probabilities being one step."""
    last = np.append(np.flatnonzero(np.diff(side.p[::-1])), len(side.p) - 1)
    turned, y = weights[:, ::-1], side.y[::-1]
    hits = np.cumsum(turned * y, axis=1)[:, last]
    precision = _share(hits, np.cumsum(turned, axis=1)[:, last])
    steps = np.diff(hits, axis=1, prepend=0)
    return _share(np.nansum(steps * precision, axis=1), hits[:, -1])


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
