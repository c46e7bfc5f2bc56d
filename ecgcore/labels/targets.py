"""Training targets: from the states of the classes to the outputs of a network.

=============  ====================================================================================
multilabel     all classes, each present, absent or unknown (sigmoid)
exclusive      one class a record, where its statements do not conflict (softmax, as in the paper)
priority       one class a record, the most severe that is stated (softmax)
=============  ====================================================================================

``exclusive`` and ``priority`` depend on stated classes only: an unknown class is not a conflict.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ecgcore.errors import NotFound, RequestError
from ecgcore.labels.classes import CODES

MODES = ("multilabel", "exclusive", "priority")
PRIORITY = (7, 3, 4, 6, 5, 8, 9, 1, 2, 0)
"""Order of ``priority``: the first of these classes that is stated is the label."""

MORPHOLOGY = slice(3, 10)
SECONDARY_TO = slice(3, 8)
RATE = slice(0, 3)
RBBB, RVH, STD = CODES.index("RBBB"), CODES.index("RVH"), CODES.index("STD")


@dataclass(frozen=True)
class Targets:
    """Training targets of N records.

    Attributes
    ----------
    y
        (N, C) float32: 1 present, 0 absent, NaN unknown (masked in loss and metrics). A record
        that is not used is NaN throughout.
    used
        (N,) bool.
    reason
        (N,) object: why a record is left out; empty where it is used.
    """

    y: np.ndarray
    used: np.ndarray
    reason: np.ndarray


def targets(
    states: np.ndarray, mode: str, classes: tuple[str, ...] = CODES, is_ranked: bool = False
) -> Targets:
    """Return the targets of N records in one of MODES.

    ``states`` is (N, C) int8: 1 present, 0 absent, -1 unknown. The rules of ``exclusive`` and the
    order of ``priority`` hold for the paper's ten classes; in another set of ``classes`` exactly
    one must be stated, and an order is there only if the set ``is_ranked``: that of its classes.
    """
    if mode not in MODES:
        raise NotFound.among("target mode", mode, MODES)
    if mode == "multilabel":
        return _multilabel(states)
    stated = states == 1
    chosen = stated
    if classes == CODES:
        chosen = _resolve_conflicts(stated) if mode == "exclusive" else _first_by_priority(stated)
    elif mode == "priority":
        if not is_ranked:
            raise RequestError("There is no order of priority in the published label sets.")
        chosen = stated & (np.cumsum(stated, axis=1) == 1)
    used = chosen.sum(axis=1) == 1
    y = np.where(used[:, None], chosen, np.nan).astype(np.float32)
    return Targets(y, used, _reasons(states, chosen, used, classes))


def priority_class(states: np.ndarray) -> np.ndarray:
    """Return (N,) the index of the first stated class in PRIORITY, or -1."""
    stated = np.asarray(states == 1)[:, PRIORITY]
    return np.where(stated.any(axis=1), np.array(PRIORITY)[stated.argmax(axis=1)], -1)


def class_counts(states: np.ndarray) -> dict[str, int]:
    """Return the number of records in which each class is present."""
    return dict(zip(CODES, (states == 1).sum(axis=0).tolist(), strict=True))


def targets_summary(states: np.ndarray) -> dict[str, dict]:
    """Return ``{mode: {"used": n, "left_out": {reason: n}, "classes": {code: n}}}``."""
    summary = {}
    for mode in MODES:
        of_mode = targets(states, mode)
        left_out = Counter(of_mode.reason[~of_mode.used].tolist())
        summary[mode] = {
            "used": int(of_mode.used.sum()),
            "left_out": dict(left_out.most_common()),
            "classes": class_counts(of_mode.y),
        }
    return summary


def rule_counts(states: np.ndarray) -> dict[str, dict[str, int]]:
    """Return the records of each class after each rule of ``exclusive``, one rule after another."""
    stated = states == 1
    counts = {"exactly one class stated": _counts_of_single(stated)}
    for rule, apply in RULES.items():
        stated = apply(stated)
        counts[rule] = _counts_of_single(stated)
    return counts


def _counts_of_single(stated: np.ndarray) -> dict[str, int]:
    return class_counts(stated[stated.sum(axis=1) == 1].astype(np.int8))


def _drop_rate_with_morphology(stated: np.ndarray) -> np.ndarray:
    remaining = stated.copy()
    remaining[stated[:, MORPHOLOGY].any(axis=1), RATE] = False
    return remaining


def _drop_secondary_depression(stated: np.ndarray) -> np.ndarray:
    remaining = stated.copy()
    remaining[stated[:, SECONDARY_TO].any(axis=1), STD] = False
    return remaining


def _drop_rbbb_with_rvh(stated: np.ndarray) -> np.ndarray:
    remaining = stated.copy()
    remaining[stated[:, RVH], RBBB] = False
    return remaining


RULES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "a rate class beside a morphology class: the morphology": _drop_rate_with_morphology,
    "STD beside LBBB, RBBB, LVH, RVH or STEMI: secondary": _drop_secondary_depression,
    "RBBB beside RVH: RVH": _drop_rbbb_with_rvh,
}
"""Conflicts that ``exclusive`` resolves, as functions on stated classes, (N, 10) bool."""


def _resolve_conflicts(stated: np.ndarray) -> np.ndarray:
    for apply in RULES.values():
        stated = apply(stated)
    return stated


def _first_by_priority(stated: np.ndarray) -> np.ndarray:
    return np.arange(len(CODES)) == priority_class(stated)[:, None]


def _multilabel(states: np.ndarray) -> Targets:
    y = np.where(states < 0, np.nan, states).astype(np.float32)
    used = np.asarray((states >= 0).any(axis=1))
    return Targets(y, used, np.where(used, "", "every class is unknown").astype(object))


def _reasons(
    states: np.ndarray, chosen: np.ndarray, used: np.ndarray, classes: tuple[str, ...]
) -> np.ndarray:
    """Return why records are left out: nothing stated, or conflicting classes."""
    reason = np.full(len(states), "", object)
    reason[~used] = "no class is stated"
    reason[(states < 0).all(axis=1)] = "every class is unknown"
    conflict = chosen.sum(axis=1) > 1
    patterns, pattern_of = np.unique(chosen[conflict], axis=0, return_inverse=True)
    texts = [f"conflict: {' and '.join(np.array(classes)[pattern])}" for pattern in patterns]
    reason[conflict] = np.array(texts, object)[pattern_of.ravel()]
    return reason
