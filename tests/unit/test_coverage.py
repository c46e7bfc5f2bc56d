"""Coverage of the 95 % intervals: a light form of benchmarks/coverage.py, and its page."""

import runpy
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = 150


@pytest.fixture(scope="module")
def coverage():
    return runpy.run_path(str(ROOT / "benchmarks" / "coverage.py"))


def test_at_66_records_the_intervals_hold_the_truth_where_percentiles_do_not(coverage):
    good = replace(coverage["POPULATIONS"][1], resamples={66: 150})
    true = coverage["true_metrics"](good, 200_000)
    counts = coverage["run_batch"](good, 66, true, 0, EXPERIMENTS)

    def coverage_of(form, figure):
        return counts[form][figure][1] / EXPERIMENTS

    for figure in counts["ours"]:
        assert coverage_of("ours", figure) >= 0.92, figure
    assert coverage_of("percentile", "macro_auc, B") < 0.9
    assert coverage_of("percentile", "AUC of NSR, B − A") < 0.8


def test_the_simulated_coverage_reaches_the_promised_one(coverage):
    few, many = (coverage["coverages"](coverage["finished_batches"](), n) for n in (66, 2000))
    for (population, figure), share in few.items():
        assert share >= 0.92, (population, figure)
    for (population, figure), share in many.items():
        low, high = (0.90, 0.97) if figure.startswith("AUC of") else (0.93, 0.97)
        assert low <= share <= high, (population, figure)


def test_the_page_reports_the_simulated_batches(coverage):
    assert coverage["page"]() == (ROOT / "docs" / "coverage.md").read_text("utf-8")
    finished = {(b["population"], b["n"], b["batch"]) for b in coverage["finished_batches"]()}
    for population in coverage["POPULATIONS"]:
        for n in population.resamples:
            batches = range(coverage["EXPERIMENTS"] // coverage["BATCH"])
            assert {(population.name, n, b) for b in batches} <= finished
