"""Pretrained weights: start from another run, its images included, with no patient in both."""

import re
import shutil
from dataclasses import replace

import pytest
import torch
import typer
from recordings import EXAMPLES

from ecgcore import cli
from ecgcore.atomic import sha256_file
from ecgcore.cohort.ingest import ingest
from ecgcore.errors import DamagedFile, NotFound, RequestError
from ecgcore.models import create_model
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.run import Run
from ecgcore.runs.weights import read_tensors
from ecgcore.training.prepare import prepare
from ecgcore.training.pretrained import load_pretrained
from ecgcore.training.trainer import train
from ecgcore.workspace import Workspace

FINE_TUNE = TrainConfig(
    cohort="examples", model="alexnet_m_se_gap", level="all", epochs=1, device="cpu"
)


@pytest.fixture(scope="module")
def family(small_pair, tmp_path_factory):
    """Return (workspace, run A, run B); runs may be added."""
    workspace = Workspace(tmp_path_factory.mktemp("family") / "home")
    shutil.copytree(small_pair[0].path, workspace.path)
    return workspace, *(Run(workspace.runs / run.id) for run in small_pair[1:])


def weights_of(run):
    return read_tensors(run.folder / "weights.safetensors")[0]


def test_a_training_starts_from_the_weights_and_images_of_another(family):
    workspace, _, parent = family
    run = train(
        replace(FINE_TUNE, pretrained=parent.id, learning_rate=1e-9, backbone_lr_factor=0.5),
        workspace,
    )
    assert run.meta["input"] == parent.meta["input"]
    assert run.meta["init"]["run"] == parent.id
    before, after = weights_of(parent), weights_of(run)
    changed = [n for n in before if not torch.allclose(before[n], after[n], rtol=0, atol=1e-6)]
    assert all("running_" in name or "num_batches" in name for name in changed)


def test_a_frozen_backbone_stays_bit_by_bit_and_the_head_learns(family):
    workspace, _, parent = family
    run = train(
        replace(FINE_TUNE, pretrained=parent.id, learning_rate=0.1, backbone_lr_factor=0.0),
        workspace,
    )
    before, after = weights_of(parent), weights_of(run)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.startswith("head.")}


def test_another_network_than_the_parent_s_is_refused(family):
    workspace, _, parent = family
    with pytest.raises(RequestError, match="is alexnet_m_se_gap, not alexnet_gap; name the same"):
        prepare(replace(FINE_TUNE, model="alexnet_gap", pretrained=parent.id), workspace)


def test_a_parent_that_learnt_from_what_is_tested_is_refused(family):
    workspace, _, parent = family
    with pytest.raises(RequestError, match=r"was trained on .* records that would be tested here"):
        prepare(replace(FINE_TUNE, pretrained=parent.id, seed=2), workspace)


def test_an_unknown_parent_is_refused_by_name(family):
    with pytest.raises(NotFound, match="There is no run 'nobody'"):
        prepare(replace(FINE_TUNE, pretrained="nobody"), family[0])


def test_a_head_for_other_classes_starts_afresh(family):
    _, _, parent = family
    model = create_model("alexnet_m_se_gap", 3)
    initial = model.head[-1].weight.clone()
    meta = {"classes": ["a", "b", "c"], "init": {"weights": None}}
    with pytest.raises(DamagedFile, match="have changed since"):
        load_pretrained(model, parent, meta)
    meta["init"]["weights"] = sha256_file(parent.weights)
    load_pretrained(model, parent, meta)
    assert torch.equal(model.head[-1].weight, initial)
    first = "features.0.0.weight"
    assert torch.equal(model.state_dict()[first], weights_of(parent)[first])


def test_a_parent_of_another_rate_is_refused_with_the_command_that_helps(family):
    workspace, _, parent = family
    ingest(EXAMPLES, "shorter", workspace, workers=1, measure=False, duration_s=5)
    with pytest.raises(
        RequestError, match="reads 10 s at 100 Hz; cohort 'shorter' holds 5 s"
    ) as no:
        prepare(replace(FINE_TUNE, cohort="shorter", pretrained=parent.id), workspace)
    options = re.findall(r"--[\w-]+", str(no.value))
    known = typer.main.get_command(cli.app).commands["ingest"].params
    assert options == ["--store-fs-hz", "--duration-s"]
    assert set(options) <= {name for option in known for name in option.opts}
