"""Whether a map can be relied on: checks of Adebayo's kind, and a verdict in plain words.

What a check must reach stands in trust.csv, fixed on validation records and simulated ones, never
on test records (docs/explanation.md).
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

from ecgcore.explain.api import off_ink
from ecgcore.explain.deletion import beaten
from ecgcore.explain.explanation import Explanation
from ecgcore.explain.gradcam import undisturbed
from ecgcore.explain.masking import flat
from ecgcore.explain.methods import METHODS
from ecgcore.explain.randomization import cascade, shuffled
from ecgcore.explain.relevance import InPicture, InSignal
from ecgcore.explain.target import Explainable, Question
from ecgcore.inference.inputs import ClassifierInput

PASSES = "passes"
GUIDED = "guided maps restore the picture whatever the network learnt (Adebayo et al. 2018)"
STEPS = 8  # of integrated gradients: maps that are only compared may be coarser
STOPS = 3  # of the cascade from the head
COPIES, MAPS = 9, 3  # shuffled networks that are asked, and whose maps are made, beside it
_TABLE = Path(__file__).with_name("trust.csv")

Found = InPicture | InSignal


@dataclass(frozen=True)
class Check:
    """A row of trust.csv: what is computed, what it must reach, what it means otherwise."""

    check: str
    statistic: str
    relation: str  # "at least" or "at most"
    threshold: float
    otherwise: str
    why: str

    def judged(self, value: float | None, missing: str = "") -> dict[str, Any]:
        """Return the result of a value; without one ``passes`` is None, for ``missing``."""
        passes = None
        if value is not None:
            least = self.relation == "at least"
            passes = value >= self.threshold if least else value <= self.threshold
        return {
            "statistic": self.statistic,
            "value": value,
            "relation": self.relation,
            "threshold": self.threshold,
            "passes": passes,
            "says": missing if value is None else "" if passes else self.otherwise,
        }


@cache
def checks() -> dict[str, Check]:
    """Return the rows of trust.csv by name."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = [float(row.pop("threshold")) for row in rows]
    return {
        row["check"]: Check(**row, threshold=number)
        for row, number in zip(rows, numbers, strict=True)
    }


def checked(
    explanation: Explanation,
    classifier: Explainable,
    record: ClassifierInput,
    others: Sequence[Explainable] = (),
) -> Explanation:
    """Return an explanation with its ``trust``: ``verdict``, ``checks`` and ``why``.

    The classifier's network is left as it was; copies of it are shuffled.

    Parameters
    ----------
    explanation
        What ``explain`` said of this classifier and record.
    others
        Classifiers trained alike from other seeds.
    """
    code, method = explanation.class_code, explanation.method
    found = _Maps(classifier, record, code, method)
    results = {"off_trace": found.off_trace()}
    if explanation.map is not None:
        results |= {
            **found.shuffled(),
            "class": found.another_class(),
            **found.order(),
            "seeds": found.seeds(others),
        }
    trust = verdict(results, explanation.warning)
    if explanation.map is None and trust["verdict"] == PASSES:
        why = f"nothing speaks for {code}: there is no map to check"
        trust |= {"verdict": None, "why": why}
    return replace(explanation, trust=trust)


def verdict(results: dict[str, dict[str, Any]], warning: str | None = None) -> dict[str, Any]:
    """Return the trust of checks' results: "passes", or why not to rely on the map.

    A method that is known to fail such checks never passes, however one record turns out.
    """
    against = [result["says"] for result in results.values() if result["passes"] is False]
    against += [GUIDED] if warning else []
    said = f"do not rely on it: {'; '.join(against)}" if against else PASSES
    return {"verdict": said, "checks": results, "why": None}


class _Maps:
    """A map, and the maps that it is compared with."""

    def __init__(
        self, classifier: Explainable, record: ClassifierInput, code: str, method: str
    ) -> None:
        self.find = METHODS[method].find
        self.sight, self.code, self.classes = record, code, classifier.classes
        self.question = replace(Question.of(classifier, record, code), steps=STEPS)
        self.found = self.find(self.question)

    def shuffled(self) -> dict[str, dict[str, Any]]:
        """Compare with the network's copies: their maps, and how much they say to this record."""
        model = self.question.model
        by_layers = {n: self._likeness(self.question.to(m)) for n, m in cascade(model, STOPS)}
        copies = [self.question.to(shuffled(model, seed)) for seed in range(1, COPIES)]
        alike = [self._likeness(copy) for copy in copies[:MAPS]] + [by_layers[max(by_layers)]]
        usual = float(np.sqrt(np.mean([self._says(copy) ** 2 for copy in copies])))
        ratio = abs(self._says(self.question)) / usual if usual else None
        return {
            "weights": checks()["weights"].judged(float(np.mean(alike))) | {"by_layers": by_layers},
            "response": checks()["response"].judged(ratio, "shuffled networks say nothing at all"),
        }

    def another_class(self) -> dict[str, Any]:
        """Compare with the map of the class that is most probable beside this one."""
        with undisturbed(self.question.model), torch.no_grad():
            logits = self.question.model(self.question.inputs)[0].numpy().copy()
        logits[self.question.output] = -np.inf
        if len(logits) < 2:
            return checks()["class"].judged(None, "the network answers one class only")
        other = int(logits.argmax())
        value = self._likeness(self.question.about(other))
        return checks()["class"].judged(value) | {"other": self.classes[other]}

    def order(self) -> dict[str, dict[str, Any]]:
        """Take out, and put in, first what is most relevant; against random order."""
        deletion, insertion = beaten(self.question, self.found)
        return {
            "deletion": checks()["deletion"].judged(deletion),
            "insertion": checks()["insertion"].judged(insertion),
        }

    def off_trace(self) -> dict[str, Any]:
        """Look for relevance on ink of no trace."""
        if not self.question.reads_images or self.question.signal_mv is None:
            return checks()["off_trace"].judged(None, "no picture was drawn of a signal")
        return checks()["off_trace"].judged(off_ink(self.question), "nothing speaks for the class")

    def seeds(self, others: Sequence[Explainable]) -> dict[str, Any]:
        """Compare with the maps of networks trained alike from other seeds."""
        if not others:
            return checks()["seeds"].judged(None, "no runs of other seeds were given")
        questions = [Question.of(other, self.sight, self.code) for other in others]
        return checks()["seeds"].judged(float(np.mean([self._likeness(q) for q in questions])))

    def _likeness(self, question: Question) -> float:
        """Return the rank correlation of this map with that of another question, −1..1."""
        there = self.find(replace(question, steps=STEPS)).shown(question.fs_hz)
        here = self.found.shown(question.fs_hz)
        if here.shape != there.shape or not np.ptp(here) or not np.ptp(there):
            return 0.0
        return float(spearmanr(here, there).statistic)

    def _says(self, question: Question) -> float:
        """Return how far the record moves the logit from what it is where nothing is shown."""
        with undisturbed(question.model), torch.no_grad():
            nothing = torch.zeros_like(question.inputs)
            if question.signal_mv is not None:
                nothing = flat(question.signal)
                nothing = question.drawn(nothing) if question.reads_images else nothing
            return float(question.logits(question.inputs) - question.logits(nothing))
