"""Classify: one answer a record, or the reason why there is none."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.imaging.png import NetworkImage
from ecgcore.inference.inputs import ClassifierInput, read_sight
from ecgcore.inference.model import Classifier
from ecgcore.measure.quality import quality
from ecgcore.measure.quality_gate import PASSES, REFUSED, Gate, gate
from ecgcore.records.discover import find_records
from ecgcore.records.read import AS_STATED, ReadOptions
from ecgcore.records.record import Record

BATCH = 16


def classify_records(
    records: Sequence[ClassifierInput], classifier: Classifier
) -> list[dict[str, Any]]:
    """Return one answer a record: probabilities by class (calibrated, and raw), the highest, what
    is called at the run's thresholds, whether to refer it and about which classes the doubt is,
    what the quality gate says, and what was assumed. It answers about all that can be read;
    ``gate`` "refused" says not to rely on it.

    A picture that this program drew of a record is answered like the record; it holds no signal
    whose quality could be judged.
    """
    if not records:
        return []
    logits = classifier.logits(classifier.inputs(records))
    calibrated, raw = classifier.calibrated(logits), classifier.raw(logits)
    refer, uncertain = classifier.referred(calibrated), classifier.uncertain(calibrated)
    called = classifier.called(calibrated)
    answers: list[dict[str, Any]] = []
    for row, record in enumerate(records):
        by_class = _by_class(calibrated[row], classifier)
        answers.append(
            {
                "record": record.name,
                "run": classifier.run_id,
                "probabilities": by_class,
                "raw": _by_class(raw[row], classifier),
                "top": max(by_class, key=by_class.__getitem__),
                "called": _chosen(called[row], classifier),
                "refer": None if refer is None else bool(refer[row]),
                "uncertain": None if uncertain is None else _chosen(uncertain[row], classifier),
                "quality": _flags(record),
                "gate": _gate(record).verdict,
                "notes": list(record.notes),
                "error": None,
            }
        )
    return answers


def _by_class(row: np.ndarray, classifier: Classifier) -> dict[str, float]:
    return {c: round(float(p), 6) for c, p in zip(classifier.classes, row, strict=True)}


def _chosen(row: np.ndarray, classifier: Classifier) -> list[str]:
    return [code for code, is_so in zip(classifier.classes, row, strict=True) if is_so]


def _flags(shown: ClassifierInput) -> list[str]:
    return [str(flag) for flag in quality(shown)] if isinstance(shown, Record) else []


def _gate(shown: ClassifierInput) -> Gate:
    return gate(shown) if isinstance(shown, Record) else Gate(PASSES, ())


def classify_sights(
    sights: Sequence[ClassifierInput], classifier: Classifier
) -> list[dict[str, Any]]:
    """Return one answer a record or picture; one with ``error`` where the run cannot read it."""
    refused: dict[int, dict[str, Any]] = {}
    for place, shown in enumerate(sights):
        try:
            if isinstance(shown, NetworkImage):
                classifier.fitting(shown)
        except UnreadableRecord as error:
            refused[place] = unanswered(shown.name, error, classifier)
    read = iter(classify_records([s for i, s in enumerate(sights) if i not in refused], classifier))
    return [refused[i] if i in refused else next(read) for i in range(len(sights))]


def unanswered(name: str, error: UnreadableRecord, classifier: Classifier) -> dict[str, Any]:
    """Return the answer for a record that cannot be read: no class, and why."""
    nothing = dict.fromkeys(("probabilities", "raw", "top", "called", "refer", "uncertain"))
    return {
        "record": name,
        "run": classifier.run_id,
        **nothing,
        "quality": [],
        "gate": REFUSED,
        "notes": [],
        "error": str(error),
    }


def classify_paths(
    paths: Iterable[Path], classifier: Classifier, how: ReadOptions = AS_STATED
) -> Iterator[dict[str, Any]]:
    """Yield one answer for each record in files, folders and globs, in stable order, as they come.

    An unreadable record is an answer with ``error``.

    Parameters
    ----------
    how
        What is said of files that leave it open, and where to begin in long recordings.
    """
    batch: list[tuple[Path, ClassifierInput | UnreadableRecord]] = []
    for path in find_records(paths):
        try:
            batch.append((path, read_sight(path, classifier, how)))
        except UnreadableRecord as error:
            batch.append((path, error))
        if len(batch) == BATCH:
            yield from _answers(batch, classifier)
            batch = []
    yield from _answers(batch, classifier)


def _answers(
    batch: list[tuple[Path, ClassifierInput | UnreadableRecord]], classifier: Classifier
) -> Iterator[dict[str, Any]]:
    answers = answers_to([found for _, found in batch], classifier)
    for (path, found), answer in zip(batch, answers, strict=True):
        if isinstance(found, UnreadableRecord):
            answer["record"] = path.stem
        yield {"path": str(path), **answer}


def answers_to(
    found: Sequence[ClassifierInput | UnreadableRecord], classifier: Classifier
) -> Iterator[dict[str, Any]]:
    """Yield one answer for each that was read, or why it was not; nameless where it was not."""
    records = [one for one in found if not isinstance(one, UnreadableRecord)]
    answers = iter(classify_records(records, classifier))
    for one in found:
        if isinstance(one, UnreadableRecord):
            yield unanswered("", one, classifier)
        else:
            yield next(answers)
