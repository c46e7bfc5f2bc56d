"""Figures that a model card states first.

Records whose labels a human validated come before all records, since the others are easier; macro
AUC without the classes that are only ranked stands beside the whole one; thresholds that were
chosen on the very records are judged cross-fitted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecgcore.calibration.calibration import is_out_of_fold
from ecgcore.calibration.cross_fitting import cross_fitted
from ecgcore.calibration.scores import Scores
from ecgcore.calibration.thresholds import stored_rule
from ecgcore.evaluation.bootstrap import RESAMPLES, resample
from ecgcore.evaluation.evaluate import evaluate_scores, run_scores
from ecgcore.evaluation.headline import headline_intervals
from ecgcore.evaluation.ranked_classes import ranked_classes
from ecgcore.evaluation.subgroups import BY_A_HUMAN, VALIDATED, run_traits

if TYPE_CHECKING:
    from ecgcore.runs.run import Run

ALL = "all"
VALIDATED_RECORDS = f"validated {BY_A_HUMAN}"


@dataclass(frozen=True)
class CardFigures:
    """Figures over some of a run's test records.

    Attributes
    ----------
    records
        Which records, in words.
    macro_auc, macro_f1
        Value and interval.
    macro_auc_called
        Macro AUC without the classes that are only ranked; None where none is.
    classes
        Code → ``n``, ``auc`` with its interval, and ``f1``, ``precision`` and ``recall``, at
        cross-fitted thresholds where the run's own were chosen on these records.
    """

    records: str
    n: int
    macro_auc: dict
    macro_auc_called: dict | None
    macro_f1: dict
    classes: dict[str, dict]


def card_figures(run: "Run", resamples: int = RESAMPLES) -> list[CardFigures]:
    """Return the figures over validated records, where the source states them, and over all."""
    scores = run_scores(run)
    if is_out_of_fold(run.calibration):
        scores = cross_fitted(scores, stored_rule(run.calibration))
    ranked = ranked_classes(run.evaluation)
    called = [code for code in scores.classes if code not in ranked] if ranked else []
    return [
        _figures(records, scores.take(rows), called, resamples)
        for records, rows in _parts(run, scores)
    ]


def _figures(records: str, scores: Scores, called: list[str], resamples: int) -> CardFigures:
    evaluation = evaluate_scores(scores, resamples).content
    classes = {
        code: {name: of_class[name] for name in ("n", "f1", "precision", "recall")}
        | {"auc": of_class["intervals"]["auc"]}
        for code, of_class in evaluation["classes"].items()
    }
    return CardFigures(
        records=records,
        n=len(scores),
        macro_auc=evaluation["macro_auc"],
        macro_auc_called=_macro_auc_of(scores, called, resamples) if called else None,
        macro_f1=evaluation["intervals"]["macro_f1"],
        classes=classes,
    )


def _parts(run: "Run", scores: Scores) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the (N,) mask of each set of records."""
    traits = run_traits(run, scores.part, None)
    if traits is not None and VALIDATED in traits:
        by_human = traits.set_index("record").loc[scores.record, VALIDATED] == BY_A_HUMAN
        if by_human.any() and not by_human.all():
            yield VALIDATED_RECORDS, by_human.to_numpy(bool)
    yield ALL, np.ones(len(scores), bool)


def _macro_auc_of(scores: Scores, classes: list[str], resamples: int) -> dict:
    chosen = scores.of_classes(classes)
    return headline_intervals(chosen, resample([chosen], resamples)[0])["macro_auc"]
