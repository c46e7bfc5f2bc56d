"""After the last epoch: thresholds from validation, predictions of every part, the first scores."""

import numpy as np
import pandas as pd
from scipy.special import expit, softmax
from sklearn.metrics import precision_recall_curve

from ecgcore.evaluation.evaluate import evaluate_run
from ecgcore.evaluation.scores import Scores
from ecgcore.home import write_json, write_whole
from ecgcore.training.weights import fill, read_tensors
from ecgcore.training.working import Working

SCORED_PARTS = ("validation", "test", "untouched")


def probabilities(logits: np.ndarray, target_mode: str) -> np.ndarray:
    """Return (N, classes) probabilities: sigmoid each for ``multilabel``, else softmax."""
    return expit(logits) if target_mode == "multilabel" else softmax(logits, axis=1)


def prediction_table(
    working: Working, part: str, logits: np.ndarray, targets: np.ndarray
) -> pd.DataFrame:
    """Return the rows of ``predictions.parquet`` for one part."""
    classes = working.run.meta["classes"]
    index = working.cohort.index.iloc[working.plan.rows[working.plan.part == part]]
    columns = {"record": index["record"].array, "patient": index["patient"].array, "part": part}
    for letter, values in (
        ("y", targets),
        ("z", logits),
        ("p", probabilities(logits, working.config.target_mode)),
    ):
        columns |= {f"{letter}_{c}": values[:, i] for i, c in enumerate(classes)}
    return pd.DataFrame(columns)


def best_f1_thresholds(scores: Scores) -> dict[str, float]:
    """Return per class the probability at which F1 is highest; 0.5 where there is no positive.

    The threshold lies midway between the two scores it separates, so that it does not hang on the
    last digit of one record.
    """
    found = {}
    for i, code in enumerate(scores.classes):
        known = scores.known[:, i]
        y, p = scores.positive[known, i], scores.p[known, i]
        found[code] = _best_f1(y, p) if y.any() else 0.5
    return found


def _best_f1(y: np.ndarray, p: np.ndarray) -> float:
    precision, recall, cuts = precision_recall_curve(y, p)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(f1[:-1].argmax())
    below = p[p < cuts[best]]
    return float((cuts[best] + below.max()) / 2 if below.size else cuts[best])


def score_run(working: Working) -> None:
    """Load the best epoch, predict every part in float32, and write the run's results."""
    run, mode = working.run, working.config.target_mode
    fill(working.model, read_tensors(run.weights)[0], run.weights, run.meta["model"])
    there = [part for part in SCORED_PARTS if (working.plan.part == part).any()]
    tables = [prediction_table(working, part, *working.predict(part, exact=True)) for part in there]
    table = pd.concat(tables, ignore_index=True)
    write_whole(
        run.folder / "predictions.parquet", lambda path: table.to_parquet(path, index=False)
    )
    validation = Scores.read(table, run.meta["classes"], mode, run=run.id, part="validation")
    thresholds = best_f1_thresholds(validation) if mode == "multilabel" else {}
    calibration = {"temperature": None, "thresholds": thresholds, "refer": None}
    write_json(run.folder / "calibration.json", calibration | {"from": "validation"})
    write_json(run.folder / "evaluation.json", evaluate_run(run))
