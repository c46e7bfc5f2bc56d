"""Why files that were found are no records of a cohort, counted without saying whose they are."""

import re
from collections import Counter
from pathlib import PurePath

import pandas as pd

from ecgcore.cohort.private_paths import read_paths
from ecgcore.cohort.store import Cohort

DUPLICATE = "the same recording again (duplicate)"
_NUMBER = re.compile(r"(?<![^\W\d])\d+(?:[.,]\d+)*(?!\d|[.,]\d| (?:Hz|leads)\b)")
"""Any but of leads and of hertz, which tell nothing of whom."""
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”")
_ASIDE = re.compile(r" ?\([^()]*\)")
_FILE = re.compile(r"\S*(?:…|\w)\.(?=[a-z])\w{2,5}\b")


def losses(cohort: Cohort) -> dict[str, int]:
    """Return how many files of a cohort were lost for which kind of reason, most first.

    A kind holds no file's or record's name, no number but of leads and hertz, and nothing quoted
    from a file.
    """
    if "losses" in cohort.meta:  # counted where it was pushed from, where the private table is
        return cohort.meta["losses"]
    outcome = read_paths(cohort.folder, cohort.meta["shards"])
    kinds = Counter(one["reason"] for one in _refused(outcome))
    if n := int((outcome["status"] == "duplicate").sum()):
        kinds[DUPLICATE] = n
    return dict(kinds.most_common())


def refused(cohort: Cohort) -> list[dict[str, str]]:
    """Return the files of a cohort that were refused: ``record`` (its id) and ``reason``.

    A reason is told as its kind, for file names and what stands in files may hold names.
    """
    return _refused(read_paths(cohort.folder, cohort.meta["shards"]))


def _refused(outcome: pd.DataFrame) -> list[dict[str, str]]:
    rejected = outcome[outcome["status"] == "rejected"]
    told = zip(rejected["reason"], rejected["path"], rejected["record"], strict=True)
    return [{"record": row[2], "reason": kind_of_reason(*row)} for row in told]


def kind_of_reason(reason: str, path: str, record: str) -> str:
    """Return what a reason has in common with that of other files."""
    names = {record, *PurePath(path).parts, *(PurePath(part).stem for part in PurePath(path).parts)}
    told = reason
    for name in sorted(names - {"", "/"}, key=len, reverse=True):
        told = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", told)
    told = re.sub(r"^Record (?:…|\S+?):? ", "", told)
    told = _FILE.sub("…", _ASIDE.sub("", _QUOTED.sub("…", told)))
    first = re.split(r"(?<=[^.])\. |; ", told, maxsplit=1)[0].rstrip(".")
    return _NUMBER.sub("n", first)
