"""What Compare shows beside the comparison itself; each part is computed when it is looked at.

As in ``cached``: values in, answers out, every cache bounded, nothing stale. All of it is about the
records that both runs hold, in the same order, and a test set whose look was counted already.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.data.cached import workspace, written
from dashboard.data.cached_runs import PREDICTIONS, comparable, run
from ecgcore.runs.run import Run, find_run
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.calibration.scores import Scores


@dataclass(frozen=True)
class Pair:
    """Two runs and a part of their records; equal pairs with equal stamps hold the same numbers."""

    workspace: Path
    a: str
    b: str
    part: str
    stamps: tuple[int, ...]

    @property
    def runs(self) -> tuple[Run, Run]:
        """Both runs."""
        return find_run(self.a, Workspace(self.workspace)), find_run(
            self.b, Workspace(self.workspace)
        )


def pair(a: str, b: str, part: str) -> Pair:
    """Return two runs and a part, as they are on disk now."""
    stamps = tuple(written(run(reference).folder / PREDICTIONS) for reference in (a, b))
    return Pair(workspace().path, a, b, part, stamps)


@st.cache_resource(max_entries=4, show_spinner=False)
def scores(of: Pair) -> tuple["Scores", "Scores"]:
    """Return both runs' scores on their common records; shared, and only read."""
    from ecgcore.comparison.compare import on_common_records
    from ecgcore.evaluation.evaluate import run_scores

    a, b = (run_scores(one, of.part) for one in of.runs)
    return on_common_records(a, b)


@st.cache_data(max_entries=16, show_spinner=False)
def curves(of: Pair, kind: str) -> list[dict[str, Any]]:
    """Return each side's ROC or PR curves: class, micro or macro → curve."""
    from ecgcore.evaluation.roc import pr_curves_of, roc_curves_of

    return [(roc_curves_of if kind == "ROC" else pr_curves_of)(side) for side in scores(of)]


@st.cache_data(max_entries=16, show_spinner=False)
def points(of: Pair) -> list[dict[str, dict[str, Any]]]:
    """Return where each side's calls lie on its curves: class → sensitivity, specificity, …"""
    from ecgcore.evaluation.operating_points import curve_points

    return [curve_points(side) for side in scores(of)]


def cell(of: Pair, label: str, said: str, side: str) -> list[dict[str, Any]]:
    """Return the records of one cell of a confusion matrix."""
    from ecgcore.comparison.confusion_cells import cell_records

    return cell_records(*scores(of), label, said, side)


@st.cache_data(max_entries=8, show_spinner=False)
def calibration(of: Pair) -> list[dict[str, Any]]:
    """Return how well each side's probabilities are calibrated, before and after temperature."""
    from ecgcore.comparison.compare import on_common_records
    from ecgcore.evaluation.evaluate import calibration_report, run_scores

    raw = on_common_records(*(run_scores(one, of.part, calibrated=False) for one in of.runs))
    sides = zip(of.runs, scores(of), raw, strict=True)
    return [
        calibration_report(one.calibration, fitted, bare)["calibration"]
        for one, fitted, bare in sides
    ]


@st.cache_data(
    max_entries=8, show_spinner="Scoring subgroups (bootstrap over patients) …", show_time=True
)
def subgroups(of: Pair) -> list[dict[str, Any] | None]:
    """Return each side's figures by subgroup; None where it is not known what the records are."""
    from ecgcore.evaluation.subgroups import run_traits
    from ecgcore.evaluation.subgroups import subgroups as figures_of

    traits = [run_traits(one, of.part, Workspace(of.workspace)) for one in of.runs]
    told = [table for table in traits if table is not None]
    if not told:
        return [None, None]
    return [figures_of(side, told[0]) for side in scores(of)]


@st.cache_data(
    max_entries=8,
    show_spinner="Scoring operating points (bootstrap over patients) …",
    show_time=True,
)
def operating(of: Pair) -> list[dict[str, dict[str, Any]]]:
    """Return each side's operating points with intervals: class → sensitivity, …"""
    from ecgcore.evaluation.operating_points import operating_points

    return [operating_points(side) for side in scores(of)]


@st.cache_data(max_entries=64, show_spinner=False)
def decision(of: Pair, code: str) -> list[list[dict[str, float]]]:
    """Return each side's decision curve of a class."""
    from ecgcore.evaluation.decision_curve import decision_curve

    return [decision_curve(side, code) for side in scores(of)]


@st.cache_data(max_entries=8, show_spinner="Timing both networks …")
def ms_per_ecg(of: Pair) -> list[float]:
    """Return how long one ECG takes each network on this machine, in ms."""
    from ecgcore.inference.latency import ms_per_ecg as measure

    return measure(of.runs, Workspace(of.workspace))


def all_seeds(a: list[Run], b: list[Run]) -> tuple[list[str], list[str]]:
    """Return both sides, by id, with every seed that both have."""
    from ecgcore.comparison.seed_groups import complete_seed_groups

    groups = complete_seed_groups(a, b, comparable())
    return [one.id for one in groups[0]], [one.id for one in groups[1]]
