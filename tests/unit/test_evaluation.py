"""Evaluation against scikit-learn in every target mode, and its notes where labels are unknown."""

import json

import numpy as np
import pytest
from simulated import predictions
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from ecgcore.errors import DamagedFile, NotFound, RequestError
from ecgcore.evaluation.evaluate import evaluate
from ecgcore.evaluation.text import report_text
from ecgcore.labels.classes import CODES

FEW = 50  # resamples, where the interval is not what is tested


def columns(table, letter):
    return table[[f"{letter}_{c}" for c in CODES]].to_numpy()


@pytest.mark.parametrize("mode", ["exclusive", "priority"])
def test_one_label_metrics_equal_scikit_learn(mode):
    table = predictions(mode=mode)
    y, p = columns(table, "y"), columns(table, "p")
    truth, top = y.argmax(1), p.argmax(1)
    e = evaluate(table, CODES, mode, run_id="r", resamples=FEW).as_json()
    assert e["accuracy"] == accuracy_score(truth, top)
    assert e["confusion"] == confusion_matrix(truth, top, labels=range(10)).tolist()
    assert e["macro_f1"] == pytest.approx(f1_score(truth, top, average="macro"))
    assert e["macro_auc"]["value"] == pytest.approx(roc_auc_score(truth, p, multi_class="ovr"))
    assert e["micro_auc"] == pytest.approx(roc_auc_score(y, p, average="micro"))
    assert e["averages"]["weighted"]["f1"] == pytest.approx(
        f1_score(truth, top, average="weighted")
    )
    recalls = recall_score(truth, top, average=None)
    precisions = precision_score(truth, top, average=None)
    for i, code in enumerate(CODES):
        assert e["classes"][code]["n"] == (truth == i).sum()
        assert e["classes"][code]["recall"] == pytest.approx(recalls[i])
        assert e["classes"][code]["precision"] == pytest.approx(precisions[i])


def test_multilabel_metrics_equal_scikit_learn_on_known_labels_at_each_threshold():
    table = predictions()
    thresholds = dict(zip(CODES, np.linspace(0.2, 0.6, 10), strict=True))
    e = evaluate(table, CODES, "multilabel", thresholds, resamples=FEW).as_json()
    f1 = []
    for code, threshold in thresholds.items():
        rows = table[table[f"y_{code}"].notna()]
        y, p = rows[f"y_{code}"], rows[f"p_{code}"]
        predicted = p >= threshold
        metrics = e["classes"][code]
        assert metrics["threshold"] == threshold
        assert metrics["known"] == len(rows) < len(table)
        assert metrics["precision"] == precision_score(y, predicted)
        assert metrics["recall"] == recall_score(y, predicted)
        assert metrics["f1"] == f1_score(y, predicted)
        assert metrics["auc"] == roc_auc_score(y, p)
        assert metrics["average_precision"] == average_precision_score(y, p)
        assert e["confusion_per_class"][code] == confusion_matrix(y, predicted).tolist()
        f1.append(metrics["f1"])
    assert e["macro_f1"] == pytest.approx(np.mean(f1))


def test_the_multilabel_confusion_is_over_records_with_one_stated_class_and_says_so():
    table = predictions()
    y, p = columns(table, "y"), columns(table, "p")
    single = (y == 1).sum(axis=1) == 1
    truth, top = (y == 1).argmax(1)[single], p.argmax(1)[single]
    e = evaluate(table, CODES, "multilabel", resamples=FEW).as_json()
    assert e["confusion"] == confusion_matrix(truth, top, labels=range(10)).tolist()
    assert e["accuracy"] == accuracy_score(truth, top)
    assert e["confusion_title"] == (
        f"The {single.sum()} of 300 records with exactly one stated class: "
        "rows that class, columns the class of highest calibrated probability"
    )
    assert e["accuracy_of"] == (
        f"the {single.sum()} of 300 records with exactly one stated class, "
        "by the class of highest calibrated probability"
    )


