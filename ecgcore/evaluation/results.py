"""Result types of an evaluation: Interval and Evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecgcore.evaluation.text import METRIC_LABELS, report_text, with_range


@dataclass(frozen=True)
class Interval:
    """A metric with its confidence interval.

    Attributes
    ----------
    value, low, high
        Estimate and ends; None where there is nothing to measure or to resample.
    level
        Confidence level, 0..1.
    unit
        What was resampled: ``patients``, ``seeds`` or ``seeds and patients``.
    """

    value: float | None
    low: float | None
    high: float | None
    level: float = 0.95
    unit: str = "patients"

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Interval":
        """Return the interval of an object with value, low, high, level and unit."""
        return cls(*(content[name] for name in ("value", "low", "high", "level", "unit")))

    def __str__(self) -> str:
        return with_range(vars(self))


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Metrics of one part of a run's records, or of a table of predictions.

    The main metrics are attributes; :meth:`as_json` has everything.

    Examples
    --------
    >>> evaluation = ecgcore.evaluate("alexnet_gap")
    >>> evaluation.n, round(evaluation.macro_auc.value, 3)
    (10896, 0.941)
    """

    content: Mapping[str, Any]

    @property
    def run(self) -> str:
        """Id of the run."""
        return self.content["run"]

    @property
    def part(self) -> str:
        """Part of the records: ``test``, ``validation``, ``holdout`` or ``external``."""
        return self.content["part"]

    @property
    def target_mode(self) -> str:
        """Target mode: ``multilabel``, ``exclusive`` or ``priority``."""
        return self.content["target_mode"]

    @property
    def n(self) -> int:
        """Number of records."""
        return self.content["n"]

    @property
    def patients(self) -> int:
        """Number of patients."""
        return self.content["patients"]

    @property
    def accuracy(self) -> Interval:
        """Accuracy of the top class over records with exactly one stated class."""
        return Interval.from_json(self.content["intervals"]["accuracy"])

    @property
    def macro_f1(self) -> Interval:
        """Mean F1 over the classes with positives."""
        return Interval.from_json(self.content["intervals"]["macro_f1"])

    @property
    def macro_auc(self) -> Interval:
        """Mean area under the ROC curve over the classes with positives and negatives."""
        return Interval.from_json(self.content["macro_auc"])

    @property
    def classes(self) -> dict[str, dict[str, Any]]:
        """Class code → n, precision, recall, f1, auc, average_precision and intervals."""
        return self.content["classes"]

    @property
    def confusion(self) -> list[list[int]]:
        """Counts (C, C): rows the stated class, columns the top class."""
        return self.content["confusion"]

    @property
    def notes(self) -> list[str]:
        """Sentences on what was left out, assumed or not measured."""
        return self.content["notes"]

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``evaluation.json``, ready for JSON."""
        return dict(self.content)

    def extended(self, **sections: Any) -> "Evaluation":
        """Return the evaluation with more sections, such as ``subgroups``."""
        return Evaluation({**self.content, **sections})

    def __repr__(self) -> str:
        metrics = ", ".join(f"{words} {getattr(self, m)}" for m, words in METRIC_LABELS.items())
        return f"Evaluation({self.run or 'predictions'}, {self.part}, n={self.n}: {metrics})"

    def __str__(self) -> str:
        return report_text(self.content)
