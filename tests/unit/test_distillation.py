"""Distillation: a teacher moves the targets; records that it was trained on test no student."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from scipy.special import expit

from ecgcore.errors import DamagedFile, RequestError
from ecgcore.inference.model import load_model
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.provenance import lineage_of
from ecgcore.runs.run import Run
from ecgcore.runs.split import read_split
from ecgcore.training import distillation
from ecgcore.training.distributed import SINGLE_PROCESS
from ecgcore.training.prepare import prepare
from ecgcore.training.trainer import train
from ecgcore.workspace import Workspace

SIGNALS = TrainConfig(
    cohort="examples", model="resnet1d", level="all", epochs=1, depth=4, width=8, device="cpu"
)
IMAGES = TrainConfig(
    cohort="examples", model="alexnet_gap", level="all", epochs=1, size=80, device="cpu"
)


@pytest.fixture(scope="module")
def school(small_pair, tmp_path_factory):
    """Return (workspace, a teacher on signals)."""
    workspace = Workspace(tmp_path_factory.mktemp("school") / "home")
    shutil.copytree(small_pair[0].path, workspace.path)
    return workspace, train(SIGNALS, workspace)


def test_targets_lie_between_the_label_and_the_teacher_s_answer(school):
    workspace, teacher = school
    run = prepare(replace(IMAGES, teacher=teacher.id), workspace)
    cohort, split = read_split(run, workspace)
    targets = distillation.soft_targets(
        split, run, workspace, cohort, torch.device("cpu"), SINGLE_PROCESS
    )
    is_train = split.part == "train"
    rows, labels = split.rows[is_train], split.y[is_train]
    signals = torch.from_numpy(cohort.signals(rows))
    with torch.no_grad():
        answers = expit(load_model(teacher.id, workspace).model(signals).numpy())
    weight = distillation.TEACHER_WEIGHT
    expected = (1 - weight) * labels + weight * answers
    assert np.allclose(targets, expected, atol=1e-5, equal_nan=True)
    assert not np.allclose(targets, labels, atol=0.01, equal_nan=True)


def test_a_teacher_changes_the_training_which_stays_reproducible(school):
    workspace, teacher = school
    distilled = replace(IMAGES, teacher=teacher.id)
    losses = [
        train(config, workspace).history["train_loss"].tolist()
        for config in (IMAGES, distilled, distilled)
    ]
    assert losses[1] == losses[2] != losses[0]


def test_what_the_teacher_learnt_from_counts_as_learnt(school, tmp_path):
    workspace, teacher = school
    folder = shutil.copytree(teacher.folder, tmp_path / "teacher")
    before = lineage_of(Run(folder), workspace).records
    more = {"record": "elsewhere", "source": "other", "patient": "p", "signal_hash": "h"}
    more |= {"part": "train", "row": -1, "inherited": True}
    table = pd.concat([pd.read_parquet(folder / "split.parquet"), pd.DataFrame([more])])
    table.to_parquet(folder / "split.parquet")
    run = prepare(replace(IMAGES, teacher=str(folder)), workspace)
    lineage = lineage_of(run, workspace)
    assert set(lineage.records["record"]) == {*before["record"], "elsewhere"}
    assert lineage.is_complete


def test_a_teacher_of_validation_or_test_records_is_refused(school):
    workspace, teacher = school
    with pytest.raises(RequestError, match="that would be validated or tested here"):
        prepare(replace(IMAGES, teacher=teacher.id, seed=2), workspace)


def test_a_teacher_of_other_classes_is_refused(school):
    workspace, teacher = school
    with pytest.raises(RequestError, match="answers 10 classes, multilabel; this training asks 5"):
        prepare(replace(IMAGES, teacher=teacher.id, label_set="ptbxl5"), workspace)
    with pytest.raises(RequestError, match="this training asks 10, exclusive"):
        prepare(replace(IMAGES, teacher=teacher.id, target_mode="exclusive"), workspace)


def test_a_teacher_that_was_changed_is_refused(school, tmp_path):
    workspace, teacher = school
    copy = shutil.copytree(teacher.folder, tmp_path / "teacher")
    run = prepare(replace(IMAGES, teacher=str(copy)), workspace)
    other = train(replace(SIGNALS, seed=1, learning_rate=0.001), workspace)
    shutil.copyfile(other.weights, copy / other.weights.name)
    cohort, split = read_split(run, workspace)
    with pytest.raises(DamagedFile, match="have changed since this run was prepared"):
        distillation.soft_targets(
            split, run, workspace, cohort, torch.device("cpu"), SINGLE_PROCESS
        )


def test_a_teacher_from_elsewhere_is_recognised_by_the_names_of_its_records(school, tmp_path):
    """Patients are hashed with another workspace's key, and another rate has another signal."""
    workspace, teacher = school
    folder = shutil.copytree(teacher.folder, tmp_path / "teacher")
    table = pd.read_parquet(folder / "split.parquet")
    table.assign(patient="another", signal_hash="x").to_parquet(folder / "split.parquet")
    with pytest.raises(RequestError, match="that would be validated or tested here"):
        prepare(replace(IMAGES, teacher=str(folder), seed=2), workspace)


def test_a_student_of_a_teacher_with_unknown_sources_says_so(school, tmp_path):
    workspace, teacher = school
    folder = shutil.copytree(teacher.folder, tmp_path / "teacher")
    table = pq.read_table(folder / "split.parquet")
    metadata = json.loads(table.schema.metadata[b"ecgcore"]) | {"lineage_complete": False}
    table = table.replace_schema_metadata({"ecgcore": json.dumps(metadata)})
    pq.write_table(table, folder / "split.parquet")
    run = prepare(replace(IMAGES, teacher=str(folder)), workspace)
    assert any(
        "a run before teacher was trained on is not known" in n for n in run.meta["split"]["notes"]
    )
    assert lineage_of(run, workspace).is_complete is False


def test_a_teacher_of_version_0_1_0_tells_what_it_learnt_from(school, tmp_path):
    workspace, teacher = school
    folder = shutil.copytree(teacher.folder, tmp_path / "teacher")
    lineage = lineage_of(teacher, workspace)
    (folder / "split.parquet").unlink()
    lineage.records.to_parquet(folder / "learnt.parquet")
    old = lineage_of(Run(folder), workspace)
    assert old.is_complete
    pd.testing.assert_frame_equal(old.records, lineage.records)
    lineage.records.attrs["whole"] = False
    lineage.records.to_parquet(folder / "learnt.parquet")
    assert lineage_of(Run(folder), workspace).is_complete is False
    with pytest.raises(RequestError, match="that would be validated or tested here"):
        prepare(replace(IMAGES, teacher=str(folder), seed=2), workspace)
