"""Evaluate a run or a table of predictions: metrics with intervals over patients."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ecgcore.calibration.calibration import (
    BINNING,
    OUT_OF_FOLD_NOTE,
    calibration_metrics,
    is_out_of_fold,
    with_probabilities,
)
from ecgcore.calibration.cross_fitting import cross_fitted_calls
from ecgcore.calibration.scores import Scores
from ecgcore.calibration.thresholds import stored_rule
from ecgcore.evaluation import metrics
from ecgcore.evaluation.baseline import naive_baseline
from ecgcore.evaluation.bootstrap import (
    FORM,
    FORM_WORDS,
    LEVEL,
    RESAMPLES,
    Resampled,
    interval,
    resample,
)
from ecgcore.evaluation.decision_curve import decision_table
from ecgcore.evaluation.headline import headline_intervals
from ecgcore.evaluation.operating_points import operating_points
from ecgcore.evaluation.referral_coverage import referral_section
from ecgcore.evaluation.results import Evaluation
from ecgcore.evaluation.subgroups import run_traits, subgroups
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.runs.run import Run


def evaluate_run(
    run: "Run",
    part: str = "test",
    resamples: int = RESAMPLES,
    workspace: Workspace | None = None,
    prevalence: Mapping[str, float] | None = None,
) -> Evaluation:
    """Evaluate a run on ``validation``, ``test`` or ``holdout``.

    Parameters
    ----------
    workspace
        Workspace of the run's cohort, for subgroups of runs whose predictions have no traits.
    prevalence
        Class code → share in 0..1 in the target population, for predictive values.

    Returns
    -------
    Evaluation
        That of :func:`evaluate`, with the sections of :func:`calibration_report` and
        :func:`utility_report`; ``refer``: see
        :func:`ecgcore.evaluation.referral_coverage.referral_section`; and ``calls``: class → calls
        and right calls at cross-fitted thresholds, None unless the run's own were chosen on these
        records.
    """
    scores = run_scores(run, part)
    traits = run_traits(run, part, workspace)
    return evaluate_scores(scores, resamples).extended(
        calls=_cross_fitted_calls(run, scores),
        **run_calibration_report(run, scores),
        refer=referral_section(scores, run.calibration, traits, resamples),
        **utility_report(scores, traits, resamples, prevalence),
    )


def _cross_fitted_calls(run: "Run", scores: Scores) -> dict[str, list[int]] | None:
    """Return cross-fitted calls where thresholds were chosen on the very records evaluated."""
    if scores.target_mode != "multilabel" or not is_out_of_fold(run.calibration):
        return None
    return cross_fitted_calls(scores, stored_rule(run.calibration))


def utility_report(
    scores: Scores,
    traits: pd.DataFrame | None,
    resamples: int = RESAMPLES,
    prevalence: Mapping[str, float] | None = None,
) -> dict:
    """Return ``operating`` points, ``decision`` curves and ``subgroups``.

    See :func:`ecgcore.evaluation.operating_points.operating_points`,
    :mod:`ecgcore.evaluation.decision_curve` and :func:`ecgcore.evaluation.subgroups.subgroups`.
    ``subgroups`` is None where the records' traits are not known.
    """
    return {
        "operating": operating_points(scores, prevalence, resamples),
        "decision": decision_table(scores),
        "subgroups": None if traits is None else subgroups(scores, traits, resamples),
    }


def run_calibration_report(run: "Run", scores: Scores) -> dict:
    """Return :func:`calibration_report` for the scores of a part of a run."""
    fitted = run.calibration
    uncalibrated = scores
    if fitted.get("temperature") is not None:
        uncalibrated = run_scores(run, scores.part, calibrated=False)
    return calibration_report(fitted, scores, uncalibrated)


def calibration_report(fitted: Mapping, scores: Scores, uncalibrated: Scores) -> dict:
    """Return the effect of a fitted calibration; ``uncalibrated`` lack the temperature.

    ``calibration``: ``temperature``, ``from``, ``binning``, and ``before`` and ``after`` it, each
    as :func:`ecgcore.calibration.calibration.calibration_metrics`.
    """
    return {
        "calibration": {
            "temperature": fitted.get("temperature"),
            "from": fitted.get("from"),
            "binning": BINNING,
            "before": calibration_metrics(uncalibrated),
            "after": calibration_metrics(scores),
        },
    }


def run_scores(run: "Run", part: str = "test", calibrated: bool = True) -> Scores:
    """Return the scores of one part of a run, at the run's own thresholds.

    With ``calibrated=False`` probabilities come from the logits without the run's temperature.
    """
    meta, predictions = run.meta, run.predictions
    if not calibrated:
        predictions = with_probabilities(predictions, meta["classes"], meta["target_mode"])
    fitted = run.calibration
    scores = Scores.from_predictions(
        predictions,
        meta["classes"],
        meta["target_mode"],
        fitted["thresholds"],
        run=run.id,
        part=part,
    )
    if is_out_of_fold(fitted):
        return replace(scores, notes=(*scores.notes, OUT_OF_FOLD_NOTE))
    return scores


def evaluate(
    predictions: pd.DataFrame,
    classes: Sequence[str],
    target_mode: str,
    thresholds: Mapping[str, float] | None = None,
    run_id: str = "",
    part: str = "test",
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Evaluate a table of predictions.

    Accuracy is over the records with exactly one stated class (in ``exclusive`` and ``priority``
    mode: all), by highest probability. F1 is at each class's threshold in ``multilabel`` mode, of
    the most probable class otherwise. Macro means are over the classes that have positives.
    Intervals: over patients (:mod:`ecgcore.evaluation.bootstrap`); a resample in which a class has
    no positive averages over the others, and the notes give the number of such resamples.

    Parameters
    ----------
    predictions
        See :meth:`ecgcore.calibration.scores.Scores.from_predictions`, also for the errors.

    Returns
    -------
    Evaluation
        Its JSON form has run, part, target_mode, n, patients, accuracy, accuracy_of, macro_f1,
        macro_auc {value, low, high, level, unit, over}, micro_auc, averages, classes,
        not_available, confusion (rows the label), confusion_title, confusion_per_class,
        intervals, baseline, bootstrap, notes.
    """
    scores = Scores.from_predictions(predictions, classes, target_mode, thresholds, run_id, part)
    return evaluate_scores(scores, resamples)


