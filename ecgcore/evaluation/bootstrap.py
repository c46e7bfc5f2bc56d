"""Confidence intervals by bootstrap over patients.

All records of a patient are resampled together, because two ECGs of one heart are not independent.
A resample is a weight per record, so that a thousand of them are a few matrix products and
cumulative sums.

The resamples give the standard error, Student's t the interval: of a share on the arcsine scale
(:func:`interval`), of a difference unchanged (:func:`difference_interval`). Percentiles of the
resamples are too narrow with few patients or a metric near 1 (docs/coverage.md).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from ecgcore.calibration.scores import Scores

RESAMPLES = 1000
LEVEL = 0.95
FORM = "arcsine t"
FORM_WORDS = "Student's t around asin √value; standard error from resamples of patients"
DIFFERENCE_FORM = "Student's t; standard error from resamples of patients, the same for both"
ZERO_WIDTH_NOTE = "every resample gives the same value; a width of zero is not certainty"
_MAX_CELLS = 200_000  # resamples × records held in memory: 1.6 MB


@dataclass(frozen=True)
class Basis:
    """Numbers of records and patients that a metric rests on.

    Attributes
    ----------
    degrees_of_freedom
        Degrees of freedom of its standard error, where they are fewer than the patients'.
    """

    records: int
    patients: int
    degrees_of_freedom: float | None = None

    @classmethod
    def of_rows(cls, scores: Scores, rows: np.ndarray) -> "Basis":
        """Return the basis of the ``rows`` (N,) bool of some scores."""
        return cls(int(rows.sum()), len(np.unique(scores.patient[rows])))

    @property
    def for_area(self) -> "Basis":
        """Basis of an area under a curve, which one record changes in finer steps.

        That a record counts four times was found by simulation (docs/coverage.md).
        """
        return Basis(4 * self.records, self.patients)

    @property
    def one_record(self) -> float:
        """Share of one record among all."""
        return 1 / self.records

    @property
    def small_sample_factor(self) -> float:
        """Correction of the bootstrap's standard error: √(n / (n − 1)) for n patients."""
        return float(np.sqrt(self.patients / max(self.patients - 1, 1)))

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the standard error."""
        return self.degrees_of_freedom or max(self.patients - 1, 1)

    def t(self, level: float) -> float:
        """Return Student's two-sided quantile."""
        return float(t.ppf((1 + level) / 2, self.freedom))


@dataclass(frozen=True)
class Resampled:
    """Metrics of R resamples; NaN where a class has no positive (or no negative) in a resample.

    Attributes
    ----------
    accuracy
        (R,), over the records with exactly one stated class.
    f1, auc
        (R, C).
    basis, single_label_basis
        Basis of the macro means and of the accuracy.
    class_basis
        Basis of each class's F1 and AUC: its records and as many others.
    """

    accuracy: np.ndarray
    f1: np.ndarray
    auc: np.ndarray
    basis: Basis
    single_label_basis: Basis
    class_basis: tuple[Basis, ...]

    @property
    def macro_f1(self) -> np.ndarray:
        """(R,): mean over the classes with positives in the resample."""
        return mean_over_classes(self.f1)

    @property
    def macro_auc(self) -> np.ndarray:
        """(R,): mean over the classes with positives and negatives in the resample."""
        return mean_over_classes(self.auc)

    def metric_basis(self, metric: str) -> Basis:
        """Return the basis of ``accuracy``, ``macro_f1`` or ``macro_auc``."""
        if metric == "accuracy":
            return self.single_label_basis
        return self.basis.for_area if metric == "macro_auc" else self.basis

    def resamples_without_positives(self, classes: np.ndarray) -> int:
        """Return the number of resamples in which a class of ``classes`` (C,) bool is absent."""
        return int(np.isnan(self.f1[:, classes]).any(axis=1).sum())


