"""Patients of records whose files state none: found in their paths by a pattern given once."""

from typing import Any

from ecgcore.cohort import label_versions
from ecgcore.cohort.index import patient_hash
from ecgcore.cohort.label_matching import compile_group, paths_of_records
from ecgcore.cohort.label_versions import LabelVersion
from ecgcore.cohort.store import Cohort

KIND, PATTERN = "paths", "pattern"


def known_pattern(cohort: Cohort) -> str | None:
    """Return the pattern that an earlier ingest of the cohort was given, None without any."""
    patterns = [
        v.counts[PATTERN]
        for v in label_versions.list_versions(cohort.folder)
        if PATTERN in v.counts
    ]
    return patterns[-1] if patterns else None


def assign_patients(cohort: Cohort, pattern: str, secret: bytes, who: str) -> LabelVersion | None:
    """Assign a patient to each record that has none and whose path matches; None if none is new.

    The patient is stored as a keyed hash; the caller holds the cohort's lock.

    Parameters
    ----------
    pattern
        Regular expression whose group is the patient's id, such as ``p(\\d+)/``.
    secret
        Key of patient hashes.

    Raises
    ------
    RequestError
        The pattern is no regular expression with one group.
    """
    compiled, index = compile_group(pattern), cohort.index
    is_unknown = (index["patient"].isna() | (index["patient"] == "")).to_numpy()
    rows = {name: row for row, name in enumerate(index["record"])}
    found: dict[int, str] = {}
    for path, row in paths_of_records(cohort, rows):
        if is_unknown[row] and (match := compiled.search(path)) and match[1]:
            found.setdefault(row, match[1])
    if not found:
        return None
    sources = index["source"].to_numpy(object)
    hashes = [patient_hash(sources[row], patient, secret) for row, patient in found.items()]
    counts: dict[str, Any] = {
        PATTERN: pattern,
        "records": len(found),
        "attributes": {"patient": len(found)},
    }
    return label_versions.append_version(
        cohort.folder,
        KIND,
        who,
        index["record"].iloc[list(found)],
        {},
        {"patient": hashes},
        counts=counts,
    )
