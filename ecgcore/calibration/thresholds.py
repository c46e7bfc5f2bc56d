"""Thresholds: from which calibrated probability on a class is called, chosen on validation.

A threshold lies midway between the two probabilities that it separates, so that it does not hang
on the last digit of one record. Where validation has no record of a class, it is 0.5.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from sklearn.metrics import precision_recall_curve

from ecgcore.calibration.scores import Scores
from ecgcore.errors import NotFound, RequestError

WAYS = ("f1", "cost", "empirical-cost", "sensitivity", "specificity")
WITHOUT_POSITIVES = 0.5


@dataclass(frozen=True)
class Choice:
    """How thresholds are chosen.

    Attributes
    ----------
    by
        ``f1``: the highest F1. ``cost``: where calling costs as much as not calling, given that
        probabilities are calibrated (Elkan 2001). ``empirical-cost``: the least cost on
        validation. ``sensitivity``, ``specificity``: at least ``at`` of it on validation, and as
        much of the other as that allows.
    at
        Share in 0..1, for the last two.
    costs
        Class code → (cost of a false call, cost of a miss), any unit; 1 and 1 where not given.
    """

    by: str = "f1"
    at: float = 0.9
    costs: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def check(self, classes: tuple[str, ...]) -> None:
        """Refuse what cannot be asked."""
        if self.by not in WAYS:
            raise NotFound.among("way to choose thresholds", self.by, WAYS)
        if not 0 < self.at < 1:
            raise RequestError(f"{self.at:g} is no share; between 0 and 1 is accepted.")
        for code, pair in self.costs.items():
            if code not in classes:
                raise NotFound.among("class", code, classes)
            if min(pair) <= 0:
                raise RequestError(f"The costs of {code} are {pair}; both must be above 0.")

    def words(self, where: str) -> str:
        """How the thresholds were chosen, and ``where``, for calibration.json."""
        if self.by in ("sensitivity", "specificity"):
            return f"{self.by} of at least {self.at:g} {where}"
        if self.by == "f1":
            return f"best F1 {where}"
        told = "".join(f"{code} {fp:g}:{fn:g}, " for code, (fp, fn) in self.costs.items())
        form = f"least cost {where}" if self.by == "empirical-cost" else "least expected cost"
        return f"{form}, a false call : a miss being {told}otherwise 1:1"


def choose_thresholds(validation: Scores, choice: Choice) -> dict[str, float]:
    """Return each class's threshold of ``validation``'s calibrated probabilities."""
    choice.check(validation.classes)
    if choice.by == "f1":
        return best_f1_thresholds(validation)
    if choice.by == "cost":
        costs = (choice.costs.get(code, (1, 1)) for code in validation.classes)
        return dict(zip(validation.classes, (fp / (fp + fn) for fp, fn in costs), strict=True))
    found = {}
    for i, code in enumerate(validation.classes):
        known = validation.known[:, i]
        y, p = validation.positive[known, i], validation.p[known, i]
        found[code] = _chosen(y, p, choice, code) if y.any() else WITHOUT_POSITIVES
    return found


def best_f1_thresholds(scores: Scores) -> dict[str, float]:
    """Return per class the probability at which F1 is highest."""
    found = {}
    for i, code in enumerate(scores.classes):
        known = scores.known[:, i]
        y, p = scores.positive[known, i], scores.p[known, i]
        found[code] = _best_f1(y, p) if y.any() else WITHOUT_POSITIVES
    return found


def _best_f1(y: np.ndarray, p: np.ndarray) -> float:
    precision, recall, cuts = precision_recall_curve(y, p)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return _midway(p, cuts[f1[:-1].argmax()])


def _chosen(y: np.ndarray, p: np.ndarray, choice: Choice, code: str) -> float:
    """Return the threshold by cost or at a sensitivity or specificity, of one class."""
    cuts = np.append(np.unique(p), np.inf)
    misses = np.searchsorted(np.sort(p[y]), cuts)  # below the cut
    false_calls = (~y).sum() - np.searchsorted(np.sort(p[~y]), cuts)
    if choice.by == "empirical-cost":
        fp, fn = choice.costs.get(code, (1, 1))
        return _midway(p, cuts[(fp * false_calls + fn * misses).argmin()])
    if choice.by == "sensitivity":  # falls with the cut: the last that is enough
        return _midway(p, cuts[np.flatnonzero(misses <= (1 - choice.at) * y.sum() + 1e-9)[-1]])
    return _midway(p, cuts[np.flatnonzero(false_calls <= (1 - choice.at) * (~y).sum() + 1e-9)[0]])


def _midway(p: np.ndarray, cut: float) -> float:
    """Return the middle of a cut and the probability below it; above all, the middle to 1."""
    below = p[p < cut]
    return float((min(cut, 1.0) + below.max()) / 2 if below.size else cut)
