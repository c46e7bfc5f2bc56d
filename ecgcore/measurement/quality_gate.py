"""Quality gate: pass, doubtful or refuse, decided from a recording's quality flags.

The flags (quality.py) name the doubts; the gate decides which of them rule out a classification.
It repairs nothing, and each reason of a refusal is a flag in plain words.
"""

from dataclasses import dataclass

import numpy as np

from ecgcore.measurement.quality import Flag, quality, quality_flags
from ecgcore.measurement.quality_features import QualityFeatures
from ecgcore.records.record import Record

PASSES, DOUBTFUL, REFUSED = "passes", "doubtful", "refused"
MAX_SILENT_LEADS = 3
"""Leads that may be without a signal. Ours: nine are left, limb and chest leads among them; an
electrocardiograph's own analysis refuses sooner (CinC Challenge 2011 calls an ECG unacceptable with
one lead missing)."""
REFUSING_FLAG = "gain"
"""Networks learn millivolts: they cannot read an ECG in another unit or scaled lead by lead."""


@dataclass(frozen=True)
class Gate:
    """A verdict (PASSES, DOUBTFUL or REFUSED), its reasons, and the flags that it rests on.

    The reasons that refuse come first; the flags stand in the order of ``quality``.
    """

    verdict: str
    reasons: tuple[str, ...]
    flags: tuple[Flag, ...] = ()


def gate(record: Record) -> Gate:
    """Return whether a recording is fit to be classified, and the reasons why not."""
    if record.signal_mv.shape[1] < 2:
        flags, n_silent = quality(record), len(record.signal_mv)
    else:
        features = QualityFeatures(record)
        flags, n_silent = tuple(quality_flags(features)), _count_silent_leads(features)
    refusals = [str(flag) for flag in flags if flag.code == REFUSING_FLAG]
    if n_silent > MAX_SILENT_LEADS:
        refusals.insert(0, f"{n_silent} of 12 leads without a signal; {MAX_SILENT_LEADS} may be")
    doubts = [str(flag) for flag in flags if flag.code != REFUSING_FLAG]
    verdict = REFUSED if refusals else DOUBTFUL if doubts else PASSES
    return Gate(verdict, (*refusals, *doubts), flags)


def _count_silent_leads(features: QualityFeatures) -> int:
    """Return how many leads are flat, or missing for more than half of the time."""
    return int(np.sum((features.flat == 1) | (features.missing > 0.5)))
