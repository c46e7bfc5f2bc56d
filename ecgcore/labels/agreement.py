"""Agreement of criteria labels (from measurements) with expert labels (from statements)."""

from dataclasses import dataclass

import numpy as np

from ecgcore.labels.classes import CODES


@dataclass(frozen=True)
class Agreement:
    """Counts of one class over the records whose expert label is known.

    ``not_measured`` counts the records whose criteria label is unknown; they enter neither
    sensitivity nor specificity.
    """

    code: str
    both: int
    expert_only: int
    criteria_only: int
    neither: int
    not_measured: int

    @property
    def sensitivity(self) -> float | None:
        """Share of the expert's positives that the criteria label; None without any."""
        return _share(self.both, self.both + self.expert_only)

    @property
    def specificity(self) -> float | None:
        """Share of the expert's negatives that the criteria do not label; None without any."""
        return _share(self.neither, self.neither + self.criteria_only)

    def as_json(self) -> dict[str, int | float | None]:
        """Return counts and rounded shares."""
        rounded = {
            name: None if value is None else round(value, 4)
            for name, value in (
                ("sensitivity", self.sensitivity),
                ("specificity", self.specificity),
            )
        }
        counts = {name: value for name, value in vars(self).items() if name != "code"}
        return {**counts, **rounded}


def agreement(expert: np.ndarray, criteria: np.ndarray) -> dict[str, Agreement]:
    """Return the agreement of (N, 10) int8 states, by class."""
    by_class = {}
    for i, code in enumerate(CODES):
        stated, measured = expert[:, i], criteria[:, i]
        by_class[code] = Agreement(
            code,
            both=_count(stated == 1, measured == 1),
            expert_only=_count(stated == 1, measured == 0),
            criteria_only=_count(stated == 0, measured == 1),
            neither=_count(stated == 0, measured == 0),
            not_measured=_count(stated >= 0, measured < 0),
        )
    return by_class


def _count(one: np.ndarray, other: np.ndarray) -> int:
    return int((one & other).sum())


def _share(count: int, total: int) -> float | None:
    return count / total if total else None
