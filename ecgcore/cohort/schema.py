"""Schemas of the JSON files of a cohort and of an import."""

from typing import Annotated

from pydantic import Field

from ecgcore.schema import Count, Rate, Seconds, Stored, Text

ShardName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
"""Name of a folder: no path leads out of the cohort."""


class CohortFile(Stored):
    """Content of cohort.json."""

    name: Text
    records: Count
    patients: Count
    fs_hz: Rate
    duration_s: Seconds
    n_samples: Annotated[int, Field(gt=0)]
    sources: dict[str, Count]
    hash: Text
    shards: list[ShardName]
    sizes: list[Count] | None = None


class JobStatusFile(Stored):
    """Content of an import's status.json."""

    state: Text
    phase: Text
    found: Count | None
    done: Count
    refused: Count
    rate: float | None
    eta_s: float | None
    message: str
    began: float
    pid: Count | None = None
    pid_started: float | None = None


class JobRequestFile(Stored):
    """Content of an import's request.json."""

    folder: Text
    cohort: Text
