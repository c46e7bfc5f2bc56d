"""Concurrent use of one network by many threads, such as a server's visitors.

Explanations register hooks in a network, and a hook fires for every caller. Each caller therefore
gets modules of its own around the same weights, which nothing here changes: the weights are in
memory once, and nobody waits for another caller unless all cores are busy.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from threading import Condition

import torch

from ecgcore.executors.local import cores
from ecgcore.inference.model import Classifier


class PrioritySlots:
    """A number of slots, first come first served; low-priority callers let all others pass."""

    def __init__(self, slots: int) -> None:
        self._free, self._urgent, self._changed = slots, 0, Condition()

    @contextmanager
    def slot(self, low_priority: bool) -> Iterator[None]:
        """Wait for a free slot and hold it until the block ends."""
        with self._changed:
            self._urgent += not low_priority
            self._changed.wait_for(lambda: self._free and not (low_priority and self._urgent))
            self._urgent -= not low_priority
            self._free -= 1
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()


_quick = PrioritySlots(cores())
_slow = PrioritySlots(1)


@contextmanager
def exclusive_classifier(
    classifier: Classifier, low_priority: bool = False, slow: bool = False
) -> Iterator[Classifier]:
    """Wait for a free core, then yield a shared classifier with modules of its own.

    Each caller uses one core: with several callers, torch's own threads would only wait for one
    another.

    Parameters
    ----------
    classifier
        The shared classifier.
    low_priority
        Let callers without it pass first: an explanation comes after everybody's classification.
    slow
        The work takes seconds. One such caller at a time, so that quick ones still find a core.
    """
    with (_slow if slow else _quick).slot(low_priority):
        torch.set_num_threads(1)  # of this thread; a new one would start with all cores
        yield with_own_modules(classifier)


def with_own_modules(classifier: Classifier) -> Classifier:
    """Return a classifier with modules, hooks and modes of its own, on the same weights."""
    model = classifier.model
    shared = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    return replace(classifier, model=copy.deepcopy(model, shared))
