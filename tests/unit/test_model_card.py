"""Model cards: what a reader sees first, and the facts that stand beside the card."""

import json
import shutil

import pandas as pd
import pytest

from ecgcore.errors import RequestError
from ecgcore.evaluation.card_figures import card_figures
from ecgcore.evaluation.referral_coverage import ALL_RECORDS, VALIDATED_RECORDS
from ecgcore.evaluation.results import Evaluation
from ecgcore.inference.card_facts import EXTERNAL, STEADINESS, store_external, store_steadiness
from ecgcore.inference.model_card import model_card, update_card
from ecgcore.resources import CHECKPOINTS
from ecgcore.runs.run import Run

CHANGE = "gain × 1.05"


@pytest.fixture
def shipped(tmp_path):
    """Copy of a shipped network with every tenth of its out-of-fold answers."""
    folder = tmp_path / "resnet1d_scaled"
    shutil.copytree(CHECKPOINTS / "resnet1d_scaled", folder)
    table = pd.read_parquet(folder / "predictions.parquet")
    table[::10].to_parquet(folder / "predictions.parquet", index=False)
    return Run(folder)


def test_validated_records_come_first_and_rare_classes_are_left_out_beside(shipped):
    first, last = card_figures(shipped, resamples=20)
    assert (first.records, last.records) == (VALIDATED_RECORDS, ALL_RECORDS)
    assert first.n < last.n
    whole, common = last.macro_auc, last.macro_auc_common
    assert last.rare == ["RVH", "STEMI"]
    assert sorted(set(whole["over"]) - set(common["over"])) == last.rare
    assert common["value"] > whole["value"]


def test_f1_on_a_card_is_of_thresholds_that_other_patients_chose(shipped):
    last = card_figures(shipped, resamples=20)[-1]
    stored = shipped.evaluation["macro_f1"]
    assert last.macro_f1["value"] != pytest.approx(stored, abs=1e-4)


def test_a_card_states_figures_in_the_order_of_their_weight(shipped):
    steadiness = {CHANGE: {"records": 200, "changed": 0.02, "low": 0.01, "high": 0.05}}
    file = shipped.folder.parent / "robustness.json"
    network = {"run": shipped.meta["run"], "changes": steadiness}
    measured = {"fold": 8, "records": 200, "networks": {"resnet1d_scaled": network}}
    file.write_text(json.dumps(measured))
    store_steadiness(shipped, file)
    evaluation = Evaluation(shipped.evaluation)
    cohort = {"name": "other", "sources": {"ludb": 12}}
    store_external(shipped, [evaluation.extended(cohort=cohort, refer=None)])
    update_card(shipped)
    card = (shipped.folder / "README.md").read_text("utf-8")
    headings = [line[3:] for line in card.splitlines() if line.startswith("## ")]
    assert headings == [
        "How good, out of fold",
        f"Each class: {VALIDATED_RECORDS}",
        "Other hospitals",
        "Steadiness",
        "Whole evaluation",
        "Settings",
    ]
    assert f"| {CHANGE} | 2.0 % (1.0 to 5.0) |" in card
    assert "| ludb | " in card
    assert "Wagner et al. 2020" in card


def test_steadiness_of_other_weights_is_refused(shipped, tmp_path):
    file = tmp_path / "robustness.json"
    networks = {"resnet1d_scaled": {"run": "another", "changes": {}}}
    file.write_text(json.dumps({"fold": 8, "records": 200, "networks": networks}))
    with pytest.raises(RequestError, match="has no network of run"):
        store_steadiness(shipped, file)


def test_a_card_without_facts_has_no_empty_section(shipped):
    for name in (EXTERNAL, STEADINESS):
        (shipped.folder / name).unlink()
    card = model_card(shipped, "resnet1d_scaled", "")
    assert "Other hospitals" not in card
    assert "Steadiness" not in card
