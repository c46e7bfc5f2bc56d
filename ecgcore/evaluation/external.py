"""External validation: a run on another cohort's records, none of which it learnt from."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ecgcore.calibration.calibration import with_probabilities
from ecgcore.calibration.scores import Scores
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError
from ecgcore.evaluation.bootstrap import RESAMPLES
from ecgcore.evaluation.evaluate import calibration_of_scores, evaluate_scores, use_report
from ecgcore.evaluation.operating_points import check_prevalence
from ecgcore.evaluation.subgroups import traits_of
from ecgcore.inference.model import Classifier
from ecgcore.inference.predict import brought_to, predict_rows
from ecgcore.labels.targets import targets
from ecgcore.runs.provenance import find_contamination
from ecgcore.workspace import Workspace

OnBatch = Callable[[int, int], None]

PART = "external"


def evaluate_cohort(
    classifier: Classifier,
    cohort: Cohort,
    workspace: Workspace,
    resamples: int = RESAMPLES,
    prevalence: Mapping[str, float] | None = None,
    on_batch: OnBatch = lambda done, of: None,
) -> dict:
    """Predict and evaluate all labelled records of a cohort that a run has not learnt from.

    Labels are made as the run's were (target mode, tier, policy, label set). Signals are brought
    to the run's rate and length. A class that the cohort's sources do not annotate is left out by
    name.

    Parameters
    ----------
    on_batch
        Is told how many records are done, of how many.

    Returns
    -------
    dict
        As :func:`ecgcore.evaluation.evaluate.evaluate_run` (part ``external``), and ``cohort``
        (name, hash, fs_hz, records, sources), ``excluded`` {reason: n} for what the run learnt
        from, ``left_out`` {reason: n} for records without a target, and ``brought_to``.

    Raises
    ------
    RequestError
        No record is left.
    """
    check_prevalence(prevalence or {}, classifier.classes)
    asked = _asked(classifier, cohort, workspace)
    traits = traits_of(cohort, asked.rows)
    table = _table(classifier, cohort, asked, _logits(classifier, cohort, asked, on_batch))
    scores = _scores(table, classifier, classifier.temperature)
    raw = _scores(table, classifier, None)
    sources = cohort.index["source"].iloc[asked.rows].value_counts().to_dict()
    told = evaluate_scores(scores, resamples)
    told["not_available"] |= _not_annotated(scores, sources)
    told["notes"] = [*told["notes"], *asked.notes]
    return (
        told
        | calibration_of_scores(classifier.run.calibration, scores, raw)
        | use_report(scores, traits.assign(record=scores.record), resamples, prevalence)
        | {
            "cohort": {
                "name": cohort.name,
                "hash": cohort.hash,
                "fs_hz": cohort.fs_hz,
                "records": len(cohort),
                "sources": sources,
            },
            "excluded": asked.excluded,
            "left_out": asked.left_out,
            "brought_to": brought_to(classifier, cohort),
        }
    )


@dataclass(frozen=True)
class _Asked:
    """The records to predict, with their targets, and why others are not."""

    rows: np.ndarray
    y: np.ndarray
    excluded: dict[str, int]
    left_out: dict[str, int]
    notes: tuple[str, ...]


def _asked(classifier: Classifier, cohort: Cohort, workspace: Workspace) -> _Asked:
    config = classifier.run.config
    states = cohort.states(
        config.label_tier, config.label_source, config.thresholds, config.label_set
    )
    made = targets(states, classifier.target_mode, classifier.classes)
    seen = find_contamination(cohort, classifier.run, workspace)
    is_seen = seen.why != ""
    excluded = dict(Counter(seen.why[made.used & is_seen].tolist()).most_common())
    rows = np.flatnonzero(made.used & ~is_seen)
    if not len(rows):
        raise RequestError(_nothing_left(cohort, classifier, excluded))
    left_out = dict(Counter(made.reason[~made.used].tolist()).most_common())
    nowhere = (states[rows] < 0).all(axis=0)
    y = np.where(nowhere, np.nan, made.y[rows])
    notes = [*seen.notes]
    if nowhere.any():
        lacking = ", ".join(np.array(classifier.classes)[nowhere])
        notes.append(f"The most probable class is sought among all but {lacking}.")
    return _Asked(rows, y, excluded, left_out, tuple(notes))


def _logits(classifier: Classifier, cohort: Cohort, asked: _Asked, on_batch: OnBatch) -> np.ndarray:
    """Return (N, C) logits; −∞ for classes that are known in no record, which never come first."""
    total = len(asked.rows)
    logits = predict_rows(classifier, cohort, asked.rows, lambda done: on_batch(done, total))
    logits[:, np.isnan(asked.y).all(axis=0)] = -np.inf
    return logits


def _not_annotated(scores: Scores, sources: dict[str, int]) -> dict[str, str]:
    lacking = np.flatnonzero(~scores.known.any(axis=0))
    return {scores.classes[i]: f"n/a: not annotated in {', '.join(sources)}" for i in lacking}


def _table(
    classifier: Classifier, cohort: Cohort, asked: _Asked, logits: np.ndarray
) -> pd.DataFrame:
    """Return predictions as a run has them; their part is called ``test`` until they are read."""
    index = cohort.index.iloc[asked.rows]
    columns = {"record": index["record"].array, "patient": index["patient"].array, "part": "test"}
    for letter, values in (("y", asked.y), ("z", logits)):
        columns |= {f"{letter}_{c}": values[:, i] for i, c in enumerate(classifier.classes)}
    return pd.DataFrame(columns)


def _scores(table: pd.DataFrame, classifier: Classifier, temperature: float | None) -> Scores:
    classes, mode = classifier.classes, classifier.target_mode
    told = with_probabilities(table, classes, mode, temperature)
    scores = Scores.read(told, classes, mode, classifier.thresholds, classifier.run_id)
    return replace(scores, part=PART)


def _nothing_left(cohort: Cohort, classifier: Classifier, excluded: dict[str, int]) -> str:
    why = "; ".join(f"{reason}: {n:,}" for reason, n in excluded.items())
    return (
        f"Cohort '{cohort.name}' has no labelled record for run {classifier.run_id}"
        + (f" that it has not learnt from ({why})" if why else "")
        + f", of {len(cohort):,}; choose another cohort."
    )
