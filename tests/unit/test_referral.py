"""Referral band: its coverage of new records like those it was fitted on, and the referred ones."""

from dataclasses import replace

import numpy as np
import pytest
from simulated import predictions

from ecgcore.calibration.calibration import probabilities
from ecgcore.calibration.referral import (
    cross_fitted_outcomes,
    fit_referral,
    nonconformity,
    referral_report,
    referred_records,
    uncertain_classes,
)
from ecgcore.calibration.scores import Scores
from ecgcore.calibration.thresholds import best_f1_thresholds
from ecgcore.labels.classes import CODES


def halves(mode, seed, n=600):
    """Return scores of n validation and n new records, labels drawn with the probabilities."""
    rng = np.random.default_rng(seed)
    table = predictions(n=2 * n, mode=mode)
    z = rng.normal(-4 if mode == "multilabel" else 0, 3, (2 * n, 10))
    p = probabilities(z, mode)
    if mode == "multilabel":
        y = (rng.random(p.shape) < p).astype(float)
    else:
        y = np.eye(10)[(rng.random((2 * n, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(0, 9)]
    for i, code in enumerate(CODES):
        table[f"y_{code}"], table[f"p_{code}"] = y[:, i], p[:, i]
    sides = table.iloc[:n], table.iloc[n:]
    thresholds = {}
    if mode == "multilabel":
        thresholds = best_f1_thresholds(Scores.from_predictions(sides[0], CODES, mode))
    return [Scores.from_predictions(side, CODES, mode, thresholds) for side in sides]


@pytest.mark.parametrize("mode", ["multilabel", "exclusive"])
@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_the_share_aimed_at_is_covered_among_new_records_like_the_fitted_ones(mode, alpha):
    reports = []
    for seed in range(12):
        validation, new = halves(mode, seed)
        reports.append(referral_report(new, fit_referral(validation, alpha)))
    covered = np.mean([r["covered"] for r in reports])
    assert covered == pytest.approx(1 - alpha, abs=0.02)  # 12 × 600 records: ± 0.015
    assert np.mean([r["right_answered"] for r in reports if r["answered"]]) > np.mean(
        [r["right"] for r in reports]
    )


def test_covered_means_that_no_certain_class_is_wrong():
    validation, new = halves("multilabel", 3)
    band = fit_referral(validation, 0.2)
    doubt = uncertain_classes(new.p, new.classes, band)
    wrong = (new.predicted != new.positive) & new.known & ~doubt
    assert referral_report(new, band)["covered"] == pytest.approx(1 - wrong.any(axis=1).mean())
    assert (referred_records(new.p, new.classes, band) == doubt.any(axis=1)).all()
    for i, code in enumerate(CODES):
        low, high = band["bands"][code]
        assert low <= validation.thresholds[i] <= high
        assert doubt[:, i].tolist() == ((new.p[:, i] >= low) & (new.p[:, i] <= high)).tolist()


def test_with_one_class_a_record_the_classes_left_hold_the_truth_as_often_as_reported():
    validation, new = halves("exclusive", 4)
    band = fit_referral(validation, 0.1)
    possible = new.p >= 1 - band["cut"]
    held = possible[np.arange(len(new)), new.truth].mean()
    report = referral_report(new, band)
    assert report["covered"] == pytest.approx(held)
    assert report["answered"] == pytest.approx((possible.sum(axis=1) == 1).mean())
    assert band["bands"] is None


def test_the_curve_gains_accuracy_where_fewer_are_answered():
    validation, new = halves("multilabel", 5)
    curve = referral_report(new, fit_referral(validation))["curve"]
    shares = [point["answered"] for point in curve]
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    some = [p["right_answered"] for p in curve if p["answered"] > 0.05]
    assert some[-1] > some[0] + 0.05


def test_a_network_that_is_right_often_enough_refers_nothing():
    table = predictions(n=200, unknown=0)
    for code in CODES:
        table[f"p_{code}"] = 0.1 + 0.8 * table[f"y_{code}"]
    scores = Scores.from_predictions(table, CODES, "multilabel")
    band = fit_referral(scores, 0.1)
    assert (band["cut"], band["bands"]) == (0, {})
    assert not referred_records(scores.p, CODES, band).any()


def test_too_few_validation_records_give_no_band():
    scores = Scores.from_predictions(predictions(n=8), CODES, "multilabel")
    assert fit_referral(scores, 0.1) is None
    assert fit_referral(scores, 0.2) is not None


def test_the_worst_mistake_counts_and_unknown_classes_do_not():
    table = predictions(n=3, unknown=0)
    for code in CODES:
        table[f"y_{code}"], table[f"p_{code}"] = 0.0, 0.01
    table.loc[0, ["y_LVH", "p_LVH"]] = [1, 0.3]
    table.loc[0, "p_ECT"] = 0.6
    table.loc[1, ["y_STD", "p_STD"]] = [np.nan, 0.99]
    scores = Scores.from_predictions(table, CODES, "multilabel")
    np.testing.assert_allclose(nonconformity(scores), [0.7, 0, 0])


def few_positives(n=2000, positives=30):
    """Return scores of a rare class: thresholds of best F1 flatter the records that chose them."""
    rng = np.random.default_rng(11)
    table = predictions(n=n, unknown=0)
    for code in CODES:
        table[f"y_{code}"] = (np.arange(n) % (n // positives) == 0).astype(float)
        table[f"p_{code}"] = (0.2 * table[f"y_{code}"] + 0.6 * rng.random(n)).clip(0, 1)
    scores = Scores.from_predictions(table, CODES, "multilabel")
    return replace(scores, thresholds=np.array([*best_f1_thresholds(scores).values()]))


def test_mistakes_are_counted_at_thresholds_that_other_patients_chose():
    scores, alpha = few_positives(), 0.02
    rank = int(np.ceil((1 - alpha) * (len(scores) + 1)))
    band = fit_referral(scores, alpha)
    assert band["cut"] > np.sort(nonconformity(scores))[rank - 1]
    covered = cross_fitted_outcomes(scores, alpha).covered
    assert covered.mean() < (nonconformity(scores) <= band["cut"]).mean()


def test_only_counted_records_fit_the_band():
    scores, new = halves("multilabel", 6)
    hard = np.arange(len(scores)) % 3 == 0
    noisy = replace(scores, y=np.where(hard[:, None], 1 - scores.y, scores.y))
    bands = [fit_referral(noisy, 0.2, counted=rows) for rows in (hard, ~hard)]
    assert [band["n"] for band in bands] == [200, 400]
    assert bands[0]["cut"] > bands[1]["cut"]
    assert referral_report(new, bands[0])["covered"] > referral_report(new, bands[1])["covered"]


def test_too_few_patients_to_fit_a_band_without_a_record_refer_it():
    scores = Scores.from_predictions(predictions(n=4), CODES, "multilabel")
    found = cross_fitted_outcomes(scores, alpha=0.2)
    assert not found.answered.any()
    assert found.covered.all()
