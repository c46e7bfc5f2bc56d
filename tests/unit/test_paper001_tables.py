"""Paper 001's printed reports: fitting counts, reconstructed predictions, misprints."""

import runpy
from pathlib import Path

import pytest
from statsmodels.stats.proportion import proportion_confint

from ecgcore.evaluation.evaluate import evaluate
from ecgcore.labels.classes import CODES
from ecgcore.studies.paper001_tables import (
    AVERAGES,
    MEASURES,
    contradictions,
    counts_fitting,
    inconsistent_figures,
    matrices_fitting,
    mcnemar_over_pairings,
    printed_reports,
    reconstruct_predictions,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def reports():
    return printed_reports()


@pytest.fixture(scope="module")
def evaluations(reports):
    return {
        figure: evaluate(
            reconstruct_predictions(report), CODES, "exclusive", resamples=20
        ).as_json()
        for figure, report in reports.items()
    }


def test_one_set_of_counts_fits_each_printed_report(reports):
    right = {1: 40, 2: 62, 7: 126, 8: 128}
    matrices = {1: 84, 2: 2, 7: 4, 8: 1}
    for figure, report in reports.items():
        [counts] = counts_fitting(report)
        assert counts.right.sum() == right[figure]
        assert counts.predicted.sum() == report.n == counts.support.sum()
        fitting = list(matrices_fitting(counts))
        assert len({m.tobytes() for m in fitting}) == len(fitting) == matrices[figure]
        for matrix in fitting:
            assert (matrix.diagonal() == counts.right).all()
            assert (matrix.sum(axis=0) == counts.predicted).all()
            assert (matrix.sum(axis=1) == counts.support).all()


def test_our_report_gives_the_papers_accuracy_macro_and_weighted_averages(reports, evaluations):
    """To the printed digits; Fig. 7's macro recall and F1 contradict its own weighted ones."""
    differ = []
    for figure, report in reports.items():
        ours = evaluations[figure]
        assert f"{ours['accuracy']:.3f}" == report.rows.loc["accuracy", "f1"]
        assert ours["n"] == report.n
        for kind in AVERAGES:
            for measure in MEASURES:
                printed = report.rows.loc[kind, measure]
                if f"{ours['averages'][kind][measure]:.3f}" != printed:
                    differ.append((figure, kind, measure, printed))
    assert differ == [(7, "macro", "recall", "0.965"), (7, "macro", "f1", "0.965")]


def test_misprints_are_found_with_the_values_that_fit(reports, evaluations):
    [of_7, of_8_figures] = (inconsistent_figures(reports[f], evaluations[f]) for f in (7, 8))
    assert not inconsistent_figures(reports[1], evaluations[1])
    assert not inconsistent_figures(reports[2], evaluations[2])
    normal = {c["column"]: c for c in of_7 if c["row"] == "NSR"}
    assert normal["recall"]["printed"] == "0.046"
    assert normal["recall"]["value"] == pytest.approx(11 / 13)
    assert normal["f1"]["printed"] == "0.017"
    assert f"{normal['f1']['value']:.3f}" == "0.917"
    f1 = {c["row"]: (c["printed"], c["value"]) for c in of_7 if c["column"] == "f1"}
    for code in ("STEMI", "STD"):
        assert f1[code] == ("0.968", pytest.approx(0.96))
    [line] = of_8_figures
    assert (line["printed"], f"{line['value']:.4f}") == ("0.9848", "0.9846")


def test_the_contradictions_between_prose_and_tables_are_computed(reports):
    def contradicted(figure):
        return {c["of"]: (c["prose"], c["table"]) for c in contradictions(reports[figure])}

    assert contradicted(1) == {"LVH right": (1, 2), "RVH right": (2, 0), "STD right": (3, 0)}
    assert contradicted(2)["wrongly called RVH"] == (1, 0)
    assert contradicted(7) == {
        "wrongly called STEMI": (1, 0),
        "wrongly called STD": (1, 0),
        "wrongly called ECT": (0, 2),
    }
    of_8 = contradicted(8)
    assert of_8["wrongly called RVH"] == (1, 0)
    assert of_8["wrongly called RBBB"] == (0, 1)
    assert of_8["STEMI lost"] == (2, 1)
    assert of_8["STD lost"] == (0, 1)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (40, 64, 0.495, 0.743),
        (62, 64, 0.892, 0.996),
        (126, 130, 0.923, 0.992),
        (128, 130, 0.946, 0.998),
    ],
)
def test_the_accuracies_intervals_are_clopper_and_pearsons(right, n, low, high, reports):
    assert proportion_confint(right, n, method="beta") == pytest.approx((low, high), abs=5e-4)
    assert f"| {right} of {n} | {right / n:.3f} | {low} to {high} |" in (
        (DOCS / "paper001.md").read_text("utf-8")
    )


def test_the_first_difference_is_significant_under_every_pairing_the_second_under_none():
    first, second = mcnemar_over_pairings(40, 62, 64), mcnemar_over_pairings(126, 128, 130)
    assert [(t["only_a_right"], t["only_b_right"]) for t in first] == [(2, 24), (1, 23), (0, 22)]
    assert [(t["only_a_right"], t["only_b_right"]) for t in second] == [(2, 4), (1, 3), (0, 2)]
    for test in first:
        assert test["both_right"] + test["only_a_right"] == 40
        assert test["n"] == 64
        assert test["p"] < 1e-4
    assert [t["p"] for t in second] == [0.6875, 0.625, 0.5]


def test_the_page_is_what_its_script_writes():
    page = runpy.run_path(str(DOCS.parent / "benchmarks" / "paper001.py"))["page"]()
    assert page == (DOCS / "paper001.md").read_text("utf-8")
