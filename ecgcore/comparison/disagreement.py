"""Where two runs say different things, and which of them is right."""

import numpy as np

from ecgcore.calibration.scores import Scores


def disagreements(a: Scores, b: Scores) -> list[dict]:
    """Return the records for which the runs call different classes, the most telling first.

    First come those in which only one run is right (on all known classes), then those whose
    probabilities differ most.

    Returns
    -------
    list of dict
        record, truth, a, b (class codes each), right (``a``, ``b``, ``both`` or ``neither``).
    """
    differ = np.flatnonzero((a.called != b.called).any(axis=1))
    right_a, right_b = _right(a), _right(b)
    undecided = right_a[differ] == right_b[differ]
    apart = np.abs(a.p - b.p).max(axis=1)[differ]
    return [
        {
            "record": str(a.record[row]),
            "truth": _codes(a, a.positive[row]),
            "a": _codes(a, a.called[row]),
            "b": _codes(b, b.called[row]),
            "right": _who(bool(right_a[row]), bool(right_b[row])),
        }
        for row in differ[np.lexsort((-apart, undecided))]
    ]


def _right(scores: Scores) -> np.ndarray:
    """(N,) bool: every known class is called as stated; where one class decides, that one."""
    if scores.target_mode != "multilabel":
        return scores.top == scores.truth
    return (~scores.known | (scores.called == scores.positive)).all(axis=1)


def _codes(scores: Scores, chosen: np.ndarray) -> list[str]:
    return [scores.classes[i] for i in np.flatnonzero(chosen)]


def _who(a: bool, b: bool) -> str:
    return {(True, True): "both", (True, False): "a", (False, True): "b"}.get((a, b), "neither")
