"""Intervals by bootstrap over patients.

All records of a patient go together: drawing records would pretend that two ECGs of one heart
are independent. A resample is a weight per record, so that a thousand of them are a few matrix
products and cumulative sums.

The resamples give the standard error, Student's t the interval: of a share on the arcsine scale
(:func:`interval`), of a difference as it is (:func:`difference_interval`). Percentiles of the
resamples are too narrow where patients are few or a figure is near 1 (docs/coverage.md).
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
NO_WIDTH = "every resample gives the same value; a width of zero is not certainty"
_CELLS_AT_ONCE = 200_000  # resamples × records held in memory: 1.6 MB


@dataclass(frozen=True)
class Basis:
    """On how many records, of how many patients, a figure rests.

    Attributes
    ----------
    freedom
        Degrees of freedom of its standard error, where they are fewer than the patients'.
    """

    records: int
    patients: int
    freedom: float | None = None

    @classmethod
    def of(cls, scores: Scores, rows: np.ndarray) -> "Basis":
        """Count the ``rows`` (N,) bool of some scores."""
        return cls(int(rows.sum()), len(np.unique(scores.patient[rows])))

    @property
    def of_area(self) -> "Basis":
        """What an area under a curve rests on: a record moves it in finer steps.

        That a record counts four times is found by simulation (docs/coverage.md).
        """
        return Basis(4 * self.records, self.patients)

    @property
    def one_record(self) -> float:
        """What one record is of all."""
        return 1 / self.records

    @property
    def few(self) -> float:
        """What the bootstrap's standard error falls short by: √(n / (n − 1)) of n patients."""
        return float(np.sqrt(self.patients / max(self.patients - 1, 1)))

    def t(self, level: float) -> float:
        """Return Student's two-sided quantile."""
        return float(t.ppf((1 + level) / 2, self.freedom or max(self.patients - 1, 1)))


@dataclass(frozen=True)
class Resampled:
    """What R resamples gave; NaN where a class had no positive (or no negative) in a resample.

    Attributes
    ----------
    accuracy
        (R,), over the records with exactly one stated class.
    f1, auc
        (R, C).
    of_all, of_single
        What macro means and the accuracy rest on.
    of_class
        What each class's F1 and AUC rest on: its records and as many others.
    """

    accuracy: np.ndarray
    f1: np.ndarray
    auc: np.ndarray
    of_all: Basis
    of_single: Basis
    of_class: tuple[Basis, ...]

    @property
    def macro_f1(self) -> np.ndarray:
        """(R,): mean over the classes that the resample holds."""
        return mean_over_classes(self.f1)

    @property
    def macro_auc(self) -> np.ndarray:
        """(R,): mean over the classes that the resample holds."""
        return mean_over_classes(self.auc)

    def vanished(self, over: np.ndarray) -> int:
        """Return in how many resamples one of the classes ``over`` (C,) bool had no positive."""
        return int(np.isnan(self.f1[:, over]).any(axis=1).sum())


def resample(
    several: Sequence[Scores], resamples: int = RESAMPLES, seed: int = 0
) -> list[Resampled]:
    """Draw patients and score every draw; all of ``several`` see the same draws.

    They may hold different records: a patient is drawn alike wherever there are records of hers.
    """
    patients, number = np.unique(
        np.concatenate([scores.patient for scores in several]), return_inverse=True
    )
    ends = np.cumsum([len(scores) for scores in several])
    numbers = np.split(number, ends[:-1])
    rows: list[list[tuple]] = [[] for _ in several]
    longest = max(len(scores) for scores in several)
    for drawn in patient_draws(len(patients), resamples, seed, longest):
        for collected, scores, patient in zip(rows, several, numbers, strict=True):
            collected.append(_score(scores, drawn[:, patient]))
    return [_joined(pieces, scores) for pieces, scores in zip(rows, several, strict=True)]


