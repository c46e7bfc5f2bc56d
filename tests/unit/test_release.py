"""Shipped networks: every record is predicted out of fold once, and the release says so."""

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
from ecgcore.runs.run import list_runs, shipped_models
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
    monkeypatch.setattr(shipped, "FOLDS", ("1+2", "3+4+5"))


def test_a_shipped_network_trains_on_all_records_and_is_scored_out_of_fold(
    examples_home, tmp_path, recipes
):
    with pytest.raises(RequestError, match=r"Not finished yet: tiny-fold1\+2, tiny-fold3"):
        train_and_release("tiny", "examples", examples_home, tmp_path, tmp_path / "tiny")
    trained = train_missing(shipped.STUDY, "examples", examples_home, tmp_path, "*", ignored)
    assert len(list(trained)) == 2
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
    kept = next(c for c in shipped.STUDY.finished(tmp_path) if c.name == "tiny-fold1+2")
    fold = kept.predictions.set_index("record")["z_NSR"]
    answered = predictions.set_index("record")["z_NSR"]
    assert np.array_equal(answered[fold.index], fold)
    assert run_scores(ready.run).n_patients == ready.run.evaluation["patients"]
    assert re.search(r"\| all \| 160 \| [^|]+\| \d+ \|", page)
    chosen_by = ready.run.calibration["thresholds_by"]
    assert chosen_by == "best F1 at a PPV of at least 0.25 out of fold"
    card = (to / "README.md").read_text("utf-8")
    assert card.startswith("# tiny\n")
    assert "## How good, out of fold" in card
    assert "160 train" in card
    assert "CC BY 4.0" in card


def test_a_network_that_is_not_shipped_has_no_recipe(examples_home, tmp_path):
    arguments = ("alexnet_m_se", "examples", examples_home, tmp_path, tmp_path / "new")
    with pytest.raises(NotFound, match="no shipped network 'alexnet_m_se'"):
        train_and_release(*arguments)


def test_nothing_but_a_shipped_model_is_replaced(examples_home, tmp_path):
    kept = tmp_path / "checkpoints" / "resnet1d_scaled" / "README.md"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    arguments = ("resnet1d_scaled", "examples", examples_home, tmp_path)
    for to in (kept.parent.parent, kept.parent):
        with pytest.raises(
            RequestError, match="exists and is no shipped model, so it is not replaced"
        ):
            train_and_release(*arguments, to)
    assert kept.read_text() == "mine"


def test_records_that_no_fold_predicted_are_not_trained_on(
    examples_home, tmp_path, recipes, monkeypatch
):
    monkeypatch.setattr(shipped, "FOLDS", ("1", "2"))
    list(train_missing(shipped.STUDY, "examples", examples_home, tmp_path, "*", ignored))
    with pytest.raises(RequestError, match="would train on 160 records of cohort 'examples'"):
        train_and_release("tiny", "examples", examples_home, tmp_path, tmp_path / "tiny")


def test_a_network_is_distilled_from_a_teacher_of_the_same_folds(
    examples_home, tmp_path, monkeypatch
):
    monkeypatch.setattr(shipped, "RECIPES", {"tiny": TINY, "student": replace(TINY, width=8)})
    monkeypatch.setattr(shipped, "TEACHER", "tiny")
    monkeypatch.setattr(shipped, "DISTILLED", ("student",))
    monkeypatch.setattr(shipped, "FOLDS", ("1", "2"))
    workspace = Workspace(tmp_path / "home")
    shutil.copytree(examples_home.cohorts, workspace.cohorts)
    for only in ("tiny-fold2", "student-fold2"):
        list(train_missing(shipped.STUDY, "examples", workspace, tmp_path, only, ignored))
    student, teacher = shipped.STUDY.finished(tmp_path)
    assert student.content["parent"]["role"] == "teacher"
    assert student.content["split"]["records"] == teacher.content["split"]["records"]
    note = next(n for n in student.content["split"]["notes"] if n.startswith("Is taught by run"))
    (kept,) = list_runs(workspace)  # the teacher's, trained once and kept; the student's is gone
    assert kept.id in note
    assert shipped.recipe("student").teacher == "tiny"


@pytest.mark.parametrize("shipped_run", shipped_models(), ids=lambda run: run.id)
def test_the_card_of_a_shipped_model_follows_from_its_figures(shipped_run, tmp_path, run):
    shutil.copytree(shipped_run.folder, tmp_path / shipped_run.id)
    card = tmp_path / shipped_run.id / "README.md"
    arguments = ("release", shipped_run.id, "--card-only", "--to", card.parent)
    code, out, _ = run(*arguments, "--home", tmp_path)
    assert (code, out) == (0, f"{card} written.\n")
    assert card.read_text("utf-8") == (shipped_run.folder / "README.md").read_text("utf-8")
