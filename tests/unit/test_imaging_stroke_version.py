"""The pen: what was trained with the first goes on with it, new runs record theirs."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from recordings import DATA

from ecgcore.atomic import read_json, write_json
from ecgcore.imaging import LAYOUTS, geometry_from_json
from ecgcore.imaging.geometry import make_geometry
from ecgcore.inference.model import load_model
from ecgcore.records.read import read_record
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.run import SHIPPED
from ecgcore.training.prepare import prepare
from ecgcore.training.trainer import train
from ecgcore.workspace import Workspace

RECORD = DATA / "ptb-xl/records100/00000/00001_lr.hea"
SMALL = TrainConfig(
    cohort="examples", model="alexnet_m_se_gap", level="30", size=(67, 96), epochs=1, device="cpu"
)


def test_a_model_of_before_there_were_pens_answers_with_the_first(tmp_path):
    old = shutil.copytree(SHIPPED / "alexnet_m_se_gap", tmp_path / "old")
    meta = read_json(old / "run.json")
    del meta["input"]["pen"], meta["input"]["rhythm"]
    write_json(old / "run.json", meta)
    then, now = (load_model(str(model), Workspace(tmp_path)) for model in (old, "alexnet_m_se_gap"))
    assert then.geometry == make_geometry("stacked", 224, stroke_version=1)
    assert now.geometry == make_geometry("stacked", 224)
    images = [network.images([read_record(RECORD)]) for network in (then, now)]
    assert not torch.equal(*images)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_run_records_its_pen_layout_and_sides_and_answers_with_them(layout, examples_home):
    run = train(replace(SMALL, layout=layout, rhythm="V1"), examples_home)
    run_input = json.loads((run.folder / "run.json").read_text())["input"]
    assert (run_input["layout"], run_input["size"], run_input["rhythm"]) == (layout, [67, 96], "V1")
    assert run_input["pen"] == 2
    classifier = load_model(run.id, examples_home)
    assert classifier.geometry == make_geometry(layout, (67, 96), rhythm="V1")
    images = classifier.images([read_record(RECORD)])
    assert images.shape == (1, 3, 67, 96)
    assert run.config == replace(SMALL, layout=layout, rhythm="V1").resolve()


def test_an_older_run_that_is_resumed_keeps_the_first_pen(examples_home):
    run = prepare(SMALL, examples_home)
    file = run.folder / "run.json"
    old = read_json(file)
    del old["input"]["pen"], old["input"]["rhythm"], old["config"]["rhythm"]
    write_json(file, old)
    assert run.config.rhythm == "II"
    assert geometry_from_json(run.meta["input"]).stroke_version == 1
