"""Referral: records that a run should leave to a person, by split conformal prediction.

Angelopoulos & Bates 2023 (https://doi.org/10.1561/2200000101), section 1: the 1 − alpha quantile of
some records' nonconformity bounds that of a share of about 1 − alpha of new records drawn as these
were. Records of another hospital, or of one age group, are not drawn so: the share reached there
has to be measured, and is often far lower (docs/referral.md).

``multilabel``: nonconformity is the largest probability given to a mistake, over the classes. A
class whose probability lies in its band around its threshold may be present or absent, and a
record with such a class is referred; the aim is that in 1 − alpha of records no class outside its
band is wrong. Otherwise nonconformity is 1 − p of the stated class, and a record is referred unless
exactly one class remains possible.

Thresholds come from the same records as the band. Therefore the band is cross-fitted: each record's
mistakes are those at thresholds that other patients chose.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ecgcore.calibration.cross_fitting import cross_fitted, patient_parts, thresholds_of
from ecgcore.calibration.scores import Scores
from ecgcore.calibration.thresholds import BEST_F1, ThresholdRule

ALPHA = 0.2
SOURCE = "Angelopoulos & Bates 2023, https://doi.org/10.1561/2200000101"
FORM = "split conformal, cross-fitted by patient"
CONFIDENCE_CUTS = tuple(round(0.05 * step, 2) for step in range(21))


def fit_referral(
    scores: Scores,
    alpha: float = ALPHA,
    rule: ThresholdRule = BEST_F1,
    counted: np.ndarray | None = None,
) -> dict | None:
    """Return the band fitted on scores, None where too few records count for ``alpha``.

    Parameters
    ----------
    rule
        Rule by which the thresholds of ``scores`` were chosen.
    counted
        (N,) bool: records whose mistakes count, such as those with validated labels; by default
        all.
    """
    worst = nonconformity(cross_fitted(scores, rule))
    worst = worst if counted is None else worst[counted]
    n = len(worst)
    rank = int(np.ceil((n + 1) * (1 - alpha) - 1e-9))
    if rank > n:
        return None
    cut = float(np.sort(worst)[rank - 1])
    return {
        "form": FORM,
        "alpha": alpha,
        "cut": cut,
        "bands": _bands(scores, cut) if scores.target_mode == "multilabel" else None,
        "n": n,
        "source": SOURCE,
    }


def nonconformity(scores: Scores) -> np.ndarray:
    """Return (N,) the largest probability given to a mistake, 0..1; 0 where nothing is wrong.

    ``multilabel``: over the known classes that are wrongly predicted present or absent. Otherwise
    1 − p of the stated class.
    """
    if scores.target_mode != "multilabel":
        return 1 - scores.p[np.arange(len(scores)), scores.truth]
    wrong = (scores.predicted != scores.positive) & scores.known
    return np.where(wrong, np.where(scores.predicted, scores.p, 1 - scores.p), 0).max(axis=1)


def uncertain_classes(p: np.ndarray, classes: tuple[str, ...], referral: Mapping) -> np.ndarray:
    """Return (N, C) bool: classes whose (N, C) probabilities lie in the uncertain band.

    With one class a record: the classes that remain possible, where that is not exactly one.
    """
    if referral["bands"] is None:
        possible = np.greater_equal(p, 1 - referral["cut"])
        return np.asarray(possible & (possible.sum(axis=1, keepdims=True) != 1))
    ends = np.array([referral["bands"].get(c) or (np.inf, -np.inf) for c in classes])
    return np.logical_and(ends[:, 0] <= p, p <= ends[:, 1])


def referred_records(p: np.ndarray, classes: tuple[str, ...], referral: Mapping) -> np.ndarray:
    """Return (N,) bool: records to leave to a person, given (N, C) probabilities."""
    if referral["bands"] is None:
        return np.asarray((p >= 1 - referral["cut"]).sum(axis=1) != 1)
    return np.asarray(uncertain_classes(p, classes, referral).any(axis=1))


@dataclass(frozen=True)
class Outcomes:
    """Outcome of referral for N records.

    Attributes
    ----------
    answered
        (N,) bool: not referred.
    covered
        (N,) bool: no certain class is wrong.
    right
        (N,) bool: every known class is right (in the modes of one class a record: the class).
    """

    answered: np.ndarray
    covered: np.ndarray
    right: np.ndarray


def outcomes(scores: Scores, referral: Mapping) -> Outcomes:
    """Return the outcomes of a band for records that took no part in fitting it."""
    return Outcomes(
        answered=~referred_records(scores.p, scores.classes, referral),
        covered=nonconformity(scores) <= referral["cut"],
        right=_all_right(scores),
    )


def cross_fitted_outcomes(
    scores: Scores,
    alpha: float = ALPHA,
    rule: ThresholdRule = BEST_F1,
    counted: np.ndarray | None = None,
) -> Outcomes:
    """Return the outcomes for the very records that a band was fitted on.

    Thresholds and band of each fifth of the patients come from the other four; where these are too
    few for a band, its records are referred.
    """
    counted = np.ones(len(scores), bool) if counted is None else counted
    reached = Outcomes(*(np.zeros(len(scores), bool) for _ in range(3)))
    for held_out in patient_parts(scores):
        others, rows = scores.take(~held_out), scores.take(held_out)
        if len(others) and scores.target_mode == "multilabel":
            thresholds = thresholds_of(others, rule)
            others, rows = (replace(part, thresholds=thresholds) for part in (others, rows))
        band = fit_referral(others, alpha, rule, counted[~held_out]) if len(others) else None
        reached.right[held_out] = _all_right(rows)
        reached.covered[held_out] = True if band is None else outcomes(rows, band).covered
        reached.answered[held_out] = False if band is None else outcomes(rows, band).answered
    return reached


def referral_report(
    scores: Scores, referral: Mapping, outcomes_of_records: Outcomes | None = None
) -> dict:
    """Return the coverage and accuracy that referral reaches on these records.

    Parameters
    ----------
    outcomes_of_records
        The records' outcomes where the band was fitted on them (:func:`cross_fitted_outcomes`); by
        default those of ``referral``.

    Returns
    -------
    dict
        ``alpha``; ``n`` and ``answered`` (share not referred); ``covered``: share of records in
        which no certain class is wrong (1 − alpha is the aim); ``right`` and ``right_answered``:
        share in which every known class is right, of all and of those answered; ``curve``: the same
        two shares where a record is answered if its least certain class has at least the
        probability ``least``.
    """
    reached = outcomes_of_records or outcomes(scores, referral)
    confidence, right = _confidence(scores), reached.right
    return {
        "alpha": referral["alpha"],
        "n": len(scores),
        "answered": float(reached.answered.mean()),
        "covered": float(reached.covered.mean()),
        "right": float(right.mean()),
        "right_answered": _mean(right[reached.answered]),
        "curve": [_curve_point(confidence, right, cut) for cut in CONFIDENCE_CUTS],
    }


def _all_right(scores: Scores) -> np.ndarray:
    """Return (N,) bool: every known class is predicted as stated."""
    return ((scores.predicted == scores.positive) | ~scores.known).all(axis=1)


def _confidence(scores: Scores) -> np.ndarray:
    """Return (N,) the probability given to the least certain prediction, or to the top class."""
    if scores.target_mode != "multilabel":
        return scores.p.max(axis=1)
    return np.where(scores.predicted, scores.p, 1 - scores.p).min(axis=1)


def _curve_point(confidence: np.ndarray, right: np.ndarray, cut: float) -> dict:
    answered = confidence >= cut
    return {
        "least": cut,
        "answered": float(answered.mean()),
        "right_answered": _mean(right[answered]),
    }


def _bands(scores: Scores, cut: float) -> dict[str, list[float]]:
    """Return each class's band: p ≥ 1 − cut below its threshold, p ≤ cut from it on."""
    ends = {
        code: [min(1 - cut, t), max(cut, t)]
        for code, t in zip(scores.classes, scores.thresholds.tolist(), strict=True)
    }
    return {code: band for code, band in ends.items() if band[0] < band[1]}


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
