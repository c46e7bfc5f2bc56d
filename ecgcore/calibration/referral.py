"""Refer: which records a run should leave to a person, by split conformal prediction.

Angelopoulos & Bates 2023 (https://doi.org/10.1561/2200000101), section 1: the quantile of what
validation records reach on a score of being wrong bounds what a new record reaches, in a share of
1 − alpha of new records like them, whatever the network.

``multilabel``: how sure the network was of its worst mistake, max over the classes; a class whose
probability lies in its band around its threshold may be present or absent, and a record with such
a class is referred. In at least 1 − alpha of records no class outside its band is wrong.
Otherwise: 1 − p of the stated class; a record is referred unless exactly one class is left.
"""

from collections.abc import Mapping

import numpy as np

from ecgcore.calibration.scores import Scores

ALPHA = 0.2
SOURCE = "Angelopoulos & Bates 2023, https://doi.org/10.1561/2200000101"
CUTS = tuple(round(0.05 * step, 2) for step in range(21))


def fit_refer(validation: Scores, alpha: float = ALPHA) -> dict | None:
    """Return the band fitted on validation scores, None where these are too few for ``alpha``.

    Thresholds and temperature come from the same records, which favours the band a little; the
    coverage that it reaches elsewhere is measured, see :func:`refer_report`.
    """
    n = len(validation)
    rank = int(np.ceil((n + 1) * (1 - alpha) - 1e-9))
    if rank > n:
        return None
    cut = float(np.sort(wrongness(validation))[rank - 1])
    return {
        "form": "split conformal",
        "alpha": alpha,
        "cut": cut,
        "bands": _bands(validation, cut) if validation.target_mode == "multilabel" else None,
        "n": n,
        "source": SOURCE,
    }


def wrongness(scores: Scores) -> np.ndarray:
    """Return (N,) how sure the network was of what is wrong, 0..1; 0 where nothing is.

    ``multilabel``: the largest over the known classes that are wrongly called or wrongly not
    called, of the probability given to that mistake. Otherwise 1 − p of the stated class.
    """
    if scores.target_mode != "multilabel":
        return 1 - scores.p[np.arange(len(scores)), scores.truth]
    wrong = (scores.called != scores.positive) & scores.known
    return np.where(wrong, np.where(scores.called, scores.p, 1 - scores.p), 0).max(axis=1)


def uncertain(p: np.ndarray, classes: tuple[str, ...], refer: Mapping) -> np.ndarray:
    """Return (N, C) bool: classes of which the run is not certain, given (N, C) probabilities.

    With one class a record these are the classes that remain possible, where that is not one.
    """
    if refer["bands"] is None:
        possible = np.greater_equal(p, 1 - refer["cut"])
        return np.asarray(possible & (possible.sum(axis=1, keepdims=True) != 1))
    ends = np.array([refer["bands"].get(c) or (np.inf, -np.inf) for c in classes])
    return np.logical_and(ends[:, 0] <= p, p <= ends[:, 1])


def referred(p: np.ndarray, classes: tuple[str, ...], refer: Mapping) -> np.ndarray:
    """Return (N,) bool: records to leave to a person."""
    if refer["bands"] is None:
        return np.asarray((p >= 1 - refer["cut"]).sum(axis=1) != 1)
    return np.asarray(uncertain(p, classes, refer).any(axis=1))


def refer_report(scores: Scores, refer: Mapping) -> dict:
    """Return what referring does to these records; nothing is fitted.

    Returns
    -------
    dict
        ``alpha``; ``n`` and ``answered`` (share not referred); ``covered``: share of records in
        which no certain class is wrong (at least 1 − alpha is promised); ``right`` and
        ``right_answered``: share in which every known class is right (in the modes of one class a
        record: the class), of all and of those answered; ``curve``: the same two shares where a
        record is answered if its least certain class has at least the probability ``least``.
    """
    answered = ~referred(scores.p, scores.classes, refer)
    right = _right(scores)
    return {
        "alpha": refer["alpha"],
        "n": len(scores),
        "answered": float(answered.mean()),
        "covered": float((wrongness(scores) <= refer["cut"]).mean()),
        "right": float(right.mean()),
        "right_answered": _mean(right[answered]),
        "curve": [_point(_confidence(scores), right, cut) for cut in CUTS],
    }


def _right(scores: Scores) -> np.ndarray:
    """Return (N,) bool: every known class is called as it is stated."""
    return ((scores.called == scores.positive) | ~scores.known).all(axis=1)


def _confidence(scores: Scores) -> np.ndarray:
    """Return (N,) the probability given to the least certain answer, or to the one answer."""
    if scores.target_mode != "multilabel":
        return scores.p.max(axis=1)
    return np.where(scores.called, scores.p, 1 - scores.p).min(axis=1)


def _point(confidence: np.ndarray, right: np.ndarray, cut: float) -> dict:
    answered = confidence >= cut
    return {
        "least": cut,
        "answered": float(answered.mean()),
        "right_answered": _mean(right[answered]),
    }


def _bands(scores: Scores, cut: float) -> dict[str, list[float]]:
    """Return the classes' bands: not called, yet p ≥ 1 − cut; or called, yet p ≤ cut."""
    ends = {
        code: [min(1 - cut, t), max(cut, t)]
        for code, t in zip(scores.classes, scores.thresholds.tolist(), strict=True)
    }
    return {code: band for code, band in ends.items() if band[0] < band[1]}


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
