"""Classification: one answer per record, or the reason why there is none."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.executors import local
from ecgcore.imaging.png import NetworkImage
from ecgcore.inference.inputs import ClassifierInput, read_input
from ecgcore.inference.model import BATCH_SIZE, Classifier, load_model
from ecgcore.measurement.quality_gate import PASSES, REFUSED, Gate, gate
from ecgcore.records.discover import FoundFile, find_records, refusals
from ecgcore.records.read import DEFAULT_READ_OPTIONS, ReadOptions
from ecgcore.records.record import Record
from ecgcore.records.unexpected_errors import refuse_unexpected_errors

_SHORTER_S = 0.05
"""A recording that lacks less than this has the length of the network's input."""
_LONGER_S = 0.5
"""Seconds beyond the network's input that are left out without a note: less than a beat."""
_CHUNK = 4 * BATCH_SIZE
"""Files per job of a worker process: whole batches, so that every answer is the same."""


def classify_records(
    records: Sequence[ClassifierInput], classifier: Classifier
) -> list[dict[str, Any]]:
    """Return one answer per record.

    Every readable record is classified; ``gate`` "refused" says not to rely on the answer, and such
    a record is always referred. Saved
    network images are answered like records; they hold no signal whose quality could be judged.

    Returns
    -------
    list of dict
        ``record``, ``run``; ``probabilities`` (calibrated) and ``raw`` (uncalibrated) by class;
        ``top``: the most probable class; ``called``: the classes predicted as present; ``ranked``:
        those that reach their threshold but are not called, since too few such calls are right
        (see ``evaluation.ranked_classes``); ``refer``: True if a person should decide, because of
        the classes ``uncertain``; ``quality``: quality flags; ``gate``: passes, doubtful or
        refused; ``notes``: steps taken while reading; ``error``: None.
    """
    if not records:
        return []
    logits = classifier.logits(classifier.inputs(records))
    calibrated, uncalibrated = classifier.calibrated(logits), classifier.uncalibrated(logits)
    labels = classifier.predicted_labels(calibrated)
    is_ranked = np.isin(classifier.classes, list(classifier.ranked))
    refer, uncertain = classifier.referral(calibrated) or (None, None)
    answers: list[dict[str, Any]] = []
    for row, record in enumerate(records):
        by_class = _by_class(calibrated[row], classifier)
        quality_gate = _gate(record)
        is_refused = quality_gate.verdict == REFUSED
        answers.append(
            {
                "record": record.name,
                "run": classifier.run_id,
                "probabilities": by_class,
                "raw": _by_class(uncalibrated[row], classifier),
                "top": max(by_class, key=by_class.__getitem__),
                "called": _codes(labels[row] & ~is_ranked, classifier),
                "ranked": _codes(labels[row] & is_ranked, classifier),
                "refer": is_refused or (None if refer is None else bool(refer[row])),
                "uncertain": None if uncertain is None else _codes(uncertain[row], classifier),
                "quality": [str(flag) for flag in quality_gate.flags],
                "gate": quality_gate.verdict,
                "notes": [*record.notes, *_input_notes(record, classifier)],
                "error": None,
            }
        )
    return answers


def _by_class(row: np.ndarray, classifier: Classifier) -> dict[str, float]:
    return {c: round(float(p), 6) for c, p in zip(classifier.classes, row, strict=True)}


def _codes(row: np.ndarray, classifier: Classifier) -> list[str]:
    return [code for code, is_set in zip(classifier.classes, row, strict=True) if is_set]


def _gate(item: ClassifierInput) -> Gate:
    return gate(item) if isinstance(item, Record) else Gate(PASSES, ())


def _input_notes(item: ClassifierInput, classifier: Classifier) -> tuple[str, ...]:
    """Return a note if a recording is shorter than the network's input, or longer by a beat."""
    duration_s = classifier.input["duration_s"]
    if not isinstance(item, Record):
        return ()
    if item.duration_s > duration_s + _LONGER_S:
        return (f"the first {duration_s:g} s of {item.duration_s:.1f} s are classified",)
    if item.duration_s > duration_s - _SHORTER_S:
        return ()
    return (
        f"{item.duration_s:.1f} s of the {duration_s:g} s that {classifier.run_id} reads: filled "
        "with missing values, less certain",
    )


def classify_inputs(
    inputs: Sequence[ClassifierInput], classifier: Classifier
) -> list[dict[str, Any]]:
    """Return one answer per record or image; an image that the run cannot read has an ``error``."""
    checked = [_check(item, classifier) for item in inputs]
    answers = classify_all(checked, classifier)
    return [answer | {"record": item.name} for item, answer in zip(inputs, answers, strict=True)]


