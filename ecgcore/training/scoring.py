"""After the last epoch: predictions of every part, calibration from validation, first scores."""

import numpy as np
import pandas as pd

from ecgcore.atomic import write_atomic
from ecgcore.calibration.calibration import probabilities
from ecgcore.evaluation.fit_calibration import calibrate_run
from ecgcore.evaluation.subgroups import traits_of
from ecgcore.runs.weights import fill, read_tensors
from ecgcore.training.context import TrainContext

SCORED_PARTS = ("validation", "test", "untouched")


def prediction_table(
    working: TrainContext, part: str, logits: np.ndarray, targets: np.ndarray
) -> pd.DataFrame:
    """Return the rows of ``predictions.parquet`` for one part, probabilities not calibrated yet."""
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


def score_run(working: TrainContext) -> None:
    """Load the best epoch, predict every part in float32, and write the run's results.

    Where all records trained there is nothing to score.
    """
    run, team = working.run, working.team
    tensors, _ = team.read_by_first(lambda: read_tensors(run.weights))
    fill(working.model, tensors, run.weights, run.meta["model"])
    there = [part for part in SCORED_PARTS if (working.plan.part == part).any()]
    answers = {part: working.predict(part, exact=True) for part in there}
    team.by_first(lambda: _write(working, answers))


def _write(working: TrainContext, answers: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Write a run's results: logits and targets of each part that is scored."""
    run = working.run
    if not answers:
        return
    tables = [prediction_table(working, part, *found) for part, found in answers.items()]
    rows = np.concatenate([working.plan.rows[working.plan.part == part] for part in answers])
    traits = traits_of(working.cohort, rows)
    table = pd.concat([pd.concat(tables, ignore_index=True), traits], axis=1)
    write_atomic(
        run.folder / "predictions.parquet", lambda path: table.to_parquet(path, index=False)
    )
    calibrate_run(run)
