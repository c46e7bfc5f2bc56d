"""Leak check: patients or recordings that occur in two parts of a split.

It looks only at the records of each part, not at how they were split.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecgcore.cohort.subsets import Split


@dataclass(frozen=True)
class LeakCheck:
    """Result of a leak check.

    Attributes
    ----------
    records, patients, recordings
        Number examined over all parts: patients by their id, recordings by their stored signal.
    nameless
        Records without a patient id; it is unknown whether two of them are of one patient.
    shared_patients, shared_recordings
        Number in two parts or more; zero in a sound split.
    """

    records: int
    patients: int
    recordings: int
    nameless: int
    shared_patients: int
    shared_recordings: int

    @property
    def passed(self) -> bool:
        """True if no patient and no recording is in two parts."""
        return not self.shared_patients and not self.shared_recordings

    @property
    def text(self) -> str:
        """Result in a sentence or two."""
        examined = (
            f"{self.records:,} records, {self.patients:,} patients and {self.recordings:,} "
            "recordings examined"
        )
        if self.passed:
            text = f"No patient and no recording is in two parts ({examined})."
        else:
            text = (
                f"{self.shared_patients:,} patients and {self.shared_recordings:,} recordings are "
                f"in two parts ({examined}): scores would be too good. Do not train on this split."
            )
        if self.nameless:
            text += f" {self.nameless:,} records have no patient id; each counts as one patient."
        return text


def check_leakage(index: pd.DataFrame, split: Split) -> LeakCheck:
    """Look for patients and recordings that are in two parts of a split.

    ``index`` is the cohort's, with ``patient`` and ``signal_hash``.
    """
    rows = index.iloc[split.rows]
    patients, recordings = _identifiers(rows["patient"]), _identifiers(rows["signal_hash"])
    return LeakCheck(
        records=len(rows),
        patients=patients.nunique(),
        recordings=recordings.nunique(),
        nameless=int(patients.isna().sum()),
        shared_patients=_count_shared(patients, split.part),
        shared_recordings=_count_shared(recordings, split.part),
    )


def _identifiers(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna() & (column != ""))


def _count_shared(identifier: pd.Series, part: np.ndarray) -> int:
    n_parts = pd.Series(part, identifier.index).groupby(identifier).nunique()
    return int((n_parts > 1).sum())
