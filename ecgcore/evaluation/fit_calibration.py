"""Fit a run's calibration: temperature, thresholds and referral band.

They come from validation records; a shipped network's come from its out-of-fold answers. Never from
other test records.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd

from ecgcore.atomic import write_atomic, write_json
from ecgcore.calibration.calibration import (
    FITTED_ON,
    OUT_OF_FOLD,
    PART_OF,
    fit_temperature,
    with_probabilities,
)
from ecgcore.calibration.referral import ALPHA, fit_referral
from ecgcore.calibration.scores import Scores
from ecgcore.calibration.thresholds import BEST_F1, ThresholdRule, choose_thresholds
from ecgcore.errors import RequestError
from ecgcore.evaluation.evaluate import evaluate_run
from ecgcore.evaluation.referral_coverage import (
    ALL_RECORDS,
    VALIDATED_RECORDS,
    validated_records,
)
from ecgcore.evaluation.results import Evaluation

if TYPE_CHECKING:
    from ecgcore.runs.run import Run

UNCALIBRATED: dict[str, Any] = {
    "temperature": None,
    "thresholds": {},
    "thresholds_by": "not chosen: nothing validated",
    "refer": None,
    "from": None,
}
SOURCE_WORDS = {FITTED_ON: "on validation", OUT_OF_FOLD: "out of fold"}


def fit_calibration(
    validation: pd.DataFrame,
    classes: list[str],
    target_mode: str,
    rule: ThresholdRule = BEST_F1,
    alpha: float = ALPHA,
    source: str = FITTED_ON,
) -> dict:
    """Return the content of ``calibration.json``, fitted on validation records.

    Where the source states which labels a human validated, the referral band counts the mistakes on
    these alone: the others are easier, since software wrote their labels.

    Parameters
    ----------
    validation
        Rows of ``predictions.parquet`` with logits ``z_``, all of part ``validation``; without
        rows, nothing is fitted.
    alpha
        Share of records in which a class outside its referral band may be wrong; an aim.
    source
        ``validation``, or ``out-of-fold``: the rows are such predictions, of part ``test``.

    Raises
    ------
    RequestError
        Records of another part are among them.
    """
    part = PART_OF[source]
    if other_parts := sorted(set(validation["part"]) - {part}):
        raise RequestError(f"Calibration is fitted on {source} records, not on {other_parts[0]}.")
    if validation.empty:
        return dict(UNCALIBRATED)
    y = validation[[f"y_{c}" for c in classes]].to_numpy(float)
    z = validation[[f"z_{c}" for c in classes]].to_numpy(float)
    temperature = fit_temperature(z, y, target_mode)
    table = with_probabilities(validation, classes, target_mode, temperature)
    scores = Scores.from_predictions(table, classes, target_mode, part=part)
    by_class = target_mode == "multilabel"
    thresholds = choose_thresholds(scores, rule) if by_class else {}
    scores = Scores.from_predictions(table, classes, target_mode, thresholds, part=part)
    chosen_by = rule.description(SOURCE_WORDS[source]) if by_class else "the most probable class"
    return {
        "temperature": temperature,
        "thresholds": thresholds,
        "thresholds_by": chosen_by,
        "rule": asdict(rule),
        "refer": _fit_referral(scores, table, alpha, rule),
        "from": source,
    }


def _fit_referral(
    scores: Scores, table: pd.DataFrame, alpha: float, rule: ThresholdRule
) -> dict[str, Any] | None:
    """Return the referral band, fitted on validated records where the source states them."""
    counted = validated_records(scores, table)
    band = fit_referral(scores, alpha, rule, counted)
    if band is None and counted is not None:
        counted, band = None, fit_referral(scores, alpha, rule)
    of = ALL_RECORDS if counted is None else VALIDATED_RECORDS
    return None if band is None else band | {"of": of}


def calibrate_run(run: "Run", rule: ThresholdRule = BEST_F1, alpha: float = ALPHA) -> Evaluation:
    """Fit a run's calibration, write its files and return the evaluation.

    ``calibration.json``, the probabilities in ``predictions.parquet`` and ``evaluation.json`` are
    written; logits and weights stay unchanged.
    """
    meta, predictions = run.meta, run.predictions
    classes, mode = meta["classes"], meta["target_mode"]
    if mode != "multilabel" and rule != BEST_F1:
        raise RequestError(
            f"Run {run.id} answers with one class a record ({mode}); there are no thresholds to "
            "choose."
        )
    file = run.folder / "calibration.json"
    stored_source = run.calibration.get("from") if file.exists() else None
    source = OUT_OF_FOLD if stored_source == OUT_OF_FOLD else FITTED_ON
    rows = predictions[predictions["part"] == PART_OF[source]]
    calibration = fit_calibration(rows, classes, mode, rule, alpha, source)
    table = with_probabilities(predictions, classes, mode, calibration["temperature"])
    write_atomic(
        run.folder / "predictions.parquet", lambda path: table.to_parquet(path, index=False)
    )
    write_json(file, calibration)
    evaluation = evaluate_run(run).extended(run=meta["run"])
    write_json(run.folder / "evaluation.json", evaluation.as_json())
    return evaluation
