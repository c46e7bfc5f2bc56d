"""Comparison of two runs: common resamples, paired tests, refusals and text."""

import json
from types import SimpleNamespace
from xml.etree.ElementTree import fromstring

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from simulated import predictions
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.compare import compare, compare_scores, config_differences
from ecgcore.comparison.paired import delong
from ecgcore.comparison.text import comparison_text, finding, p_text
from ecgcore.errors import RequestError
from ecgcore.evaluation.evaluate import evaluate_scores
from ecgcore.evaluation.text import with_range
from ecgcore.labels.classes import CODES
from ecgcore.runs.config import TrainConfig

ONE_A_PATIENT = (1, 1)


def pair(mode="multilabel", thresholds=None, **options):
    """Return two sets of scores of the same records; B is the better."""
    return tuple(
        Scores.from_predictions(
            predictions(mode=mode, seed=seed, skill=skill, **options),
            CODES,
            mode,
            thresholds,
            run=run,
        )
        for run, seed, skill in (("run-a", 1, 1.5), ("run-b", 2, 2.0))
    )


def run_like(name, model, table, seed=1, **meta):
    """Return the parts of a run that compare reads, without a training."""
    defaults = {
        "model": model,
        "classes": list(CODES),
        "target_mode": "exclusive",
        "parameters": 1000,
        "cohort": {"name": "c", "hash": "1"},
    }
    return SimpleNamespace(
        id=name,
        meta=defaults | meta,
        config=TrainConfig("c", model, epochs=2, seed=seed),
        predictions=table,
        calibration={"thresholds": {}},
    )


def test_differences_are_b_minus_a_with_intervals_from_the_same_draws():
    a, b = pair("exclusive", n=200)
    c = compare_scores(a, b).as_json()
    ea, eb = (evaluate_scores(side).as_json() for side in (a, b))
    assert c["evaluations"] == {"a": ea, "b": eb}
    for metric in ("accuracy", "macro_f1"):
        change = c["differences"][metric]
        assert change["value"] == pytest.approx(eb[metric] - ea[metric])
        assert change["low"] < change["value"] < change["high"]
        assert (change["level"], change["unit"]) == (0.95, "patients")
    auc = c["differences"]["macro_auc"]["value"]
    assert auc == pytest.approx(eb["macro_auc"]["value"] - ea["macro_auc"]["value"])
    lvh = c["class_differences"]["LVH"]["auc"]
    assert lvh["value"] == pytest.approx(eb["classes"]["LVH"]["auc"] - ea["classes"]["LVH"]["auc"])
    difference = np.array(ea["confusion"]) - np.array(eb["confusion"])
    assert c["confusion_a_minus_b"] == difference.tolist()
    json.dumps(c, allow_nan=False)


def test_a_run_compared_with_itself_differs_in_nothing():
    a, _ = pair()
    c = compare_scores(a, a).as_json()
    for change in c["differences"].values():
        assert (change["value"], change["low"], change["high"]) == (0, 0, 0)
    assert c["disagreements"] == []
    assert c["mcnemar"]["p"] == 1
    assert {d["why"] for d in c["delong"].values() if d["auc_a"]} == {
        "n/a (both runs rank the records alike)"
    }


def test_very_few_common_records_are_warned_of_before_anything_else():
    few, enough = (
        compare_scores(*pair("multilabel", n=n), resamples=10).as_json() for n in (24, 60)
    )
    assert str(comparison_text(few)).startswith(f"WARNING: only {few['n_common']} common records. ")
    assert "WARNING" not in comparison_text(enough)


def test_mcnemar_equals_statsmodels_and_the_binomial_test():
    a, b = pair("exclusive", n=200, records_a_patient=ONE_A_PATIENT)
    test = compare_scores(a, b, resamples=10).as_json()["mcnemar"]
    right_a, right_b = a.top == a.truth, b.top == b.truth
    table = pd.crosstab(right_a, right_b)
    only_a, only_b = int(table.loc[True, False]), int(table.loc[False, True])
    assert (test["only_a_right"], test["only_b_right"]) == (only_a, only_b)
    assert test["both_right"] == (right_a & right_b).sum()
    assert test["p"] == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert test["p"] == pytest.approx(binomtest(only_a, only_a + only_b).pvalue)
    assert test["form"] == "exact, one record a patient"
    assert test["classes"] is None