def _check(item: ClassifierInput, classifier: Classifier) -> ClassifierInput | UnreadableRecord:
    try:
        if isinstance(item, NetworkImage):
            classifier.check_image(item)
    except UnreadableRecord as error:
        return error
    return item


def error_answer(name: str, error: UnreadableRecord, classifier: Classifier) -> dict[str, Any]:
    """Return the answer for a record that cannot be read: no class, the reason, and a referral."""
    empty = dict.fromkeys(("probabilities", "raw", "top", "called", "ranked", "uncertain"))
    return {
        "record": name,
        "run": classifier.run_id,
        **empty,
        "refer": True,
        "quality": [],
        "gate": REFUSED,
        "notes": [],
        "error": str(error),
    }


def classify_paths(
    paths: Iterable[Path],
    classifier: Classifier,
    options: ReadOptions = DEFAULT_READ_OPTIONS,
    workers: int | None = 1,
) -> Iterator[dict[str, Any]]:
    """Yield one answer per record in files, folders and globs, in stable order, as they arrive.

    An unreadable record is an answer with ``error``. The answers do not depend on ``workers``.

    Parameters
    ----------
    paths
        Files, folders, zip files or glob patterns.
    classifier
        The classifier; worker processes load its run again.
    options
        Assumptions about files that leave their rate or leads open, and the second to start at.
    workers
        Number of processes; None: one per core if there are enough files to repay their start.
    """
    refused: list[FoundFile] = []
    files = find_records(paths, refused.append)
    if workers is None:
        head = list(islice(files, local.cores() * local.RECORDS_PER_WORKER))
        files, workers = chain(head, files), local.workers_for(len(head))
    if workers == 1:
        for batch in _batches(files, BATCH_SIZE):
            yield from _classify_files(batch, classifier, options)
    else:
        jobs = ((chunk, classifier.run.folder, options) for chunk in _batches(files, _CHUNK))
        for answers in local.run_in_order(_classify_chunk, jobs, workers, (__name__,)):
            yield from answers
    for path, error in refusals(refused):
        yield {"path": str(path), **error_answer(path.stem, error, classifier)}


def _batches(paths: Iterable[Path], size: int) -> Iterator[list[Path]]:
    paths = iter(paths)
    while batch := list(islice(paths, size)):
        yield batch


def _classify_chunk(
    paths: list[Path], run_folder: Path, options: ReadOptions
) -> list[dict[str, Any]]:
    """In a worker process: answer some files."""
    classifier = _load(run_folder)
    batches = _batches(paths, BATCH_SIZE)
    return [a for batch in batches for a in _classify_files(batch, classifier, options)]


@lru_cache(maxsize=1)
def _load(run_folder: Path) -> Classifier:
    return load_model(run_folder)


def _classify_files(
    paths: list[Path], classifier: Classifier, options: ReadOptions
) -> Iterator[dict[str, Any]]:
    inputs: list[ClassifierInput | UnreadableRecord] = []
    for path in paths:
        try:
            with refuse_unexpected_errors(path.stem):
                inputs.append(read_input(path, classifier, options))
        except UnreadableRecord as error:
            inputs.append(error)
    for path, item, answer in zip(paths, inputs, classify_all(inputs, classifier), strict=True):
        if isinstance(item, UnreadableRecord):
            answer["record"] = path.stem
        yield {"path": str(path), **answer}


def classify_all(
    inputs: Sequence[ClassifierInput | UnreadableRecord], classifier: Classifier
) -> Iterator[dict[str, Any]]:
    """Yield one answer per input, in order; an error gives an answer without a record's name."""
    records = [item for item in inputs if not isinstance(item, UnreadableRecord)]
    answers = iter(_answer_all(records, classifier))
    for item in inputs:
        if isinstance(item, UnreadableRecord):
            yield error_answer("", item, classifier)
        else:
            yield next(answers)


def _answer_all(records: Sequence[ClassifierInput], classifier: Classifier) -> list[dict[str, Any]]:
    """Return one answer per record; where the batch fails unexpectedly, each is tried alone."""
    try:
        with refuse_unexpected_errors(records[0].name if records else ""):
            return classify_records(records, classifier)
    except UnreadableRecord as error:
        if len(records) == 1:
            return [error_answer(records[0].name, error, classifier)]
    return [answer for record in records for answer in _answer_all([record], classifier)]
