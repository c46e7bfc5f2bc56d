"""External validation: a run on another cohort's records, without those that it was trained on.

This module knows no network: the caller supplies a function that predicts rows of a cohort.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ecgcore.calibration.calibration import with_probabilities
from ecgcore.calibration.scores import Scores
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError
from ecgcore.evaluation.bootstrap import RESAMPLES
from ecgcore.evaluation.evaluate import calibration_report, evaluate_scores, utility_report
from ecgcore.evaluation.operating_points import check_prevalence
from ecgcore.evaluation.referral_coverage import referral_section
from ecgcore.evaluation.results import Evaluation
from ecgcore.evaluation.subgroups import cohort_traits
from ecgcore.labels.targets import targets
from ecgcore.runs.provenance import find_contamination
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.runs.run import Run

PART = "external"

PredictRows = Callable[[Cohort, np.ndarray], np.ndarray]
"""Return (N, classes) logits of N rows of a cohort."""


def evaluate_cohort(
    run: "Run",
    cohort: Cohort,
    predict: PredictRows,
    workspace: Workspace,
    resamples: int = RESAMPLES,
    prevalence: Mapping[str, float] | None = None,
) -> Evaluation:
    """Predict and evaluate all labelled records of a cohort that a run was not trained on.

    Labels follow the run's settings (target mode, tier, source, label set). A class that the
    cohort's sources do not annotate is left out by name.

    Parameters
    ----------
    predict
        Logits of the run's network for rows of a cohort, whatever its rate and length; see
        :func:`ecgcore.inference.predict.row_predictor`.

    Returns
    -------
    Evaluation
        That of :func:`ecgcore.evaluation.evaluate.evaluate_run` (part ``external``), with
        ``cohort`` (name, hash, fs_hz, records, sources), ``excluded`` {reason: n} for records that
        the run was trained on, ``left_out`` {reason: n} for records without a target, and
        ``brought_to``: the conversions of the signals, in words.

    Raises
    ------
    RequestError
        No record is left.
    """
    classes = tuple(run.meta["classes"])
    check_prevalence(prevalence or {}, classes)
    selection = _select(run, cohort, workspace)
    table = _prediction_table(selection, cohort, classes, predict(cohort, selection.rows))
    fitted = run.calibration
    scores = _external_scores(table, run, fitted, fitted.get("temperature"))
    uncalibrated = _external_scores(table, run, fitted, None)
    sources = cohort.index["source"].iloc[selection.rows].value_counts().to_dict()
    traits = cohort_traits(cohort, selection.rows).assign(record=scores.record)
    evaluation = evaluate_scores(scores, resamples)
    not_available = evaluation.content["not_available"] | _not_annotated(scores, sources)
    return evaluation.extended(
        not_available=not_available,
        notes=[*evaluation.notes, *selection.notes],
        **calibration_report(fitted, scores, uncalibrated),
        refer=referral_section(scores, fitted, traits, resamples),
        **utility_report(scores, traits, resamples, prevalence),
        cohort={
            "name": cohort.name,
            "hash": cohort.hash,
            "fs_hz": cohort.fs_hz,
            "records": len(cohort),
            "sources": sources,
        },
        excluded=selection.excluded,
        left_out=selection.left_out,
        brought_to=_input_conversions(run.meta["input"], cohort),
    )


@dataclass(frozen=True)
class _Selection:
    """Records to predict with their targets, and the reasons why others are not."""

    rows: np.ndarray
    y: np.ndarray
    excluded: dict[str, int]
    left_out: dict[str, int]
    notes: tuple[str, ...]


def _select(run: "Run", cohort: Cohort, workspace: Workspace) -> _Selection:
    config, classes = run.config, tuple(run.meta["classes"])
    states = cohort.states(config.label_tier, config.label_source, config.thresholds, run.label_set)
    labels = targets(states, run.meta["target_mode"], classes, run.label_set.is_ranked)
    contamination = find_contamination(cohort, run, workspace)
    trained_on = contamination.why != ""
    excluded = dict(Counter(contamination.why[labels.used & trained_on].tolist()).most_common())
    rows = np.flatnonzero(labels.used & ~trained_on)
    if not len(rows):
        raise RequestError(_no_record_left(cohort, run, excluded))
    left_out = dict(Counter(labels.reason[~labels.used].tolist()).most_common())
    not_annotated = (states[rows] < 0).all(axis=0)
    y = np.where(not_annotated, np.nan, labels.y[rows])
    notes = [*contamination.notes]
    if not_annotated.any():
        codes = ", ".join(np.array(classes)[not_annotated])
        notes.append(f"The most probable class is sought among all but {codes}.")
    return _Selection(rows, y, excluded, left_out, tuple(notes))


def _prediction_table(
    selection: _Selection, cohort: Cohort, classes: tuple[str, ...], logits: np.ndarray
) -> pd.DataFrame:
    """Return a table like a run's predictions, of part ``test`` until it is read.

    Logits are −∞ for classes that are known in no record, so that these are never the top class.
    """
    logits[:, np.isnan(selection.y).all(axis=0)] = -np.inf
    index = cohort.index.iloc[selection.rows]
    columns = {"record": index["record"].array, "patient": index["patient"].array, "part": "test"}
    for letter, values in (("y", selection.y), ("z", logits)):
        columns |= {f"{letter}_{c}": values[:, i] for i, c in enumerate(classes)}
    return pd.DataFrame(columns)


def _external_scores(
    table: pd.DataFrame, run: "Run", fitted: Mapping[str, Any], temperature: float | None
) -> Scores:
    classes, mode = run.meta["classes"], run.meta["target_mode"]
    table = with_probabilities(table, classes, mode, temperature)
    scores = Scores.from_predictions(table, classes, mode, fitted["thresholds"], run.id)
    return replace(scores, part=PART)


def _not_annotated(scores: Scores, sources: dict[str, int]) -> dict[str, str]:
    unknown = np.flatnonzero(~scores.known.any(axis=0))
    return {scores.classes[i]: f"n/a: not annotated in {', '.join(sources)}" for i in unknown}


def _input_conversions(run_input: Mapping[str, Any], cohort: Cohort) -> list[str]:
    """Return in words how a cohort's signals are converted to the run's rate and length."""
    fs_hz, duration_s = run_input["fs_hz"], run_input["duration_s"]
    conversions = []
    if cohort.fs_hz > fs_hz:
        conversions.append(f"Resampled from {cohort.fs_hz:g} to {fs_hz:g} Hz, without aliasing.")
    if cohort.fs_hz < fs_hz:
        conversions.append(
            f"Resampled from {cohort.fs_hz:g} to {fs_hz:g} Hz: they hold nothing above "
            f"{cohort.fs_hz / 2:g} Hz, unlike the run's own records."
        )
    if cohort.duration_s > duration_s:
        conversions.append(f"The first {duration_s:g} s of {cohort.duration_s:g} s.")
    if cohort.duration_s < duration_s:
        conversions.append(
            f"Padded from {cohort.duration_s:g} to {duration_s:g} s with missing values."
        )
    return conversions


def _no_record_left(cohort: Cohort, run: "Run", excluded: dict[str, int]) -> str:
    why = "; ".join(f"{reason}: {n:,}" for reason, n in excluded.items())
    return (
        f"Cohort '{cohort.name}' has no labelled record for run {run.id}"
        + (f" that it was not trained on ({why})" if why else "")
        + f", of {len(cohort):,}; choose another cohort."
    )
