"""Claims of the papers, with our result and verdict, corrected for their number in each paper."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from statsmodels.stats.multitest import multipletests

from ecgcore.comparison.text import p_text
from ecgcore.evaluation.markdown import table
from ecgcore.evaluation.text import with_range

HOLDS, OPEN, AGAINST = "holds", "is not shown", "does not hold"
LEVEL = 0.05


@dataclass(frozen=True)
class Claim:
    """One claim with the difference that supports or contradicts it.

    Attributes
    ----------
    statement
        The claim, such as "M-SE reads better than AlexNet at level 204".
    difference
        A difference with its interval: ``value``, ``low``, ``high``, ``unit``, and ``p``, that of
        no difference; the claim is that it is above zero.
    basis
        Metric, records and seeds of the difference, such as "macro AUC on 1,310 holdout records,
        5 seeds".
    is_primary
        True for the one claim of a paper that its study is about.
    withdrawn
        Why the trainings cannot test the claim; empty where they can.
    p_holm
        ``p`` corrected for the claims of its paper (Holm 1979); None where there is none.
    """

    statement: str
    difference: Mapping[str, Any]
    basis: str
    is_primary: bool = False
    withdrawn: str = ""
    p_holm: float | None = None

    @property
    def verdict(self) -> str:
        """Verdict on the claim: by p after Holm's correction, and the sign of the difference."""
        if self.p_holm is None or self.p_holm >= LEVEL or self.withdrawn:
            return OPEN
        return HOLDS if self.difference["value"] > 0 else AGAINST

    @property
    def only_uncorrected(self) -> bool:
        """True if the claim's own interval excludes zero, yet its p does not survive Holm's."""
        p = self.difference.get("p")
        return self.verdict == OPEN and not self.withdrawn and p is not None and p < LEVEL


def with_holm(claims: Sequence[Claim]) -> list[Claim]:
    """Return a paper's claims with their corrected p; withdrawn ones and those without p have none.

    Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat 1979;6:65–70.
    """
    tested = [c for c in claims if c.difference.get("p") is not None and not c.withdrawn]
    if not tested:
        return list(claims)
    corrected = multipletests([c.difference["p"] for c in tested], method="holm")[1]
    p_of = {id(c): float(p) for c, p in zip(tested, corrected, strict=True)}
    return [replace(claim, p_holm=p_of.get(id(claim))) for claim in claims]


def claims_text(claims: Iterable[Claim]) -> str:
    """Return the claims as a table, then the withdrawn ones with their reasons."""
    claims = list(claims)
    rows = [
        (
            f"{claim.statement}{' (**primary**)' if claim.is_primary else ''}",
            f"**{claim.verdict}**",
            with_range(claim.difference, 3, signed=True),
            p_text(claim.difference.get("p")),
            p_text(claim.p_holm),
            claim.basis,
        )
        for claim in claims
        if not claim.withdrawn
    ]
    head = ("claim", "verdict", "difference (95 %)", "p", "p, Holm", "basis")
    text = table(head, rows)
    if only := [claim.statement for claim in claims if claim.only_uncorrected]:
        text += (
            "\nWithdrawn: these were said to hold, or not to hold, by their own interval; they do "
            f"not survive Holm's correction: {'; '.join(only)}.\n"
        )
    for claim in claims:
        if claim.withdrawn:
            text += f"\nWithdrawn: {claim.statement}. {claim.withdrawn}\n"
    return text