def test_multilabel_mcnemar_is_per_class_at_its_threshold():
    thresholds = dict(zip(CODES, np.linspace(0.2, 0.6, 10), strict=True))
    a, b = pair(thresholds=thresholds, n=300, records_a_patient=ONE_A_PATIENT)
    test = compare_scores(a, b, resamples=10).as_json()["mcnemar"]
    assert test["of"] == (
        "class of highest calibrated probability, records with exactly one stated class"
    )
    assert test["n"] == a.single_label.sum()
    p = []
    for i, code in enumerate(CODES):
        y = a.y[a.known[:, i], i] == 1
        right = [(s.p[s.known[:, i], i] >= thresholds[code]) == y for s in (a, b)]
        expected = mcnemar(pd.crosstab(*right), exact=True).pvalue
        assert test["classes"][code]["p"] == pytest.approx(expected)
        assert test["classes"][code]["n"] == len(y)
        p.append(expected)
    holm = multipletests(p, method="holm")[1]
    np.testing.assert_allclose([test["classes"][c]["p_holm"] for c in CODES], holm)


def test_where_patients_repeat_the_tests_use_one_record_a_patient_and_name_it():
    a, b = pair("exclusive", n=200)
    c = compare_scores(a, b, resamples=10).as_json()
    first = pd.Series(a.patient).drop_duplicates().index
    assert c["mcnemar"]["n"] == len(first) == a.n_patients < 200
    assert c["mcnemar"]["form"] == (
        f"exact, one record a patient: the first of each of {len(first)} patients, of 200"
    )
    right = [(s.top == s.truth)[first] for s in (a, b)]
    assert c["mcnemar"]["p"] == pytest.approx(mcnemar(pd.crosstab(*right)).pvalue)
    assert c["delong"]["NSR"]["form"] == (
        f"DeLong, one record a patient: the first of each of {len(first)} patients, of 200"
    )


def structural_components(y, p):
    """DeLong 1988 as printed: the kernel over all pairs, no ranks."""
    kernel = (p[y][:, None] > p[~y]) + 0.5 * (p[y][:, None] == p[~y])
    return kernel.mean(axis=1), kernel.mean(axis=0)


def test_delong_equals_the_kernel_over_all_pairs_ties_included():
    rng = np.random.default_rng(0)
    y = rng.random(150) < 0.3
    p_a = np.round(rng.random(150) + 0.4 * y, 1)
    p_b = np.round(rng.random(150) + 0.6 * y, 2)
    aucs, covariance = delong(y, p_a, p_b)
    np.testing.assert_allclose(aucs, [roc_auc_score(y, p_a), roc_auc_score(y, p_b)])
    v_a, v_b = structural_components(y, p_a), structural_components(y, p_b)
    expected = sum(np.cov(v_a[k], v_b[k]) / len(v_a[k]) for k in (0, 1))
    np.testing.assert_allclose(covariance, expected)


def test_delongs_p_is_near_a_permutation_test_of_the_same_difference():
    a, b = pair("exclusive", n=300, records_a_patient=ONE_A_PATIENT)
    y = a.truth == 3
    p_a, p_b = a.p[:, 3], b.p[:, 3]
    test = compare_scores(a, b, resamples=10).as_json()["delong"]["LBBB"]
    assert test["auc_a"] == pytest.approx(roc_auc_score(y, p_a))
    rank_a, rank_b = (pd.Series(p).rank().to_numpy() for p in (p_a, p_b))
    rng = np.random.default_rng(0)
    swapped = []
    for _ in range(400):
        swap = rng.random(300) < 0.5
        one = roc_auc_score(y, np.where(swap, rank_b, rank_a))
        other = roc_auc_score(y, np.where(swap, rank_a, rank_b))
        swapped.append(abs(one - other))
    observed = abs(roc_auc_score(y, p_a) - roc_auc_score(y, p_b))
    assert np.mean(np.array(swapped) >= observed) == pytest.approx(test["p"], abs=0.1)


def test_holm_is_over_the_classes_that_have_a_p():
    a, b = pair(n=200, records_a_patient=ONE_A_PATIENT)
    tests = compare_scores(a, b, resamples=10).as_json()["delong"]
    tested = [t for t in tests.values() if t["p"] is not None]
    assert len(tested) >= 5
    holm = multipletests([t["p"] for t in tested], method="holm")[1]
    np.testing.assert_allclose([t["p_holm"] for t in tested], holm)


def test_delong_is_not_available_below_five_positives_or_at_an_auc_of_one():
    table = predictions(n=200, mode="exclusive", records_a_patient=ONE_A_PATIENT)
    rvh = table.index[table["y_RVH"] == 1]
    table = table.drop(index=rvh[4:])
    table["p_STD"] = table["y_STD"]
    scores = Scores.from_predictions(table, CODES, "exclusive")
    other = Scores.from_predictions(table.assign(p_RVH=table["p_RVH"] / 2), CODES, "exclusive")
    tests = compare_scores(scores, other, resamples=10).as_json()["delong"]
    assert tests["RVH"]["p"] is None
    assert tests["RVH"]["why"] == "n/a (4 positives; 5 are needed)"
    assert tests["STD"]["p"] is None
    assert tests["STD"]["why"] == "n/a (an AUC is 1, which leaves no variance to estimate)"