def evaluate_scores(
    scores: Scores, resamples: int = RESAMPLES, resampled: Resampled | None = None
) -> Evaluation:
    """Evaluate scores; ``resampled`` are their resamples where these are already computed."""
    resampled = resampled or resample([scores], resamples)[0]
    classes = metrics.per_class_metrics(scores)
    means = metrics.averages(classes)
    intervals = headline_intervals(scores, resampled, means)
    means["micro"] = metrics.micro_metrics(scores)
    _add_class_intervals(classes, resampled)
    absent = resampled.resamples_without_positives(np.any(scores.positive, axis=0))
    return Evaluation(
        {
            "run": scores.run,
            "part": scores.part,
            "target_mode": scores.target_mode,
            "n": len(scores),
            "patients": scores.n_patients,
            "accuracy": intervals["accuracy"]["value"],
            "accuracy_of": metrics.accuracy_basis(scores),
            "macro_f1": means["macro"]["f1"],
            "macro_auc": intervals["macro_auc"],
            "micro_auc": metrics.micro_auc(scores),
            "averages": means,
            "classes": classes,
            "not_available": _not_available(scores),
            "confusion": metrics.confusion(scores).tolist(),
            "confusion_title": metrics.confusion_title(scores),
            "confusion_per_class": metrics.confusion_per_class(scores),
            "intervals": {name: intervals[name] for name in ("accuracy", "macro_f1")},
            "baseline": naive_baseline(scores),
            "bootstrap": {
                "form": FORM,
                "words": FORM_WORDS,
                "resamples": len(resampled.accuracy),
                "level": LEVEL,
            },
            "notes": [
                *scores.notes,
                *metrics.class_notes(scores, classes),
                *_absent_classes_note(absent, len(resampled.accuracy)),
            ],
        }
    )


def _add_class_intervals(classes: dict[str, dict], resampled: Resampled) -> None:
    """Add to each class the intervals of its F1 and AUC."""
    for i, (of_class, basis) in enumerate(
        zip(classes.values(), resampled.class_basis, strict=True)
    ):
        of_class["intervals"] = {
            "f1": interval(of_class["f1"], resampled.f1[:, i], basis),
            "auc": interval(of_class["auc"], resampled.auc[:, i], basis.for_area),
        }


def _not_available(scores: Scores) -> dict[str, str]:
    """Return the classes that cannot be measured, each with its reason."""
    reasons = {c: metrics.why_not_available(scores, i) for i, c in enumerate(scores.classes)}
    return {c: why for c, why in reasons.items() if why}


def _absent_classes_note(times: int, resamples: int) -> list[str]:
    """Return a note on the resamples in which a class was absent, empty where there are none."""
    if not times:
        return []
    return [
        f"In {times:,} of {resamples:,} resamples at least one class had no positive; "
        "macro averages there are over the other classes."
    ]
