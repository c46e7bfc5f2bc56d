"""Exclusions: files of an ingested folder that are no records of the cohort, and the reasons."""

import re
from collections import Counter
from pathlib import Path, PurePath

import pandas as pd

from ecgcore.cohort.private_paths import read_paths
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.summary import IngestResult
from ecgcore.records.discover import describe_files

DUPLICATE = "the same recording again (duplicate)"
_NUMBER = re.compile(r"(?<![^\W\d])\d+(?:[.,]\d+)*(?!\d|[.,]\d| (?:Hz|leads)\b)")
"""Any number except those of leads and of hertz, which identify nobody."""
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”")
_PARENTHESES = re.compile(r" ?\([^()]*\)")
_FILE_NAME = re.compile(r"\S*(?:…|\w)\.(?=[a-z])\w{2,5}\b")


def exclusion_counts(cohort: Cohort) -> dict[str, int]:
    """Return the number of excluded files by anonymous reason, most frequent first."""
    if "losses" in cohort.meta:  # counted before the cohort was pushed: the paths stayed there
        return cohort.meta["losses"]
    files = read_paths(cohort.folder, cohort.meta["shards"])
    counts = Counter(row["reason"] for row in _rejected(files))
    if n := int((files["status"] == "duplicate").sum()):
        counts[DUPLICATE] = n
    return dict(counts.most_common())


def rejected_files(cohort: Cohort) -> list[dict[str, str]]:
    """Return the rejected files of a cohort: ``record`` (its id) and anonymous ``reason``."""
    return _rejected(read_paths(cohort.folder, cohort.meta["shards"]))


def _rejected(files: pd.DataFrame) -> list[dict[str, str]]:
    rows = files[files["status"] == "rejected"]
    columns = zip(rows["reason"], rows["path"], rows["record"], strict=True)
    return [
        {"record": record, "reason": anonymous_reason(reason, path, record)}
        for reason, path, record in columns
    ]


def anonymous_reason(reason: str, path: str, record: str) -> str:
    """Return a rejection reason without anything that may identify a patient.

    File and record names, numbers (except of leads and hertz) and quoted file content are removed,
    so that equal reasons of different files become equal texts.
    """
    names = {record, *PurePath(path).parts, *(PurePath(part).stem for part in PurePath(path).parts)}
    text = reason
    for name in sorted(names - {"", "/"}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", text)
    text = re.sub(r"^Record (?:…|\S+?):? ", "", text)
    text = _FILE_NAME.sub("…", _PARENTHESES.sub("", _QUOTED.sub("…", text)))
    first_sentence = re.split(r"(?<=[^.])\. |; ", text, maxsplit=1)[0].rstrip(".")
    return _NUMBER.sub("n", first_sentence)


def describe_ingested_files(folder: Path, result: IngestResult) -> list[dict[str, str]]:
    """Return every file of an ingested folder, including those in its zip files, with its role.

    Paths may hold patients' names.

    Parameters
    ----------
    folder
        As it was passed to ``ingest``.
    result
        Result of that ingest; its paths are as reached from ``folder``.

    Returns
    -------
    list
        ``path`` and ``what``: ``record``, ``record: duplicate of RECORD``, ``refused: REASON``,
        ``companion of NAME``, ``table``, ``licence or readme``, ``container of records``,
        ``annotations without their recording``, ``hidden file`` or ``other: no recording``.
    """
    outcomes = {file.path: f"refused: {file.reason}" for file in result.rejected}
    outcomes |= {file.path: f"record: duplicate of {file.of}" for file in result.duplicates}
    return [
        {"path": str(path), "what": outcomes.get(str(path), role)}
        for path, role in describe_files(folder)
    ]
