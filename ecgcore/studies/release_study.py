"""Make a shipped network: train it on all records, and give it what its folds say out of fold."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from ecgcore.atomic import write_atomic, write_json
from ecgcore.calibration.calibration import OUT_OF_FOLD, with_probabilities
from ecgcore.errors import EcgError, RequestError
from ecgcore.evaluation.evaluate import evaluate_run
from ecgcore.evaluation.fit_calibration import fit_calibration
from ecgcore.inference.release import require_release_folder, write_release
from ecgcore.runs.run import Run
from ecgcore.studies.shipped import ATTRIBUTION, FOLDS, STUDY, of_recipe, out_of_fold, recipe
from ecgcore.studies.study import begun
from ecgcore.training.loop import Progress
from ecgcore.training.trainer import train_run
from ecgcore.workspace import Workspace


def make_shipped(
    name: str,
    cohort: str,
    workspace: Workspace,
    folder: Path,
    to: Path,
    on_progress: Progress | None = None,
) -> int:
    """Train a shipped network on all records of a cohort and write it; return the size in bytes.

    Parameters
    ----------
    folder
        Where the study ``shipped`` keeps its cells.
    to
        The folder to write, such as ``checkpoints/NAME``.

    Raises
    ------
    RequestError
        A fold is not finished, or was trained on another cohort or by another recipe; the cohort
        holds records that no fold answered; ``to`` holds something else.
    """
    asked = replace(recipe(name), cohort=cohort)
    require_release_folder(to)
    finished = of_recipe(name, STUDY.finished(folder, cohort))
    answers = out_of_fold(name, finished)
    run = begun(f"{STUDY.name}/{name}", asked, workspace)
    if finished[0].content["cohort"]["hash"] != run.meta["cohort"]["hash"]:
        raise RequestError(
            f"The folds of {name} were trained on another state of cohort '{cohort}'; delete their "
            "files and run `ecgcore study shipped`."
        )
    learnt, answered = run.meta["split"]["records"]["train"], len(answers)
    if learnt != answered:
        raise RequestError(
            f"{name} would learn from {learnt:,} records of cohort '{cohort}', of which "
            f"{answered:,} were answered out of fold (folds {FOLDS[0]} to {FOLDS[-1]}); ingest "
            "the records of these folds alone."
        )
    if run.status["state"] != "done":
        train_run(run, workspace, on_progress)
    if run.status["state"] != "done":
        raise EcgError(f"{name}: {run.status['message']}")
    _attach(run, answers)
    return write_release(run, to, ATTRIBUTION)


def _attach(run: Run, answers: pd.DataFrame) -> None:
    """Write predictions, calibration and scores of a run from what was answered out of fold."""
    classes, mode = run.meta["classes"], run.meta["target_mode"]
    fitted = fit_calibration(answers, classes, mode, source=OUT_OF_FOLD)
    table = with_probabilities(answers, classes, mode, fitted["temperature"])
    write_atomic(
        run.folder / "predictions.parquet",
        lambda path: table.to_parquet(path, index=False, compression="zstd"),
    )
    write_json(run.folder / "calibration.json", fitted)
    evaluation = evaluate_run(run).extended(run=run.meta["run"])
    write_json(run.folder / "evaluation.json", evaluation.as_json())
