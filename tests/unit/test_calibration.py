"""Temperature, thresholds and calibration error: against independent computations."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from simulated import predictions
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, f1_score, log_loss
from torch import nn, optim, tensor

from ecgcore.calibration.calibration import (
    PART_OF,
    calibration_metrics,
    expected_calibration_error,
    fit_temperature,
    probabilities,
    reliability_bins,
    with_probabilities,
)
from ecgcore.calibration.cross_fitting import cross_fitted_calls
from ecgcore.calibration.scores import Scores
from ecgcore.calibration.thresholds import ThresholdRule, choose_thresholds, stored_rule
from ecgcore.errors import RequestError
from ecgcore.evaluation.fit_calibration import calibrate_run, fit_calibration
from ecgcore.labels.classes import CODES
from ecgcore.runs.run import Run, shipped_models


def columns(table, letter):
    return table[[f"{letter}_{c}" for c in CODES]].to_numpy(float)


def validation(**how):
    return predictions(**how).assign(part="validation")


@pytest.mark.parametrize("mode", ["multilabel", "exclusive"])
def test_the_temperature_is_the_one_that_gradient_descent_finds(mode):
    table = validation(n=400, mode=mode)
    z, y = columns(table, "z"), columns(table, "y")
    known = ~np.isnan(y)
    log_t = nn.Parameter(tensor(0.0).double())
    optimizer = optim.LBFGS([log_t], max_iter=100)

    def closure():
        optimizer.zero_grad()
        scaled = tensor(z) / log_t.exp()
        if mode == "multilabel":
            mask = tensor(known)
            loss = nn.functional.binary_cross_entropy_with_logits(scaled[mask], tensor(y)[mask])
        else:
            loss = nn.functional.cross_entropy(scaled, tensor(y.argmax(axis=1)))
        loss.backward()
        return loss

    optimizer.step(closure)
    found = fit_temperature(z, y, mode)
    assert found == pytest.approx(float(log_t.exp().detach()), rel=1e-3)
    assert fit_temperature(3 * z, y, mode) == pytest.approx(3 * found, rel=1e-3)


def test_unknown_labels_count_for_nothing():
    table = validation(unknown=0)
    z, y = columns(table, "z"), columns(table, "y")
    hidden = y.copy()
    hidden[::2, 3] = np.nan
    wild = z.copy()
    wild[::2, 3] = 1000
    assert fit_temperature(wild, hidden, "multilabel") == fit_temperature(z, hidden, "multilabel")
    assert fit_temperature(z, np.full_like(y, np.nan), "multilabel") is None


def test_ece_brier_and_log_loss_equal_independent_ones():
    table = predictions(n=403, unknown=0)
    scores = Scores.from_predictions(table, CODES, "multilabel")
    found = calibration_metrics(scores)
    y, p = columns(table, "y"), columns(table, "p")
    errors, briers = [], []
    for i, code in enumerate(CODES):
        order = np.argsort(p[:, i])
        bins = np.array_split(np.arange(403), 10)
        own = sum(len(b) / 403 * abs(p[order[b], i].mean() - y[order[b], i].mean()) for b in bins)
        assert found["classes"][code]["ece"] == pytest.approx(own)
        briers.append(brier_score_loss(y[:, i], p[:, i]))
        errors.append(own)
        assert found["classes"][code]["brier"] == pytest.approx(briers[-1])
    assert found["ece"] == pytest.approx(np.mean(errors))
    assert found["brier"] == pytest.approx(np.mean(briers))
    assert found["nll"] == pytest.approx(log_loss(y.ravel(), p.ravel()))


def test_the_reliability_diagram_is_scikit_learns_where_bins_divide_evenly():
    table = predictions(n=400, unknown=0)
    y, p = table["y_NSR"].to_numpy(), table["p_NSR"].to_numpy()
    share, mean = calibration_curve(y, p, n_bins=10, strategy="quantile")
    bins = reliability_bins(y == 1, p)
    np.testing.assert_allclose([b["share"] for b in bins], share)
    np.testing.assert_allclose([b["p"] for b in bins], mean)
    assert expected_calibration_error([{"n": 3, "p": 0.5, "share": 0.5}]) == 0
    assert len(reliability_bins(y[:4] == 1, p[:4])) == 4  # never an empty bin


def test_probabilities_that_are_frequencies_have_hardly_any_error():
    rng = np.random.default_rng(2)
    p = rng.random(20_000)
    y = rng.random(20_000) < p
    assert expected_calibration_error(reliability_bins(y, p)) < 0.01
    assert expected_calibration_error(reliability_bins(y, p**3)) > 0.1


def test_the_shipped_networks_are_no_worse_calibrated_than_before():
    for run in shipped_models():
        report = run.evaluation["calibration"]
        assert report["from"] == run.calibration["from"]
        assert report["temperature"] == run.calibration["temperature"]
        for figure in ("ece", "ece_pooled", "nll"):
            assert report["after"][figure] <= report["before"][figure], (run.id, figure)


def test_the_shipped_calibration_is_that_of_the_records_it_names():
    for run in shipped_models():
        table, classes, source = run.predictions, run.meta["classes"], run.calibration["from"]
        part = table[table["part"] == PART_OF[source]]
        rule = stored_rule(run.calibration)
        found = fit_calibration(part, classes, run.meta["target_mode"], rule, source=source)
        assert found["temperature"] == pytest.approx(run.calibration["temperature"], rel=1e-4)
        assert found["thresholds"] == pytest.approx(run.calibration["thresholds"], rel=1e-4)
        assert found["refer"]["cut"] == pytest.approx(run.calibration["refer"]["cut"], rel=1e-4)
        p = with_probabilities(part, classes, "multilabel", found["temperature"])
        np.testing.assert_allclose(
            p[[f"p_{c}" for c in classes]], part[[f"p_{c}" for c in classes]], atol=1e-6
        )


def a_copy(run, folder):
    folder.mkdir()
    for file in run.folder.glob("*.[jp]*"):
        shutil.copy(file, folder)
    return Run(folder)


def test_nothing_of_test_enters_the_calibration(small_pair, tmp_path):
    run = a_copy(small_pair[1], tmp_path / "copy")
    calibrate_run(run)
    before = (run.folder / "calibration.json").read_bytes()
    table = run.predictions
    other = table["part"] != "validation"
    for code in CODES:
        table.loc[other, f"y_{code}"] = 1 - table.loc[other, f"y_{code}"]
        table.loc[other, f"z_{code}"] = -7 * table.loc[other, f"z_{code}"]
    table.to_parquet(run.folder / "predictions.parquet", index=False)
    calibrate_run(run)
    assert (run.folder / "calibration.json").read_bytes() == before
    table.loc[~other, "z_NSR"] += 1
    table.to_parquet(run.folder / "predictions.parquet", index=False)
    calibrate_run(run)
    assert (run.folder / "calibration.json").read_bytes() != before


def test_test_records_are_refused_where_a_calibration_is_fitted():
    with pytest.raises(RequestError) as refused:
        fit_calibration(predictions(), list(CODES), "multilabel")
    assert str(refused.value) == "Calibration is fitted on validation records, not on test."


def test_a_finished_run_is_calibrated(small_pair):
    run = small_pair[1]
    fitted, table = run.calibration, run.predictions
    assert fitted.keys() >= {"temperature", "thresholds", "refer", "from"}
    p = probabilities(columns(table, "z"), "multilabel", fitted["temperature"])
    np.testing.assert_allclose(columns(table, "p"), p, atol=1e-6)
    assert run.evaluation["calibration"]["temperature"] == fitted["temperature"]
    json.dumps(run.evaluation, allow_nan=False)


def scores(n=600, **how):
    return Scores.from_predictions(predictions(n=n, **how), CODES, "multilabel")


def predictions_at(thresholds, of, i):
    known = of.known[:, i]
    return of.positive[known, i], of.p[known, i] >= thresholds[of.classes[i]]


def test_no_other_threshold_has_a_better_f1_or_a_smaller_cost():
    of = scores()
    costs = {"LVH": (1.0, 7.0)}
    by_f1 = choose_thresholds(of, ThresholdRule())
    by_cost = choose_thresholds(of, ThresholdRule("empirical-cost", costs=costs))
    for i, code in enumerate(CODES):
        y, predicted = predictions_at(by_f1, of, i)
        p = of.p[of.known[:, i], i]
        every = p >= np.append(np.unique(p), 2)[:, None]  # predictions at each cut
        false_positives, misses = (every & ~y).sum(axis=1), (~every & y).sum(axis=1)
        f1 = 1 - (false_positives + misses) / (every.sum(axis=1) + y.sum())
        assert f1_score(y, predicted) == pytest.approx(f1.max())
        fp, fn = costs.get(code, (1, 1))
        y, predicted = predictions_at(by_cost, of, i)
        least = (fp * false_positives + fn * misses).min()
        assert fp * (~y & predicted).sum() + fn * (y & ~predicted).sum() == least


def test_costs_alone_give_the_threshold_where_probabilities_are_calibrated():
    found = choose_thresholds(scores(), ThresholdRule("cost", costs={"STEMI": (1, 20)}))
    assert found["STEMI"] == pytest.approx(1 / 21)
    assert found["NSR"] == 0.5


@pytest.mark.parametrize("at", [0.8, 0.95])
def test_a_threshold_just_reaches_the_requested_sensitivity_or_specificity(at):
    of = scores()
    for by, side in (("sensitivity", 1), ("specificity", 0)):
        found = choose_thresholds(of, ThresholdRule(by, at))
        for i in range(len(CODES)):
            y, predicted = predictions_at(found, of, i)
            right = (predicted == y)[y == side]
            assert at <= right.mean() <= at + 1 / len(right)


def test_a_class_without_positives_has_the_threshold_of_a_half():
    table = predictions()
    table.loc[table["y_RVH"] == 1, "y_RVH"] = 0
    of = Scores.from_predictions(table, CODES, "multilabel")
    for by in ("f1", "empirical-cost", "sensitivity", "specificity"):
        assert choose_thresholds(of, ThresholdRule(by))["RVH"] == 0.5


def test_an_invalid_rule_is_refused_by_name(run, small_pair, tmp_path):
    _, a, _ = small_pair
    copy = a_copy(a, tmp_path / "copy")
    for options, message in (
        (("--thresholds", "f2"), "There is no threshold criterion 'f2'. Did you mean 'f1'?"),
        (
            ("--cost", "STEMI"),
            "'STEMI' is not a pair of costs; CODE=FP:FN is accepted, such as STEMI=1:20.",
        ),
        (("--thresholds", "cost", "--cost", "AFIB=1:2"), "There is no class 'AFIB'."),
        (
            ("--thresholds", "sensitivity", "--at", "90"),
            "90 is not a share; a number between 0 and 1 is accepted.",
        ),
    ):
        code, _, err = run("calibrate", copy.folder, *options, "--home", tmp_path)
        assert (code, message in err) == (2, True), err


def test_the_command_refits_and_reports_the_effect(run, small_pair, tmp_path):
    copy = a_copy(small_pair[1], tmp_path / "copy")
    options = ("--thresholds", "cost", "--cost", "STEMI=1:9", "--alpha", "0.3", "--json")
    code, out, _ = run("calibrate", copy.folder, *options, "--home", tmp_path)
    answer = json.loads(out)
    assert code == 0
    assert answer["thresholds"]["STEMI"] == pytest.approx(0.1)
    assert answer["thresholds_by"] == (
        "least expected cost, a false call : a miss being STEMI 1:9, otherwise 1:1"
    )
    assert answer["test"]["before"].keys() == {"ece", "ece_pooled", "brier", "nll"}
    assert copy.calibration["refer"]["alpha"] == 0.3
    assert copy.evaluation["classes"]["STEMI"]["threshold"] == pytest.approx(0.1)
    assert copy.evaluation["run"] == small_pair[1].id


def rare(n=4000, positives=12, seed=3):
    """Return scores of a rare class that is ranked well, but hardly above others."""
    rng = np.random.default_rng(seed)
    y, p = np.zeros((n, 1)), rng.uniform(0, 0.6, (n, 1))
    y[:positives], p[:positives] = 1, rng.uniform(0.4, 0.62, (positives, 1))
    numbers = np.arange(n).astype(str)
    return Scores("", "test", "multilabel", ("STEMI",), numbers, numbers, y, p, np.array([0.5]))


def test_a_least_ppv_raises_the_threshold_where_one_reaches_it():
    of, floor = rare(), ThresholdRule(least_ppv=0.25)
    (without,), (with_floor,) = (
        choose_thresholds(of, rule).values() for rule in (ThresholdRule(), floor)
    )
    assert of.positive[of.p[:, 0] >= with_floor, 0].mean() >= 0.25
    assert with_floor >= without
    assert floor.description("out of fold") == "best F1 at a PPV of at least 0.25 out of fold"
    hopeless = replace(of, p=np.where(of.y == 1, 0.3, of.p))
    assert choose_thresholds(hopeless, floor) == choose_thresholds(hopeless, ThresholdRule())


def test_a_least_ppv_of_one_is_refused():
    with pytest.raises(RequestError, match="1 is no least share of right calls"):
        choose_thresholds(rare(), ThresholdRule(least_ppv=1.0))


def test_calls_are_judged_at_thresholds_that_other_patients_chose():
    of = rare(positives=40)
    calls, right = cross_fitted_calls(of, ThresholdRule())["STEMI"]
    threshold = choose_thresholds(of, ThresholdRule())["STEMI"]
    called = of.p[:, 0] >= threshold
    assert right / calls < of.positive[called, 0].mean()
    assert cross_fitted_calls(of, ThresholdRule()) == cross_fitted_calls(of, ThresholdRule())


def test_a_class_that_separates_is_called_as_often_cross_fitted():
    of = rare(positives=200)
    clear = replace(of, p=np.where(of.y == 1, 0.9, 0.1))
    assert cross_fitted_calls(clear, ThresholdRule()) == {"STEMI": [200, 200]}
