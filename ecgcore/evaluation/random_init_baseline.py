"""Random-initialisation baseline: a run's architecture with untrained weights, same records.

Whatever it scores above chance comes from the architecture and the drawing, not from training.
This module knows no network: the caller supplies a function that predicts rows of a cohort.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from ecgcore.calibration.calibration import with_probabilities
from ecgcore.calibration.scores import Scores
from ecgcore.cohort.store import Cohort
from ecgcore.errors import NotFound, RequestError
from ecgcore.evaluation.bootstrap import RESAMPLES
from ecgcore.evaluation.evaluate import evaluate_scores
from ecgcore.evaluation.external import PredictRows
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.runs.run import Run


def random_init_baseline(
    run: "Run",
    predict: PredictRows,
    workspace: Workspace,
    part: str = "test",
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Score a run's records as predicted by its network with untrained weights.

    It has no thresholds, so there is no F1 where each class is predicted on its own.

    Parameters
    ----------
    predict
        Logits of the network initialised with ``seed``; see
        :func:`ecgcore.inference.predict.with_random_weights`.

    Returns
    -------
    dict
        ``seed``, ``n``, ``macro_auc`` and ``accuracy`` as intervals, and ``classes`` {code: auc,
        average_precision}.

    Raises
    ------
    RequestError
        The run's cohort is not in this workspace, or no longer holds its records.
    """
    meta, predictions = run.meta, run.predictions
    codes, mode = meta["classes"], meta["target_mode"]
    table = predictions[predictions["part"] == part].reset_index(drop=True)
    cohort, rows = _cohort_rows(run, workspace, table["record"].tolist())
    logits = predict(cohort, rows)
    table = table.assign(**{f"z_{c}": logits[:, i] for i, c in enumerate(codes)})
    table = with_probabilities(table, codes, mode)
    scores = Scores.from_predictions(table, codes, mode, run=meta["run"], part=part)
    evaluation = evaluate_scores(scores, resamples).as_json()
    return {
        "seed": seed,
        "n": evaluation["n"],
        "macro_auc": evaluation["macro_auc"],
        "accuracy": evaluation["intervals"]["accuracy"],
        "classes": {
            code: {name: metrics[name] for name in ("auc", "average_precision")}
            for code, metrics in evaluation["classes"].items()
        },
    }


def _cohort_rows(run: "Run", workspace: Workspace, records: list[str]) -> tuple[Cohort, np.ndarray]:
    """Return the run's cohort and the rows of some of its records."""
    name = run.meta["cohort"]["name"]
    try:
        cohort = Cohort.open(name, workspace)
        return cohort, np.array([cohort.row_of(record) for record in records])
    except NotFound as error:
        raise RequestError(
            f"The untrained network needs the recordings of run {run.id}, of cohort '{name}'. "
            f"{error}"
        ) from error
