"""Paired tests: exact McNemar for decisions, DeLong for areas under the ROC curve.

Both assume independent records. Where patients repeat, they use one record per patient (the first
by record id); the clustered forms (Durkalski 2003, Obuchowski 1997) are not implemented.
"""

from collections.abc import Iterable

import numpy as np
from scipy.stats import norm, rankdata
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from ecgcore.calibration.scores import Scores

MIN_FOR_DELONG = 5  # positives, negatives: below, the normal approximation does not hold


def first_record_per_patient(scores: Scores, rows: np.ndarray) -> np.ndarray:
    """Return the indices of the first record, by record id, of each patient among ``rows``.

    ``rows`` (N,) bool.
    """
    indices = np.flatnonzero(rows)
    indices = indices[np.argsort(scores.record[indices], kind="stable")]
    _, first = np.unique(scores.patient[indices], return_index=True)
    return indices[np.sort(first)]


def form_in_words(test: str, used: int, available: int) -> str:
    """Return a test's form: ``exact, one record a patient``, and which one if patients repeat."""
    if used == available:
        return f"{test}, one record a patient"
    return f"{test}, one record a patient: the first of each of {used:,} patients, of {available:,}"


def mcnemar_exact(right_a: np.ndarray, right_b: np.ndarray) -> dict:
    """Return McNemar's exact test of two (n,) bool arrays, with its four counts.

    McNemar 1947; two-sided binomial on the pairs in which only one of both is right.
    """
    table = [
        [int((right_a & right_b).sum()), int((right_a & ~right_b).sum())],
        [int((~right_a & right_b).sum()), int((~right_a & ~right_b).sum())],
    ]
    return {
        "n": len(right_a),
        "both_right": table[0][0],
        "only_a_right": table[0][1],
        "only_b_right": table[1][0],
        "both_wrong": table[1][1],
        "p": float(mcnemar(table, exact=True).pvalue) if len(right_a) else None,
    }


def mcnemar_top_class(a: Scores, b: Scores) -> dict:
    """Test whether one run's top class is right more often, on records with one stated class."""
    rows = first_record_per_patient(a, a.single_label)
    test = mcnemar_exact((a.top == a.truth)[rows], (b.top == b.truth)[rows])
    return test | {"form": form_in_words("exact", len(rows), int(a.single_label.sum()))}


def mcnemar_per_class(a: Scores, b: Scores) -> dict[str, dict]:
    """Test each class's predictions at the runs' own thresholds, with Holm's correction."""
    tests = {}
    for i, code in enumerate(a.classes):
        rows = first_record_per_patient(a, a.known[:, i])
        y = a.positive[rows, i]
        if y.any():
            test = mcnemar_exact(a.predicted[rows, i] == y, b.predicted[rows, i] == y)
            form = form_in_words("exact", len(rows), int(a.known[:, i].sum()))
            tests[code] = test | {"form": form}
    add_holm(tests.values())
    return tests


def delong_per_class(a: Scores, b: Scores) -> dict[str, dict]:
    """Test each class's difference of AUC; ``p`` is None with ``why`` where that is not possible.

    Returns
    -------
    dict
        class code → auc_a, auc_b, p, p_holm (Holm 1979, over the classes that have a p), form, why.
    """
    tests = {}
    for i, code in enumerate(a.classes):
        rows = first_record_per_patient(a, a.known[:, i])
        known = int(a.known[:, i].sum())
        tests[code] = _delong(a.positive[rows, i], a.p[rows, i], b.p[rows, i], len(rows) < known)
        tests[code]["form"] = form_in_words("DeLong", len(rows), known)
    add_holm(tests.values())
    return tests


def delong(y: np.ndarray, p_a: np.ndarray, p_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both AUCs (2,) and their covariance (2, 2).

    DeLong et al. 1988 (doi:10.2307/2531595), by midranks as in Sun & Xu 2014
    (doi:10.1109/LSP.2014.2337313). ``y`` (n,) bool; ``p_a``, ``p_b`` (n,).
    """
    n_positive, n_negative = int(y.sum()), int((~y).sum())
    both = np.stack([p_a, p_b])  # (2, n)
    ranks = rankdata(both, axis=1)
    among_positives = rankdata(both[:, y], axis=1)
    among_negatives = rankdata(both[:, ~y], axis=1)
    over_negatives = (ranks[:, y] - among_positives) / n_negative  # (2, n_positive)
    under_positives = 1 - (ranks[:, ~y] - among_negatives) / n_positive  # (2, n_negative)
    covariance = np.cov(over_negatives) / n_positive + np.cov(under_positives) / n_negative
    return over_negatives.mean(axis=1), covariance


def _delong(y: np.ndarray, p_a: np.ndarray, p_b: np.ndarray, patients_repeat: bool) -> dict:
    """Return the test of one class, or why there is none."""
    test: dict = {"auc_a": None, "auc_b": None, "p": None, "p_holm": None, "why": None}
    for count, kind in ((int(y.sum()), "positives"), (int((~y).sum()), "negatives")):
        if count < MIN_FOR_DELONG:
            where = " in one record a patient" if patients_repeat else ""
            return test | {"why": f"n/a ({count} {kind}{where}; {MIN_FOR_DELONG} are needed)"}
    (auc_a, auc_b), covariance = delong(y, p_a, p_b)
    test |= {"auc_a": float(auc_a), "auc_b": float(auc_b)}
    if auc_a == 1 or auc_b == 1:
        return test | {"why": "n/a (an AUC is 1, which leaves no variance to estimate)"}
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if np.array_equal(rankdata(p_a), rankdata(p_b)) or variance <= 0:
        return test | {"why": "n/a (both runs rank the records alike)"}
    return test | {"p": float(2 * norm.sf(abs(auc_b - auc_a) / np.sqrt(variance)))}


def add_holm(tests: Iterable[dict]) -> None:
    """Add p_holm to tests (Holm 1979), over those that have a p; None to the others."""
    tests = list(tests)
    for test in tests:
        test["p_holm"] = None
    tested = [test for test in tests if test["p"] is not None]
    if tested:
        adjusted = multipletests([test["p"] for test in tested], method="holm")[1]
        for test, p in zip(tested, adjusted, strict=True):
            test["p_holm"] = float(p)
