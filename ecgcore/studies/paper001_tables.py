"""Reconstruction of paper 001's printed reports: fitting counts, misprints and contradictions.

``paper001.csv`` holds what "Improved Accuracy for ECG Arrhythmia Classification using AlexNet-M-SE
with Dropout and BatchNorm" (Pidugu & Devarakonda Venkata) prints in its figures 1, 2, 7 and 8,
digit by digit; ``paper001_texts.csv`` the statements of its prose on the matrices shown as images.
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
_TOP, _OTHER = 0.91, 0.01  # probabilities of a reconstructed record's class and of the others


@dataclass(frozen=True)
class PrintedReport:
    """One printed classification report.

    Attributes
    ----------
    figure
        Its number in the paper.
    rows
        Index: class codes, ``accuracy``, ``macro``, ``weighted`` and, where printed, ``test line``;
        columns precision, recall, f1, support: the digits as text, "" if not printed.
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
    """Margins of a report's matrix: (C,) correct and predicted records of each class."""

    support: np.ndarray
    right: np.ndarray
    predicted: np.ndarray

    @property
    def missed(self) -> np.ndarray:
        """(C,) records of a class that were predicted as another."""
        return self.support - self.right

    @property
    def false_positives(self) -> np.ndarray:
        """(C,) records of other classes that were predicted as this one."""
        return self.predicted - self.right


def printed_reports() -> dict[int, PrintedReport]:
    """Return the printed reports by figure."""
    table = pd.read_csv(REPORTS, dtype=str, keep_default_na=False)
    return {
        int(figure): PrintedReport(int(figure), rows["model"].iloc[0], rows.set_index("row"))
        for figure, rows in table.groupby("figure", sort=False)
    }


def counts_fitting(report: PrintedReport) -> list[Counts]:
    """Return all counts that give the printed precisions, recalls and accuracy.

    Every record is predicted once, so that the predictions add up to the records. A recall that no
    count of the class's records gives is a misprint, and every count is tried.
    """
    choices = [
        _of_class(report.rows.loc[code, "precision"], report.rows.loc[code, "recall"], int(n))
        for code, n in zip(CODES, report.support, strict=True)
    ]
    accuracy = report.rows.loc["accuracy", "f1"]
    fitting = []
    for choice in _adding_up(choices, report.n):
        right, predicted = np.array(choice).T
        if as_printed(right.sum() / report.n) == accuracy:
            fitting.append(Counts(report.support, right, predicted))
    return fitting


def as_printed(value: float | None) -> str:
    """Return three decimals; 0.000 for an undefined value, as scikit-learn prints it."""
    return f"{value or 0:.3f}"


def _of_class(precision: str, recall: str, n: int) -> list[tuple[int, int]]:
    """Return all (right, predicted) of a class of n records that give its printed figures."""
    rights = [r for r in range(n + 1) if as_printed(r / n) == recall] or range(n + 1)
    most = 20 * n
    fits = []
    for right in rights:
        for predicted in range(right, most + 1):
            if as_printed(right / predicted if predicted else None) == precision:
                fits.append((right, predicted))
    return fits


def _adding_up(
    choices: list[list[tuple[int, int]]], n_predicted: int
) -> Iterator[list[tuple[int, int]]]:
    """Yield one choice for each class such that the predictions add up."""
    if not choices:
        if n_predicted == 0:
            yield []
        return
    least_after = sum(min(predicted for _, predicted in choice) for choice in choices[1:])
    for right, predicted in choices[0]:
        if predicted + least_after <= n_predicted:
            for others in _adding_up(choices[1:], n_predicted - predicted):
                yield [(right, predicted), *others]


def matrices_fitting(counts: Counts) -> Iterator[np.ndarray]:
    """Yield all (C, C) confusion matrices with these margins and diagonal, rows the label."""
    for errors in _errors(list(counts.missed), list(counts.false_positives), 0):
        yield np.diag(counts.right) + np.array(errors)


def _errors(missed: list[int], false_positives: list[int], row: int) -> Iterator[list[list[int]]]:
    """Yield the rows of errors, from ``row`` on, with the given row and column sums."""
    if row == len(missed):
        if not any(false_positives):
            yield []
        return
    for errors in _spread(missed[row], false_positives, row):
        remaining = [f - e for f, e in zip(false_positives, errors, strict=True)]
        for rows_below in _errors(missed, remaining, row + 1):
            yield [errors, *rows_below]


