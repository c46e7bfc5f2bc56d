"""ROC curves one-vs-rest, micro and macro."""

import numpy as np
import pytest
from simulated import predictions
from sklearn.metrics import auc, roc_auc_score, roc_curve

from ecgcore.evaluation.roc import MAX_POINTS, roc_curves
from ecgcore.labels.classes import CODES


def test_a_small_classs_curve_is_scikit_learns():
    table = predictions(n=80)
    rows = table[table["y_LVH"].notna()]
    fpr, tpr, _ = roc_curve(rows["y_LVH"], rows["p_LVH"])
    curve = roc_curves(table, CODES)["LVH"]
    np.testing.assert_array_equal(curve["fpr"], fpr)
    np.testing.assert_array_equal(curve["tpr"], tpr)
    assert curve["auc"] == pytest.approx(roc_auc_score(rows["y_LVH"], rows["p_LVH"]))
    assert np.isnan(curve["threshold"][0])  # at (0, 0) nothing is called


def test_micro_and_macro_are_those_of_scikit_learn():
    table = predictions(n=300, unknown=0)
    y = table[[f"y_{c}" for c in CODES]].to_numpy()
    p = table[[f"p_{c}" for c in CODES]].to_numpy()
    curves = roc_curves(table, CODES)
    assert list(curves) == [*CODES, "micro", "macro"]
    assert curves["micro"]["auc"] == pytest.approx(roc_auc_score(y, p, average="micro"))
    assert curves["macro"]["auc"] == pytest.approx(roc_auc_score(y, p, average="macro"))
    assert auc(curves["macro"]["fpr"], curves["macro"]["tpr"]) == pytest.approx(
        curves["macro"]["auc"], abs=0.01
    )


def test_long_curves_are_thinned_and_keep_their_ends_and_area():
    curves = roc_curves(predictions(n=6000, skill=1.0), CODES)
    for name, curve in curves.items():
        assert len(curve["fpr"]) == len(curve["tpr"]) == len(curve["threshold"]) <= MAX_POINTS
        assert (curve["fpr"][0], curve["tpr"][0]) == (0, 0), name
        assert (curve["fpr"][-1], curve["tpr"][-1]) == (1, 1), name
        assert auc(curve["fpr"], curve["tpr"]) == pytest.approx(curve["auc"], abs=2e-3), name


def test_classes_without_both_kinds_have_no_curve():
    table = predictions(n=80)
    table.loc[table["y_RVH"] == 1, "y_RVH"] = 0
    table["y_ECT"] = np.nan
    curves = roc_curves(table, CODES)
    assert set(CODES) - set(curves) == {"RVH", "ECT"}
