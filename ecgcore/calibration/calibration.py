"""Calibration: a run's temperature, and how well its probabilities match frequencies.

The temperature (Guo et al. 2017, https://proceedings.mlr.press/v70/guo17a.html) is fitted on
validation logits alone; metrics on other records fit nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, log_softmax, softmax

from ecgcore.calibration.scores import Scores

FITTED_ON = "validation"
OUT_OF_FOLD = "out-of-fold"
"""A shipped model is trained on all records, so its calibration comes from cross-validation:
networks of the same configuration, each trained without one fold, predict that fold. These
predictions are its part ``test``."""
PART_OF = {FITTED_ON: "validation", OUT_OF_FOLD: "test"}
OUT_OF_FOLD_NOTE = (
    "Out of fold: each record was answered by a network of the same recipe that had not learnt "
    "from its fold; the network itself learnt from all of them. Temperature and thresholds come "
    "from these answers, too."
)
BINS = 10
BINNING = f"{BINS} bins of equally many records, by probability"
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
_MIN_PROBABILITY = 1e-7  # float32 holds no smaller distance from 1


def is_out_of_fold(calibration: Mapping[str, Any] | None) -> bool:
    """Return True if a calibration was fitted on out-of-fold predictions."""
    return (calibration or {}).get("from") == OUT_OF_FOLD


def probabilities(
    logits: np.ndarray, target_mode: str, temperature: float | None = None
) -> np.ndarray:
    """Return (N, C) probabilities: a sigmoid each for ``multilabel``, else a softmax.

    ``logits`` (N, C) are divided by the temperature first; None leaves them unchanged.
    """
    scaled = logits if temperature is None else logits / temperature
    return expit(scaled) if target_mode == "multilabel" else softmax(scaled, axis=1)


def fit_temperature(logits: np.ndarray, y: np.ndarray, target_mode: str) -> float | None:
    """Return the temperature of least negative log likelihood, None where no label is known.

    Parameters
    ----------
    logits
        (N, C), of validation records only.
    y
        (N, C): 1 present, 0 absent, NaN unknown; unknown cells are ignored. In the modes of one
        class a record, records without exactly one stated class are ignored.

    Returns
    -------
    float
        From 0.05 to 20; above 1 the network was overconfident.
    """
    from scipy.optimize import minimize_scalar  # a tenth of the start of `classify`, unused there

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
    bounds = (np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def with_probabilities(
    predictions: pd.DataFrame,
    classes: Sequence[str],
    target_mode: str,
    temperature: float | None = None,
) -> pd.DataFrame:
    """Return a table of predictions with its ``p_`` columns computed from its logits ``z_``."""
    logits = predictions[[f"z_{c}" for c in classes]].to_numpy(float)
    p = probabilities(logits, target_mode, temperature).astype(np.float32)
    columns = pd.DataFrame(p, predictions.index, [f"p_{c}" for c in classes])
    return pd.concat([predictions.drop(columns=columns, errors="ignore"), columns], axis=1)


def calibration_metrics(scores: Scores) -> dict:
    """Return calibration errors, Brier scores and log loss; nothing is fitted.

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
            classes[code] = _class_calibration(scores.positive[known, i], scores.p[known, i])
    pooled = reliability_bins(scores.positive[scores.known], scores.p[scores.known])
    metrics = {
        "ece": float(np.mean([c["ece"] for c in classes.values()])),
        "ece_pooled": expected_calibration_error(pooled),
        "brier": float(np.mean([c["brier"] for c in classes.values()])),
        "nll": _negative_log_likelihood(scores),
        "classes": classes,
        "bins": pooled,
    }
    if scores.target_mode != "multilabel":
        right = scores.top == scores.truth
        bins = reliability_bins(right, scores.p.max(axis=1))
        metrics["ece_top"] = expected_calibration_error(bins)
    return metrics


def reliability_bins(y: np.ndarray, p: np.ndarray, bins: int = BINS) -> list[dict]:
    """Return the reliability diagram: per bin ``n``, mean ``p`` and the ``share`` with the class.

    ``y`` (n,) bool and ``p`` (n,). Bins hold equally many records, so that none rests on a few.
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


def _class_calibration(y: np.ndarray, p: np.ndarray) -> dict:
    bins = reliability_bins(y, p)
    return {
        "n": len(y),
        "ece": expected_calibration_error(bins),
        "brier": float(np.mean((p - y) ** 2)),
        "bins": bins,
    }


def _negative_log_likelihood(scores: Scores) -> float:
    """Return its mean over known cells, or over records where one class is stated."""
    p = np.clip(scores.p, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    if scores.target_mode == "multilabel":
        return float(-np.log(np.where(scores.positive, p, 1 - p))[scores.known].mean())
    return float(-np.log(p[np.arange(len(scores)), scores.truth]).mean())
