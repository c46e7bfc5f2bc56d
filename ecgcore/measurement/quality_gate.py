"""Quality gate: pass, doubtful or refuse, decided from a recording's quality flags.

The flags (quality.py) name the doubts; the gate decides which of them rule out a classification.
It repairs nothing, and each reason of a refusal is a flag in plain words.
"""

from dataclasses import dataclass

from ecgcore.measurement.quality import TOO_SHORT, Flag, find_unjudgeable, quality_flags
from ecgcore.measurement.quality_features import QualityFeatures
from ecgcore.records.record import LEADS, Record

PASSES, DOUBTFUL, REFUSED = "passes", "doubtful", "refused"
MAX_SILENT_LEADS = 3
"""Leads that may be without a signal. Ours: nine are left, limb and chest leads among them; an
electrocardiograph's own analysis refuses sooner (CinC Challenge 2011 calls an ECG unacceptable with
one lead missing)."""
REFUSING_FLAGS = (TOO_SHORT, "gain")
"""Networks learn rhythms of several beats and millivolts: they cannot read an ECG in another unit
or scaled lead by lead."""


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
    flags: tuple[Flag, ...]
    if flag := find_unjudgeable(record):
        flags = (flag,)
        silent = _describe_silent_leads(len(LEADS)) if flag.code == "missing" else ""
    else:
        features = QualityFeatures(record)
        flags, silent = tuple(quality_flags(features)), _silent_leads(features)
    refusals = [str(flag) for flag in flags if flag.code in REFUSING_FLAGS]
    if silent:
        refusals.insert(0, silent)
    doubts = [str(flag) for flag in flags if flag.code not in REFUSING_FLAGS]
    verdict = REFUSED if refusals else DOUBTFUL if doubts else PASSES
    return Gate(verdict, (*refusals, *doubts), flags)


def _silent_leads(features: QualityFeatures) -> str:
    """Return in words how many leads are flat or mostly missing, if too many are; else nothing.

    Mostly: for more than half of the time in which any lead was recorded.
    """
    known_s = (1 - features.missing) * features.duration_s
    is_silent = (features.flat == 1) | (features.missing == 1)
    is_silent |= known_s < 0.5 * features.recorded_s
    if is_silent.sum() <= MAX_SILENT_LEADS:
        return ""
    is_partial = is_silent & (features.flat < 1) & (features.missing < 1)
    when = " for most of the time" if is_partial.any() else ""
    return _describe_silent_leads(int(is_silent.sum()), when)


def _describe_silent_leads(n_silent: int, when: str = "") -> str:
    return f"{n_silent} of 12 leads without a signal{when}; {MAX_SILENT_LEADS} may be"
