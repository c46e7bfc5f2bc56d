"""The audit of a stored cohort's labels, and the labels of one of its records explained."""

from typing import Any

from ecgcore.cohort.exclusions import losses
from ecgcore.cohort.store import Cohort
from ecgcore.labels.audit import audit
from ecgcore.labels.explain import explain_labels


def audit_cohort(cohort: Cohort) -> dict[str, Any]:
    """Return ``labels.audit.audit`` of a cohort, with its name."""
    measures = cohort.measures if cohort.is_measured else None
    return {"cohort": cohort.name} | audit(cohort.index, measures, losses(cohort))


def explain_stored(cohort: Cohort, record: str) -> dict[str, Any]:
    """Return ``labels.explain.explain_labels`` of a record of a cohort, measured now if need be."""
    row = cohort.row_of(record)
    stored = cohort.record(row)
    if cohort.is_measured:
        return explain_labels(stored, cohort.measures.iloc[row].to_dict())
    from ecgcore.measure.measurements import measure

    return explain_labels(stored, measure(stored).as_row())
