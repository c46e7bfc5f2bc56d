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
from threading import BoundedSemaphore

import torch

from ecgcore.inference.classifier import Classifier

_quick = BoundedSemaphore(max(1, len(os.sched_getaffinity(0))))
_slow = BoundedSemaphore(1)


@contextmanager
def asked(classifier: Classifier, slow: bool = False) -> Iterator[Classifier]:
    """Give a shared classifier for one question; wait while as many are asked as there are cores.

    On one core each: beside other questions, torch's own threads only wait for one another.

    Parameters
    ----------
    slow
        The question takes seconds. One of these at a time, so that quick ones still find a core.
    """
    with _slow if slow else _quick:
        torch.set_num_threads(1)  # of this thread; a new one would begin with all cores
        yield own_modules(classifier)


def own_modules(classifier: Classifier) -> Classifier:
    """Return a classifier with modules, hooks and modes of its own, on the same weights."""
    model = classifier.model
    held = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    return replace(classifier, model=copy.deepcopy(model, held))
