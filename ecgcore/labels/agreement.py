"""How far two label policies agree: criteria from measurements against expert statements."""

from dataclasses import dataclass

import numpy as np

from ecgcore.labels.classes import CODES


@dataclass(frozen=True)
class Agreement:
    """One class, counted over the records where the expert's word is known.

    ``not_measured`` are records where the criteria leave the class unknown; they count in neither
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
        """Share of the expert's records that the criteria find; None without any."""
        return _share(self.both, self.both + self.expert_only)

    @property
    def specificity(self) -> float | None:
        """Share of the other records that the criteria leave alone; None without any."""
        return _share(self.neither, self.neither + self.criteria_only)

    def as_json(self) -> dict[str, int | float | None]:
        """Return counts and shares for machines."""
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
    found = {}
    for i, code in enumerate(CODES):
        stated, measured = expert[:, i], criteria[:, i]
        found[code] = Agreement(
            code,
            both=_count(stated == 1, measured == 1),
            expert_only=_count(stated == 1, measured == 0),
            criteria_only=_count(stated == 0, measured == 1),
            neither=_count(stated == 0, measured == 0),
            not_measured=_count(stated >= 0, measured < 0),
        )
    return found


def _count(one: np.ndarray, other: np.ndarray) -> int:
    return int((one & other).sum())


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
