"""Operating points, decision curves, subgroups and the random-initialisation baseline."""

import json

import numpy as np
import pandas as pd
import pytest
from simulated import predictions
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_curve,
)

from ecgcore.calibration.scores import Scores
from ecgcore.errors import NotFound, RequestError
from ecgcore.evaluation.decision_curve import decision_curve, decision_table
from ecgcore.evaluation.evaluate import evaluate, evaluate_run
from ecgcore.evaluation.operating_points import curve_points, operating_points
from ecgcore.evaluation.random_init_baseline import random_init_baseline
from ecgcore.evaluation.roc import MAX_POINTS, pr_curves
from ecgcore.evaluation.subgroups import FEW, subgroups
from ecgcore.evaluation.text import report_text
from ecgcore.inference.model import load_model
from ecgcore.inference.predict import row_predictor, with_random_weights
from ecgcore.labels.classes import CODES

DRAWS = 60


def columns(table, letter):
    return table[[f"{letter}_{c}" for c in CODES]].to_numpy()


def test_micro_averages_equal_scikit_learns():
    table = predictions(unknown=0)
    y, p = columns(table, "y"), columns(table, "p")
    micro = evaluate(table, CODES, "multilabel", resamples=DRAWS).as_json()["averages"]["micro"]
    for name, score in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        assert micro[name] == pytest.approx(score(y, p >= 0.5, average="micro")), name
    assert micro["average_precision"] == pytest.approx(
        average_precision_score(y, p, average="micro")
    )
    one = evaluate(predictions(mode="exclusive"), CODES, "exclusive", resamples=DRAWS).as_json()
    assert one["averages"]["micro"]["f1"] == pytest.approx(one["accuracy"])


def test_operating_points_equal_scikit_learns():
    table = predictions(n=500)
    table["p_ECT"] = table["p_ECT"].round(1)  # many ties
    points = operating_points(Scores.from_predictions(table, CODES, "multilabel"), resamples=DRAWS)
    for code in CODES:
        rows = table[table[f"y_{code}"].notna()]
        y, p = rows[f"y_{code}"], rows[f"p_{code}"]
        point = {
            k: v["value"] for k, v in points[code].items() if isinstance(v, dict) and "value" in v
        }
        assert point["sensitivity"] == pytest.approx(recall_score(y, p >= 0.5))
        assert point["specificity"] == pytest.approx(recall_score(y, p >= 0.5, pos_label=0))
        assert point["ppv"] == pytest.approx(precision_score(y, p >= 0.5))
        assert point["npv"] == pytest.approx(precision_score(y, p >= 0.5, pos_label=0))
        assert point["average_precision"] == pytest.approx(average_precision_score(y, p))
        fpr, tpr, _ = roc_curve(y, p, drop_intermediate=False)
        for specificity, found in points[code]["sensitivity_at"].items():
            at = tpr[fpr <= 1 - float(specificity) + 1e-9].max()
            assert found["value"] == pytest.approx(at), (code, specificity)
            assert found["low"] <= found["value"] <= found["high"]


@pytest.mark.parametrize("mode", ["multilabel", "exclusive"])
def test_the_points_on_the_curves_are_the_operating_points(mode):
    scores = Scores.from_predictions(predictions(mode=mode), CODES, mode, {"NSR": 0.3})
    points, found = curve_points(scores), operating_points(scores, resamples=2)
    assert set(points) == set(found)
    for code, point in points.items():
        assert point["threshold"] == found[code]["threshold"]
        for name in ("sensitivity", "specificity"):
            assert point[name] == pytest.approx(found[code][name]["value"])
        assert point["precision"] == pytest.approx(found[code]["ppv"]["value"])


def test_predictive_values_follow_the_prevalence_that_is_given():
    """By hand: sensitivity 3/4, specificity 5/6, prevalence 1 in 50."""
    table = predictions(n=10, unknown=0)
    table["y_RBBB"] = [1.0] * 4 + [0.0] * 6
    table["p_RBBB"] = [0.9, 0.8, 0.7, 0.2, 0.6, 0.1, 0.1, 0.1, 0.2, 0.3]
    scores = Scores.from_predictions(table, CODES, "multilabel")
    own = operating_points(scores, resamples=DRAWS)["RBBB"]
    assert (own["prevalence"], own["prevalence_of"]) == (0.4, "these records")
    assert own["ppv"]["value"] == pytest.approx(3 / 4)
    assert own["npv"]["value"] == pytest.approx(5 / 6)
    rare = operating_points(scores, {"RBBB": 0.02}, DRAWS)["RBBB"]
    assert (rare["prevalence"], rare["prevalence_of"]) == (0.02, "given")
    assert rare["ppv"]["value"] == pytest.approx(0.015 / (0.015 + 0.98 / 6))
    assert rare["npv"]["value"] == pytest.approx(0.98 * 5 / 6 / (0.98 * 5 / 6 + 0.005))
    assert rare["sensitivity"] == own["sensitivity"]


