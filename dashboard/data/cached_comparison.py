"""Details of a comparison for the tabs of Compare, each computed when its tab is opened.

All of it concerns the records that both runs hold, in the same order. The comparison itself has
already logged the access to the test set.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.data.cached import modified_ns, workspace
from dashboard.data.cached_runs import PREDICTIONS, comparable_runs, run
from ecgcore.runs.run import Run, find_run
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.calibration.scores import Scores


@dataclass(frozen=True)
class Pair:
    """Two runs and a part of their records; equal pairs with equal stamps hold equal scores."""

    workspace: Path
    a: str
    b: str
    part: str
    stamps_ns: tuple[int, ...]

    @property
    def runs(self) -> tuple[Run, Run]:
        """Both runs."""
        workspace = Workspace(self.workspace)
        return find_run(self.a, workspace), find_run(self.b, workspace)


def current_pair(a: str, b: str, part: str) -> Pair:
    """Return two runs and a part, as they are on disk now."""
    stamps_ns = tuple(modified_ns(run(reference).folder / PREDICTIONS) for reference in (a, b))
    return Pair(workspace().path, a, b, part, stamps_ns)


@st.cache_resource(max_entries=4, show_spinner=False)
def scores(pair: Pair) -> tuple["Scores", "Scores"]:
    """Return both runs' scores on their common records; shared and read-only."""
    from ecgcore.comparison.compare import on_common_records
    from ecgcore.evaluation.evaluate import run_scores

    a, b = (run_scores(run, pair.part) for run in pair.runs)
    return on_common_records(a, b)


@st.cache_data(max_entries=16, show_spinner=False)
def curves(pair: Pair, kind: str) -> list[dict[str, Any]]:
    """Return each side's ROC or precision–recall curves: class, micro or macro → curve."""
    from ecgcore.evaluation.roc import pr_curves_of, roc_curves_of

    return [(roc_curves_of if kind == "ROC" else pr_curves_of)(side) for side in scores(pair)]


@st.cache_data(max_entries=16, show_spinner=False)
def curve_points(pair: Pair) -> list[dict[str, dict[str, Any]]]:
    """Return each side's operating points on its curves: class → sensitivity, specificity, …"""
    from ecgcore.evaluation import operating_points

    return [operating_points.curve_points(side) for side in scores(pair)]


def cell(pair: Pair, label: str, prediction: str, side: str) -> list[dict[str, Any]]:
    """Return the records of one cell of a confusion matrix."""
    from ecgcore.comparison.confusion_cells import cell_records

    return cell_records(*scores(pair), label, prediction, side)


@st.cache_data(max_entries=8, show_spinner=False)
def calibration(pair: Pair) -> list[dict[str, Any]]:
    """Return each side's calibration errors, before and after temperature scaling."""
    from ecgcore.comparison.compare import on_common_records
    from ecgcore.evaluation.evaluate import calibration_report, run_scores

    uncalibrated = on_common_records(
        *(run_scores(run, pair.part, calibrated=False) for run in pair.runs)
    )
    return [
        calibration_report(run.calibration, after, before)["calibration"]
        for run, after, before in zip(pair.runs, scores(pair), uncalibrated, strict=True)
    ]


@st.cache_data(
    max_entries=8, show_spinner="Scoring subgroups (bootstrap over patients) …", show_time=True
)
def subgroups(pair: Pair) -> list[dict[str, Any] | None]:
    """Return each side's metrics by subgroup, or None if neither run's cohort is available."""
    from ecgcore.evaluation import subgroups

    workspace = Workspace(pair.workspace)
    traits = [subgroups.run_traits(run, pair.part, workspace) for run in pair.runs]
    known = [table for table in traits if table is not None]
    if not known:
        return [None, None]
    return [subgroups.subgroups(side, known[0]) for side in scores(pair)]


@st.cache_data(
    max_entries=8,
    show_spinner="Scoring operating points (bootstrap over patients) …",
    show_time=True,
)
def operating_points(pair: Pair) -> list[dict[str, dict[str, Any]]]:
    """Return each side's operating points with intervals: class → sensitivity, …"""
    from ecgcore.evaluation import operating_points

    return [operating_points.operating_points(side) for side in scores(pair)]


@st.cache_data(max_entries=64, show_spinner=False)
def decision_curves(pair: Pair, code: str) -> list[list[dict[str, float]]]:
    """Return each side's decision curve of a class."""
    from ecgcore.evaluation.decision_curve import decision_curve

    return [decision_curve(side, code) for side in scores(pair)]


@st.cache_data(max_entries=8, show_spinner="Timing both networks …")
def ms_per_ecg(pair: Pair) -> list[float]:
    """Return how long each network takes per ECG on this machine, in ms."""
    from ecgcore.inference import latency

    return latency.ms_per_ecg(pair.runs, Workspace(pair.workspace))


def all_seeds(a: list[Run], b: list[Run]) -> tuple[list[str], list[str]]:
    """Return the run ids of both sides with every seed that both have."""
    from ecgcore.comparison.seed_groups import complete_seed_groups

    groups = complete_seed_groups(a, b, comparable_runs())
    return [run.id for run in groups[0]], [run.id for run in groups[1]]
