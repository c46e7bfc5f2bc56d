"""Bootstrap over patients: weights, weighted AUC and intervals."""

import numpy as np
import pytest
from simulated import predictions
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from ecgcore.calibration.scores import Scores
from ecgcore.evaluation.bootstrap import (
    Basis,
    difference_interval,
    interval,
    mean_over_classes,
    patient_draws,
    resample,
    weighted_auc,
)
from ecgcore.evaluation.evaluate import evaluate
from ecgcore.evaluation.text import with_interval
from ecgcore.labels.classes import CODES


def read_scores(table, mode="multilabel"):
    return Scores.from_predictions(table, CODES, mode)


def test_the_weighted_auc_equals_scikit_learns_ties_included():
    rng = np.random.default_rng(1)
    y = rng.random(200) < 0.2
    p = np.round(rng.random(200) + 0.3 * y, 1)
    weights = rng.integers(0, 4, size=(20, 200)).astype(float)
    expected = [roc_auc_score(y, p, sample_weight=w) for w in weights]
    np.testing.assert_allclose(weighted_auc(y, p, weights), expected, atol=1e-12)


def test_the_weighted_auc_is_nan_where_a_class_vanishes():
    y, p = np.array([True, False, False]), np.array([0.9, 0.1, 0.2])
    weights = np.array([[0.0, 1, 1], [1, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(weighted_auc(y, p, weights), [np.nan, np.nan, 1.0])


def test_all_records_of_a_patient_are_drawn_together():
    patient = np.array([0, 0, 1, 2, 2, 2])
    (draws,) = patient_draws(3, 500, 3, len(patient))
    weights = draws[:, patient]
    assert weights.shape == (500, 6)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    np.testing.assert_array_equal(weights[:, 3], weights[:, 5])
    np.testing.assert_array_equal(weights[:, [0, 2, 3]].sum(axis=1), 3)
    assert weights[:, 2].mean() == pytest.approx(1, abs=0.15)


def test_drawing_in_pieces_gives_every_resample(monkeypatch):
    monkeypatch.setattr("ecgcore.evaluation.bootstrap._MAX_CELLS", 100)
    pieces = list(patient_draws(30, 10, 0, 30))
    assert [len(p) for p in pieces] == [3, 3, 3, 1]
    resampled = resample([read_scores(predictions(n=30))], resamples=10)[0]
    assert resampled.auc.shape == (10, 10)


@pytest.mark.parametrize("mode", ["multilabel", "exclusive"])
def test_each_resample_is_what_scikit_learn_gives_with_its_weights(mode):
    scores = read_scores(predictions(n=120, mode=mode), mode)
    resampled = resample([scores], resamples=5, seed=7)[0]
    _, patient = np.unique(scores.patient, return_inverse=True)
    (of_patients,) = patient_draws(scores.n_patients, 5, 7, len(scores))
    weights = of_patients[:, patient]
    for r, w in enumerate(weights):
        single = scores.single_label
        assert resampled.accuracy[r] == pytest.approx(
            accuracy_score(scores.truth[single], scores.top[single], sample_weight=w[single])
        )
        for i in range(10):
            known = scores.known[:, i]
            y = scores.positive[known, i]
            if not w[known][y].any():
                assert np.isnan(resampled.f1[r, i])
                continue
            assert resampled.f1[r, i] == pytest.approx(
                f1_score(y, scores.predicted[known, i], sample_weight=w[known], zero_division=0)
            )
            assert resampled.auc[r, i] == pytest.approx(
                roc_auc_score(y, scores.p[known, i], sample_weight=w[known])
            )


def test_intervals_hold_the_value_and_the_same_seed_gives_them_twice():
    table = predictions(n=200)
    first = evaluate(table, CODES, "multilabel").as_json()
    again = evaluate(table, CODES, "multilabel").as_json()
    assert first == again
    for metric in (first["macro_auc"], first["intervals"]["accuracy"]):
        assert metric["low"] < metric["value"] < metric["high"]
        assert (metric["level"], metric["unit"]) == (0.95, "patients")


def test_repeated_patients_widen_the_interval():
    """400 records that are 100 patients' copies tell as much as 100 records, not as 400."""
    once = predictions(n=100, mode="exclusive", records_a_patient=(1, 1))
    copies = [once.assign(record=once["record"] + f"-{k}") for k in range(4)]
    four = once.iloc[:0].__class__({c: np.concatenate([t[c] for t in copies]) for c in once})
    alone = evaluate(once, CODES, "exclusive").as_json()["intervals"]["accuracy"]
    together = evaluate(four, CODES, "exclusive").as_json()["intervals"]["accuracy"]
    assert together["value"] == alone["value"]
    ends = [[metric[end] for end in ("low", "high")] for metric in (together, alone)]
    assert ends[0] == pytest.approx(ends[1], abs=0.01)  # but for the one record
    four["patient"] = four["record"]
    apart = evaluate(four, CODES, "exclusive").as_json()["intervals"]["accuracy"]
    width = alone["high"] - alone["low"]
    assert apart["high"] - apart["low"] == pytest.approx(width / 2, rel=0.25)


def test_a_class_absent_from_a_resample_leaves_the_macro_mean_with_a_note():
    table = predictions(n=60, mode="exclusive", records_a_patient=(1, 1))
    rvh = table.index[table["y_RVH"] == 1]
    table = table.drop(index=rvh[1:])
    e = evaluate(table, CODES, "exclusive").as_json()
    (absent,) = (note for note in e["notes"] if note.startswith("In "))
    times = int(absent.split()[1].replace(",", ""))
    assert 368 <= times <= 1000  # a single patient is missing in 37 % of resamples
    assert absent == (
        f"In {times:,} of 1,000 resamples at least one class had no positive; "
        "macro averages there are over the other classes."
    )
    np.testing.assert_array_equal(
        mean_over_classes(np.array([[1.0, np.nan], [0.5, 1.0], [np.nan, np.nan]])),
        [1.0, 0.75, np.nan],
    )


@pytest.mark.parametrize(("value", "end"), [(1.0, "high"), (0.0, "low")])
def test_a_share_without_an_error_still_has_an_interval(value, end):
    span = interval(value, np.full(100, value), Basis(64, 64))
    assert span[end] == value
    exact = proportion_confint(64 * value, 64, method="beta")
    assert (span["low"], span["high"]) == pytest.approx(exact, abs=0.025)


def test_the_interval_of_a_share_is_near_wilsons_where_records_are_independent():
    rng = np.random.default_rng(0)
    for right in (20, 40, 58):
        draws = rng.binomial(64, right / 64, 4000) / 64
        span = interval(right / 64, draws, Basis(64, 64))
        wilson = proportion_confint(right, 64, method="wilson")
        assert (span["low"], span["high"]) == pytest.approx(wilson, abs=0.02)


def test_fewer_patients_give_a_wider_interval():
    draws = np.random.default_rng(0).normal(0.8, 0.05, 500)
    many, few = (interval(0.8, draws, Basis(64, n)) for n in (64, 5))
    assert few["high"] - few["low"] > 1.2 * (many["high"] - many["low"])


def test_the_interval_of_a_difference_excludes_the_variation_that_both_sides_share():
    rng = np.random.default_rng(0)
    common = rng.normal(0, 0.04, 4000)
    own = rng.normal(0, 0.03, (2, 4000))
    a, b = 0.7 + common + own[0], 0.75 + common + own[1]
    basis, values = Basis(500, 500), (a.mean(), b.mean())
    paired = difference_interval(*values, a, b, basis)
    assert paired["value"] == pytest.approx(b.mean() - a.mean())
    assert paired["high"] - paired["low"] == pytest.approx(2 * 1.96 * 0.03 * np.sqrt(2), rel=0.05)
    apart = difference_interval(*values, a, rng.permutation(b), basis)
    assert apart["high"] - apart["low"] == pytest.approx(2 * 1.96 * 0.05 * np.sqrt(2), rel=0.05)
    assert difference_interval(None, b.mean(), a, b, basis)["low"] is None


def test_two_models_without_an_error_are_not_shown_to_be_alike():
    perfect = np.ones(200)
    span = difference_interval(1.0, 1.0, perfect, perfect, Basis(66, 66))
    assert span["value"] == 0
    assert 0.01 < span["high"] == -span["low"] < 0.05
    alike = difference_interval(1.0, 1.0, perfect, perfect)
    assert (alike["low"], alike["high"]) == (0, 0)
    assert alike["note"].endswith("a width of zero is not certainty")


def test_an_interval_without_width_says_that_this_is_not_certainty():
    span = interval(1.0, np.ones(100))
    assert (span["low"], span["high"]) == (1.0, 1.0)
    assert span["note"] == ("every resample gives the same value; a width of zero is not certainty")
    assert with_interval(span) == "1.000 (no interval: all resamples alike)"
    nothing = interval(None, np.full(10, np.nan))
    assert nothing["low"] is None
    assert with_interval(nothing) == "n/a"
