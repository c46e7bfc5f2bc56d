"""A paper's printed reports, re-read: which counts fit them, and what does not follow from them.

``paper001.csv`` holds what "Improved Accuracy for ECG Arrhythmia Classification using AlexNet-M-SE
with Dropout and BatchNorm" (Pidugu & Devarakonda Venkata) prints in its figures 1, 2, 7 and 8,
digit by digit; ``paper001_texts.csv`` what its prose says of the matrices shown as pictures.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.comparison.paired import mcnemar_exact
from ecgcore.errors import NotFound
from ecgcore.labels.classes import CODES

REPORTS = Path(__file__).with_name("paper001.csv")
TEXTS = Path(__file__).with_name("paper001_texts.csv")
MEASURES = ("precision", "recall", "f1")
AVERAGES = ("macro", "weighted")
_SURE, _UNSURE = 0.91, 0.01  # probabilities of a reconstructed record's class and of the others


@dataclass(frozen=True)
class Printed:
    """One printed classification report.

    Attributes
    ----------
    figure
        Its number in the paper.
    rows
        Index: class codes, ``accuracy``, ``macro``, ``weighted`` and, where printed, ``test line``;
        columns precision, recall, f1, support: the digits as text, "" where none.
    """

    figure: int
    model: str
    rows: pd.DataFrame

    @property
    def support(self) -> np.ndarray:
        """(C,) records a class."""
        return self.rows.loc[list(CODES), "support"].astype(int).to_numpy()

    @property
    def n(self) -> int:
        """Records in the test set."""
        return int(self.support.sum())


@dataclass(frozen=True)
class Counts:
    """What a report says of its matrix: (C,) records called right, and called at all, a class."""

    support: np.ndarray
    right: np.ndarray
    called: np.ndarray

    @property
    def lost(self) -> np.ndarray:
        """(C,) records of a class that were called something else."""
        return self.support - self.right

    @property
    def false_calls(self) -> np.ndarray:
        """(C,) records of other classes that were called this one."""
        return self.called - self.right


def printed_reports() -> dict[int, Printed]:
    """Return the printed reports by figure."""
    table = pd.read_csv(REPORTS, dtype=str, keep_default_na=False)
    return {
        int(figure): Printed(int(figure), rows["model"].iloc[0], rows.set_index("row"))
        for figure, rows in table.groupby("figure", sort=False)
    }


def counts_fitting(report: Printed) -> list[Counts]:
    """Return all counts that give the printed precisions, recalls and accuracy.

    Every record is called once, so that the calls add up to the records. A recall that no count of
    the class's records gives is a misprint, and any is tried.
    """
    choices = [
        _of_class(report.rows.loc[code, "precision"], report.rows.loc[code, "recall"], int(n))
        for code, n in zip(CODES, report.support, strict=True)
    ]
    accuracy = report.rows.loc["accuracy", "f1"]
    found = []
    for chosen in _adding_up(choices, report.n):
        right, called = np.array(chosen).T
        if as_printed(right.sum() / report.n) == accuracy:
            found.append(Counts(report.support, right, called))
    return found


def as_printed(value: float | None) -> str:
    """Return three decimals; 0.000 for what is not defined, as scikit-learn prints it."""
    return f"{value or 0:.3f}"


def _of_class(precision: str, recall: str, n: int) -> list[tuple[int, int]]:
    """Return all (right, called) of a class of n records that give its printed figures."""
    rights = [r for r in range(n + 1) if as_printed(r / n) == recall] or range(n + 1)
    most = 20 * n
    fits = []
    for right in rights:
        for called in range(right, most + 1):
            if as_printed(right / called if called else None) == precision:
                fits.append((right, called))
    return fits


def _adding_up(choices: list[list[tuple[int, int]]], calls: int) -> Iterator[list[tuple[int, int]]]:
    """Yield one choice a class such that the calls add up."""
    if not choices:
        if calls == 0:
            yield []
        return
    least_after = sum(min(called for _, called in choice) for choice in choices[1:])
    for right, called in choices[0]:
        if called + least_after <= calls:
            for rest in _adding_up(choices[1:], calls - called):
                yield [(right, called), *rest]


def matrices_fitting(counts: Counts) -> Iterator[np.ndarray]:
    """Yield all (C, C) confusion matrices with these margins and diagonal, rows the label."""
    for errors in _errors(list(counts.lost), list(counts.false_calls), 0):
        yield np.diag(counts.right) + np.array(errors)


def _errors(lost: list[int], false_calls: list[int], row: int) -> Iterator[list[list[int]]]:
    """Yield rows of wrong calls, from ``row`` on, whose sums are as given."""
    if row == len(lost):
        if not any(false_calls):
            yield []
        return
    for called in _spread(lost[row], false_calls, row):
        left = [f - c for f, c in zip(false_calls, called, strict=True)]
        for rest in _errors(lost, left, row + 1):
            yield [called, *rest]


def _spread(errors: int, room: list[int], without: int) -> Iterator[list[int]]:
    """Yield all ways to spread a class's errors over the columns' room, not onto itself."""
    if not room:
        if errors == 0:
            yield []
        return
    most = 0 if without == 0 else min(errors, room[0])
    for here in range(most, -1, -1):
        for rest in _spread(errors - here, room[1:], without - 1):
            yield [here, *rest]


def reconstructed(report: Printed) -> pd.DataFrame:
    """Return predictions that give the printed report: a table as a run's, each record a patient.

    Its confusion matrix is the first of those that fit; accuracy and averages are the same for all.

    Raises
    ------
    NotFound
        No count fits the printed figures.
    """
    fits = counts_fitting(report)
    if not fits:
        raise NotFound(f"No confusion matrix gives the figures printed in Fig. {report.figure}.")
    [matrix] = islice(matrices_fitting(fits[0]), 1)
    truth, top = np.nonzero(matrix)
    times = matrix[truth, top]
    truth, top = np.repeat(truth, times), np.repeat(top, times)
    y = np.eye(len(CODES))[truth]
    p = np.full(y.shape, _UNSURE)
    p[np.arange(len(p)), top] = _SURE
    table = pd.DataFrame({"record": [f"r{i:03}" for i in range(len(y))], "part": "test"})
    labels = {f"y_{code}": y[:, i] for i, code in enumerate(CODES)}
    told = {f"p_{code}": p[:, i] for i, code in enumerate(CODES)}
    return table.assign(patient=table["record"], **labels, **told)


def not_following(report: Printed, evaluation: dict) -> list[dict]:
    """Return the printed figures that the reconstruction does not give: row, column, both figures.

    ``evaluation`` is :func:`ecgcore.evaluation.evaluate.evaluate`'s of the reconstruction.
    """
    computed = {code: evaluation["classes"][code] for code in CODES}
    computed |= {kind: evaluation["averages"][kind] for kind in AVERAGES}
    computed["accuracy"] = {"f1": evaluation["accuracy"]}
    cells = [
        {"row": row, "column": measure, "printed": report.rows.loc[row, measure], "value": value}
        for row, found in computed.items()
        for measure, value in ((m, found.get(m)) for m in MEASURES)
        if report.rows.loc[row, measure]
    ]
    if "test line" in report.rows.index:
        told = report.rows.loc["test line", "f1"]
        accuracy = {"row": "accuracy", "column": "test line", "printed": told}
        cells.append(accuracy | {"value": evaluation["accuracy"]})
    return [c for c in cells if f"{c['value'] or 0:.{len(c['printed']) - 2}f}" != c["printed"]]


def contradictions(report: Printed) -> list[dict]:
    """Return what the paper's prose says of a report's matrix and the report excludes.

    Where the prose lists the errors, it says that all other records are on the diagonal.

    Returns
    -------
    list of dict
        text (where it stands), of (``LVH right``, ``LVH lost``, ``wrongly called LVH``), said and
        table: how many records, by the prose and by the printed precision and recall.
    """
    [counts] = counts_fitting(report)
    claims = pd.read_csv(TEXTS, keep_default_na=False)
    claims = claims[claims["figure"] == report.figure]
    kinds = [("right", "class", "{} right", counts.right)]
    if (claims["claim"] == "error").any():
        kinds += [
            ("error", "class", "{} lost", counts.lost),
            ("error", "as", "wrongly called {}", counts.false_calls),
        ]
    found = []
    for kind, column, words, table in kinds:
        told = claims[claims["claim"] == kind]
        said = told.groupby(column)["count"].sum()
        for code, count in zip(CODES, table, strict=True):
            claimed = int(said.get(code, 0))
            if claimed != count and not told.empty:
                where = {"text": told["text"].iloc[0], "of": words.format(code)}
                found.append(where | {"said": claimed, "table": int(count)})
    return found


def mcnemar_over_pairings(right_a: int, right_b: int, n: int) -> list[dict]:
    """Return McNemar's exact test for every pairing of two printed accuracies on n records.

    Two totals do not say which records both have right; each number that is possible is tried.
    """
    rows = np.arange(n)
    return [
        mcnemar_exact(rows < right_a, (rows < both) | (rows >= n - (right_b - both)))
        for both in range(max(0, right_a + right_b - n), min(right_a, right_b) + 1)
    ]
