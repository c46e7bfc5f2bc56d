"""Intervals by percentile bootstrap over patients (Efron & Tibshirani 1993, ch. 13).

All records of a patient go together: drawing records would pretend that two ECGs of one heart
are independent. A resample is a weight per record, so that a thousand of them are a few matrix
products and cumulative sums.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ecgcore.evaluation.scores import Scores

RESAMPLES = 1000
LEVEL = 0.95
_CELLS_AT_ONCE = 4_000_000  # resamples × records held in memory: 32 MB


@dataclass(frozen=True)
class Resampled:
    """What R resamples gave; NaN where a class had no positive (or no negative) in a resample.

    Attributes
    ----------
    accuracy
        (R,), over the records with exactly one stated class.
    f1, auc
        (R, C).
    """

    accuracy: np.ndarray
    f1: np.ndarray
    auc: np.ndarray

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
    return [Resampled(*(np.concatenate(x) for x in zip(*r, strict=True))) for r in rows]


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


def interval(value: float | None, draws: np.ndarray, level: float = LEVEL) -> dict:
    """Return DESIGN's interval object; low and high are None where no draw has a value."""
    there = draws[~np.isnan(draws)]
    found: dict = {"value": value, "low": None, "high": None, "level": level, "unit": "patients"}
    if value is None or not len(there):
        return found
    low, high = np.quantile(there, [(1 - level) / 2, (1 + level) / 2])
    found.update(low=float(low), high=float(high))
    if low == high:
        found["note"] = "every resample gives the same value; a width of zero is not certainty"
    return found


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
        auc[:, i] = weighted_auc(positive[known, i], scores.p[known, i], weights[:, known])
    return accuracy, f1, auc


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, NaN where the whole is zero."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole != 0)