def _spread(errors: int, room: list[int], without: int) -> Iterator[list[int]]:
    """Yield all ways to spread a class's errors over the columns' room, except onto itself."""
    if not room:
        if errors == 0:
            yield []
        return
    most = 0 if without == 0 else min(errors, room[0])
    for n in range(most, -1, -1):
        for others in _spread(errors - n, room[1:], without - 1):
            yield [n, *others]


def reconstruct_predictions(report: PrintedReport) -> pd.DataFrame:
    """Return predictions that give the printed report, as a run's table; each record is a patient.

    Its confusion matrix is the first of those that fit; all give the same accuracy and averages.

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
    p = np.full(y.shape, _OTHER)
    p[np.arange(len(p)), top] = _TOP
    table = pd.DataFrame({"record": [f"r{i:03}" for i in range(len(y))], "part": "test"})
    labels = {f"y_{code}": y[:, i] for i, code in enumerate(CODES)}
    probabilities = {f"p_{code}": p[:, i] for i, code in enumerate(CODES)}
    return table.assign(patient=table["record"], **labels, **probabilities)


def inconsistent_figures(report: PrintedReport, evaluation: dict) -> list[dict]:
    """Return the printed figures that the reconstruction does not give: row, column, both values.

    ``evaluation`` is :func:`ecgcore.evaluation.evaluate.evaluate`'s of the reconstruction.
    """
    computed = {code: evaluation["classes"][code] for code in CODES}
    computed |= {kind: evaluation["averages"][kind] for kind in AVERAGES}
    computed["accuracy"] = {"f1": evaluation["accuracy"]}
    figures = [
        {"row": row, "column": measure, "printed": report.rows.loc[row, measure], "value": value}
        for row, values in computed.items()
        for measure, value in ((m, values.get(m)) for m in MEASURES)
        if report.rows.loc[row, measure]
    ]
    if "test line" in report.rows.index:
        printed = report.rows.loc["test line", "f1"]
        accuracy = {"row": "accuracy", "column": "test line", "printed": printed}
        figures.append(accuracy | {"value": evaluation["accuracy"]})
    return [c for c in figures if f"{c['value'] or 0:.{len(c['printed']) - 2}f}" != c["printed"]]


def contradictions(report: PrintedReport) -> list[dict]:
    """Return the statements of the paper's prose that a report's matrix contradicts.

    Where the prose lists the errors, it implies that all other records are on the diagonal.

    Returns
    -------
    list of dict
        text (its place in the paper), of (``LVH right``, ``LVH lost``, ``wrongly called LVH``), and
        the number of records by the prose and by the printed precision and recall (table).
    """
    [counts] = counts_fitting(report)
    claims = pd.read_csv(TEXTS, keep_default_na=False)
    claims = claims[claims["figure"] == report.figure]
    kinds = [("right", "class", "{} right", counts.right)]
    if (claims["claim"] == "error").any():
        kinds += [
            ("error", "class", "{} lost", counts.missed),
            ("error", "as", "wrongly called {}", counts.false_positives),
        ]
    contradicted = []
    for kind, column, words, table in kinds:
        of_kind = claims[claims["claim"] == kind]
        claimed = of_kind.groupby(column)["count"].sum()
        for code, count in zip(CODES, table, strict=True):
            n_claimed = int(claimed.get(code, 0))
            if n_claimed != count and not of_kind.empty:
                claim = {"text": of_kind["text"].iloc[0], "of": words.format(code)}
                contradicted.append(claim | {"prose": n_claimed, "table": int(count)})
    return contradicted


def mcnemar_over_pairings(right_a: int, right_b: int, n: int) -> list[dict]:
    """Return McNemar's exact test for every pairing of two printed accuracies on n records.

    Two totals do not determine how many records both have right; every possible number is tried.
    """
    rows = np.arange(n)
    return [
        mcnemar_exact(rows < right_a, (rows < both) | (rows >= n - (right_b - both)))
        for both in range(max(0, right_a + right_b - n), min(right_a, right_b) + 1)
    ]