def test_a_class_without_positives_is_not_available_instead_of_zero():
    table = predictions()
    table.loc[table["y_RVH"] == 1, "y_RVH"] = 0
    table["y_STEMI"] = np.nan
    e = evaluate(table, CODES, "multilabel", resamples=FEW).as_json()
    assert e["not_available"] == {
        "RVH": "n/a (0 positives)",
        "STEMI": "n/a (not annotated in these records)",
    }
    for code in ("RVH", "STEMI"):
        metrics = e["classes"][code]
        assert metrics["n"] == 0
        assert [metrics[m] for m in ("precision", "recall", "f1", "auc", "average_precision")] == (
            [None] * 5
        )
        assert metrics["intervals"]["auc"]["low"] is None
    over = [c for c in CODES if c not in ("RVH", "STEMI")]
    assert e["macro_auc"]["over"] == over
    assert e["macro_auc"]["value"] == pytest.approx(np.mean([e["classes"][c]["auc"] for c in over]))
    json.dumps(e, allow_nan=False)


def test_a_class_that_is_never_predicted_has_no_precision_and_an_f1_of_zero():
    table = predictions(mode="exclusive")
    table["p_LVH"] = 0.0
    e = evaluate(table, CODES, "exclusive", resamples=FEW).as_json()
    metrics = e["classes"]["LVH"]
    assert (metrics["precision"], metrics["recall"], metrics["f1"]) == (None, 0.0, 0.0)
    assert (
        "LVH was never predicted: its precision is n/a and counts as 0 in averages, its F1 is 0."
    ) in e["notes"]
    truth, top = columns(table, "y").argmax(1), columns(table, "p").argmax(1)
    for kind in ("macro", "weighted"):
        expected = precision_score(truth, top, average=kind, zero_division=0)
        assert e["averages"][kind]["precision"] == pytest.approx(expected)
    assert "LVH" in e["averages"]["over"]["f1"]


def test_without_a_record_of_one_class_there_is_no_accuracy():
    table = predictions(n=120)
    table = table[(columns(table, "y") == 1).sum(axis=1) != 1]
    e = evaluate(table, CODES, "multilabel", resamples=FEW).as_json()
    assert e["accuracy"] is None
    assert e["intervals"]["accuracy"]["low"] is None
    assert np.sum(e["confusion"]) == 0
    assert "accuracy   n/a; baseline n/a" in report_text(e)


def test_the_naive_baseline_is_the_most_frequent_class():
    table = predictions(mode="exclusive")
    truth = columns(table, "y").argmax(1)
    most = np.bincount(truth).argmax()
    base = evaluate(table, CODES, "exclusive", resamples=FEW).as_json()["baseline"]
    always = np.full(300, most)
    assert base["form"] == f"always {CODES[most]}"
    assert base["accuracy"] == accuracy_score(truth, always)
    assert base["macro_f1"] == pytest.approx(
        f1_score(truth, always, average="macro", zero_division=0)
    )
    assert base["macro_auc"] == 0.5
    assert base["average_precision"]["LVH"] == pytest.approx((truth == 5).mean())


def test_the_multilabel_baseline_calls_every_class_present():
    table = predictions(unknown=0)
    y = columns(table, "y")
    base = evaluate(table, CODES, "multilabel", resamples=FEW).as_json()["baseline"]
    assert base["form"].endswith("; per class: always present")
    assert base["macro_f1"] == pytest.approx(f1_score(y, np.ones_like(y), average="macro"))


def test_records_without_a_patient_count_as_patients_of_their_own():
    table = predictions(n=60)
    table.loc[:9, "patient"] = None
    e = evaluate(table, CODES, "multilabel", resamples=FEW).as_json()
    assert e["patients"] == 10 + table["patient"].nunique()
    assert "Without a patient, each counted as a patient of its own: 10 records." in e["notes"]


def test_patients_may_be_numbers():
    table = predictions(n=60)
    table["patient"] = table["patient"].str[1:].astype(int)
    e = evaluate(table, CODES, "multilabel", resamples=FEW).as_json()
    assert e["patients"] == table["patient"].nunique()


def test_other_parts_are_scored_on_request():
    table = predictions()
    table.loc[:99, "part"] = "holdout"
    e = evaluate(table, CODES, "multilabel", part="holdout", resamples=FEW).as_json()
    assert (e["part"], e["n"]) == ("holdout", 100)


def test_a_missing_part_is_refused_with_the_available_parts():
    with pytest.raises(RequestError) as caught:
        evaluate(predictions(), CODES, "multilabel", run_id="r1", part="holdout")
    assert str(caught.value) == (
        "The predictions of run r1 hold no record of part 'holdout'; available parts: test."
    )


