"""A teacher: its answers move the targets, and what it learnt from judges nobody."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit

from ecgcore.errors import DamagedFile, RequestError
from ecgcore.inference.model import load
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.provenance import learnt_by
from ecgcore.training import distillation
from ecgcore.training.distributed import ALONE
from ecgcore.training.prepare import plan_of, prepare
from ecgcore.training.trainer import train
from ecgcore.workspace import Workspace

SIGNALS = TrainConfig(
    cohort="examples", model="resnet1d", level="all", epochs=1, depth=4, width=8, device="cpu"
)
PICTURES = TrainConfig(
    cohort="examples", model="alexnet_gap", level="all", epochs=1, size=80, device="cpu"
)


@pytest.fixture(scope="module")
def school(small_pair, tmp_path_factory):
    """Return (home, a run on signals that teaches)."""
    workspace = Workspace(tmp_path_factory.mktemp("school") / "home")
    shutil.copytree(small_pair[0].path, workspace.path)
    return workspace, train(SIGNALS, workspace)


def test_targets_are_between_the_label_and_the_teacher_s_answer(school):
    workspace, teacher = school
    run = prepare(replace(PICTURES, teacher=teacher.id), workspace)
    cohort, plan = plan_of(run.config, workspace)
    moved = distillation.taught(plan, run, workspace, cohort, torch.device("cpu"), ALONE)
    rows, labels = plan.rows[plan.part == "train"], plan.y[plan.part == "train"]
    signals = torch.from_numpy(cohort.signals(rows))
    with torch.no_grad():
        answers = expit(load(teacher.id, workspace).model(signals).numpy())
    expected = (1 - distillation.SHARE) * labels + distillation.SHARE * answers
    assert np.allclose(moved, expected, atol=1e-5, equal_nan=True)
    assert not np.allclose(moved, labels, atol=0.01, equal_nan=True)


def test_a_taught_training_ends_elsewhere_and_goes_on_to_the_same_end(school):
    workspace, teacher = school
    asked = replace(PICTURES, teacher=teacher.id)
    losses = [
        train(config, workspace).history["train_loss"].tolist()
        for config in (PICTURES, asked, asked)
    ]
    assert losses[1] == losses[2] != losses[0]


def test_what_the_teacher_learnt_from_counts_as_learnt(school, tmp_path):
    workspace, teacher = school
    folder = shutil.copytree(teacher.folder, tmp_path / "teacher")
    more = {"record": "elsewhere", "source": "other", "patient": "p", "signal_hash": "h"}
    before = pd.read_parquet(folder / "learnt.parquet")
    after = pd.concat([before, pd.DataFrame([more | {"part": "train"}])])
    after.to_parquet(folder / "learnt.parquet")
    run = prepare(replace(PICTURES, teacher=str(folder)), workspace)
    assert set(learnt_by(run, workspace)["record"]) == {*before["record"], "elsewhere"}


def test_a_teacher_of_validation_or_test_records_is_refused(school):
    workspace, teacher = school
    with pytest.raises(RequestError, match="that would be validated or tested here"):
        prepare(replace(PICTURES, teacher=teacher.id, seed=2), workspace)


def test_a_teacher_of_other_classes_is_refused(school):
    workspace, teacher = school
    with pytest.raises(RequestError, match="answers 10 classes, multilabel; this training asks 5"):
        prepare(replace(PICTURES, teacher=teacher.id, label_set="ptbxl5"), workspace)
    with pytest.raises(RequestError, match="this training asks 10, exclusive"):
        prepare(replace(PICTURES, teacher=teacher.id, target_mode="exclusive"), workspace)


def test_a_teacher_that_was_changed_is_refused(school, tmp_path):
    workspace, teacher = school
    copy = shutil.copytree(teacher.folder, tmp_path / "teacher")
    run = prepare(replace(PICTURES, teacher=str(copy)), workspace)
    other = train(replace(SIGNALS, seed=1, learning_rate=0.001), workspace)
    shutil.copyfile(other.weights, copy / other.weights.name)
    cohort, plan = plan_of(run.config, workspace)
    with pytest.raises(DamagedFile, match="have changed since this run was prepared"):
        distillation.taught(plan, run, workspace, cohort, torch.device("cpu"), ALONE)


def test_a_teacher_from_elsewhere_is_known_by_the_names_of_its_records(school, tmp_path):
    """Its patients' hashes are another home's, and a recording at another rate has other bytes."""
    workspace, teacher = school
    folder = shutil.copytree(teacher.folder, tmp_path / "teacher")
    learnt = pd.read_parquet(folder / "learnt.parquet")
    learnt.assign(patient="another", signal_hash="x").to_parquet(folder / "learnt.parquet")
    with pytest.raises(RequestError, match="that would be validated or tested here"):
        prepare(replace(PICTURES, teacher=str(folder), seed=2), workspace)


def test_a_pupil_of_a_teacher_whose_past_is_not_known_says_so(school, tmp_path):
    workspace, teacher = school
    folder = shutil.copytree(teacher.folder, tmp_path / "teacher")
    table = pd.read_parquet(folder / "learnt.parquet")
    table.attrs["whole"] = False
    table.to_parquet(folder / "learnt.parquet")
    run = prepare(replace(PICTURES, teacher=str(folder)), workspace)
    assert any(
        "a run before teacher learnt from is not known" in n for n in run.meta["split"]["notes"]
    )
    assert learnt_by(run, workspace).attrs["whole"] is False
