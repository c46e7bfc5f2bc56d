"""Schemas of the JSON files of a run."""

from typing import Annotated, Any

from pydantic import Field

from ecgcore.schema import Count, Rate, Seconds, Share, Stored, Text


class NetworkInput(Stored):
    """Input of the network: signals, and images where a layout is named."""

    fs_hz: Rate
    duration_s: Seconds
    layout: Text | None = None
    size: Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=2, max_length=2)] | None = (
        None
    )


class StoredConfig(Stored):
    """Settings of a run that lists show; ``Run.config`` checks the others."""

    cohort: Text
    model: Text
    level: Text


class CohortReference(Stored):
    """Cohort that a run was trained on."""

    name: Text
    hash: Text


class Labels(Stored):
    """Label source of a run."""

    hash: Text


class StoredSplit(Stored):
    """Summary of a run's split."""

    hash: Text
    notes: list[str] | None = None
    left_out: dict[str, Count] | None = None
    patients: dict[str, Count] | None = None
    records: dict[str, Count] | None = None


class RunFile(Stored):
    """Content of run.json."""

    run: Text
    created: Text
    config: StoredConfig
    model: Text
    parameters: Count
    classes: Annotated[list[Text], Field(min_length=1)]
    target_mode: Text
    input: NetworkInput
    cohort: CohortReference
    labels: Labels
    split: StoredSplit


class StatusFile(Stored):
    """Content of a run's status.json."""

    state: Text
    epoch: Count
    epochs: Count
    message: str
    eta_s: float | None
    queued_at: float | None
    pid: Count
    pid_started: float
    devices: list[Text] | None = None


class EpochRow(Stored):
    """Row of history.jsonl."""

    epoch: Count
    train_loss: float
    val_loss: float | None
    val_macro_auc: float | None
    seconds: float
    best: bool


class CalibrationFile(Stored):
    """Content of calibration.json."""

    temperature: Annotated[float, Field(gt=0)] | None
    thresholds: dict[str, Share | None]
    refer: dict[str, Any] | None = None


class Estimate(Stored):
    """Metric with its interval."""

    value: float | None
    low: float | None
    high: float | None


class EvaluationFile(Stored):
    """Content of evaluation.json."""

    part: Text
    n: Count
    patients: Count
    target_mode: Text
    accuracy: float | None
    macro_f1: float | None
    macro_auc: Estimate | None
    classes: dict[str, Any]
