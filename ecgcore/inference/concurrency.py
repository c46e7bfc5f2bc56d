"""A network that many threads ask at once, as a server's visitors do.

Explaining hooks into a network, and a hook fires whoever asks. So each question gets modules of its
own around the same weights, which nothing here changes: they are held once, and nobody waits for
another's question unless all cores are busy.
"""

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from threading import Condition

import torch

from ecgcore.inference.model import Classifier


class Turns:
    """As many turns at once as there are cores; who comes first is answered first, but a question
    that can wait lets all others pass."""

    def __init__(self, at_once: int) -> None:
        self._free, self._urgent, self._changed = at_once, 0, Condition()

    @contextmanager
    def turn(self, can_wait: bool) -> Iterator[None]:
        """Wait for a turn, and keep it for as long as the block lasts."""
        with self._changed:
            self._urgent += not can_wait
            self._changed.wait_for(lambda: self._free and not (can_wait and self._urgent))
            self._urgent -= not can_wait
            self._free -= 1
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()


_quick = Turns(max(1, len(os.sched_getaffinity(0))))
_slow = Turns(1)


@contextmanager
def asked(
    classifier: Classifier, can_wait: bool = False, slow: bool = False
) -> Iterator[Classifier]:
    """Give a shared classifier for one question; wait while as many are asked as there are cores.

    On one core each: beside other questions, torch's own threads only wait for one another.

    Parameters
    ----------
    can_wait
        The question lets those pass that cannot: a map comes after everybody's class.
    slow
        The question takes seconds. One of these at a time, so that quick ones still find a core.
    """
    with (_slow if slow else _quick).turn(can_wait):
        torch.set_num_threads(1)  # of this thread; a new one would begin with all cores
        yield own_modules(classifier)


def own_modules(classifier: Classifier) -> Classifier:
    """Return a classifier with modules, hooks and modes of its own, on the same weights."""
    model = classifier.model
    held = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    return replace(classifier, model=copy.deepcopy(model, held))