def patient_draws(
    n_patients: int, resamples: int, seed: int, n_records: int
) -> Iterator[np.ndarray]:
    """Yield (r, n_patients) floats, in all ``resamples`` rows: how often each patient was drawn.

    Rows come in pieces such that (r, n_records) weights stay small.
    """
    rng = np.random.default_rng(seed)
    at_once = max(1, _CELLS_AT_ONCE // max(n_records, n_patients))
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        drawn = rng.integers(n_patients, size=(rows, n_patients))
        drawn += np.arange(rows)[:, None] * n_patients
        counts = np.bincount(drawn.ravel(), minlength=rows * n_patients)
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
    return _share(pairs, of_positives.sum(axis=1) * below[:, -1])


def interval(
    value: float | None, draws: np.ndarray, basis: Basis | None = None, level: float = LEVEL
) -> dict:
    """Return DESIGN's interval object; low and high are None where no draw has a value.

    With a ``basis`` the figure is a share in 0..1, and the interval is Student's t, with the
    patients' degrees of freedom, around asin √value, where the spread of a share hangs on its size
    least (Anscombe 1948, doi:10.1093/biomet/35.3-4.246). Half a record is added on either side, and
    one to the standard error: no number of records without an error shows that there are none.
    Without a basis it is the percentile interval (Efron & Tibshirani 1993, ch. 13).
    """
    there = draws[~np.isnan(draws)]
    found: dict = {"value": value, "low": None, "high": None, "level": level, "unit": "patients"}
    if value is None or not len(there):
        return found
    if basis is not None:
        low, high = _arcsine(value, float(there.std()), basis, level)
        return found | {"low": low, "high": high}
    low, high = np.quantile(there, [(1 - level) / 2, (1 + level) / 2])
    found.update(low=float(low), high=float(high))
    return found | ({"note": NO_WIDTH} if low == high else {})


def expected_interval(value: float, patients: int, level: float = LEVEL) -> dict:
    """Return the interval that a share would get, were it ``value`` of one record a patient.

    As :func:`interval` has it, with the standard error of a binomial share.
    """
    error = float(np.sqrt(value * (1 - value) / patients))
    low, high = _arcsine(value, error, Basis(patients, patients), level)
    return {"value": value, "low": low, "high": high, "level": level, "unit": "patients"}


def difference_interval(
    value_a: float | None,
    value_b: float | None,
    draws_a: np.ndarray,
    draws_b: np.ndarray,
    basis: Basis | None = None,
    level: float = LEVEL,
) -> dict:
    """Return the interval object of B − A, whose draws are of the same resamples.

    With a ``basis``: Student's t with the standard error of the paired draws, and one record a
    side added to it. Without: the percentile interval.
    """
    value = None if value_a is None or value_b is None else value_b - value_a
    draws = draws_b - draws_a
    there = draws[~np.isnan(draws)]
    if basis is None or value is None or not len(there):
        return interval(value, draws, level=level)
    error = np.hypot(float(there.std()) * basis.few, np.sqrt(2) * basis.one_record)
    half = float(basis.t(level) * error)
    found = {"value": value, "low": max(value - half, -1.0), "high": min(value + half, 1.0)}
    return found | {"level": level, "unit": "patients"}


def _arcsine(value: float, error: float, basis: Basis, level: float) -> tuple[float, float]:
    error = np.hypot(error * basis.few, basis.one_record)
    inner = (basis.records * value + 0.5) / (basis.records + 1)
    half = basis.t(level) * error / (2 * np.sqrt(inner * (1 - inner)))
    middle = np.arcsin(np.sqrt(inner))
    low = np.sin(max(middle - half, 0)) ** 2 if value > 0 else 0.0
    high = np.sin(min(middle + half, np.pi / 2)) ** 2 if value < 1 else 1.0
    return float(min(low, value)), float(max(high, value))


def mean_over_classes(values: np.ndarray) -> np.ndarray:
    """Return (R,) means of (R, C) over the classes that are not NaN; NaN where none is."""
    there = ~np.isnan(values)
    return _share(np.where(there, values, 0).sum(axis=1), there.sum(axis=1))


def _score(scores: Scores, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return accuracy (r,), F1 (r, C) and AUC (r, C) of some resamples."""
    right = scores.single & (scores.truth == scores.top)
    accuracy = _share(weights @ right, weights @ scores.single)
    called, positive = scores.called & scores.known, scores.positive
    twice_hits = 2 * (weights @ (called & positive))
    f1 = _share(twice_hits, weights @ called + weights @ positive)
    f1[weights @ positive == 0] = np.nan
    auc = np.full_like(f1, np.nan)
    for i in range(len(scores.classes)):
        known = scores.known[:, i]
        of_known = weights if known.all() else weights[:, known]
        auc[:, i] = weighted_auc(positive[known, i], scores.p[known, i], of_known)
    return accuracy, f1, auc


def _joined(pieces: Sequence[tuple], scores: Scores) -> Resampled:
    """Return what pieces of resamples gave, and what it rests on."""
    accuracy, f1, auc = (np.concatenate(found) for found in zip(*pieces, strict=True))
    return Resampled(
        accuracy,
        f1,
        auc,
        of_all=Basis(len(scores), scores.n_patients),
        of_single=Basis.of(scores, scores.single),
        of_class=tuple(_basis_of_class(scores, i) for i in range(len(scores.classes))),
    )


def _basis_of_class(scores: Scores, index: int) -> Basis:
    known = Basis.of(scores, scores.known[:, index])
    twice = 2 * int(scores.positive[:, index].sum())
    return Basis(min(twice, known.records), known.patients)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, NaN where the whole is zero."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole != 0)
