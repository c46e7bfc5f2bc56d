"""Trust in a map: sanity checks after Adebayo et al., and a verdict in plain words.

The general thresholds are in trust.csv, those of the shipped networks beside their weights
(trust_limits.py); docs/trust.md shows how often true positives and controls pass.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from ecgcore.explanation.explanation import Explanation
from ecgcore.explanation.map_statistics import Answer, MapStatistics, Value, answer
from ecgcore.explanation.references import References
from ecgcore.explanation.target import Explainable
from ecgcore.explanation.trust_limits import TrustLimits, find_limits
from ecgcore.inference.inputs import ClassifierInput

PASSES = "passes"
GUIDED = "guided maps restore the image whatever the network learnt (Adebayo et al. 2018)"
_TABLE = Path(__file__).with_name("trust.csv")


@dataclass(frozen=True)
class Check:
    """A row of trust.csv: statistic, threshold and the consequence of missing it."""

    check: str
    statistic: str
    relation: str  # "at least" or "at most"
    threshold: float
    otherwise: str
    why: str

    def evaluate(self, value: Value) -> dict[str, Any]:
        """Return the result for a value; ``passes`` is None where words say why there is none."""
        missing = value if isinstance(value, str) else ""
        number = None if isinstance(value, str) else value
        passes = None
        if number is not None:
            is_lower_bound = self.relation == "at least"
            passes = number >= self.threshold if is_lower_bound else number <= self.threshold
        return {
            "statistic": self.statistic,
            "value": number,
            "relation": self.relation,
            "threshold": self.threshold,
            "passes": passes,
            "says": self.otherwise if passes is False else missing,
        }


@cache
def load_checks() -> dict[str, Check]:
    """Return the rows of trust.csv by name."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = [float(row.pop("threshold")) for row in rows]
    return {
        row["check"]: Check(**row, threshold=number)
        for row, number in zip(rows, numbers, strict=True)
    }


def check_trust(
    explanation: Explanation,
    classifier: Explainable,
    record: ClassifierInput,
    others: Sequence[Explainable] = (),
    references: References | None = None,
) -> Explanation:
    """Return an explanation with its ``trust``: ``verdict``, ``checks``, ``why`` and ``limits``.

    The classifier's network is left unchanged; copies of it are shuffled. A class that the network
    judges absent has no verdict: nothing speaks for it.

    Parameters
    ----------
    explanation
        Result of ``explain`` for this classifier and record.
    others
        Classifiers of the same training from other seeds.
    references
        ECGs of known classes to compare with; by default the shipped examples.

    Raises
    ------
    DamagedFile
        The network's stored limits are damaged.
    """
    code, method = explanation.class_code, explanation.method
    references = references or References.of_examples(classifier.classes)
    limits = find_limits(classifier, method, code)
    given = answer(classifier, record, code, references)
    maps = MapStatistics(classifier, record, code, method, references)
    values: dict[str, Value] = {"response": given.response, "off_trace": maps.off_trace()}
    has_map = explanation.map is not None
    if given.called and has_map:
        values |= {
            "weights": maps.weights(),
            "class": maps.other_class(),
            "record": maps.other_records(),
            "mean": maps.mean_map(),
            "seeds": maps.seeds(others),
        }
    results = judge(values, limits)
    trust = verdict(results, explanation.warning)
    if not given.called or (not has_map and trust["verdict"] == PASSES):
        trust |= {"verdict": None, "why": _nothing(code, classifier.run_id, given)}
    return replace(explanation, trust=trust | {"limits": limits.source})


def judge(values: dict[str, Value], limits: TrustLimits) -> dict[str, dict[str, Any]]:
    """Return the results of the checks, by name."""
    checks = load_checks()
    return {
        name: replace(
            checks[name], threshold=limits.by_check.get(name, checks[name].threshold)
        ).evaluate(value)
        for name, value in values.items()
    }


def verdict(results: dict[str, dict[str, Any]], warning: str | None = None) -> dict[str, Any]:
    """Return the trust that follows from the checks: "passes", or why not to rely on the map.

    A method that is known to fail such checks never passes, whatever the results of one record.
    """
    reasons = [result["says"] for result in results.values() if result["passes"] is False]
    reasons += [GUIDED] if warning else []
    text = f"do not rely on it: {'; '.join(reasons)}" if reasons else PASSES
    return {"verdict": text, "checks": results, "why": None}


def _nothing(code: str, run_id: str, given: Answer) -> str:
    """Return why a map has no verdict."""
    if given.called:
        return f"nothing speaks for {code}: there is no map to check"
    return (
        f"nothing speaks for {code}: {run_id} judges it absent here "
        f"(probability {given.probability:.3f}), so its map has no verdict"
    )
