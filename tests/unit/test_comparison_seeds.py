"""Several seeds a side: intervals over patients, over seeds and over both."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from simulated import predictions

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.compare import compare_scores
from ecgcore.comparison.seeds import _difference, difference_over_seeds, metrics_over_seeds
from ecgcore.errors import RequestError
from ecgcore.evaluation.bootstrap import Basis
from ecgcore.evaluation.evaluate import evaluate_scores
from ecgcore.evaluation.text import METRIC_LABELS
from ecgcore.labels.classes import CODES


def a_group(seeds, skill=2.0, n=300, unlike=0.0):
    """Return one Scores a seed; ``unlike`` lets their skill differ."""
    return [
        Scores.from_predictions(
            predictions(n=n, seed=seed, skill=skill + unlike * (-1) ** seed), CODES, "multilabel"
        )
        for seed in seeds
    ]


def width(interval):
    return interval["high"] - interval["low"]


def test_one_seed_gives_the_interval_over_patients_that_an_evaluation_gives():
    [one] = a_group([1])
    metrics, alone = metrics_over_seeds([one], 200), evaluate_scores(one, 200).as_json()
    assert metrics["macro_auc"]["patients"]["low"] == pytest.approx(alone["macro_auc"]["low"])
    assert metrics["accuracy"]["mean"] == pytest.approx(alone["accuracy"])
    assert metrics["macro_f1"]["seeds"]["low"] is None  # one seed says nothing of others


def test_the_interval_over_seeds_is_students():
    group = a_group(range(5), unlike=0.3)
    metrics = metrics_over_seeds(group, 50)["macro_auc"]
    expected = ttest_1samp(metrics["values"], 0).confidence_interval(0.95)
    assert (metrics["seeds"]["low"], metrics["seeds"]["high"]) == pytest.approx(tuple(expected))
    assert metrics["seeds"]["unit"] == "seeds"


def test_each_variation_widens_its_own_interval_and_the_one_of_both():
    alike, unlike = (metrics_over_seeds(a_group(range(4), unlike=u), 400) for u in (0.0, 0.8))
    for metric in METRIC_LABELS:
        assert width(unlike[metric]["seeds"]) > width(alike[metric]["seeds"])
        assert width(unlike[metric]["both"]) > width(unlike[metric]["patients"])
        assert unlike[metric]["both"]["unit"] == "seeds and patients"
    few = metrics_over_seeds(a_group(range(4), n=80), 400)["macro_auc"]
    assert width(few["patients"]) > width(alike["macro_auc"]["patients"])


@pytest.mark.parametrize(("seeds", "of_seeds"), [(3, 0.02), (5, 0.02), (3, 0.002)])
def test_the_interval_of_both_holds_the_truth_as_often_as_it_says(seeds, of_seeds):
    """Values are the truth plus the deviations of each seed and of the patients drawn."""
    rng, held, tries, of_patients = np.random.default_rng(1), 0, 800, 0.01
    for _ in range(tries):
        values = 0.1 + of_seeds * rng.normal(size=seeds) + of_patients * rng.normal()
        drawn = values[:, None] + of_patients * rng.normal(size=200)
        sides = np.zeros_like(values), values
        metrics = _difference(sides, (np.zeros_like(drawn), drawn), Basis(10_000, 1_000))["both"]
        held += metrics["low"] <= 0.1 <= metrics["high"]
    assert 0.93 < held / tries <= 1


def test_one_pair_of_seeds_is_the_comparison_of_two_runs():
    [a], [b] = a_group([1]), a_group([2], skill=2.5)
    metrics = difference_over_seeds([a], [b], 200)
    alone = compare_scores(a, b, 200).as_json()["differences"]
    for metric in METRIC_LABELS:
        assert metrics[metric]["patients"]["value"] == pytest.approx(alone[metric]["value"])
        assert metrics[metric]["patients"]["high"] == pytest.approx(alone[metric]["high"])


def test_seeds_may_hold_different_records_of_the_same_patients():
    whole = a_group([1, 2])
    parts = [one.take(np.arange(start, start + 150)) for start, one in enumerate(whole)]
    metrics = metrics_over_seeds(parts, 200)
    assert metrics["accuracy"]["patients"]["low"] < metrics["accuracy"]["mean"]


def test_sides_of_different_numbers_of_seeds_are_refused():
    with pytest.raises(RequestError, match="2 seeds against 1: pairs of the same seed"):
        difference_over_seeds(a_group([1, 2]), a_group([3]))