def test_the_spread_of_sensitivity_at_a_specificity_is_that_of_resampled_patients():
    table = predictions(n=300)
    found = operating_points(Scores.from_predictions(table, CODES, "multilabel"), resamples=400)[
        "NSR"
    ]
    span = found["sensitivity_at"]["0.9"]
    rng, patients = np.random.default_rng(1), table["patient"].unique()
    rows = dict(list(table.groupby("patient")))
    values = []
    for _ in range(200):
        drawn = pd.concat([rows[p] for p in rng.choice(patients, len(patients))])
        drawn = drawn[drawn["y_NSR"].notna()]
        fpr, tpr, _ = roc_curve(drawn["y_NSR"], drawn["p_NSR"], drop_intermediate=False)
        values.append(tpr[fpr <= 0.1 + 1e-9].max())
    assert span["high"] - span["low"] == pytest.approx(3.92 * np.std(values), rel=0.35)


@pytest.mark.parametrize(
    ("prevalence", "message"),
    [
        ({"AFIB": 0.1}, "There is no class 'AFIB'."),
        (
            {"LVH": 2.0},
            "A prevalence of 2 for LVH is not a share; a number between 0 and 1 is accepted.",
        ),
    ],
)
def test_an_invalid_prevalence_is_refused(prevalence, message):
    with pytest.raises((NotFound, RequestError)) as refused:
        operating_points(Scores.from_predictions(predictions(), CODES, "multilabel"), prevalence)
    assert str(refused.value).startswith(message)


def test_precision_recall_curves_are_scikit_learns_and_keep_their_area():
    table = predictions(n=80)
    rows = table[table["y_LVH"].notna()]
    precision, recall, _ = precision_recall_curve(rows["y_LVH"], rows["p_LVH"])
    curves = pr_curves(table, CODES)
    np.testing.assert_array_equal(curves["LVH"]["recall"], recall[::-1])
    np.testing.assert_array_equal(curves["LVH"]["precision"], precision[::-1])
    assert list(curves) == [*CODES, "micro", "macro"]
    macro = curves["macro"]
    area = np.sum(np.diff(macro["recall"]) * macro["precision"][1:])
    assert area == pytest.approx(macro["average_precision"])
    assert macro["average_precision"] == pytest.approx(
        np.mean([curves[c]["average_precision"] for c in CODES])
    )
    for name, curve in pr_curves(predictions(n=6000, skill=1.0), CODES).items():
        assert len(curve["recall"]) == len(curve["threshold"]) <= MAX_POINTS
        area = np.sum(np.diff(curve["recall"]) * curve["precision"][1:])
        assert area == pytest.approx(curve["average_precision"], abs=0.01), name


