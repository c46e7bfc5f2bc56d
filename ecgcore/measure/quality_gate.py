"""May a network answer about this recording? What its quality flags amount to.

The flags say what is doubtful (quality.py); the gate says which doubts leave nothing to answer
about. It repairs nothing, and a refusal can be read: each reason is a flag in words.
"""

from dataclasses import dataclass

import numpy as np

from ecgcore.measure.quality import quality
from ecgcore.measure.quality_features import View
from ecgcore.records.record import Record

PASSES, DOUBTFUL, REFUSED = "passes", "doubtful", "refused"
MOST_LEADS_WITHOUT = 3
"""Leads that may be without a signal. Ours: nine are left, limb and chest leads among them; an
electrocardiograph's own analysis refuses sooner (CinC Challenge 2011 calls an ECG unacceptable with
one lead missing)."""
WRONG_VOLTAGE = "gain"
"""Networks learnt millivolts: an ECG in another unit, or scaled lead by lead, is another ECG."""


@dataclass(frozen=True)
class Gate:
    """A verdict (PASSES, DOUBTFUL or REFUSED) and its reasons, those that refuse first."""

    verdict: str
    reasons: tuple[str, ...]


def gate(record: Record) -> Gate:
    """Return whether a recording is fit to be answered about, and why not."""
    flags = quality(record)
    refuses = [str(flag) for flag in flags if flag.code == WRONG_VOLTAGE]
    without = leads_without(record)
    if without > MOST_LEADS_WITHOUT:
        refuses.insert(0, f"{without} of 12 leads without a signal; {MOST_LEADS_WITHOUT} may be")
    doubts = [str(flag) for flag in flags if flag.code != WRONG_VOLTAGE]
    verdict = REFUSED if refuses else DOUBTFUL if doubts else PASSES
    return Gate(verdict, (*refuses, *doubts))


def leads_without(record: Record) -> int:
    """Return how many leads are flat, or missing for more than half of the time."""
    if record.signal_mv.shape[1] < 2:
        return len(record.signal_mv)
    view = View(record)
    return int(np.sum((view.flat == 1) | (view.missing > 0.5)))
