"""Label sets: which classes a model is asked for, and what statements make each of them.

===========  ===================================================================================
paper10      the ten classes of paper 001 (see ``expert``)
ptbxl5       PTB-XL's diagnostic superclasses: NORM, MI, STTC, CD, HYP
ptbxl71      all 71 SCP-ECG statements of PTB-XL
===========  ===================================================================================

``ptbxl5`` and ``ptbxl71`` follow the published benchmark, so that a model can stand beside its
numbers (Strodthoff et al. 2021, doi:10.1109/JBHI.2020.3022989): a statement counts at *any*
likelihood, 0 (not known) and 15 as well as 100, and what is not stated is absent; classes stand in
alphabetical order; a record without a diagnostic statement takes no part in ``ptbxl5``. There the
subendocardial injuries (INJ…) are MI, as PTB-XL's own table has them; in ``paper10`` they are not.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ecgcore.errors import NotFound
from ecgcore.labels.classes import PAPER10, EcgClass
from ecgcore.labels.expert import ABSENT, PRESENT, UNKNOWN, label
from ecgcore.records.record import Statement

SETS = ("paper10", "ptbxl5", "ptbxl71")
_SYSTEM = "scp"
"""The published sets are of SCP-ECG statements only."""


@dataclass(frozen=True)
class LabelSet:
    """A set of classes.

    Attributes
    ----------
    name
        One of SETS.
    classes
        Codes and names, in the order of the columns of ``states``.
    made_of
        The SCP-ECG statements of each class, by statement; empty for ``paper10``.
    convention
        How statements are counted, in words.
    """

    name: str
    classes: tuple[EcgClass, ...]
    made_of: Mapping[str, str]
    convention: str

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
                label(said, source, told, tier).states
                for said, source, told in zip(statements, sources, details, strict=True)
            ]
        else:
            rows = [self._benchmark(list(said)) for said in statements]
        return np.array(rows, np.int8).reshape(len(rows), len(self.classes))

    def _benchmark(self, said: list[Statement]) -> np.ndarray:
        made = {self.made_of.get(s.code) for s in said if s.system == _SYSTEM} - {None}
        if not made:
            return np.full(len(self.classes), UNKNOWN, np.int8)
        return np.array([PRESENT if code in made else ABSENT for code in self.codes], np.int8)


@cache
def label_set(name: str) -> LabelSet:
    """Return a label set by name, or say which there are."""
    if name not in SETS:
        raise NotFound.among("label set", name, SETS)
    if name == "paper10":
        words = "likelihood ≥ 50 or not known; what a source does not annotate is unknown"
        return LabelSet(name, PAPER10, {}, words)
    rows = [row for row in _rows() if row["set"] == name]
    classes = dict.fromkeys(EcgClass(row["code"], row["name"]) for row in rows)
    made_of = {row["statement"]: row["code"] for row in rows}
    words = "any likelihood; what is not stated is absent (Strodthoff et al. 2021)"
    return LabelSet(name, tuple(classes), made_of, words)


def _rows() -> list[dict[str, str]]:
    with (Path(__file__).parent / "sets.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
