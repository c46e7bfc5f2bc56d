"""Do our 95 % intervals hold the truth? A light form of benchmarks/coverage.py, and its page."""

import runpy
from dataclasses import replace
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXPERIMENTS = 150


@pytest.fixture(scope="module")
def coverage():
    return runpy.run_path(str(DOCS / "coverage.py"))


def test_at_66_records_the_intervals_hold_the_truth_where_percentiles_do_not(coverage):
    good = replace(coverage["POPULATIONS"][1], resamples={66: 150})
    true = coverage["truth"](good, 200_000)
    counts = coverage["batch"](good, 66, true, 0, EXPERIMENTS)

    def held(form, figure):
        return counts[form][figure][1] / EXPERIMENTS

    for figure in counts["ours"]:
        assert held("ours", figure) >= 0.92, figure
    assert held("percentile", "macro_auc, B") < 0.9
    assert held("percentile", "AUC of NSR, B − A") < 0.8


def test_what_was_simulated_reaches_what_is_promised(coverage):
    few, many = (coverage["coverages"](coverage["kept"](), n) for n in (66, 2000))
    for (population, figure), share in few.items():
        assert share >= 0.92, (population, figure)
    for (population, figure), share in many.items():
        low, high = (0.90, 0.97) if figure.startswith("AUC of") else (0.93, 0.97)
        assert low <= share <= high, (population, figure)


def test_the_page_says_what_was_simulated(coverage):
    assert coverage["page"]() == (DOCS / "coverage.md").read_text("utf-8")
    done = {(k["population"], k["n"], k["batch"]) for k in coverage["kept"]()}
    for population in coverage["POPULATIONS"]:
        for n in population.resamples:
            batches = range(coverage["EXPERIMENTS"] // coverage["BATCH"])
            assert {(population.name, n, b) for b in batches} <= done
