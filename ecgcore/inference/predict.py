"""Predicting records of a cohort, whatever its rate and length, a batch at a time."""

from collections.abc import Callable, Iterable

import numpy as np

from ecgcore.cohort.store import Cohort
from ecgcore.inference.model import Classifier

AT_ONCE = 32

OnBatch = Callable[[int], None]


def predict_rows(
    classifier: Classifier,
    cohort: Cohort,
    rows: Iterable[int],
    on_batch: OnBatch = lambda done: None,
) -> np.ndarray:
    """Return (N, classes) float32 logits of some rows of a cohort.

    Signals are brought to the run's rate and length (see ``records.resample.bring_to``).
    ``on_batch`` is told how many records are done.
    """
    rows = list(rows)
    logits = [np.empty((0, len(classifier.classes)), np.float32)]
    for start in range(0, len(rows), AT_ONCE):
        records = [cohort.record(int(row)) for row in rows[start : start + AT_ONCE]]
        logits.append(classifier.logits(classifier.inputs(records)))
        on_batch(start + len(records))
    return np.concatenate(logits)


def brought_to(classifier: Classifier, cohort: Cohort) -> list[str]:
    """Say what is done to a cohort's signals before the run reads them."""
    fs_hz, duration_s = classifier.input["fs_hz"], classifier.input["duration_s"]
    said = []
    if cohort.fs_hz > fs_hz:
        said.append(f"Resampled from {cohort.fs_hz:g} to {fs_hz:g} Hz, without aliasing.")
    if cohort.fs_hz < fs_hz:
        said.append(
            f"Resampled from {cohort.fs_hz:g} to {fs_hz:g} Hz: nothing above "
            f"{cohort.fs_hz / 2:g} Hz is there, which the run's own records have."
        )
    if cohort.duration_s > duration_s:
        said.append(f"The first {duration_s:g} s of {cohort.duration_s:g} s.")
    if cohort.duration_s < duration_s:
        said.append(f"Filled from {cohort.duration_s:g} to {duration_s:g} s with missing values.")
    return said
