"""Evaluate: how good is a run on one part of its records, and how sure can one be?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ecgcore.calibration.calibration import (
    BINNING,
    OUT_OF_FOLD_NOTE,
    calibration_of,
    is_out_of_fold,
    with_probabilities,
)
from ecgcore.calibration.referral import refer_report
from ecgcore.calibration.scores import Scores
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
from ecgcore.evaluation.metrics import accuracy_of
from ecgcore.evaluation.operating_points import operating_points
from ecgcore.evaluation.subgroups import subgroups, traits_of_run
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.runs.run import Run


def evaluate_run(
    run: "Run",
    part: str = "test",
    resamples: int = RESAMPLES,
    workspace: Workspace | None = None,
    prevalence: Mapping[str, float] | None = None,
) -> dict:
    """Evaluate a run on ``validation``, ``test`` or ``untouched``.

    Parameters
    ----------
    home
        Where the run's cohort may be, for subgroups of runs whose predictions do not say what
        their records are.
    prevalence
        Class code → share in 0..1 in the population in mind, for predictive values.

    Returns
    -------
    dict
        As :func:`evaluate`, and what :func:`calibration_report` and :func:`use_report` give.
    """
    scores = scores_of(run, part)
    traits = traits_of_run(run, part, workspace)
    return (
        evaluate_scores(scores, resamples)
        | calibration_report(run, scores)
        | use_report(scores, traits, resamples, prevalence)
    )


def use_report(
    scores: Scores,
    traits: pd.DataFrame | None,
    resamples: int = RESAMPLES,
    prevalence: Mapping[str, float] | None = None,
) -> dict:
    """Return what tells whether a run is of use, and for whom.

    ``operating`` (see :func:`ecgcore.evaluation.operating_points.operating_points`), ``decision``
    (see :mod:`ecgcore.evaluation.decision_curve`) and ``subgroups`` (see
    :func:`ecgcore.evaluation.subgroups.subgroups`), None where it is not known what records are.
    """
    return {
        "operating": operating_points(scores, prevalence, resamples),
        "decision": decision_table(scores),
        "subgroups": None if traits is None else subgroups(scores, traits, resamples),
    }


def calibration_report(run: "Run", scores: Scores) -> dict:
    """Return how well a run's probabilities are calibrated, and what referring would do."""
    fitted = run.calibration
    tempered = fitted.get("temperature") is not None
    raw = scores_of(run, scores.part, raw=True) if tempered else scores
    return calibration_of_scores(fitted, scores, raw)


def calibration_of_scores(fitted: Mapping, scores: Scores, raw: Scores) -> dict:
    """Return what a fitted calibration does to scores; ``raw`` are the same without temperature.

    ``calibration``: ``temperature``, ``from``, ``binning``, and ``before`` and ``after`` it, each
    as :func:`ecgcore.calibration.calibration.calibration_of` has it. ``refer``: see
    :func:`ecgcore.calibration.referral.refer_report`, None where the run has no band.
    """
    band = fitted.get("refer")
    return {
        "calibration": {
            "temperature": fitted.get("temperature"),
            "from": fitted.get("from"),
            "binning": BINNING,
            "before": calibration_of(raw),
            "after": calibration_of(scores),
        },
        "refer": refer_report(scores, band) if band else None,
    }


def scores_of(run: "Run", part: str = "test", raw: bool = False) -> Scores:
    """Return the scores of one part of a run, at the run's own thresholds.

    ``raw``: with probabilities straight from the logits, without the run's temperature.
    """
    meta, predictions = run.meta, run.predictions
    if raw:
        predictions = with_probabilities(predictions, meta["classes"], meta["target_mode"])
    fitted = run.calibration
    scores = Scores.read(
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
) -> dict:
    """Evaluate a table of predictions; the answer is ready for JSON.

    Accuracy is over the records with exactly one stated class (in ``exclusive`` and ``priority``
    mode: all), by highest probability. F1 is at each class's threshold in ``multilabel`` mode, of
    the most probable class otherwise. Macro means are over the classes that have positives.
    Intervals: over patients (:mod:`ecgcore.evaluation.bootstrap`); a resample in which a class has
    no positive averages over the others, and the notes say how often.

    Parameters
    ----------
    predictions
        See :meth:`ecgcore.calibration.scores.Scores.read`, which also tells the errors.

    Returns
    -------
    dict
        run, part, target_mode, n, patients, accuracy, accuracy_of, macro_f1,
        macro_auc {value, low, high, level, unit, over}, micro_auc, averages, classes,
        not_available, confusion (rows the label), confusion_title, confusion_per_class,
        intervals, baseline, bootstrap, notes.
    """
    scores = Scores.read(predictions, classes, target_mode, thresholds, run_id, part)
    return evaluate_scores(scores, resamples)


def evaluate_scores(
    scores: Scores, resamples: int = RESAMPLES, drawn: Resampled | None = None
) -> dict:
    """Evaluate scores; ``drawn`` are their resamples where they are there already."""
    drawn = drawn or resample([scores], resamples)[0]
    classes = {code: metrics.class_metrics(scores, i) for i, code in enumerate(scores.classes)}
    means = metrics.averages(classes)
    means["micro"] = metrics.micro_metrics(scores)
    accuracy = accuracy_of(scores)
    _add_class_intervals(classes, drawn)
    return {
        "run": scores.run,
        "part": scores.part,
        "target_mode": scores.target_mode,
        "n": len(scores),
        "patients": scores.n_patients,
        "accuracy": accuracy,
        "accuracy_of": metrics.accuracy_basis(scores),
        "macro_f1": means["macro"]["f1"],
        "macro_auc": {
            **interval(means["macro"]["auc"], drawn.macro_auc, drawn.of_all.of_area),
            "over": means["over"]["auc"],
        },
        "micro_auc": metrics.micro_auc(scores),
        "averages": means,
        "classes": classes,
        "not_available": _not_available(scores),
        "confusion": metrics.confusion(scores).tolist(),
        "confusion_title": metrics.confusion_title(scores),
        "confusion_per_class": metrics.confusion_per_class(scores),
        "intervals": {
            "accuracy": interval(accuracy, drawn.accuracy, drawn.of_single),
            "macro_f1": interval(means["macro"]["f1"], drawn.macro_f1, drawn.of_all),
        },
        "baseline": naive_baseline(scores),
        "bootstrap": {
            "form": FORM,
            "words": FORM_WORDS,
            "resamples": len(drawn.accuracy),
            "level": LEVEL,
        },
        "notes": [*scores.notes, *metrics.class_notes(scores, classes), *_vanished(scores, drawn)],
    }


def _add_class_intervals(classes: dict[str, dict], drawn: Resampled) -> None:
    """Give each class the intervals of its F1 and AUC."""
    for i, found in enumerate(classes.values()):
        found["intervals"] = {
            "f1": interval(found["f1"], drawn.f1[:, i], drawn.of_class[i]),
            "auc": interval(found["auc"], drawn.auc[:, i], drawn.of_class[i].of_area),
        }


def _not_available(scores: Scores) -> dict[str, str]:
    """Return the classes that cannot be measured, each with its reason."""
    reasons = {c: metrics.why_not_available(scores, i) for i, c in enumerate(scores.classes)}
    return {c: why for c, why in reasons.items() if why}


def _vanished(scores: Scores, drawn: Resampled) -> list[str]:
    """Say how often a class was missing in a resample."""
    times = drawn.vanished(np.any(scores.positive, axis=0))
    if not times:
        return []
    return [
        f"In {times:,} of {len(drawn.accuracy):,} resamples at least one class had no positive; "
        "macro averages there are over the other classes."
    ]
