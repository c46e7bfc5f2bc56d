"""Claims of the papers, with our result and verdict."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecgcore.evaluation.text import with_range

HOLDS, OPEN, AGAINST = "holds", "is not shown", "does not hold"


@dataclass(frozen=True)
class Claim:
    """One claim with the difference that supports or contradicts it.

    Attributes
    ----------
    statement
        The claim, such as "M-SE reads better than AlexNet at level 204".
    difference
        A difference with its interval: ``value``, ``low``, ``high``, ``unit``; the claim is that it
        is above zero.
    basis
        Metric, records and seeds of the difference, such as "macro AUC on 1,310 holdout records,
        5 seeds".
    """

    statement: str
    difference: Mapping[str, Any]
    basis: str

    @property
    def verdict(self) -> str:
        """Verdict on the claim: the whole interval above zero, or below, or neither."""
        low, high = self.difference["low"], self.difference["high"]
        if low is None:
            return OPEN
        return HOLDS if low > 0 else AGAINST if high < 0 else OPEN

    @property
    def line(self) -> str:
        """The claim in one line of Markdown."""
        figure = with_range(self.difference, 3, signed=True)
        return f"- {self.statement}: **{self.verdict}**. {figure}, {self.basis}.\n"


def claims_text(claims: list[Claim]) -> str:
    """Return the claims that hold and those that do not, each group as a list."""
    groups = (
        ("What holds", [c for c in claims if c.verdict == HOLDS]),
        ("What does not, or is not shown", [c for c in claims if c.verdict != HOLDS]),
    )
    parts = [
        f"**{head}**\n\n{''.join(c.line for c in group) or '- Nothing.' + chr(10)}"
        for head, group in groups
    ]
    return "\n".join(parts)
