"""Runs for the pages: list, start and resume, the plan of a training, comparisons and reports."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.data.cached import modified_ns, workspace
from ecgcore.evaluation.test_access_log import access_counts, access_text, log_access
from ecgcore.runs import run as run_folders
from ecgcore.runs.config import ResolvedConfig
from ecgcore.runs.queue import queued_runs
from ecgcore.runs.run import Run, find_run, list_runs, shipped_models
from ecgcore.workspace import Damaged, Workspace

if TYPE_CHECKING:
    from ecgcore.models.registry import ModelInfo
    from ecgcore.training.forecast import Forecast
    from ecgcore.training.prepare import TrainingPlan

PREDICTIONS = "predictions.parquet"
SHARED_KEYS = ("cohort", "target_mode", "tier", "classes")
"""Keys of run.json in which two runs must agree to be compared."""


def runs() -> list[Run]:
    """Return this workspace's runs, newest first."""
    return list_runs(workspace())


def damaged_runs() -> list[Damaged]:
    """Return this workspace's runs that cannot be opened, and why."""
    return run_folders.damaged_runs(workspace())


def alive_runs() -> list[Run]:
    """Return the runs that are running or queued, in the order of the queue."""
    return queued_runs(workspace())


def crashed_runs() -> list[Run]:
    """Return the runs whose processes ended unexpectedly, in the order of the queue."""
    from ecgcore.training import run_jobs

    return run_jobs.crashed_runs(workspace())


def done_runs() -> list[Run]:
    """Return the runs that have been evaluated."""
    return [run for run in runs() if run.evaluation is not None]


def latest_pair() -> tuple[Run, Run] | None:
    """Return the newest run and one of another network that it can be compared with.

    The plain network is A, the M-SE one B. Without comparable runs it is the shipped pair.
    """
    available = comparable_runs()
    pairs = (pair_of(run, available[i + 1 :]) for i, run in enumerate(available))
    return next((pair for pair in pairs if pair), None)


def pair_of(run: Run, others: Sequence[Run]) -> tuple[Run, Run] | None:
    """Return a run and the first comparable one of others, preferring the same level.

    The plain network is A, the M-SE one B.
    """
    meta = run.meta
    comparable = [
        other
        for other in others
        if other.meta["model"] != meta["model"]
        and all(other.meta[key] == meta[key] for key in SHARED_KEYS)
    ]
    if not comparable:
        return None
    level = meta["config"]["level"]
    other = min(comparable, key=lambda candidate: candidate.meta["config"]["level"] != level)
    a, b = sorted((run, other), key=lambda side: "m_se" in side.meta["model"])
    return a, b


def comparable_runs() -> list[Run]:
    """Return the runs and shipped models that have predictions."""
    return [run for run in (*done_runs(), *shipped()) if (run.folder / PREDICTIONS).exists()]


def shipped() -> list[Run]:
    """Return the models that come with the product."""
    return shipped_models()


def run(reference: str) -> Run:
    """Return a run by id, or a shipped model by name."""
    return find_run(reference, workspace())


def start(config: ResolvedConfig) -> Run:
    """Start a training in its own process, as ``ecgcore train`` does."""
    from ecgcore.training import run_jobs

    return run_jobs.start(config, workspace())


def resume_all() -> None:
    """Resume all crashed trainings, as ``ecgcore runs resume --all`` does."""
    from ecgcore.training import run_jobs

    run_jobs.resume_all(workspace())


def resume(run: Run) -> None:
    """Resume one training in its own process, as ``ecgcore runs resume`` does."""
    from ecgcore.training import run_jobs

    run_jobs.resume(run, workspace())


def runs_with_weights() -> list[str]:
    """Return the ids of shipped models and runs that a training can be initialised from."""
    return [run.id for run in (*shipped(), *runs()) if run.weights.exists()]


@st.cache_resource(max_entries=1, show_spinner=False)
def networks() -> dict[str, "ModelInfo"]:
    """Return network name → its description."""
    from ecgcore.models import list_models, model_info

    return {name: model_info(name) for name in list_models()}


# Before a training ------------------------------------------------------------------------------


def plan_training(config: ResolvedConfig) -> "TrainingPlan":
    """Return the records that a training would use and leave out; shared and read-only."""
    stamps_ns = [modified_ns(workspace().cohorts / config.cohort / "cohort.json")]
    sources = filter(None, (config.pretrained, config.teacher))
    stamps_ns += [modified_ns(run(source).weights) for source in sources]
    return _plan_training(workspace().path, config, *stamps_ns)


@st.cache_resource(max_entries=8, show_spinner="Drawing the records of this level …")
def _plan_training(workspace_path: Path, config: ResolvedConfig, *stamps_ns: int) -> "TrainingPlan":
    from ecgcore.training.prepare import plan_training

    return plan_training(config, Workspace(workspace_path))


def forecast(config: ResolvedConfig, plan: "TrainingPlan") -> "Forecast":
    """Return the expected duration and disk use of a training on the records of ``plan``."""
    from ecgcore.training import forecast

    return forecast.forecast(config, plan.cohort, plan.split, workspace())


def expected_intervals(plan: "TrainingPlan") -> dict[str, Any]:
    """Return part → expected interval of an accuracy of 0.8."""
    from ecgcore.training import forecast

    return forecast.expected_intervals(plan.cohort, plan.split)


def measure(cohort: str) -> None:
    """Measure the records of a cohort that have not been measured."""
    from ecgcore.cohort.measure_job import ensure_measured

    ensure_measured(cohort, workspace())


# Comparison ------------------------------------------------------------------------------------


def compare(a: str, b: str, part: str) -> dict[str, Any]:
    """Return the answer of ``ecgcore compare A B --part PART --json``; seeds joined by commas."""
    references = (*a.split(","), *b.split(","))
    stamps_ns = [modified_ns(run(reference).folder / PREDICTIONS) for reference in references]
    return _compare(workspace().path, a, b, part, *stamps_ns)


@st.cache_data(max_entries=16, show_spinner="Comparing (bootstrap over patients) …", show_time=True)
def _compare(workspace_path: Path, a: str, b: str, part: str, *stamps_ns: int) -> dict[str, Any]:
    from ecgcore.comparison.seed_groups import compare_seed_groups

    groups = [[find_run(r, Workspace(workspace_path)) for r in side.split(",")] for side in (a, b)]
    comparison = compare_seed_groups(groups[0], groups[1], part).as_json()
    log_access(Workspace(workspace_path), "pages", [*groups[0], *groups[1]], part)
    return comparison


def access_summary(a: str, b: str, part: str) -> str:
    """Return how often the test sets of two runs were accessed, in a sentence."""
    return access_text(access_counts(workspace(), [run(reference) for reference in (a, b)], part))


def report(a: str, b: str, part: str) -> str:
    """Return the HTML report of two runs, as ``ecgcore report A B --part PART`` writes it."""
    from ecgcore.report.facts import gather
    from ecgcore.report.render import report_page

    return report_page(gather(run(a), run(b), workspace(), part))
