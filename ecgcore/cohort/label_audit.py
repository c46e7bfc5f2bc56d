"""Label audit of a stored cohort, and the explanation of a stored record's labels."""

from typing import Any

from ecgcore.cohort.exclusions import exclusion_counts
from ecgcore.cohort.store import Cohort
from ecgcore.labels.audit import audit
from ecgcore.labels.explain import explain_labels


def audit_cohort(cohort: Cohort) -> dict[str, Any]:
    """Return ``labels.audit.audit`` of a cohort, with its name."""
    measures = cohort.measures if cohort.is_measured else None
    return {"cohort": cohort.name} | audit(cohort.index, measures, exclusion_counts(cohort))


def explain_stored(cohort: Cohort, name: str) -> dict[str, Any]:
    """Return ``labels.explain.explain_labels`` of a cohort's record, measured now if necessary."""
    row = cohort.row_of(name)
    record = cohort.record(row)
    if cohort.is_measured:
        return explain_labels(record, cohort.measures.iloc[row].to_dict())
    from ecgcore.measurement.measurements import measure

    return explain_labels(record, measure(record).as_row())