def resample(
    score_sets: Sequence[Scores], resamples: int = RESAMPLES, seed: int = 0
) -> list[Resampled]:
    """Resample patients and score every resample; all score sets share the same resamples.

    They may hold different records: a patient has the same weight in every set.
    """
    patients, number = np.unique(
        np.concatenate([scores.patient for scores in score_sets]), return_inverse=True
    )
    ends = np.cumsum([len(scores) for scores in score_sets])
    numbers = np.split(number, ends[:-1])
    pieces: list[list[tuple]] = [[] for _ in score_sets]
    longest = max(len(scores) for scores in score_sets)
    for weights in patient_draws(len(patients), resamples, seed, longest):
        for collected, scores, patient in zip(pieces, score_sets, numbers, strict=True):
            collected.append(_weighted_metrics(scores, weights[:, patient]))
    return [_resampled(of_set, scores) for of_set, scores in zip(pieces, score_sets, strict=True)]


def patient_draws(
    n_patients: int, resamples: int, seed: int, n_records: int
) -> Iterator[np.ndarray]:
    """Yield (r, n_patients) floats, ``resamples`` rows in all: how often each patient was drawn.

    Rows come in pieces, so that (r, n_records) weights stay small.
    """
    rng = np.random.default_rng(seed)
    at_once = max(1, _MAX_CELLS // max(n_records, n_patients))
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        patients = rng.integers(n_patients, size=(rows, n_patients))
        patients += np.arange(rows)[:, None] * n_patients
        counts = np.bincount(patients.ravel(), minlength=rows * n_patients)
        yield counts.reshape(rows, n_patients).astype(float)


def weighted_auc(positive: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (R,) areas under the ROC curve, one per row of weights; NaN where a side is empty.

    The area is the weighted share of (positive, negative) pairs in the right order, ties half
    (Mann–Whitney). ``positive`` (n,) bool, ``p`` (n,), ``weights`` (R, n).
    """
    negatives = np.flatnonzero(~positive)
    negatives = negatives[np.argsort(p[negatives])]
    below = np.zeros((len(weights), len(negatives) + 1))
    np.cumsum(weights[:, negatives], axis=1, out=below[:, 1:])
    lower = np.searchsorted(p[negatives], p[positive], side="left")
    upper = np.searchsorted(p[negatives], p[positive], side="right")
    of_positives = weights[:, positive]
    pairs = np.einsum("rn,rn->r", of_positives, (below[:, lower] + below[:, upper]) / 2)
    return ratio(pairs, of_positives.sum(axis=1) * below[:, -1])


def interval(
    value: float | None, draws: np.ndarray, basis: Basis | None = None, level: float = LEVEL
) -> dict:
    """Return value, low, high, level and unit; low and high are None where no draw has a value.

    With a ``basis`` the metric is a share in 0..1, and the interval is Student's t, with the
    patients' degrees of freedom, around asin √value, the scale on which the spread of a share
    depends least on its size (Anscombe 1948, doi:10.1093/biomet/35.3-4.246). Half a record is added
    on either side, and one to the standard error: no number of records without an error shows that
    there are none. Without a basis it is the percentile interval (Efron & Tibshirani 1993, ch. 13).
    """
    valid = draws[~np.isnan(draws)]
    empty: dict = {"value": value, "low": None, "high": None, "level": level, "unit": "patients"}
    if value is None or not len(valid):
        return empty
    if basis is not None:
        low, high = _arcsine_interval(value, float(valid.std()), basis, level)
        return empty | {"low": low, "high": high}
    low, high = np.quantile(valid, [(1 - level) / 2, (1 + level) / 2])
    percentile = empty | {"low": float(low), "high": float(high)}
    return percentile | ({"note": ZERO_WIDTH_NOTE} if low == high else {})


def expected_interval(value: float, patients: int, level: float = LEVEL) -> dict:
    """Return the interval to expect for a share ``value`` over one record a patient.

    The form is that of :func:`interval`, with the standard error of a binomial share.
    """
    error = float(np.sqrt(value * (1 - value) / patients))
    low, high = _arcsine_interval(value, error, Basis(patients, patients), level)
    return {"value": value, "low": low, "high": high, "level": level, "unit": "patients"}


def difference_interval(
    value_a: float | None,
    value_b: float | None,
    draws_a: np.ndarray,
    draws_b: np.ndarray,
    basis: Basis | None = None,
    level: float = LEVEL,
) -> dict:
    """Return the interval of B − A, whose draws come from the same resamples.

    With a ``basis``: Student's t with the standard error of the paired draws, and one record a
    side added to it. Without: the percentile interval.
    """
    value = None if value_a is None or value_b is None else value_b - value_a
    draws = draws_b - draws_a
    valid = draws[~np.isnan(draws)]
    if basis is None or value is None or not len(valid):
        return interval(value, draws, level=level)
    error = np.hypot(float(valid.std()) * basis.small_sample_factor, np.sqrt(2) * basis.one_record)
    half = float(basis.t(level) * error)
    ends = {"value": value, "low": max(value - half, -1.0), "high": min(value + half, 1.0)}
    return ends | {"level": level, "unit": "patients"}


def _arcsine_interval(
    value: float, error: float, basis: Basis, level: float
) -> tuple[float, float]:
    error = np.hypot(error * basis.small_sample_factor, basis.one_record)
    inner = (basis.records * value + 0.5) / (basis.records + 1)
    half = basis.t(level) * error / (2 * np.sqrt(inner * (1 - inner)))
    middle = np.arcsin(np.sqrt(inner))
    low = np.sin(max(middle - half, 0)) ** 2 if value > 0 else 0.0
    high = np.sin(min(middle + half, np.pi / 2)) ** 2 if value < 1 else 1.0
    return float(min(low, value)), float(max(high, value))


def mean_over_classes(values: np.ndarray) -> np.ndarray:
    """Return (R,) means of (R, C) over the classes that are not NaN; NaN where all are."""
    valid = ~np.isnan(values)
    return ratio(np.where(valid, values, 0).sum(axis=1), valid.sum(axis=1))


def _weighted_metrics(
    scores: Scores, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return accuracy (r,), F1 (r, C) and AUC (r, C) of some resamples."""
    right = scores.single_label & (scores.truth == scores.top)
    accuracy = ratio(weights @ right, weights @ scores.single_label)
    predicted, positive = scores.predicted & scores.known, scores.positive
    twice_hits = 2 * (weights @ (predicted & positive))
    f1 = ratio(twice_hits, weights @ predicted + weights @ positive)
    f1[weights @ positive == 0] = np.nan
    auc = np.full_like(f1, np.nan)
    for i in range(len(scores.classes)):
        known = scores.known[:, i]
        of_known = weights if known.all() else weights[:, known]
        auc[:, i] = weighted_auc(positive[known, i], scores.p[known, i], of_known)
    return accuracy, f1, auc


def _resampled(pieces: Sequence[tuple], scores: Scores) -> Resampled:
    """Join pieces of resamples, and add the basis of each metric."""
    accuracy, f1, auc = (np.concatenate(metric) for metric in zip(*pieces, strict=True))
    return Resampled(
        accuracy,
        f1,
        auc,
        basis=Basis(len(scores), scores.n_patients),
        single_label_basis=Basis.of_rows(scores, scores.single_label),
        class_basis=tuple(_class_basis(scores, i) for i in range(len(scores.classes))),
    )


def _class_basis(scores: Scores, index: int) -> Basis:
    known = Basis.of_rows(scores, scores.known[:, index])
    twice = 2 * int(scores.positive[:, index].sum())
    return Basis(min(twice, known.records), known.patients)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return numerator / denominator, NaN where the denominator is zero."""
    out = np.full(np.shape(numerator), np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator != 0)
