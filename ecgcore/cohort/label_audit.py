"""The audit of a stored cohort's labels, and the labels of one of its records explained."""

import re
from collections import Counter
from typing import Any

import pandas as pd

from ecgcore.cohort.paths import read_paths
from ecgcore.cohort.store import Cohort
from ecgcore.labels.audit import audit
from ecgcore.labels.trace import explain_labels

_NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")


def audit_cohort(cohort: Cohort) -> dict[str, Any]:
    """Return ``labels.audit.audit`` of a cohort, with its name."""
    measures = cohort.measures if cohort.is_measured else None
    return {"cohort": cohort.name} | audit(cohort.index, measures, _lost(cohort))


def explain_stored(cohort: Cohort, record: str) -> dict[str, Any]:
    """Return ``labels.trace.explain_labels`` of a record of a cohort, measured now if need be."""
    row = cohort.row_of(record)
    stored = cohort.record(row)
    if cohort.is_measured:
        return explain_labels(stored, cohort.measures.iloc[row].to_dict())
    from ecgcore.measure.measurements import measure

    return explain_labels(stored, measure(stored).as_row())


def _lost(cohort: Cohort) -> dict[str, int]:
    """Return why files that were found are no records of their own, with their number."""
    outcome = read_paths(cohort.folder, cohort.meta["shards"])
    rejected = outcome[outcome["status"] == "rejected"]
    reasons = Counter(_kind_of_reason(row) for row in rejected.itertuples())
    duplicates = int((outcome["status"] == "duplicate").sum())
    if duplicates:
        reasons["the same recording again (duplicate)"] = duplicates
    return dict(reasons.most_common())


def _kind_of_reason(row: Any) -> str:
    """Return a reason without what is this one record's: its name, its file's, its numbers."""
    told = row.reason
    if not pd.isna(row.record):
        told = told.replace(row.record, "…")
    return _NUMBERS.sub("n", told.replace(row.path.rsplit("/", 1)[-1], "…"))
