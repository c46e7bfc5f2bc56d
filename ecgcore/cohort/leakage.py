"""The leak check: is a patient or a recording on two sides of a plan?

It looks at what lies on the sides, and knows nothing of how they were split.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecgcore.cohort.subsets import Split


@dataclass(frozen=True)
class LeakCheck:
    """What lies on which side.

    Attributes
    ----------
    records, patients, recordings
        Looked at, on all sides; patients with a number, recordings by their stored signal.
    nameless
        Records without a patient number: whether two of them are one patient's cannot be told.
    shared_patients, shared_recordings
        On two sides or more; none in a sound split.
    """

    records: int
    patients: int
    recordings: int
    nameless: int
    shared_patients: int
    shared_recordings: int

    @property
    def passed(self) -> bool:
        """Whether nobody and nothing is on two sides."""
        return not self.shared_patients and not self.shared_recordings

    @property
    def text(self) -> str:
        """What was found, in a sentence or two."""
        looked_at = (
            f"{self.records:,} records, {self.patients:,} patients and {self.recordings:,} "
            "recordings looked at"
        )
        if self.passed:
            said = f"No patient and no recording on two sides: checked ({looked_at})."
        else:
            said = (
                f"{self.shared_patients:,} patients and {self.shared_recordings:,} recordings are "
                f"on two sides ({looked_at}): scores would be too good. Do not train on this split."
            )
        if self.nameless:
            said += f" {self.nameless:,} records name no patient; each counts as one of its own."
        return said


def check_sides(index: pd.DataFrame, plan: Split) -> LeakCheck:
    """Look for patients and recordings on two sides of a plan.

    ``index`` is the cohort's, with ``patient`` and ``signal_hash``.
    """
    rows = index.iloc[plan.rows]
    patients, recordings = _named(rows["patient"]), _named(rows["signal_hash"])
    return LeakCheck(
        records=len(rows),
        patients=patients.nunique(),
        recordings=recordings.nunique(),
        nameless=int(patients.isna().sum()),
        shared_patients=_on_two_sides(patients, plan.part),
        shared_recordings=_on_two_sides(recordings, plan.part),
    )


def _named(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna() & (column != ""))


def _on_two_sides(owner: pd.Series, part: np.ndarray) -> int:
    sides = pd.Series(part, owner.index).groupby(owner).nunique()
    return int((sides > 1).sum())
