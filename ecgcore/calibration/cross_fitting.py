"""Cross-fitting by patient: each record judged by what other patients' records chose.

Thresholds that are chosen and judged on the same few positives look better than they are.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ecgcore.calibration.scores import Scores
from ecgcore.calibration.thresholds import ThresholdRule, choose_thresholds

PARTS = 5


def patient_parts(scores: Scores, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield (N,) bool masks of the records of each fifth of the patients, drawn by ``seed``."""
    _, patient = np.unique(scores.patient, return_inverse=True)
    part = np.random.default_rng(seed).permutation(patient.max() + 1)[patient] % PARTS
    yield from (part == number for number in range(PARTS) if (part == number).any())


def cross_fitted(scores: Scores, rule: ThresholdRule) -> Scores:
    """Return scores whose thresholds, (N, C), the other four fifths of the patients chose."""
    if scores.target_mode != "multilabel":
        return scores
    thresholds = np.broadcast_to(scores.thresholds, scores.p.shape).copy()
    for held_out in patient_parts(scores):
        if held_out.all():  # one patient: nobody else can choose
            continue
        thresholds[held_out] = thresholds_of(scores.take(~held_out), rule)
    return replace(scores, thresholds=thresholds)


def thresholds_of(scores: Scores, rule: ThresholdRule) -> np.ndarray:
    """Return (C,) the thresholds that a rule chooses on some scores."""
    chosen = choose_thresholds(scores, rule)
    return np.array([chosen[code] for code in scores.classes])


def cross_fitted_calls(scores: Scores, rule: ThresholdRule) -> dict[str, list[int]]:
    """Return each class's calls and right calls at thresholds that other patients chose."""
    called = cross_fitted(scores, rule).predicted & scores.known
    counts = np.column_stack([called.sum(axis=0), (called & scores.positive).sum(axis=0)])
    return dict(zip(scores.classes, counts.tolist(), strict=True))
