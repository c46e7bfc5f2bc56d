"""Calibration: one temperature a run, and how far its probabilities can be believed.

The temperature (Guo et al. 2017, https://proceedings.mlr.press/v70/guo17a.html) is fitted on
validation logits alone; what is measured here on other records fits nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, softmax

from ecgcore.calibration.scores import Scores

FITTED_ON = "validation"
OUT_OF_FOLD = "out-of-fold"
"""A shipped model learnt from all records; its calibration comes from networks of the same recipe,
each of which answered the fold that it had not learnt from. These answers are its part ``test``."""
PART_OF = {FITTED_ON: "validation", OUT_OF_FOLD: "test"}
OUT_OF_FOLD_NOTE = (
    "Out of fold: each record was answered by a network of the same recipe that had not learnt "
    "from its fold; the network itself learnt from all of them. Temperature and thresholds come "
    "from these answers, too."
)
BINS = 10
BINNING = f"{BINS} bins of equally many records, by probability"
COLDEST, HOTTEST = 0.05, 20.0
_SMALLEST = 1e-7  # of a probability that is kept as float32


def is_out_of_fold(fitted: Mapping[str, Any] | None) -> bool:
    """Whether a calibration comes from answers that were given out of fold."""
    return (fitted or {}).get("from") == OUT_OF_FOLD


def probabilities(
    logits: np.ndarray, target_mode: str, temperature: float | None = None
) -> np.ndarray:
    """Return (N, C) probabilities: sigmoid each for ``multilabel``, else softmax.

    ``logits`` (N, C) are divided by the temperature first; None: as they are.
    """
    scaled = logits if temperature is None else logits / temperature
    return expit(scaled) if target_mode == "multilabel" else softmax(scaled, axis=1)


def fit_temperature(logits: np.ndarray, y: np.ndarray, target_mode: str) -> float | None:
    """Return the temperature of least negative log likelihood, None where no label is known.

    Parameters
    ----------
    logits
        (N, C), of validation records and no others.
    y
        (N, C): 1 present, 0 absent, NaN unknown; unknown cells count for nothing. In the modes of
        one class a record, records without exactly one stated class count for nothing.

    Returns
    -------
    float
        From 0.05 to 20; above 1 the network was too sure of itself.
    """
    if target_mode == "multilabel":
        known = ~np.isnan(y)
        z, stated = logits[known].astype(float), y[known]

        def loss(log_t: float) -> float:
            scaled = z / np.exp(log_t)
            return float(np.mean(np.logaddexp(0, scaled) - stated * scaled))
    else:
        known = (y == 1).sum(axis=1) == 1
        z, truth = logits[known].astype(float), (y[known] == 1).argmax(axis=1)

        def loss(log_t: float) -> float:
            return float(-log_softmax(z / np.exp(log_t), axis=1)[np.arange(len(z)), truth].mean())

    if not known.any():
        return None
    bounds = (np.log(COLDEST), np.log(HOTTEST))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def with_probabilities(
    predictions: pd.DataFrame,
    classes: Sequence[str],
    target_mode: str,
    temperature: float | None = None,
) -> pd.DataFrame:
    """Return a table of predictions whose ``p_`` are made of its logits ``z_``."""
    logits = predictions[[f"z_{c}" for c in classes]].to_numpy(float)
    p = probabilities(logits, target_mode, temperature).astype(np.float32)
    columns = pd.DataFrame(p, predictions.index, [f"p_{c}" for c in classes])
    return pd.concat([predictions.drop(columns=columns, errors="ignore"), columns], axis=1)


def calibration_of(scores: Scores) -> dict:
    """Return how near probabilities come to frequencies; nothing is fitted.

    Returns
    -------
    dict
        ``ece`` and ``brier`` (means over the classes), ``ece_pooled`` (over all known cells),
        ``nll``, ``bins`` (of all known cells) and ``classes`` {code: n, ece, brier, bins}; in the
        modes of one class a record also ``ece_top``, of the most probable class (Guo et al. 2017).
        A class's Brier score is its mean squared error (Brier 1950).
    """
    classes = {}
    for i, code in enumerate(scores.classes):
        known = scores.known[:, i]
        if known.any():
            classes[code] = _of_class(scores.positive[known, i], scores.p[known, i])
    pooled = reliability(scores.positive[scores.known], scores.p[scores.known])
    found = {
        "ece": float(np.mean([c["ece"] for c in classes.values()])),
        "ece_pooled": expected_calibration_error(pooled),
        "brier": float(np.mean([c["brier"] for c in classes.values()])),
        "nll": _nll(scores),
        "classes": classes,
        "bins": pooled,
    }
    if scores.target_mode != "multilabel":
        right = scores.top == scores.truth
        found["ece_top"] = expected_calibration_error(reliability(right, scores.p.max(axis=1)))
    return found


def reliability(y: np.ndarray, p: np.ndarray, bins: int = BINS) -> list[dict]:
    """Return the reliability diagram: per bin ``n``, mean ``p`` and the ``share`` with the class.

    ``y`` (n,) bool and ``p`` (n,); bins hold equally many, so that none rests on a few records.
    """
    order = np.argsort(p, kind="stable")
    return [
        {"n": len(part), "p": float(p[part].mean()), "share": float(y[part].mean())}
        for part in np.array_split(order, min(bins, len(order)))
    ]


def expected_calibration_error(bins: Sequence[dict]) -> float:
    """Return the mean of |p − share| over bins, weighted by their records (ECE)."""
    return float(
        np.average([abs(b["p"] - b["share"]) for b in bins], weights=[b["n"] for b in bins])
    )


def _of_class(y: np.ndarray, p: np.ndarray) -> dict:
    bins = reliability(y, p)
    return {
        "n": len(y),
        "ece": expected_calibration_error(bins),
        "brier": float(np.mean((p - y) ** 2)),
        "bins": bins,
    }


def _nll(scores: Scores) -> float:
    """Return the negative log likelihood a known cell, or a record where one class is stated."""
    p = np.clip(scores.p, _SMALLEST, 1 - _SMALLEST)
    if scores.target_mode == "multilabel":
        return float(-np.log(np.where(scores.positive, p, 1 - p))[scores.known].mean())
    return float(-np.log(p[np.arange(len(scores)), scores.truth]).mean())
