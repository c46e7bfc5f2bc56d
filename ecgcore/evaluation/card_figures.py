"""Figures that a model card states first.

Records whose labels a human validated come before all records, since the others are easier; macro
AUC without rare classes, on which a mean over classes hangs, stands beside the whole one;
thresholds that were chosen on the very records are judged cross-fitted.
"""

from collections.abc import Iterator, Sequence
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
from ecgcore.evaluation.referral_coverage import ALL_RECORDS, VALIDATED_RECORDS
from ecgcore.evaluation.subgroups import BY_A_HUMAN, VALIDATED, run_traits

if TYPE_CHECKING:
    from ecgcore.runs.run import Run

RARE = 0.01
"""Share of the records below which a class is rare."""


@dataclass(frozen=True)
class CardFigures:
    """Figures over some of a run's test records.

    Attributes
    ----------
    records
        Which records, in words.
    macro_auc, macro_f1
        Value and interval.
    macro_auc_common, rare
        Macro AUC without the classes that fewer than 1 % of all records have, and these classes;
        None where there are none.
    classes
        Code → ``n``, ``auc`` with its interval, and ``f1``, ``precision`` and ``recall``, at
        cross-fitted thresholds where the run's own were chosen on these records.
    """

    records: str
    n: int
    macro_auc: dict
    macro_auc_common: dict | None
    rare: list[str]
    macro_f1: dict
    classes: dict[str, dict]


def card_figures(run: "Run", resamples: int = RESAMPLES) -> list[CardFigures]:
    """Return the figures over validated records, where the source states them, and over all."""
    scores = run_scores(run)
    if is_out_of_fold(run.calibration):
        scores = cross_fitted(scores, stored_rule(run.calibration))
    shares = scores.positive.sum(axis=0) / len(scores)
    rare = [code for code, share in zip(scores.classes, shares, strict=True) if share < RARE]
    return [
        _figures(records, scores.take(rows), rare, resamples)
        for records, rows in _parts(run, scores)
    ]


def _figures(records: str, scores: Scores, rare: list[str], resamples: int) -> CardFigures:
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
        macro_auc_common=macro_auc_without(scores, rare, resamples) if rare else None,
        rare=rare,
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
    yield ALL_RECORDS, np.ones(len(scores), bool)


def macro_auc_without(
    scores: Scores, rare: Sequence[str], resamples: int = RESAMPLES
) -> dict | None:
    """Return the macro AUC, with interval, without some classes; None where none is left."""
    common = scores.of_classes([code for code in scores.classes if code not in rare])
    if not common.classes:
        return None
    return headline_intervals(common, resample([common], resamples)[0])["macro_auc"]
