"""Records that the two networks of a report read wrongly: by class, by side, and shared."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ecgcore.report.facts import Facts


class ClassFailures(NamedTuple):
    """Mistakes about one class: counts by A, by B, and by both on the same record.

    ``missed``: present and not predicted. ``false``: predicted and absent.
    """

    code: str
    present: int
    missed: tuple[int, int, int]
    false: tuple[int, int, int]


@dataclass(frozen=True)
class SharedMiss:
    """A record with a stated class that neither network predicts."""

    record: str
    code: str
    p_a: float
    p_b: float


def class_failures(facts: Facts) -> list[ClassFailures]:
    """Return the mistakes about each class."""
    a, b = (side.scores for side in facts.sides)
    rows = []
    for i, code in enumerate(a.classes):
        present, absent = a.positive[:, i], a.known[:, i] & ~a.positive[:, i]
        called = a.predicted[:, i], b.predicted[:, i]
        missed = [present & ~of_side for of_side in called]
        false = [absent & of_side for of_side in called]
        rows.append(ClassFailures(code, int(present.sum()), _counts(*missed), _counts(*false)))
    return rows


def _counts(a: np.ndarray, b: np.ndarray) -> tuple[int, int, int]:
    return int(a.sum()), int(b.sum()), int((a & b).sum())


def shared_misses(facts: Facts) -> Iterator[SharedMiss]:
    """Yield for each class the record with it that both miss, at the lowest probabilities."""
    a, b = (side.scores for side in facts.sides)
    for i, code in enumerate(a.classes):
        missed = np.flatnonzero(a.positive[:, i] & ~a.predicted[:, i] & ~b.predicted[:, i])
        if len(missed):
            row = missed[(a.p[missed, i] + b.p[missed, i]).argmin()]
            yield SharedMiss(str(a.record[row]), code, float(a.p[row, i]), float(b.p[row, i]))
