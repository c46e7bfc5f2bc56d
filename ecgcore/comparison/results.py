"""Result types of a comparison: Comparison of two runs, MultiComparison of more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecgcore.comparison.notebook import comparison_html
from ecgcore.comparison.text import comparison_text, finding, multi_text
from ecgcore.evaluation.results import Evaluation, Interval


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two runs on their common records; differences are B − A.

    The main results are attributes; :meth:`as_json` has everything.

    Examples
    --------
    >>> comparison = ecgcore.compare("alexnet_gap", "alexnet_m_se_gap")
    >>> difference = comparison.differences["macro_auc"]
    >>> difference.low < difference.value < difference.high
    True
    """

    content: Mapping[str, Any]

    @property
    def a(self) -> str:
        """Id of run A."""
        return self.content["a"]

    @property
    def b(self) -> str:
        """Id of run B."""
        return self.content["b"]

    @property
    def part(self) -> str:
        """Part of the records: ``test``, ``validation`` or ``holdout``."""
        return self.content["part"]

    @property
    def n_common(self) -> int:
        """Number of common records."""
        return self.content["n_common"]

    @property
    def patients(self) -> int:
        """Number of their patients."""
        return self.content["patients"]

    @property
    def differences(self) -> dict[str, Interval]:
        """B − A in ``accuracy``, ``macro_f1`` and ``macro_auc``, with intervals over patients."""
        return _intervals(self.content["differences"])

    @property
    def class_differences(self) -> dict[str, dict[str, Interval]]:
        """Class code → B − A in ``f1`` and ``auc``, with intervals over patients."""
        return {c: _intervals(both) for c, both in self.content["class_differences"].items()}

    @property
    def mcnemar(self) -> dict[str, Any]:
        """Exact McNemar test of the top class: four counts, ``p`` and ``form``."""
        return self.content["mcnemar"]

    @property
    def delong(self) -> dict[str, dict[str, Any]]:
        """Class code → DeLong's test of the AUCs: ``p``, ``p_holm``, or ``why`` there is none."""
        return self.content["delong"]

    @property
    def disagreements(self) -> list[str]:
        """Records for which the runs predict different classes, the most telling first."""
        return self.content["disagreements"]

    @property
    def evaluations(self) -> dict[str, Evaluation]:
        """Evaluations ``a`` and ``b`` on the common records."""
        return {side: Evaluation(e) for side, e in self.content["evaluations"].items()}

    @property
    def seeds(self) -> dict[str, Any] | None:
        """Differences over several seeds a side; None with one run a side."""
        return self.content.get("seeds")

    @property
    def finding(self) -> str:
        """The result in one sentence, and how certain it is."""
        return finding(self.content)

    def as_json(self) -> dict[str, Any]:
        """Return the answer of ``ecgcore compare A B --json``, ready for JSON."""
        return dict(self.content)

    def extended(self, **sections: Any) -> "Comparison":
        """Return the comparison with more sections, such as ``seeds``."""
        return Comparison({**self.content, **sections})

    def __repr__(self) -> str:
        auc = self.differences["macro_auc"]
        return (
            f"Comparison({self.a or 'A'} → {self.b or 'B'}, {self.part}, "
            f"n_common={self.n_common}: macro AUC {auc})"
        )

    def __str__(self) -> str:
        return comparison_text(self.content)

    def _repr_html_(self) -> str:
        return comparison_html(self.content)


@dataclass(frozen=True, repr=False)
class MultiComparison:
    """More than two runs on their common records, each compared with the first."""

    content: Mapping[str, Any]

    @property
    def reference(self) -> str:
        """Id of the first run."""
        return self.content["reference"]

    @property
    def n_common(self) -> int:
        """Number of common records."""
        return self.content["n_common"]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row a run: metrics, differences from the reference, McNemar's test and costs."""
        return self.content["rows"]

    def as_json(self) -> dict[str, Any]:
        """Return the answer of ``ecgcore compare A B C --json``, ready for JSON."""
        return dict(self.content)

    def extended(self, **sections: Any) -> "MultiComparison":
        """Return the comparison with more sections, such as ``looks``."""
        return MultiComparison({**self.content, **sections})

    def __repr__(self) -> str:
        return (
            f"MultiComparison({len(self.rows)} runs, reference {self.reference}, "
            f"n_common={self.n_common})"
        )

    def __str__(self) -> str:
        return multi_text(self.content)


def _intervals(contents: Mapping[str, Mapping[str, Any]]) -> dict[str, Interval]:
    return {name: Interval.from_json(content) for name, content in contents.items()}
