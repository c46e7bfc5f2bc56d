"""A cell of the confusion matrices: which records are in it."""

import numpy as np

from ecgcore.calibration.scores import Scores
from ecgcore.errors import NotFound

SIDES = ("a", "b", "one")
"""Whose matrix a cell is of; ``one``: of A − B, the records that one run alone puts there."""


def cell_records(a: Scores, b: Scores, label: str, said: str, side: str) -> list[dict]:
    """Return the records of one cell, those first of which the run is surest.

    Parameters
    ----------
    a, b
        On the same records in the same order (see ``compare.on_common_records``).
    label, said
        Class codes: the record's one stated class, and the class of highest probability.
    side
        One of SIDES.

    Returns
    -------
    list of dict
        record, truth, a, b (class codes), p_a, p_b (probability of ``said``, 0..1).

    Raises
    ------
    NotFound
        No such class or side.
    """
    for code in (label, said):
        if code not in a.classes:
            raise NotFound.among("class", code, a.classes)
    if side not in SIDES:
        raise NotFound.among("side", side, SIDES)
    place = a.classes.index(said)
    stated = a.single & (a.truth == a.classes.index(label))
    by_a, by_b = stated & (a.top == place), stated & (b.top == place)
    rows = np.flatnonzero({"a": by_a, "b": by_b, "one": by_a != by_b}[side])
    p_a, p_b = a.p[:, place], b.p[:, place]
    surest = {"a": p_a, "b": p_b, "one": np.maximum(p_a, p_b)}[side]
    return [
        {
            "record": str(a.record[row]),
            "truth": label,
            "a": a.classes[a.top[row]],
            "b": a.classes[b.top[row]],
            "p_a": float(p_a[row]),
            "p_b": float(p_b[row]),
        }
        for row in rows[np.argsort(-surest[rows], kind="stable")]
    ]


def cell_words(label: str, said: str, side: str) -> str:
    """Return what a cell is, in words: ``label LVH, A says NSR``."""
    if side == "one":
        return f"label {label}, only one of A and B says {said}"
    return f"label {label}, {side.upper()} says {said}"
