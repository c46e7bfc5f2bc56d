"""Thresholds: calibrated probability from which a class is predicted, chosen on validation.

A threshold lies midway between the two probabilities that it separates, so that it does not depend
on the last digit of one record. It is 0.5 where validation has no record of a class.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_curve

from ecgcore.calibration.scores import Scores
from ecgcore.errors import NotFound, RequestError

CRITERIA = ("f1", "cost", "empirical-cost", "sensitivity", "specificity")
WITHOUT_POSITIVES = 0.5


@dataclass(frozen=True)
class ThresholdRule:
    """Rule by which thresholds are chosen.

    Attributes
    ----------
    by
        ``f1``: the highest F1. ``cost``: the threshold of least expected cost, given that
        probabilities are calibrated (Elkan 2001). ``empirical-cost``: the least cost on
        validation. ``sensitivity``, ``specificity``: at least ``at`` of it on validation, and as
        much of the other as that allows.
    at
        Share in 0..1, for the last two.
    costs
        Class code → (cost of a false positive, cost of a false negative), any unit; 1 and 1 for
        classes not named.
    least_ppv
        Share of calls, 0..1, that must be right at a threshold of highest F1, where any threshold
        reaches it: a floor for rare classes.
    """

    by: str = "f1"
    at: float = 0.9
    costs: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    least_ppv: float = 0.0

    def check(self, classes: tuple[str, ...]) -> None:
        """Refuse an unknown criterion or class, a share outside 0..1, or a cost of 0 or less."""
        if self.by not in CRITERIA:
            raise NotFound.among("threshold criterion", self.by, CRITERIA)
        if not 0 < self.at < 1:
            raise RequestError(f"{self.at:g} is not a share; a number between 0 and 1 is accepted.")
        if not 0 <= self.least_ppv < 1:
            raise RequestError(
                f"{self.least_ppv:g} is no least share of right calls; 0 to below 1 is accepted."
            )
        for code, costs in self.costs.items():
            if code not in classes:
                raise NotFound.among("class", code, classes)
            if min(costs) <= 0:
                raise RequestError(f"The costs of {code} are {costs}; both must be above 0.")

    def description(self, where: str) -> str:
        """Return the rule in words, for calibration.json; ``where`` names the records."""
        if self.by in ("sensitivity", "specificity"):
            return f"{self.by} of at least {self.at:g} {where}"
        if self.by == "f1":
            floor = f" at a PPV of at least {self.least_ppv:g}" if self.least_ppv else ""
            return f"best F1{floor} {where}"
        costs = "".join(f"{code} {fp:g}:{fn:g}, " for code, (fp, fn) in self.costs.items())
        form = f"least cost {where}" if self.by == "empirical-cost" else "least expected cost"
        return f"{form}, a false call : a miss being {costs}otherwise 1:1"


BEST_F1 = ThresholdRule()


def stored_rule(fitted: Mapping[str, Any]) -> ThresholdRule:
    """Return the rule that chose a calibration's thresholds; earlier versions stored none."""
    return ThresholdRule(**fitted["rule"]) if fitted.get("rule") else BEST_F1


def choose_thresholds(validation: Scores, rule: ThresholdRule) -> dict[str, float]:
    """Return each class's threshold on ``validation``'s calibrated probabilities."""
    rule.check(validation.classes)
    if rule.by == "f1":
        return best_f1_thresholds(validation, rule.least_ppv)
    if rule.by == "cost":
        costs = (rule.costs.get(code, (1, 1)) for code in validation.classes)
        return dict(zip(validation.classes, (fp / (fp + fn) for fp, fn in costs), strict=True))
    thresholds = {}
    for i, code in enumerate(validation.classes):
        known = validation.known[:, i]
        y, p = validation.positive[known, i], validation.p[known, i]
        thresholds[code] = _class_threshold(y, p, rule, code) if y.any() else WITHOUT_POSITIVES
    return thresholds


def best_f1_thresholds(scores: Scores, least_ppv: float = 0.0) -> dict[str, float]:
    """Return the probability of highest F1 by class, at the least PPV where it can be reached."""
    thresholds = {}
    for i, code in enumerate(scores.classes):
        known = scores.known[:, i]
        y, p = scores.positive[known, i], scores.p[known, i]
        thresholds[code] = _best_f1_threshold(y, p, least_ppv) if y.any() else WITHOUT_POSITIVES
    return thresholds


def _best_f1_threshold(y: np.ndarray, p: np.ndarray, least_ppv: float) -> float:
    precision, recall, cuts = precision_recall_curve(y, p)
    f1 = (2 * precision * recall / np.maximum(precision + recall, 1e-12))[:-1]
    is_useful = precision[:-1] >= least_ppv
    return _midpoint_below(p, cuts[np.where(is_useful | ~is_useful.any(), f1, -1).argmax()])


def _class_threshold(y: np.ndarray, p: np.ndarray, rule: ThresholdRule, code: str) -> float:
    """Return one class's threshold by empirical cost, or at a sensitivity or specificity."""
    cuts = np.append(np.unique(p), np.inf)
    misses = np.searchsorted(np.sort(p[y]), cuts)  # positives below the cut
    false_positives = (~y).sum() - np.searchsorted(np.sort(p[~y]), cuts)
    if rule.by == "empirical-cost":
        fp, fn = rule.costs.get(code, (1, 1))
        return _midpoint_below(p, cuts[(fp * false_positives + fn * misses).argmin()])
    if rule.by == "sensitivity":  # falls with the cut: the last one that reaches it
        enough = np.flatnonzero(misses <= (1 - rule.at) * y.sum() + 1e-9)
        return _midpoint_below(p, cuts[enough[-1]])
    enough = np.flatnonzero(false_positives <= (1 - rule.at) * (~y).sum() + 1e-9)
    return _midpoint_below(p, cuts[enough[0]])


def _midpoint_below(p: np.ndarray, cut: float) -> float:
    """Return the middle of a cut and the next lower probability; of an infinite cut, that to 1."""
    below = p[p < cut]
    return float((min(cut, 1.0) + below.max()) / 2 if below.size else cut)