def test_an_unknown_part_is_refused_with_the_nearest():
    with pytest.raises(NotFound) as caught:
        evaluate(predictions(), CODES, "multilabel", part="tset")
    assert str(caught.value) == (
        "There is no part 'tset'. Did you mean 'test'? Available: validation, test, holdout."
    )


def test_damaged_predictions_are_refused_in_one_line():
    table = predictions()
    with pytest.raises(DamagedFile) as caught:
        evaluate(table.drop(columns=["p_LVH", "y_ECT"]), CODES, "multilabel", run_id="r1")
    assert str(caught.value) == "The predictions of run r1 lack the columns y_ECT, p_LVH."
    table.loc[3, "p_NSR"] = np.nan
    with pytest.raises(DamagedFile) as caught:
        evaluate(table, CODES, "multilabel", run_id="r1")
    assert str(caught.value) == (
        "The predictions of run r1 hold 1 records whose probabilities are not in 0..1."
    )
    table = predictions()
    table.loc[3, "record"] = "r00002"
    with pytest.raises(DamagedFile) as caught:
        evaluate(table, CODES, "multilabel", run_id="r1")
    assert str(caught.value) == (
        "The predictions of run r1 hold record r00002 twice in part 'test'."
    )


def test_the_report_reads_like_scikit_learns_with_accuracy_beside_macro_f1():
    table = predictions(n=66, mode="exclusive")
    table = table[table["y_RVH"] == 0]
    e = evaluate(table, CODES, "exclusive", run_id="r1").as_json()
    lines = report_text(e).splitlines()
    assert lines[0] == (f"r1, part 'test': {e['n']} records of {e['patients']} patients, exclusive")
    assert lines[2].split() == ["precision", "recall", "F1", "AUC", "AP", "support"]
    lvh = e["classes"]["LVH"]
    assert next(line for line in lines if line.startswith("LVH")).split() == [
        "LVH",
        *(f"{lvh[m]:.3f}" for m in ("precision", "recall", "f1", "auc", "average_precision")),
        str(lvh["n"]),
    ]
    rvh = next(line for line in lines if line.startswith("RVH"))
    assert rvh.split() == ["RVH", *["n/a"] * 5, "0"]
    assert "RVH: n/a (0 positives)" in lines
    f1 = next(i for i, line in enumerate(lines) if line.startswith("macro-F1"))
    assert lines[f1 + 1].startswith("accuracy")
    low, high = e["intervals"]["accuracy"]["low"], e["intervals"]["accuracy"]["high"]
    assert lines[f1 + 1] == (
        f"accuracy   {e['accuracy']:.3f} (95 % interval {low:.3f} to {high:.3f} over patients); "
        f"baseline {e['baseline']['accuracy']:.3f}"
    )


def test_an_evaluation_offers_its_main_metrics_and_shows_itself_in_one_line():
    evaluation = evaluate(predictions(), CODES, "multilabel", run_id="r1", resamples=FEW)
    content = evaluation.as_json()
    assert (evaluation.run, evaluation.part, evaluation.n) == ("r1", "test", 300)
    assert evaluation.patients == content["patients"]
    assert vars(evaluation.macro_auc) == {
        name: value for name, value in content["macro_auc"].items() if name != "over"
    }
    assert evaluation.accuracy.value == content["accuracy"]
    assert vars(evaluation.macro_f1) == content["intervals"]["macro_f1"]
    assert evaluation.classes == content["classes"]
    assert repr(evaluation) == (
        f"Evaluation(r1, test, n=300: accuracy {evaluation.accuracy}, "
        f"macro-F1 {evaluation.macro_f1}, macro AUC {evaluation.macro_auc})"
    )
    auc = content["macro_auc"]
    assert (
        str(evaluation.macro_auc) == f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
    )
    assert str(evaluation) == report_text(content)


def test_more_sections_make_another_evaluation():
    evaluation = evaluate(predictions(), CODES, "multilabel", resamples=FEW)
    more = evaluation.extended(looks=None)
    assert "looks" not in evaluation.as_json()
    assert more.as_json() == evaluation.as_json() | {"looks": None}
