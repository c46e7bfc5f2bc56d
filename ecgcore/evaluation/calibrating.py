"""Calibrating a run: temperature, thresholds and refer band from its validation records."""

from typing import TYPE_CHECKING

import pandas as pd

from ecgcore.errors import RequestError
from ecgcore.evaluation.calibration import fit_temperature, with_probabilities
from ecgcore.evaluation.evaluate import evaluate_run
from ecgcore.evaluation.refer import ALPHA, fit_refer
from ecgcore.evaluation.scores import Scores
from ecgcore.evaluation.thresholds import Choice, choose_thresholds
from ecgcore.home import write_json, write_whole

if TYPE_CHECKING:
    from ecgcore.training.run import Run

FITTED_ON = "validation"
BEST_F1 = Choice()


def fit_calibration(
    validation: pd.DataFrame,
    classes: list[str],
    target_mode: str,
    choice: Choice = BEST_F1,
    alpha: float = ALPHA,
) -> dict:
    """Return what ``calibration.json`` holds, fitted on validation records.

    Parameters
    ----------
    validation
        Rows of ``predictions.parquet`` with logits ``z_``, all of part ``validation``.
    alpha
        Share of records in which a class outside its refer band may be wrong.

    Raises
    ------
    RequestError
        Records of another part are among them, or there are none.
    """
    if strange := sorted(set(validation["part"]) - {FITTED_ON}):
        raise RequestError(f"Calibration is fitted on validation alone, not on {strange[0]}.")
    y = validation[[f"y_{c}" for c in classes]].to_numpy(float)
    z = validation[[f"z_{c}" for c in classes]].to_numpy(float)
    temperature = fit_temperature(z, y, target_mode)
    table = with_probabilities(validation, classes, target_mode, temperature)
    scores = Scores.read(table, classes, target_mode, part=FITTED_ON)
    by_class = target_mode == "multilabel"
    thresholds = choose_thresholds(scores, choice) if by_class else {}
    scores = Scores.read(table, classes, target_mode, thresholds, part=FITTED_ON)
    return {
        "temperature": temperature,
        "thresholds": thresholds,
        "thresholds_by": choice.words if by_class else "the most probable class",
        "refer": fit_refer(scores, alpha),
        "from": FITTED_ON,
    }


def calibrate_run(run: "Run", choice: Choice = BEST_F1, alpha: float = ALPHA) -> dict:
    """Fit a run's calibration anew and write what follows from it; return the evaluation.

    ``calibration.json``, the probabilities in ``predictions.parquet`` and ``evaluation.json`` are
    written; logits and weights stay as they are.
    """
    meta, predictions = run.meta, run.predictions
    classes, mode = meta["classes"], meta["target_mode"]
    if mode != "multilabel" and choice != BEST_F1:
        raise RequestError(
            f"Run {run.id} answers with one class a record ({mode}); there are no thresholds to "
            "choose."
        )
    validation = predictions[predictions["part"] == FITTED_ON]
    found = fit_calibration(validation, classes, mode, choice, alpha)
    table = with_probabilities(predictions, classes, mode, found["temperature"])
    write_whole(
        run.folder / "predictions.parquet", lambda path: table.to_parquet(path, index=False)
    )
    write_json(run.folder / "calibration.json", found)
    evaluation = evaluate_run(run) | {"run": meta["run"]}
    write_json(run.folder / "evaluation.json", evaluation)
    return evaluation
