"""The untrained network: what a run's architecture scores with fresh weights on the same records.

Whatever it scores above chance comes from the architecture and the drawing, not from learning.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from ecgcore.calibration.calibration import with_probabilities
from ecgcore.calibration.scores import Scores
from ecgcore.cohort.store import Cohort
from ecgcore.errors import NotFound, RequestError
from ecgcore.evaluation.bootstrap import RESAMPLES
from ecgcore.evaluation.evaluate import evaluate_scores
from ecgcore.inference.model import Classifier
from ecgcore.inference.predict import predict_rows
from ecgcore.models import create_model
from ecgcore.workspace import Workspace

OnBatch = Callable[[int, int], None]


def untrained(
    classifier: Classifier,
    workspace: Workspace,
    part: str = "test",
    seed: int = 0,
    resamples: int = RESAMPLES,
    on_batch: OnBatch = lambda done, of: None,
) -> dict:
    """Predict a run's records with its network as it was before training.

    It has no thresholds, so there is no F1 where classes are judged one by one.

    Returns
    -------
    dict
        ``seed``, ``n``, ``macro_auc`` and ``accuracy`` as intervals, and ``classes`` {code: auc,
        average_precision}.

    Raises
    ------
    RequestError
        The run's cohort is not in this home, or no longer holds its records.
    """
    meta, mode = classifier.run.meta, classifier.target_mode
    predictions = classifier.run.predictions
    asked = predictions[predictions["part"] == part].reset_index(drop=True)
    cohort, rows = _rows(classifier, workspace, asked["record"].tolist())
    fresh = replace(classifier, model=_fresh(classifier, seed))
    logits = predict_rows(fresh, cohort, rows, lambda done: on_batch(done, len(rows)))
    codes = classifier.classes
    table = asked.assign(**{f"z_{c}": logits[:, i] for i, c in enumerate(codes)})
    table = with_probabilities(table, codes, mode)
    scores = Scores.read(table, codes, mode, run=meta["run"], part=part)
    found = evaluate_scores(scores, resamples)
    kept = ("auc", "average_precision")
    return {
        "seed": seed,
        "n": found["n"],
        "macro_auc": found["macro_auc"],
        "accuracy": found["intervals"]["accuracy"],
        "classes": {code: {k: one[k] for k in kept} for code, one in found["classes"].items()},
    }


def _fresh(classifier: Classifier, seed: int) -> torch.nn.Module:
    """Return the network with weights as a training with this seed begins."""
    options = classifier.run.config.model_options
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return create_model(classifier.run.meta["model"], len(classifier.classes), **options).eval()


def _rows(
    classifier: Classifier, workspace: Workspace, records: list[str]
) -> tuple[Cohort, np.ndarray]:
    """Return the run's cohort and the rows of some of its records."""
    name = classifier.run.meta["cohort"]["name"]
    try:
        cohort = Cohort.open(name, workspace)
        return cohort, np.array([cohort.row_of(record) for record in records])
    except NotFound as error:
        raise RequestError(
            f"The untrained network needs the recordings that run {classifier.run_id} is scored "
            f"on, of cohort '{name}'. {error}"
        ) from error
