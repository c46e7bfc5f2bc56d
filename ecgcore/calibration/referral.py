"""Referral: records that a run should leave to a person, by split conformal prediction.

Angelopoulos & Bates 2023 (https://doi.org/10.1561/2200000101), section 1: the 1 − alpha quantile of
the validation records' nonconformity bounds that of a new record in a share of 1 − alpha of new
records like them, whatever the network.

``multilabel``: nonconformity is the largest probability given to a mistake, over the classes. A
class whose probability lies in its band around its threshold may be present or absent, and a
record with such a class is referred. In at least 1 − alpha of records no class outside its band is
wrong. Otherwise nonconformity is 1 − p of the stated class, and a record is referred unless exactly
one class remains possible.
"""

from collections.abc import Mapping

import numpy as np

from ecgcore.calibration.scores import Scores

ALPHA = 0.2
SOURCE = "Angelopoulos & Bates 2023, https://doi.org/10.1561/2200000101"
CONFIDENCE_CUTS = tuple(round(0.05 * step, 2) for step in range(21))


def fit_referral(validation: Scores, alpha: float = ALPHA) -> dict | None:
    """Return the band fitted on validation scores, None where these are too few for ``alpha``.

    Thresholds and temperature come from the same records, which favours the band a little; its
    coverage of other records is measured by :func:`referral_report`.
    """
    n = len(validation)
    rank = int(np.ceil((n + 1) * (1 - alpha) - 1e-9))
    if rank > n:
        return None
    cut = float(np.sort(nonconformity(validation))[rank - 1])
    return {
        "form": "split conformal",
        "alpha": alpha,
        "cut": cut,
        "bands": _bands(validation, cut) if validation.target_mode == "multilabel" else None,
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


def referral_report(scores: Scores, referral: Mapping) -> dict:
    """Return the coverage and accuracy that referral reaches on these records.

    Returns
    -------
    dict
        ``alpha``; ``n`` and ``answered`` (share not referred); ``covered``: share of records in
        which no certain class is wrong (at least 1 − alpha is promised); ``right`` and
        ``right_answered``: share in which every known class is right (in the modes of one class a
        record: the class), of all and of those answered; ``curve``: the same two shares where a
        record is answered if its least certain class has at least the probability ``least``.
    """
    answered = ~referred_records(scores.p, scores.classes, referral)
    right = _all_right(scores)
    return {
        "alpha": referral["alpha"],
        "n": len(scores),
        "answered": float(answered.mean()),
        "covered": float((nonconformity(scores) <= referral["cut"]).mean()),
        "right": float(right.mean()),
        "right_answered": _mean(right[answered]),
        "curve": [_curve_point(_confidence(scores), right, cut) for cut in CONFIDENCE_CUTS],
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
