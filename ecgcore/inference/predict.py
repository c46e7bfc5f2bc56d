"""Prediction of a cohort's records in batches, whatever their rate and length."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import torch

from ecgcore.cohort.store import Cohort
from ecgcore.evaluation.external import PredictRows
from ecgcore.inference.model import Classifier
from ecgcore.models import create_model

BATCH_SIZE = 32

OnBatch = Callable[[int], None]
"""Called with the number of records done."""


def predict_rows(
    classifier: Classifier,
    cohort: Cohort,
    rows: Iterable[int],
    on_batch: OnBatch = lambda done: None,
) -> np.ndarray:
    """Return the logits of some rows of a cohort.

    Signals are converted to the run's rate and length (see ``records.resample.resample_record``).

    Parameters
    ----------
    classifier
        The network that predicts.
    cohort
        The cohort, at any rate and length.
    rows
        Positions in the cohort's index.
    on_batch
        Called after each batch.

    Returns
    -------
    np.ndarray
        (N, classes) float32.
    """
    rows = list(rows)
    logits = [np.empty((0, len(classifier.classes)), np.float32)]
    for start in range(0, len(rows), BATCH_SIZE):
        records = [cohort.record(int(row)) for row in rows[start : start + BATCH_SIZE]]
        logits.append(classifier.logits(classifier.inputs(records)))
        on_batch(start + len(records))
    return np.concatenate(logits)


def row_predictor(
    classifier: Classifier, on_batch: Callable[[int, int], None] = lambda done, total: None
) -> PredictRows:
    """Return :func:`predict_rows` of one network, as evaluation takes it.

    ``on_batch`` is called after each batch with the number of records done and their total.
    """

    def predict(cohort: Cohort, rows: np.ndarray) -> np.ndarray:
        return predict_rows(classifier, cohort, rows, lambda done: on_batch(done, len(rows)))

    return predict


def with_random_weights(classifier: Classifier, seed: int = 0) -> Classifier:
    """Return the classifier with the weights that a training with this seed starts from."""
    options = classifier.run.config.model_options
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = create_model(classifier.run.meta["model"], len(classifier.classes), **options)
    return replace(classifier, model=model.eval())
