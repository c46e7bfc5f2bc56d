"""Reference ECGs, with which a network's answer and its maps are compared: the shipped examples."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

import numpy as np
import torch
from torch import nn

from ecgcore.explanation.gradcam import eval_mode
from ecgcore.explanation.target import BATCH, Explainable
from ecgcore.labels.classes import CODES
from ecgcore.labels.label_sets import LABEL_SETS, label_set
from ecgcore.labels.targets import targets
from ecgcore.records.read import read_record
from ecgcore.records.record import Record
from ecgcore.resources import EXAMPLES

PER_CLASS = 4
"""Examples of each of the ten classes that are answered for comparison."""
MIN_REFERENCES = 5
NSR = CODES.index("NSR")


@dataclass(frozen=True, eq=False)
class References:
    """Reference ECGs of known classes.

    Attributes
    ----------
    records
        N records.
    states
        (N, C) int8: 1 present, 0 absent, −1 unknown; columns in the order of a network's classes.
    answered
        Rows whose logits are compared; the others only serve as examples of their classes.
    """

    records: tuple[Record, ...]
    states: np.ndarray
    answered: np.ndarray

    @classmethod
    def of_examples(cls, classes: Sequence[str]) -> "References":
        """Return the shipped examples, labelled for the classes of a network.

        Classes of no known label set count as absent from the normal examples, and as unknown in
        the others.
        """
        return _of_examples(tuple(classes))

    def without(self, column: int, name: str) -> np.ndarray:
        """Return the answered rows in which a class is absent, without the record itself."""
        return np.array(
            [
                row
                for row in self.answered
                if self.states[row, column] == 0 and self.records[row].name != name
            ],
            int,
        )

    def of_class(self, column: int, name: str, at_most: int) -> np.ndarray:
        """Return the first rows of a class, without the record itself."""
        rows = np.flatnonzero(self.states[:, column] == 1)
        return np.array([r for r in rows if self.records[r].name != name][:at_most], int)


@dataclass(frozen=True)
class Fingerprinted:
    """A classifier that equals every other with the same weights; key of caches."""

    run_id: str
    weights: str
    classifier: Explainable = field(compare=False)

    @classmethod
    def of(cls, classifier: Explainable) -> "Fingerprinted":
        """Return a classifier with the hash of its network's weights."""
        return cls(classifier.run_id, _hash_weights(classifier.model), classifier)


@lru_cache(maxsize=16)
def reference_logits(network: Fingerprinted, references: References) -> np.ndarray:
    """Return the logits of the answered references, (N, C); NaN in the rows of the others."""
    classifier, rows = network.classifier, references.answered
    logits = np.full(references.states.shape, np.nan)
    with eval_mode(classifier.model), torch.no_grad():
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            inputs = classifier.inputs([references.records[row] for row in batch])
            logits[batch] = classifier.model(inputs).double().numpy()
    return logits


@cache
def _of_examples(classes: tuple[str, ...]) -> References:
    records, normal, answered = _examples()
    for name in LABEL_SETS:
        known = label_set(name)
        if set(classes) <= set(known.codes):
            states = _states(records, name)[:, [known.codes.index(code) for code in classes]]
            return References(records, states, answered)
    states = np.where(normal, 0, -1).astype(np.int8)[:, None].repeat(len(classes), axis=1)
    return References(records, states, np.flatnonzero(normal))


@cache
def _examples() -> tuple[tuple[Record, ...], np.ndarray, np.ndarray]:
    """Return the examples, which of them are normal (N,), and the first rows of each class."""
    records = tuple(read_record(file) for file in sorted(EXAMPLES.rglob("*.hea")))
    one_class = targets(_states(records, "paper10"), "exclusive").y == 1
    first = [np.flatnonzero(column)[:PER_CLASS] for column in one_class.T]
    return records, one_class[:, NSR], np.sort(np.concatenate(first))


def _states(records: Sequence[Record], name: str) -> np.ndarray:
    details = [record.details for record in records]
    return label_set(name).states([record.statements for record in records], details=details)


def _hash_weights(model: nn.Module) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for tensor in model.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
