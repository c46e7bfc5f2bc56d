"""Release of a network: trained on all records, calibrated on its out-of-fold answers."""

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
from ecgcore.studies.shipped import (
    ATTRIBUTION,
    FOLDS,
    RULE,
    STUDY,
    out_of_fold,
    recipe,
    trials_of_recipe,
)
from ecgcore.studies.study import find_or_prepare_run
from ecgcore.training.loop import Progress
from ecgcore.training.trainer import train_run
from ecgcore.workspace import Workspace


def train_and_release(
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
        Folder of the studies; ``shipped`` is one of them.
    to
        Folder to write, such as ``checkpoints/NAME``.

    Raises
    ------
    RequestError
        A fold is not finished, or was trained on another cohort or by another recipe; the cohort
        has records that no fold answered; ``to`` is not empty and not an earlier release.
    """
    config = replace(recipe(name), cohort=cohort)
    require_release_folder(to)
    finished = trials_of_recipe(name, STUDY.finished(folder, cohort))
    answers = out_of_fold(name, finished)
    run = find_or_prepare_run(f"{STUDY.name}/{name}", config, workspace)
    if finished[0].content["cohort"]["hash"] != run.meta["cohort"]["hash"]:
        raise RequestError(
            f"The folds of {name} were trained on another state of cohort '{cohort}'; delete their "
            "files and run `ecgcore study shipped`."
        )
    n_trained, n_answered = run.meta["split"]["records"]["train"], len(answers)
    if n_trained != n_answered:
        raise RequestError(
            f"{name} would train on {n_trained:,} records of cohort '{cohort}', of which "
            f"{n_answered:,} were answered out of fold (folds {', '.join(FOLDS)}); ingest "
            "only the records of these folds."
        )
    if run.status["state"] != "done":
        train_run(run, workspace, on_progress)
    if run.status["state"] != "done":
        raise EcgError(f"{name}: {run.status['message']}")
    _attach_out_of_fold(run, answers)
    return write_release(run, to, ATTRIBUTION)


def _attach_out_of_fold(run: Run, answers: pd.DataFrame) -> None:
    """Write predictions, calibration and evaluation of a run from its out-of-fold answers."""
    classes, mode = run.meta["classes"], run.meta["target_mode"]
    fitted = fit_calibration(answers, classes, mode, RULE, source=OUT_OF_FOLD)
    table = with_probabilities(answers, classes, mode, fitted["temperature"])
    write_atomic(
        run.folder / "predictions.parquet",
        lambda path: table.to_parquet(path, index=False, compression="zstd"),
    )
    write_json(run.folder / "calibration.json", fitted)
    evaluation = evaluate_run(run).extended(run=run.meta["run"])
    write_json(run.folder / "evaluation.json", evaluation.as_json())
