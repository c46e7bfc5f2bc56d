"""Catalogue of a workspace's cohorts: their names and totals, and which are damaged."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ecgcore.atomic import read_json
from ecgcore.cohort.schema import CohortFile
from ecgcore.errors import DamagedFile
from ecgcore.workspace import Damaged, Workspace


@dataclass(frozen=True)
class CohortSummary:
    """Entry of a list of cohorts; ``sources`` holds the number of records by source."""

    name: str
    records: int
    patients: int
    fs_hz: float
    duration_s: float
    sources: dict[str, int]
    hash: str


def cohort_names(workspace: Workspace) -> list[str]:
    """Return the names of a workspace's cohorts, damaged ones as well."""
    return sorted(file.parent.name for file in workspace.cohorts.glob("[!.]*/cohort.json"))


def read_cohort_file(folder: Path) -> dict[str, Any]:
    """Return the content of a cohort's ``cohort.json``, checked.

    Raises
    ------
    DamagedFile
        It is missing, not whole, or lacks what a cohort needs.
    """
    return read_json(folder / "cohort.json", CohortFile)


def list_cohorts(workspace: Workspace) -> list[CohortSummary]:
    """Return the cohorts of a workspace whose ``cohort.json`` is whole, by name."""
    return [entry for entry in _entries(workspace) if isinstance(entry, CohortSummary)]


def damaged_cohorts(workspace: Workspace) -> list[Damaged]:
    """Return the cohorts of a workspace whose ``cohort.json`` is damaged, and why."""
    return [entry for entry in _entries(workspace) if isinstance(entry, Damaged)]


def _entries(workspace: Workspace) -> list[CohortSummary | Damaged]:
    return [_entry(workspace.cohorts / name) for name in cohort_names(workspace)]


def _entry(folder: Path) -> CohortSummary | Damaged:
    try:
        meta = read_cohort_file(folder)
    except DamagedFile as error:
        return Damaged(folder.name, str(error))
    return CohortSummary(**{field.name: meta[field.name] for field in fields(CohortSummary)})