def test_net_benefit_by_hand():
    table = predictions(n=10, unknown=0)
    table["y_LVH"] = [1.0, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    table["p_LVH"] = [0.9, 0.6, 0.05, 0.7, 0.3, 0.1, 0.1, 0.01, 0.01, 0.01]
    curve = decision_curve(
        Scores.from_predictions(table, CODES, "multilabel"), "LVH", (0.05, 0.2, 0.5)
    )
    assert [point["threshold"] for point in curve] == [0.05, 0.2, 0.5]
    assert [point["model"] for point in curve] == pytest.approx(
        [(3 - 4 * 0.05 / 0.95) / 10, (2 - 2 * 0.25) / 10, (2 - 1) / 10]
    )
    assert [point["all"] for point in curve] == pytest.approx(
        [(3 - 7 * 0.05 / 0.95) / 10, (3 - 7 * 0.25) / 10, (3 - 7) / 10]
    )


def test_decision_curves_leave_out_unknown_records_and_classes_without_positives():
    table = predictions()
    table["y_STEMI"] = np.nan
    table.loc[table["y_RVH"] == 1, "y_RVH"] = 0
    scores = Scores.from_predictions(table, CODES, "multilabel")
    assert set(CODES) - set(decision_table(scores)) == {"STEMI", "RVH"}
    assert decision_curve(scores, "STEMI") == []


def traits_for(table):
    n = len(table)
    return pd.DataFrame(
        {
            "record": table["record"],
            "age": np.where(np.arange(n) < 12, np.nan, np.arange(n) % 91),
            "sex": np.where(np.arange(n) % 3, "female", "male"),
            "source": "ptb-xl",
            "quality": pd.array([None] * n, dtype="str"),
        }
    )


def test_subgroups_are_the_same_figures_on_their_records_with_n():
    table = predictions()
    traits = traits_for(table)
    found = subgroups(
        Scores.from_predictions(table, CODES, "multilabel"), traits.sample(frac=1), DRAWS
    )
    assert list(found) == ["age", "sex", "source", "quality"]
    assert list(found["age"]) == ["under 40", "40 to 59", "60 to 79", "80 and over", "unknown"]
    women = evaluate(table[traits["sex"] == "female"], CODES, "multilabel", resamples=DRAWS)
    women = women.as_json()
    group = found["sex"]["female"]
    assert (group["n"], group["patients"]) == (women["n"], women["patients"])
    assert group["macro_f1"] == women["intervals"]["macro_f1"]
    assert group["accuracy"] == women["intervals"]["accuracy"]
    assert group["macro_auc"] == {k: v for k, v in women["macro_auc"].items() if k != "over"}
    for groups in found.values():
        assert sum(group["n"] for group in groups.values()) == len(table)
    old = traits["age"] >= 80
    assert found["age"]["80 and over"]["n"] == old.sum()
    assert found["age"]["unknown"] | {"n": 12, "few": True} == found["age"]["unknown"]
    assert [g["few"] for g in found["sex"].values()] == [False, False]
    assert list(found["quality"]) == ["unknown"]
    assert FEW == 20


def test_a_runs_predictions_carry_the_traits_of_its_records(small_pair):
    workspace, run, _ = small_pair
    found = evaluate_run(run, resamples=DRAWS).as_json()["subgroups"]
    assert set(found["source"]) == {"ptb-xl"}
    assert set(found["quality"]) <= {"flagged", "no flag"}
    older = run.predictions.drop(columns=["age", "sex", "source", "quality"])

    class Older:
        id, meta, calibration, predictions = run.id, run.meta, run.calibration, older

    assert evaluate_run(Older, resamples=DRAWS).as_json()["subgroups"] is None
    assert evaluate_run(Older, resamples=DRAWS, workspace=workspace).as_json()["subgroups"] == found


def test_the_command_reports_operating_points_and_subgroups(run, small_pair):
    workspace, model, _ = small_pair
    command = ("evaluate", model.id, "--home", workspace.path, "--prevalence", "RBBB=0.02")
    code, out, _ = run(*command, "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["operating"]["RBBB"]["prevalence"] == 0.02
    assert answer["subgroups"]["sex"].keys() <= {"female", "male", "unknown"}
    _, out, _ = run(*command)
    assert report_text(answer).strip() in out
    code, _, err = run(*command[:-1], "RBBB")
    assert code == 2
    assert "'RBBB' is not a prevalence; CODE=SHARE is accepted, such as RBBB=0.02." in err


def test_the_untrained_network_is_reported_with_the_run(run, small_pair, tmp_path):
    workspace, model, _ = small_pair
    command = ("evaluate", model.id, "--untrained", "--home")
    code, out, _ = run(*command, workspace.path, "--json")
    answer = json.loads(out.splitlines()[-1])
    untrained = answer["untrained"]
    assert code == 0
    assert untrained["n"] == answer["n"]
    assert untrained["macro_auc"]["value"] != answer["macro_auc"]["value"]
    assert untrained["macro_auc"]["over"] == answer["macro_auc"]["over"]
    classifier = load_model(model.id, workspace)

    def baseline(seed, workspace=workspace):
        predict = row_predictor(with_random_weights(classifier, seed))
        return random_init_baseline(model, predict, workspace, seed=seed, resamples=DRAWS)

    assert baseline(0)["classes"] == untrained["classes"]
    assert baseline(1)["classes"] != untrained["classes"]
    with pytest.raises(RequestError, match=r"of cohort 'examples'\. There is no cohort"):
        baseline(0, type(workspace)(tmp_path))
    code, _, err = run(*command, workspace.path, "--cohort", "examples")
    assert code == 2
    assert "leave --cohort out" in err