def test_disagreements_name_the_records_and_the_run_that_is_right():
    a, b = pair("exclusive", n=120)
    c = compare_scores(a, b, resamples=10).as_json()
    assert set(c["disagreements"]) == set(a.record[a.top != b.top])
    for details in c["disagreement_details"]:
        row = list(a.record).index(details["record"])
        assert details["truth"] == [CODES[a.truth[row]]]
        assert (details["a"], details["b"]) == ([CODES[a.top[row]]], [CODES[b.top[row]]])
        right = {"a": a.top[row] == a.truth[row], "b": b.top[row] == b.truth[row]}
        assert details["right"] == next((s for s, yes in right.items() if yes), "neither")
    only_one = [d["right"] in ("a", "b") for d in c["disagreement_details"]]
    assert only_one == sorted(only_one, reverse=True)


def test_multilabel_disagreements_are_of_the_predicted_sets():
    a, b = pair(n=80)
    c = compare_scores(a, b, resamples=10).as_json()
    differ = (a.predicted != b.predicted).any(axis=1)
    assert set(c["disagreements"]) == set(a.record[differ])


def test_runs_on_different_records_fall_back_to_the_common_ones_and_say_so():
    a, b = pair("exclusive", n=120)
    c = compare_scores(
        a.take(np.arange(100)), b.take(np.arange(119, 39, -1)), resamples=10
    ).as_json()
    assert c["n_common"] == 60
    assert c["evaluations"]["a"]["n"] == c["evaluations"]["b"]["n"] == 60
    assert c["flags"] == [
        "The runs' records differ: A holds 100, B 80; everything here is over the 60 common ones."
    ]
    whole = compare_scores(
        a.take(np.arange(40, 100)), b.take(np.arange(40, 100)), resamples=10
    ).as_json()
    assert c["differences"] == whole["differences"]
    assert whole["flags"] == []


def refusal(a, b):
    with pytest.raises(RequestError) as caught:
        compare_scores(a, b, resamples=10)
    return str(caught.value)


def test_runs_without_a_common_record_are_refused():
    a, b = pair("exclusive", n=120)
    assert refusal(a.take(np.arange(60)), b.take(np.arange(60, 120))) == (
        "Runs run-a and run-b have no common record in part 'test' (60 and 60 records); "
        "compare them on another part, or train both on the same split."
    )


def test_runs_of_different_target_modes_are_refused():
    a, _ = pair("exclusive", n=60)
    assert refusal(
        a, Scores.from_predictions(predictions(60), CODES, "multilabel", run="run-m")
    ) == (
        "Runs run-a and run-m have different target modes (exclusive, multilabel) and cannot be "
        "compared; train both in one."
    )


def test_runs_of_different_classes_are_refused():
    table = predictions(60)
    a, b = (
        Scores.from_predictions(table, codes, "multilabel") for codes in (CODES[:2], CODES[1:3])
    )
    assert refusal(a, b) == (
        "Runs A and B have different classes (NSR, STACH; STACH, SBRAD) and cannot be compared."
    )


def test_runs_with_different_labels_are_refused():
    table = predictions(60, unknown=0)
    other = table.copy()
    other.loc[:2, "y_LVH"] = np.nan
    a, b = (Scores.from_predictions(t, CODES, "multilabel") for t in (table, other))
    assert refusal(a, b) == (
        "Runs A and B label 3 of 60 common records differently and cannot be compared; "
        "train both with one tier and one label table, or score both on one version of imported "
        "labels: --labels latest."
    )


def test_two_runs_are_compared_with_configuration_cost_and_flags():
    tables = [predictions(100, "exclusive", seed=s, skill=k) for s, k in ((1, 1.0), (2, 3.0))]
    a = run_like("a1", "alexnet", tables[0])
    b = run_like(
        "b1",
        "alexnet_m_se",
        tables[1],
        seed=2,
        parameters=2000,
        cohort={"name": "c", "hash": "2"},
    )
    c = compare(a, b).as_json()
    assert (c["a"], c["b"], c["n_common"]) == ("a1", "b1", 100)
    assert c["models"] == {"a": "alexnet", "b": "alexnet_m_se"}
    assert c["config_differences"] == {
        "model": {"a": "alexnet", "b": "alexnet_m_se"},
        "seed": {"a": 1, "b": 2},
    }
    assert c["cost"] == {
        "parameters": {"a": 1000, "b": 2000},
        "multiply_adds": {"a": None, "b": None},
        "ms_per_ecg": {"a": None, "b": None},
    }
    assert c["flags"] == ["The runs were made from different cohorts; see both runs' run.json."]
    assert c["seconds"] > 0
    json.dumps(c, allow_nan=False)
    lines = comparison_text(c).splitlines()
    assert finding(c) in lines
    assert "parameters: 1,000 → 2,000" in lines
    assert "model: alexnet → alexnet_m_se" in lines


