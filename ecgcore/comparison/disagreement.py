"""Records on which two runs disagree, and which of the runs is right."""

import numpy as np

from ecgcore.calibration.scores import Scores


def disagreements(a: Scores, b: Scores) -> list[dict]:
    """Return the records for which the runs predict different classes, the most telling first.

    First come those in which only one run is right (on all known classes), then those whose
    probabilities differ most.

    Returns
    -------
    list of dict
        record, truth, a, b (class codes each), right (``a``, ``b``, ``both`` or ``neither``).
    """
    rows = np.flatnonzero((a.predicted != b.predicted).any(axis=1))
    right_a, right_b = _right(a), _right(b)
    undecided = right_a[rows] == right_b[rows]
    p_difference = np.abs(a.p - b.p).max(axis=1)[rows]
    return [
        {
            "record": str(a.record[row]),
            "truth": _codes(a, a.positive[row]),
            "a": _codes(a, a.predicted[row]),
            "b": _codes(b, b.predicted[row]),
            "right": _side_right(bool(right_a[row]), bool(right_b[row])),
        }
        for row in rows[np.lexsort((-p_difference, undecided))]
    ]


def _right(scores: Scores) -> np.ndarray:
    """(N,) bool: every known class is predicted as stated; in one-class modes, the top class."""
    if scores.target_mode != "multilabel":
        return scores.top == scores.truth
    return (~scores.known | (scores.predicted == scores.positive)).all(axis=1)


def _codes(scores: Scores, mask: np.ndarray) -> list[str]:
    return [scores.classes[i] for i in np.flatnonzero(mask)]


def _side_right(a: bool, b: bool) -> str:
    return {(True, True): "both", (True, False): "a", (False, True): "b"}.get((a, b), "neither")
