"""Trust in a map: sanity checks after Adebayo et al., and a verdict in plain words.

The thresholds in trust.csv were fixed on validation records and simulated ones, never on test
records (docs/explanation.md).
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from ecgcore.explanation.api import off_trace_ink
from ecgcore.explanation.deletion import deletion_and_insertion
from ecgcore.explanation.explanation import Explanation
from ecgcore.explanation.gradcam import eval_mode
from ecgcore.explanation.masking import resting_signal
from ecgcore.explanation.methods import METHODS
from ecgcore.explanation.randomization import randomization_cascade, shuffle_weights
from ecgcore.explanation.target import Explainable, Target
from ecgcore.inference.inputs import ClassifierInput

PASSES = "passes"
GUIDED = "guided maps restore the image whatever the network learnt (Adebayo et al. 2018)"
STEPS = 8  # of integrated gradients: maps used only for comparison may be coarser
STOPS = 3  # of the randomisation cascade from the head
COPIES, MAPS = 9, 3  # seeds 1 to 8 give responses, 1 to 3 maps (and the cascade's last stop)
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

    def evaluate(self, value: float | None, missing: str = "") -> dict[str, Any]:
        """Return the result for a value; without one ``passes`` is None, because of ``missing``."""
        passes = None
        if value is not None:
            is_lower_bound = self.relation == "at least"
            passes = value >= self.threshold if is_lower_bound else value <= self.threshold
        return {
            "statistic": self.statistic,
            "value": value,
            "relation": self.relation,
            "threshold": self.threshold,
            "passes": passes,
            "says": missing if value is None else "" if passes else self.otherwise,
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
) -> Explanation:
    """Return an explanation with its ``trust``: ``verdict``, ``checks`` and ``why``.

    The classifier's network is left unchanged; copies of it are shuffled.

    Parameters
    ----------
    explanation
        Result of ``explain`` for this classifier and record.
    others
        Classifiers of the same training from other seeds.
    """
    code, method = explanation.class_code, explanation.method
    checker = _MapChecker(classifier, record, code, method)
    results = {"off_trace": checker.off_trace()}
    if explanation.map is not None:
        results |= {
            **checker.randomization(),
            "class": checker.other_class(),
            **checker.deletion(),
            "seeds": checker.seeds(others),
        }
    trust = verdict(results, explanation.warning)
    if explanation.map is None and trust["verdict"] == PASSES:
        why = f"nothing speaks for {code}: there is no map to check"
        trust |= {"verdict": None, "why": why}
    return replace(explanation, trust=trust)


def verdict(results: dict[str, dict[str, Any]], warning: str | None = None) -> dict[str, Any]:
    """Return the trust that follows from the checks: "passes", or why not to rely on the map.

    A method that is known to fail such checks never passes, whatever the results of one record.
    """
    reasons = [result["says"] for result in results.values() if result["passes"] is False]
    reasons += [GUIDED] if warning else []
    text = f"do not rely on it: {'; '.join(reasons)}" if reasons else PASSES
    return {"verdict": text, "checks": results, "why": None}


class _MapChecker:
    """Compare a map with the maps of other networks, classes and random orders."""

    def __init__(
        self, classifier: Explainable, record: ClassifierInput, code: str, method: str
    ) -> None:
        self.attribute = METHODS[method].attribute
        self.record, self.code, self.classes = record, code, classifier.classes
        self.target = replace(Target.of(classifier, record, code), steps=STEPS)
        self.relevance = self.attribute(self.target)

    def randomization(self) -> dict[str, dict[str, Any]]:
        """Compare with shuffled copies of the network: their maps and their response."""
        model, target = self.target.model, self.target
        by_layers = {
            layers: self._correlation(target.with_model(network))
            for layers, network in randomization_cascade(model, STOPS)
        }
        copies = [target.with_model(shuffle_weights(model, seed)) for seed in range(1, COPIES)]
        correlations = [self._correlation(copy) for copy in copies[:MAPS]]
        correlations.append(by_layers[max(by_layers)])
        random_response = float(np.sqrt(np.mean([self._response(copy) ** 2 for copy in copies])))
        ratio = abs(self._response(target)) / random_response if random_response else None
        return {
            "weights": load_checks()["weights"].evaluate(float(np.mean(correlations)))
            | {"by_layers": by_layers},
            "response": load_checks()["response"].evaluate(
                ratio, "shuffled networks do not respond at all"
            ),
        }

    def other_class(self) -> dict[str, Any]:
        """Compare with the map of the most probable other class."""
        with eval_mode(self.target.model), torch.no_grad():
            logits = self.target.model(self.target.inputs)[0].numpy().copy()
        logits[self.target.output] = -np.inf
        if len(logits) < 2:
            return load_checks()["class"].evaluate(None, "the network has one class only")
        other = int(logits.argmax())
        value = self._correlation(self.target.with_output(other))
        return load_checks()["class"].evaluate(value) | {"other": self.classes[other]}

    def deletion(self) -> dict[str, dict[str, Any]]:
        """Remove, and insert, the most relevant regions first; against random order."""
        deletion, insertion = deletion_and_insertion(self.target, self.relevance)
        return {
            "deletion": load_checks()["deletion"].evaluate(deletion),
            "insertion": load_checks()["insertion"].evaluate(insertion),
        }

    def off_trace(self) -> dict[str, Any]:
        """Look for relevance on ink that belongs to no trace."""
        if not self.target.reads_images or self.target.signal_mv is None:
            return load_checks()["off_trace"].evaluate(None, "no image was drawn from a signal")
        return load_checks()["off_trace"].evaluate(
            off_trace_ink(self.target), "nothing speaks for the class"
        )

    def seeds(self, others: Sequence[Explainable]) -> dict[str, Any]:
        """Compare with the maps of networks of the same training from other seeds."""
        if not others:
            return load_checks()["seeds"].evaluate(None, "no runs of other seeds were given")
        targets = [Target.of(other, self.record, self.code) for other in others]
        correlations = [self._correlation(target) for target in targets]
        return load_checks()["seeds"].evaluate(float(np.mean(correlations)))

    def _correlation(self, target: Target) -> float:
        """Return the rank correlation of this map with that of another target, −1..1."""
        other = self.attribute(replace(target, steps=STEPS)).comparable(target.fs_hz)
        own = self.relevance.comparable(target.fs_hz)
        if own.shape != other.shape or not np.ptp(own) or not np.ptp(other):
            return 0.0
        return float(spearmanr(own, other).statistic)

    def _response(self, target: Target) -> float:
        """Return the change of the logit from an ECG at rest, or an empty image, to the record."""
        with eval_mode(target.model), torch.no_grad():
            baseline = torch.zeros_like(target.inputs)
            if target.signal_mv is not None:
                baseline = resting_signal(target.signal)
                baseline = target.draw(baseline) if target.reads_images else baseline
            return float(target.logits(target.inputs) - target.logits(baseline))
