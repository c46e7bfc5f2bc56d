"""Classes that a network ranks but does not call, since too few of its calls would be right.

A class with a handful of records among thousands can have a good area under the curve and yet
calls that are nearly all wrong. Its probability still sorts records; a call of it says nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PPV_FLOOR = 0.25
"""Share of right calls from which a class is called. Ours: of four calls, at least one is right."""
MIN_CALLS = 20
"""Calls from which the share is judged; of fewer, it is not known."""


@dataclass(frozen=True)
class RankedClass:
    """A class that is ranked only: how often records reached its threshold, and rightly so."""

    code: str
    calls: int
    right: int

    def __str__(self) -> str:
        return f"{self.code} ({self.right:,} of {self.calls:,} calls right)"


def ranked_classes(evaluation: Mapping | None) -> dict[str, RankedClass]:
    """Return the classes that are ranked only, by code, from the records of an evaluation.

    ``multilabel`` only: otherwise each record has one answer, and no threshold.
    """
    if evaluation is None or evaluation.get("target_mode") != "multilabel":
        return {}
    judged = [RankedClass(code, *counts) for code, counts in _calls(evaluation).items()]
    return {
        one.code: one
        for one in judged
        if one.calls >= MIN_CALLS and one.right < PPV_FLOOR * one.calls
    }


def _calls(evaluation: Mapping) -> dict[str, list[int]]:
    """Return calls and right calls by class: cross-fitted where thresholds saw the same records."""
    if evaluation.get("calls"):
        return evaluation["calls"]
    tables = evaluation.get("confusion_per_class") or {}
    return {code: [false + hits, hits] for code, ((_, false), (_, hits)) in tables.items()}


def ranked_text(evaluation: Mapping | None, at_most: int = 8) -> str:
    """Return in a sentence which classes are ranked only; empty where none is."""
    ranked = list(ranked_classes(evaluation).values())
    if not ranked:
        return ""
    named = ", ".join(str(one) for one in ranked[:at_most])
    more = f" and {len(ranked) - at_most} more" if len(ranked) > at_most else ""
    return f"Ranked, not called, since fewer than a quarter of the calls are right: {named}{more}."