def test_equal_configurations_differ_in_nothing():
    assert config_differences({"epochs": 2}, {"epochs": 2}) == {}


def comparison_content(more=4, low=-0.02, mode="exclusive", models=("alexnet", "alexnet_m_se")):
    """Return the parts of a comparison that its finding reads, with the given values."""
    right = 40

    def span(value, low, high):
        return {"value": value, "low": low, "high": high, "level": 0.95, "unit": "patients"}

    return {
        "a": "a1",
        "b": "b1",
        "target_mode": mode,
        "n_common": 66,
        "models": dict(zip("ab", models, strict=True)),
        "evaluations": {
            "a": {"confusion": [[right, 26], [0, 0]]},
            "b": {"confusion": [[right + more, 26 - more], [0, 0]]},
        },
        "differences": {
            "accuracy": span(more / 66, low, 0.14),
            "macro_f1": span(0.052, -0.031, 0.118),
            "macro_auc": span(0.0123, -0.0071, 0.0312),
        },
    }


def test_the_finding_is_one_sentence_with_its_certainty():
    assert finding(comparison_content()) == (
        "alexnet_m_se is right on 4 more of 66 records than alexnet (accuracy +0.06, "
        "95 % interval −0.02 to 0.14 over patients); macro-F1 +0.05 (−0.03 to 0.12), "
        "macro AUC +0.01 (−0.01 to 0.03). Every interval includes zero: no difference is shown."
    )
    assert finding(comparison_content(low=0.01)).endswith(
        "The interval excludes zero for accuracy."
    )


def test_the_finding_names_runs_where_models_are_equal_and_counts_downwards_too():
    assert finding(comparison_content(more=-3, models=("alexnet", "alexnet"))).startswith(
        "b1 is right on 3 fewer of 66 records than a1 (accuracy −0.05, "
    )
    assert finding(comparison_content(more=0, mode="multilabel")).startswith(
        "alexnet_m_se is right on as many of 66 records with exactly one stated class as alexnet ("
    )


def test_small_p_values_are_bounded_and_missing_ones_named():
    assert [p_text(p) for p in (0.0004, 0.0314, None)] == ["< 0.001", "0.031", "n/a"]


@pytest.fixture(scope="module")
def comparison():
    return compare_scores(*pair("multilabel", n=200), resamples=30)


def test_a_comparison_offers_its_main_results_and_shows_itself_in_one_line(comparison):
    content = comparison.as_json()
    assert (comparison.a, comparison.b, comparison.part) == ("run-a", "run-b", "test")
    assert (comparison.n_common, comparison.patients) == (200, content["patients"])
    auc = comparison.differences["macro_auc"]
    assert vars(auc) == content["differences"]["macro_auc"]
    assert (
        vars(comparison.class_differences["LVH"]["f1"]) == content["class_differences"]["LVH"]["f1"]
    )
    assert comparison.mcnemar["p"] == content["mcnemar"]["p"]
    assert comparison.evaluations["b"].as_json() == content["evaluations"]["b"]
    assert comparison.finding == finding(content)
    assert repr(comparison) == (
        f"Comparison(run-a → run-b, test, n_common=200: macro AUC {auc.value:.3f} "
        f"({auc.low:.3f} to {auc.high:.3f}))"
    ).replace("-0", "−0")
    assert str(comparison) == comparison_text(content)


def test_a_notebook_shows_the_differences_and_a_forest_plot(comparison):
    page = comparison._repr_html_()
    tree = fromstring(page)
    assert "Research use only" in page
    assert finding(comparison.as_json()) in page
    rows = [[cell.text for cell in row] for row in tree.iter("tr")]
    assert rows[0][:3] == [None, "A: run-a", "B: run-b"]
    assert [row[0] for row in rows[1:4]] == ["Accuracy", "Macro-F1", "Macro AUC"]
    change = with_range(comparison.as_json()["differences"]["macro_f1"], signed=True)
    assert rows[2][3] == change
    assert rows[1][4] == p_text(comparison.mcnemar["p"])
    svg = "{http://www.w3.org/2000/svg}"
    dots = list(tree.iter(f"{svg}circle"))
    assert len(dots) == 3 + len(CODES)
    zero, *spans = tree.iter(f"{svg}line")
    assert len(spans) == len(dots)
    for dot, span, interval in zip(dots, spans, [*comparison.differences.values()], strict=False):
        ends = [float(span.get(name)) for name in ("x1", "x2")]
        assert ends[0] < float(dot.get("cx")) < ends[1]
        assert (float(dot.get("cx")) > float(zero.get("x1"))) == (interval.value > 0)
