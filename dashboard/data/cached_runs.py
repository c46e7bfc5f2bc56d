"""Runs as the pages ask for them: those there are, what one would learn from, how two compare.

As in ``cached``: values in, answers out, every cache bounded, nothing stale.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.data.cached import workspace, written
from ecgcore.evaluation.test_access_log import access_counts, access_text, log_access
from ecgcore.runs.config import ResolvedConfig
from ecgcore.runs.queue import queued_runs
from ecgcore.runs.run import Run, find_run, list_runs, shipped_models
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.models.registry import ModelInfo
    from ecgcore.training.forecast import Forecast
    from ecgcore.training.prepare import TrainingPlan

PREDICTIONS = "predictions.parquet"
ALIKE = ("cohort", "target_mode", "tier", "classes")
"""What two runs that are compared have in common."""


def runs() -> list[Run]:
    """Return this home's runs, the newest first."""
    return list_runs(workspace())


def alive_runs() -> list[Run]:
    """Return the runs that work or wait now, in the order of the queue."""
    return queued_runs(workspace())


def cut_off_runs() -> list[Run]:
    """Return the runs whose processes died, in the order of the queue."""
    from ecgcore.training import run_jobs

    return run_jobs.crashed_runs(workspace())


def done_runs() -> list[Run]:
    """Return the runs that can be evaluated: done, or cancelled with something learned."""
    return [r for r in runs() if r.evaluation is not None]


def latest_pair() -> tuple[Run, Run] | None:
    """Return the newest run that can be compared with another network's on the same labels.

    The plain network is A, the M-SE one B. Without runs of this home it is the shipped pair.
    """
    there = comparable()
    pairs = (pair_of(run, there[place + 1 :]) for place, run in enumerate(there))
    return next((pair for pair in pairs if pair), None)


def pair_of(run: Run, others: Sequence[Run]) -> tuple[Run, Run] | None:
    """Return a run and the first of others that it can be compared with, one of its level first.

    The plain network is A, the M-SE one B.
    """
    meta = run.meta
    alike = [
        other
        for other in others
        if other.meta["model"] != meta["model"] and all(other.meta[k] == meta[k] for k in ALIKE)
    ]
    if not alike:
        return None
    level = meta["config"]["level"]
    other = min(alike, key=lambda one: one.meta["config"]["level"] != level)
    a, b = sorted((run, other), key=lambda one: "m_se" in one.meta["model"])
    return a, b


def comparable() -> list[Run]:
    """Return the runs and shipped models whose predictions are there."""
    return [r for r in (*done_runs(), *shipped()) if (r.folder / PREDICTIONS).exists()]


def shipped() -> list[Run]:
    """Return the models that come with the product."""
    return shipped_models()


def run(reference: str) -> Run:
    """Return a run by id, or a shipped model by name."""
    return find_run(reference, workspace())


def start(config: ResolvedConfig) -> Run:
    """Start a training in a process of its own, as ``ecgcore train`` would."""
    from ecgcore.training import run_jobs

    return run_jobs.start(config, workspace())


def resume_all() -> None:
    """Go on with all that was cut off, as ``ecgcore runs resume --all`` does."""
    from ecgcore.training import run_jobs

    run_jobs.resume_all(workspace())


def resume(run: Run) -> None:
    """Go on with one training, as ``ecgcore runs resume`` does, in a process of its own."""
    from ecgcore.training import run_jobs

    run_jobs.resume(run, workspace())


def with_weights() -> list[str]:
    """Return what a training can start from: shipped models and runs that have weights."""
    return [one.id for one in (*shipped(), *runs()) if one.weights.exists()]


@st.cache_resource(max_entries=1, show_spinner=False)
def networks() -> dict[str, "ModelInfo"]:
    """Return what is known of each network, by name."""
    from ecgcore.models import list_models, model_info

    return {name: model_info(name) for name in list_models()}


# Before a training ------------------------------------------------------------------------------


def plan_training(config: ResolvedConfig) -> "TrainingPlan":
    """Return the records that a training would use and leave out; shared, read only."""
    stamps = [written(workspace().cohorts / config.cohort / "cohort.json")]
    sources = filter(None, (config.pretrained, config.teacher))
    stamps += [written(run(source).weights) for source in sources]
    return _plan_training(workspace().path, config, *stamps)


@st.cache_resource(max_entries=8, show_spinner="Drawing the records of this level …")
def _plan_training(path: Path, config: ResolvedConfig, *stamps: int) -> "TrainingPlan":
    from ecgcore.training.prepare import plan_training

    return plan_training(config, Workspace(path))


def forecast(config: ResolvedConfig, plan: "TrainingPlan") -> "Forecast":
    """Return how long a training on the records of ``plan`` takes, and how much disk."""
    from ecgcore.training import forecast

    return forecast.forecast(config, plan.split, workspace())


def expected_intervals(of: "TrainingPlan") -> dict[str, Any]:
    """Return how wide the interval of an accuracy of 0.8 would be: part → interval."""
    from ecgcore.training.forecast import expected_intervals as intervals_of

    return intervals_of(of.cohort, of.split)


def measure(cohort: str) -> None:
    """Measure the records of a cohort that are not measured."""
    from ecgcore.cohort.measure_job import ensure_measured

    ensure_measured(cohort, workspace())


# Comparison ------------------------------------------------------------------------------------


def compare(a: str, b: str, part: str) -> dict[str, Any]:
    """Return what ``ecgcore compare A B --part PART --json`` prints; seeds are joined by commas."""
    stamps = [written(run(r).folder / PREDICTIONS) for r in (*a.split(","), *b.split(","))]
    return _compare(workspace().path, a, b, part, *stamps)


@st.cache_data(max_entries=16, show_spinner="Comparing (bootstrap over patients) …", show_time=True)
def _compare(home_path: Path, a: str, b: str, part: str, *stamps: int) -> dict[str, Any]:
    from ecgcore.comparison.seed_groups import compare_seed_groups

    sides = [[find_run(r, Workspace(home_path)) for r in side.split(",")] for side in (a, b)]
    found = compare_seed_groups(sides[0], sides[1], part).as_json()
    log_access(Workspace(home_path), "pages", [*sides[0], *sides[1]], part)
    return found


def looks(a: str, b: str, part: str) -> str:
    """Return how often the test sets of two runs were looked at, in a sentence."""
    return access_text(access_counts(workspace(), [run(reference) for reference in (a, b)], part))


def report(a: str, b: str, part: str) -> str:
    """Return the page that ``ecgcore report A B --part PART`` writes."""
    from ecgcore.report.facts import gather
    from ecgcore.report.render import report_page

    return report_page(gather(run(a), run(b), workspace(), part))
