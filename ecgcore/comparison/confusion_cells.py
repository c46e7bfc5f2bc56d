"""Records in a cell of the confusion matrices."""

import numpy as np

from ecgcore.calibration.scores import Scores
from ecgcore.errors import NotFound

SIDES = ("a", "b", "one")
"""Matrix that a cell belongs to; ``one``: A − B, the records that only one run puts there."""


def cell_records(a: Scores, b: Scores, label: str, predicted: str, side: str) -> list[dict]:
    """Return the records of one cell, in descending order of probability.

    Parameters
    ----------
    a, b
        On the same records in the same order (see ``compare.on_common_records``).
    label, predicted
        Class codes: the record's one stated class, and the class of highest probability.
    side
        One of SIDES.

    Returns
    -------
    list of dict
        record, truth, a, b (class codes), p_a, p_b (probability of ``predicted``, 0..1).

    Raises
    ------
    NotFound
        No such class or side.
    """
    for code in (label, predicted):
        if code not in a.classes:
            raise NotFound.among("class", code, a.classes)
    if side not in SIDES:
        raise NotFound.among("side", side, SIDES)
    column = a.classes.index(predicted)
    stated = a.single_label & (a.truth == a.classes.index(label))
    in_a, in_b = stated & (a.top == column), stated & (b.top == column)
    rows = np.flatnonzero({"a": in_a, "b": in_b, "one": in_a != in_b}[side])
    p_a, p_b = a.p[:, column], b.p[:, column]
    p = {"a": p_a, "b": p_b, "one": np.maximum(p_a, p_b)}[side]
    return [
        {
            "record": str(a.record[row]),
            "truth": label,
            "a": a.classes[a.top[row]],
            "b": a.classes[b.top[row]],
            "p_a": float(p_a[row]),
            "p_b": float(p_b[row]),
        }
        for row in rows[np.argsort(-p[rows], kind="stable")]
    ]


def cell_description(label: str, predicted: str, side: str) -> str:
    """Return a cell in words: ``label LVH, A says NSR``."""
    if side == "one":
        return f"label {label}, only one of A and B says {predicted}"
    return f"label {label}, {side.upper()} says {predicted}"
