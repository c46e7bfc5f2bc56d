"""Statistics by which a map is judged: the answer's distance from reference ECGs, and the likeness
of the map to those of shuffled networks, other classes and other records (Adebayo et al. 2018).

Each is a number, or the reason in words why there is none; trust.py judges them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from ecgcore.errors import RequestError
from ecgcore.explanation.api import off_trace_ink
from ecgcore.explanation.gradcam import eval_mode
from ecgcore.explanation.methods import METHODS
from ecgcore.explanation.randomization import shuffle_weights
from ecgcore.explanation.references import (
    MIN_REFERENCES,
    Fingerprinted,
    References,
    reference_logits,
)
from ecgcore.explanation.target import Explainable, Target
from ecgcore.inference.inputs import ClassifierInput

STEPS = 8  # of integrated gradients: maps used only for comparison may be coarser
COPIES = 2  # of the network, with shuffled weights
OTHERS = 3  # records of the class

Value = float | str
"""A statistic, or the reason why there is none."""


@dataclass(frozen=True)
class Answer:
    """Answer of the network for one class in one record.

    Attributes
    ----------
    called
        True if the class reaches its threshold (in modes of one class a record: is the first).
    probability
        Calibrated, 0..1.
    response
        Logit, less the mean of the reference ECGs without the class, over their deviation.
    """

    called: bool
    probability: float
    response: Value


def answer(
    classifier: Explainable, record: ClassifierInput, code: str, references: References
) -> Answer:
    """Return a network's answer for a class in a record, beside reference ECGs."""
    column = classifier.classes.index(code)
    logits = _logits(classifier, classifier.inputs([record]))
    calibrated = classifier.calibrated(logits)
    return Answer(
        called=bool(classifier.predicted_labels(calibrated)[0, column]),
        probability=float(calibrated[0, column]),
        response=_response(classifier, record, float(logits[0, column]), column, references),
    )


def _response(
    classifier: Explainable,
    record: ClassifierInput,
    logit: float,
    column: int,
    references: References,
) -> Value:
    rows = references.without(column, record.name)
    if len(rows) < MIN_REFERENCES:
        return "there are too few reference ECGs without the class"
    others = reference_logits(Fingerprinted.of(classifier), references)[rows, column]
    deviation = float(others.std())
    return (logit - float(others.mean())) / deviation if deviation > 0 else 0.0


class MapStatistics:
    """Likeness of a map to others, −1..1: rank correlation of what the method resolves.

    Parameters
    ----------
    references
        Records of known classes.
    """

    def __init__(
        self,
        classifier: Explainable,
        record: ClassifierInput,
        code: str,
        method: str,
        references: References,
    ) -> None:
        self.classifier, self.record, self.code = classifier, record, code
        self.method, self.references = method, references
        self.attribute = METHODS[method].attribute
        self.target = replace(Target.of(classifier, record, code), steps=STEPS)

    @cached_property
    def map(self) -> np.ndarray:
        """The map's relevance by region, flat."""
        return self._map_of(self.target)

    def weights(self) -> Value:
        """Return the mean likeness to the maps of copies with shuffled weights."""
        copies = [shuffle_weights(self.target.model, seed) for seed in range(1, COPIES + 1)]
        maps = [self._map_of(self.target.with_model(copy)) for copy in copies]
        return float(np.mean([likeness(self.map, other) for other in maps]))

    def other_class(self) -> Value:
        """Return the likeness to the map of the most probable other class."""
        logits = _logits(self.classifier, self.target.inputs)[0].astype(float)
        logits[self.target.output] = -np.inf
        if len(logits) < 2:
            return "the network has one class only"
        other = self.target.with_output(int(logits.argmax()))
        return likeness(self.map, self._map_of(other))

    def other_records(self) -> Value:
        """Return the mean likeness to the maps of other records of the class."""
        if not self._other_maps:
            return "no other record of the class has a map of as many parts"
        return float(np.mean([likeness(self.map, other) for other in self._other_maps]))

    def mean_map(self) -> Value:
        """Return the likeness to the mean of the maps of other records of the class."""
        maps = [other / (np.abs(other).max() or 1) for other in self._other_maps]
        if len(maps) < 2:
            return "fewer than two other records of the class have a map of as many parts"
        return likeness(self.map, np.mean(maps, axis=0))

    def seeds(self, others: Sequence[Explainable]) -> Value:
        """Return the mean likeness to the maps of networks of the same training, other seeds."""
        if not others:
            return "no runs of other seeds were given"
        maps = [self._map_of(Target.of(other, self.record, self.code)) for other in others]
        return float(np.mean([likeness(self.map, other) for other in maps]))

    def off_trace(self) -> Value:
        """Return the share of relevance on ink that belongs to no trace, 0..1."""
        if not self.target.reads_images or self.target.signal_mv is None:
            return "no image was drawn from a signal"
        share = off_trace_ink(self.target)
        return "nothing speaks for the class" if share is None else share

    def _map_of(self, target: Target) -> np.ndarray:
        return self.attribute(replace(target, steps=STEPS)).comparable(target.fs_hz)

    @cached_property
    def _other_maps(self) -> list[np.ndarray]:
        """The maps of other records of the class that have as many parts as this one."""
        network = Fingerprinted.of(self.classifier)
        rows = self.references.of_class(self.target.output, self.record.name, OTHERS)
        maps = [
            _reference_map(network, self.references, int(row), self.code, self.method)
            for row in rows
        ]
        return [one for one in maps if one is not None and one.shape == self.map.shape]


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Return the rank correlation of two maps, −1..1; 0 if one is even or has other parts."""
    if one.shape != other.shape or not np.ptp(one) or not np.ptp(other):
        return 0.0
    return float(spearmanr(one, other).statistic)


@lru_cache(maxsize=512)
def _reference_map(
    network: Fingerprinted, references: References, row: int, code: str, method: str
) -> np.ndarray | None:
    """Return the map of a reference record; None if the method finds no beats there."""
    target = replace(Target.of(network.classifier, references.records[row], code), steps=STEPS)
    try:
        return METHODS[method].attribute(target).comparable(target.fs_hz)
    except RequestError:
        return None


def _logits(classifier: Explainable, inputs: Tensor) -> np.ndarray:
    with eval_mode(classifier.model), torch.no_grad():
        return classifier.model(inputs).numpy()
