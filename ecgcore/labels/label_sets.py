"""Label sets: the classes that a model predicts, and the statements that make up each of them.

===========  ===================================================================================
paper10      the ten classes of paper 001 (see ``expert``)
ptbxl5       PTB-XL's diagnostic superclasses: NORM, MI, STTC, CD, HYP
ptbxl71      all 71 SCP-ECG statements of PTB-XL
===========  ===================================================================================

``ptbxl5`` and ``ptbxl71`` follow the published benchmark, so that a model can be compared with its
figures (Strodthoff et al. 2021, doi:10.1109/JBHI.2020.3022989): a statement counts at *any*
likelihood, 0 (unknown) and 15 as well as 100, and a class that is not stated is absent; classes are
in alphabetical order; a record without a diagnostic statement is left out of ``ptbxl5``. There the
subendocardial injuries (INJ…) are MI, as in PTB-XL's own table; in ``paper10`` they are not.

Other sets are files of a workspace, with a rule for each class (see ``label_set_file``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from ecgcore.errors import NotFound
from ecgcore.labels.classes import PAPER10, EcgClass
from ecgcore.labels.code_tables import table_rows
from ecgcore.labels.expert import ABSENT, PRESENT, UNKNOWN, label
from ecgcore.labels.label_rules import (
    LEAST_LIKELIHOOD,
    ClassRule,
    Evidence,
    Term,
    states_by_rules,
)
from ecgcore.records.record import Statement

LABEL_SETS = ("paper10", "ptbxl5", "ptbxl71")
_SYSTEM = "scp"
"""The published sets use SCP-ECG statements only."""


@dataclass(frozen=True)
class LabelSet:
    """A set of classes.

    Attributes
    ----------
    name
        One of LABEL_SETS.
    classes
        Codes and names, in the order of the columns of ``states``.
    class_of
        Class of each SCP-ECG statement; empty for ``paper10``.
    convention
        The rule by which statements count, in words.
    rules
        Rule of each class; empty for the built-in sets.
    mode
        Target mode of a training that asks for none; None: by its level.
    annotated, exclude, least_likelihood
        As in ``label_rules.states_by_rules``.
    at_least_one
        Whether a record that states none of the classes is left out.
    colours
        Class → colour, ``#RRGGBB``; of some or none of the classes.
    """

    name: str
    classes: tuple[EcgClass, ...]
    class_of: Mapping[str, str]
    convention: str
    rules: Mapping[str, ClassRule] = field(default_factory=dict)
    mode: str | None = None
    annotated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude: tuple[Term, ...] = ()
    least_likelihood: float = LEAST_LIKELIHOOD
    at_least_one: bool = False
    colours: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_ranked(self) -> bool:
        """Tell whether the order of the classes is one of priority: in sets of one's own."""
        return bool(self.rules)

    @property
    def codes(self) -> tuple[str, ...]:
        """The classes' codes."""
        return tuple(c.code for c in self.classes)

    def states(
        self,
        statements: Sequence[Iterable[Statement]],
        sources: Sequence[str] | None = None,
        details: Sequence[Mapping[str, str]] | None = None,
        tier: str = "core",
    ) -> np.ndarray:
        """Return (N, C) int8: 1 present, 0 absent, −1 unknown.

        ``sources`` (default: all ``ptb-xl``), ``details`` and ``tier`` matter for ``paper10`` only.
        """
        if self.name == "paper10":
            sources = sources or ["ptb-xl"] * len(statements)
            details = details or [{}] * len(statements)
            rows = [
                label(of_record, source, of_source, tier).states
                for of_record, source, of_source in zip(statements, sources, details, strict=True)
            ]
        else:
            rows = [self._benchmark_states(of_record) for of_record in statements]
        return np.array(rows, np.int8).reshape(len(rows), len(self.classes))

    def states_of(self, evidence: Evidence) -> np.ndarray:
        """Return (N, C) int8 of N records by the rules of the set: 1, 0, or −1 unknown."""
        states = states_by_rules(
            self.rules, evidence, self.annotated, self.exclude, self.least_likelihood
        )
        if self.at_least_one:
            states[~(states == PRESENT).any(axis=1)] = UNKNOWN
        return states

    def _benchmark_states(self, statements: Iterable[Statement]) -> np.ndarray:
        stated = {self.class_of.get(s.code) for s in statements if s.system == _SYSTEM} - {None}
        if not stated:
            return np.full(len(self.classes), UNKNOWN, np.int8)
        return np.array([PRESENT if code in stated else ABSENT for code in self.codes], np.int8)


@cache
def label_set(name: str) -> LabelSet:
    """Return a label set by name."""
    if name not in LABEL_SETS:
        raise NotFound.among("label set", name, LABEL_SETS)
    if name == "paper10":
        convention = "likelihood ≥ 50 or not known; what a source does not annotate is unknown"
        return LabelSet(name, PAPER10, {}, convention)
    rows = [row for row in table_rows("label_sets.csv") if row["set"] == name]
    classes = dict.fromkeys(EcgClass(row["code"], row["name"]) for row in rows)
    class_of = {row["statement"]: row["code"] for row in rows}
    convention = "any likelihood; what is not stated is absent (Strodthoff et al. 2021)"
    return LabelSet(name, tuple(classes), class_of, convention)
