"""Decision curves: is it better to act on the model than on everybody or on nobody?

Net benefit at a threshold probability p_t: true calls − false calls · p_t / (1 − p_t), a record,
calling where the calibrated probability is at least p_t (Vickers & Elkin 2006,
doi:10.1177/0272989X06295361). Whoever acts from 10 % on holds a miss nine times as bad as a false
alarm.
"""

import numpy as np

from ecgcore.calibration.scores import Scores

GRID = tuple(round(step / 100, 2) for step in range(1, 100))
SHOWN = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


def decision_curve(
    scores: Scores, code: str, thresholds: tuple[float, ...] = GRID
) -> list[dict[str, float]]:
    """Return net benefit a record by threshold probability, over the records where it is known.

    Returns
    -------
    list
        ``threshold``, and net benefit of acting on the ``model`` and on ``all``; on nobody it is 0.
        Empty where the class is known in no record.
    """
    index = scores.classes.index(code)
    known = scores.known[:, index]
    y, p = scores.positive[known, index], scores.p[known, index]
    if not len(y):
        return []
    return [
        {"threshold": t, "model": net_benefit(y, p >= t, t), "all": net_benefit(y, y == y, t)}
        for t in thresholds
    ]


def decision_table(scores: Scores) -> dict[str, list[dict[str, float]]]:
    """Return the curves of all classes with positives, at a few thresholds."""
    there = np.flatnonzero(scores.positive.any(axis=0))
    return {c: decision_curve(scores, c, SHOWN) for c in np.array(scores.classes)[there].tolist()}


def net_benefit(y: np.ndarray, called: np.ndarray, threshold: float) -> float:
    """Return (TP − FP · p_t / (1 − p_t)) / n of (n,) bool labels and calls."""
    return float(((y & called).sum() - (~y & called).sum() * threshold / (1 - threshold)) / len(y))
