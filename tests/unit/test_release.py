"""Shipped networks: every record is answered out of fold once, and the shipped one says so."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from ecgcore.errors import NotFound, RequestError
from ecgcore.evaluation.evaluate import run_scores
from ecgcore.inference.model import load_model
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.provenance import lineage_of
from ecgcore.runs.run import list_runs
from ecgcore.studies import shipped
from ecgcore.studies.release_study import train_and_release
from ecgcore.studies.study import train_missing
from ecgcore.workspace import Workspace

TINY = TrainConfig("", "resnet1d", "all", depth=4, width=4, epochs=1, device="cpu")


def ignored(run, now):
    """Take no notice of progress."""


@pytest.fixture
def recipes(monkeypatch):
    monkeypatch.setattr(shipped, "RECIPES", {"tiny": TINY})


def test_a_shipped_network_learns_from_all_and_is_judged_out_of_fold(
    examples_home, tmp_path, recipes
):
    with pytest.raises(RequestError, match="Not finished yet: tiny-fold1, tiny-fold2"):
        train_and_release("tiny", "examples", examples_home, tmp_path, tmp_path / "tiny")
    trained = train_missing(shipped.STUDY, "examples", examples_home, tmp_path, "*", ignored)
    assert len(list(trained)) == 5
    page = shipped.STUDY.write_page(tmp_path).read_text("utf-8")
    assert "| validated by a human |" in page

    to = tmp_path / "checkpoints" / "tiny"
    train_and_release("tiny", "examples", examples_home, tmp_path, to)
    ready = load_model(str(to), examples_home)
    predictions = ready.run.predictions
    assert predictions["record"].is_unique
    assert len(predictions) == 160
    assert len(lineage_of(ready.run, examples_home).records) == 160
    assert ready.run.calibration["from"] == "out-of-fold"
    assert ready.temperature == ready.run.calibration["temperature"]
    assert any(note.startswith("Out of fold") for note in ready.run.evaluation["notes"])
    kept = next(c for c in shipped.STUDY.finished(tmp_path) if c.name == "tiny-fold2")
    fold = kept.predictions.set_index("record")["z_NSR"]
    answered = predictions.set_index("record")["z_NSR"]
    assert np.array_equal(answered[fold.index], fold)
    assert run_scores(ready.run).n_patients == ready.run.evaluation["patients"]
    macro_f1 = ready.run.evaluation["macro_f1"]
    assert re.search(rf"\| all \| 160 \| [^|]+\| \d+ \| {macro_f1:.3f} \|", page)
    assert ready.run.calibration["thresholds_by"] == "best F1 out of fold"
    card = (to / "README.md").read_text("utf-8")
    assert card.startswith("# tiny\n")
    assert "## Out of fold" in card
    assert "160 train" in card
    assert "CC BY 4.0" in card


def test_a_network_that_is_not_shipped_has_no_recipe(examples_home, tmp_path):
    asked = ("alexnet_m_se", "examples", examples_home, tmp_path, tmp_path / "new")
    with pytest.raises(NotFound, match="no shipped network 'alexnet_m_se'"):
        train_and_release(*asked)


def test_nothing_but_a_shipped_model_is_replaced(examples_home, tmp_path):
    kept = tmp_path / "checkpoints" / "resnet1d_scaled" / "README.md"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    asked = ("resnet1d_scaled", "examples", examples_home, tmp_path)
    for to in (kept.parent.parent, kept.parent):
        with pytest.raises(RequestError, match="is there and is no shipped model"):
            train_and_release(*asked, to)
    assert kept.read_text() == "mine"


def test_records_that_no_fold_answered_are_not_learnt_from(
    examples_home, tmp_path, recipes, monkeypatch
):
    monkeypatch.setattr(shipped, "FOLDS", (1, 2))
    list(train_missing(shipped.STUDY, "examples", examples_home, tmp_path, "*", ignored))
    with pytest.raises(RequestError, match="would learn from 160 records of cohort 'examples'"):
        train_and_release("tiny", "examples", examples_home, tmp_path, tmp_path / "tiny")


def test_a_pupil_learns_out_of_fold_from_its_teacher_of_the_same_folds(
    examples_home, tmp_path, monkeypatch
):
    monkeypatch.setattr(shipped, "RECIPES", {"tiny": TINY, "pupil": replace(TINY, width=8)})
    monkeypatch.setattr(shipped, "TEACHER", "tiny")
    monkeypatch.setattr(shipped, "TAUGHT", ("pupil",))
    workspace = Workspace(tmp_path / "home")
    shutil.copytree(examples_home.cohorts, workspace.cohorts)
    for only in ("tiny-fold2", "pupil-fold2"):
        list(train_missing(shipped.STUDY, "examples", workspace, tmp_path, only, ignored))
    pupil, teacher = shipped.STUDY.finished(tmp_path)
    assert pupil.content["parent"]["role"] == "teacher"
    assert pupil.content["split"]["records"] == teacher.content["split"]["records"]
    note = next(n for n in pupil.content["split"]["notes"] if n.startswith("Is taught by run"))
    (kept,) = list_runs(workspace)  # the teacher's, trained once and kept; the pupil's is gone
    assert kept.id in note
    assert shipped.recipe("pupil").teacher == "tiny"
