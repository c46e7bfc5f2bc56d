"""Claims: what a paper says, what came out here, and whether it holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecgcore.evaluation.text import with_range

HOLDS, OPEN, AGAINST = "holds", "is not shown", "does not hold"


@dataclass(frozen=True)
class Claim:
    """One claim and what speaks for or against it.

    Attributes
    ----------
    says
        The claim, such as "M-SE reads better than AlexNet at level 204".
    found
        A difference with its interval: ``value``, ``low``, ``high``, ``unit``; the claim is that it
        is above zero.
    what
        What the difference is of, such as "macro AUC on 1,310 untouched records, 5 seeds".
    """

    says: str
    found: Mapping[str, Any]
    what: str

    @property
    def verdict(self) -> str:
        """Whether the claim holds: the whole interval above zero, or below, or neither."""
        low, high = self.found["low"], self.found["high"]
        if low is None:
            return OPEN
        return HOLDS if low > 0 else AGAINST if high < 0 else OPEN

    @property
    def line(self) -> str:
        """The claim in one line of Markdown."""
        figure = with_range(self.found, 3, signed=True)
        return f"- {self.says}: **{self.verdict}**. {figure}, {self.what}.\n"


def told(claims: list[Claim]) -> str:
    """Return what holds and what does not, a paragraph of lines each."""
    groups = (
        ("What holds", [c for c in claims if c.verdict == HOLDS]),
        ("What does not, or is not shown", [c for c in claims if c.verdict != HOLDS]),
    )
    parts = [
        f"**{head}**\n\n{''.join(c.line for c in group) or '- Nothing.' + chr(10)}"
        for head, group in groups
    ]
    return "\n".join(parts)
