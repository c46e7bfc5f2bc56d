"""Classes that are ranked but not called: by which count, and where that is said."""

import numpy as np
import pytest

from ecgcore.evaluation.ranked_classes import ranked_classes, ranked_text
from ecgcore.inference.classify import classify_records
from ecgcore.inference.model import load_model
from ecgcore.records.record import Record
from ecgcore.runs.run import shipped_models


def evaluation(mode="multilabel", **calls):
    """Return an evaluation in which each class has (calls, right calls)."""
    counts = {code: [[900, n - right], [5, right]] for code, (n, right) in calls.items()}
    return {"target_mode": mode, "confusion_per_class": counts}


@pytest.mark.parametrize(
    ("calls", "right", "is_ranked"),
    [(36, 2, True), (80, 19, True), (80, 20, False), (19, 0, False), (20, 0, True), (0, 0, False)],
)
def test_a_class_is_ranked_if_fewer_than_a_quarter_of_enough_calls_are_right(
    calls, right, is_ranked
):
    assert ("STEMI" in ranked_classes(evaluation(STEMI=(calls, right)))) is is_ranked


def test_cross_fitted_calls_decide_where_thresholds_saw_the_same_records():
    of = evaluation(STEMI=(80, 40)) | {"calls": {"STEMI": [90, 20]}}
    assert str(ranked_classes(of)["STEMI"]) == "STEMI (20 of 90 calls right)"


@pytest.mark.parametrize("nothing", [None, {}, evaluation("exclusive", STEMI=(36, 2))])
def test_nothing_is_ranked_without_thresholds_or_without_an_evaluation(nothing):
    assert ranked_classes(nothing) == {}
    assert ranked_text(nothing) == ""


def test_the_sentence_names_the_classes_with_their_calls():
    assert ranked_text(evaluation(LVH=(100, 80), RVH=(74, 18), STEMI=(1036, 2))) == (
        "Ranked, not called, since fewer than a quarter of the calls are right: RVH (18 of 74 "
        "calls right), STEMI (2 of 1,036 calls right)."
    )
    many = evaluation(**{f"C{n}": (30, 1) for n in range(11)})
    assert ranked_text(many).endswith("C7 (1 of 30 calls right) and 3 more.")


def test_the_shipped_networks_of_ten_classes_rank_right_ventricles_and_infarctions_at_most():
    for run in shipped_models():
        if len(run.meta["classes"]) == 10:
            assert {"RVH"} <= set(ranked_classes(run.evaluation)) <= {"RVH", "STEMI"}


def test_a_ranked_class_is_not_called_and_keeps_its_probability():
    classifier = load_model("resnet1d_scaled")
    rng = np.random.default_rng(0)
    records = [Record(rng.normal(0, 1, (12, 1000)).astype(np.float32), 100.0, "made")]
    for code in classifier.thresholds:
        classifier.thresholds[code] = 0.0  # every class reaches its threshold
    (answer,) = classify_records(records, classifier)
    assert answer["ranked"] == ["RVH"]
    assert set(answer["called"]) == set(classifier.classes) - {"RVH"}
    assert set(answer["probabilities"]) == set(classifier.classes)
