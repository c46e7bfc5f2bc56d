"""Scoring a trained run: predictions of every scored part, calibration, and the first scores."""

import numpy as np
import pandas as pd

from ecgcore.atomic import write_atomic
from ecgcore.calibration.calibration import probabilities
from ecgcore.calibration.scores import PARTS
from ecgcore.evaluation.fit_calibration import calibrate_run
from ecgcore.evaluation.subgroups import cohort_traits
from ecgcore.runs.weights import load_weights, read_tensors
from ecgcore.training.state import TrainContext


def prediction_table(
    context: TrainContext, part: str, logits: np.ndarray, targets: np.ndarray
) -> pd.DataFrame:
    """Return the rows of ``predictions.parquet`` of one part, with uncalibrated probabilities."""
    classes = context.run.meta["classes"]
    index = context.cohort.index.iloc[context.split.rows[context.split.part == part]]
    columns = {"record": index["record"].array, "patient": index["patient"].array, "part": part}
    for letter, values in (
        ("y", targets),
        ("z", logits),
        ("p", probabilities(logits, context.config.target_mode)),
    ):
        columns |= {f"{letter}_{c}": values[:, i] for i, c in enumerate(classes)}
    return pd.DataFrame(columns)


def score_run(context: TrainContext) -> None:
    """Load the best epoch, predict every scored part in float32, and write the run's results.

    Where all records train there is nothing to score.
    """
    run, team = context.run, context.team
    tensors, _ = team.broadcast_tensors(lambda: read_tensors(run.weights))
    load_weights(context.model, tensors, run.weights, run.meta["model"])
    parts = [part for part in PARTS if (context.split.part == part).any()]
    outputs = {part: context.predict(part, full_precision=True) for part in parts}
    team.on_rank_zero(lambda: _write_predictions(context, outputs))


def _write_predictions(
    context: TrainContext, outputs: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    """Write logits and targets of each part, then calibrate and evaluate the run."""
    run, split = context.run, context.split
    if not outputs:
        return
    tables = [prediction_table(context, part, *output) for part, output in outputs.items()]
    rows = np.concatenate([split.rows[split.part == part] for part in outputs])
    traits = cohort_traits(context.cohort, rows)
    table = pd.concat([pd.concat(tables, ignore_index=True), traits], axis=1)
    write_atomic(
        run.folder / "predictions.parquet", lambda path: table.to_parquet(path, index=False)
    )
    calibrate_run(run)
