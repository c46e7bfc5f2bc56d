"""The pen: what was trained with the first goes on with it, new runs record theirs."""

import json
from dataclasses import replace

import numpy as np
import pytest
from recordings import DATA

from ecgcore.home import Home, read_json, write_json
from ecgcore.imaging import LAYOUTS, geometry_of
from ecgcore.imaging.geometry import geometry
from ecgcore.inference.classifier import load
from ecgcore.records.reading import read_record
from ecgcore.training.config import TrainConfig
from ecgcore.training.preparing import prepare
from ecgcore.training.work import train

RECORD = DATA / "ptb-xl/records100/00000/00001_lr.hea"
# As the shipped models answered when there was one pen only (100 Hz, NSR STACH … ECT).
SHIPPED = {
    "alexnet_gap": [0.80383, 0.00015, 0.00308, 0, 1e-5, 0.00073, 3e-5, 2e-5, 0.00302, 0.0105],
    "alexnet_m_se_gap": [0.96974, 9e-5, 0.0024, 2e-5, 1e-5, 0.00017, 7e-5, 2e-5, 0.00036, 0.0002],
}
SMALL = TrainConfig(
    cohort="examples", model="alexnet_m_se_gap", level="30", size=(67, 96), epochs=1, device="cpu"
)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_answer_as_they_did_with_one_pen(name, tmp_path):
    classifier = load(name, Home(tmp_path))
    assert classifier.geometry == geometry("stacked", 224, pen=1)
    found = classifier.raw(classifier.logits(classifier.inputs([read_record(RECORD)])))[0]
    np.testing.assert_allclose(found, SHIPPED[name], atol=2e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_run_records_its_pen_layout_and_sides_and_answers_with_them(layout, examples_home):
    run = train(replace(SMALL, layout=layout, rhythm="V1"), examples_home)
    given = json.loads((run.folder / "run.json").read_text())["input"]
    assert (given["layout"], given["size"], given["rhythm"]) == (layout, [67, 96], "V1")
    assert given["pen"] == 2
    classifier = load(run.id, examples_home)
    assert classifier.geometry == geometry(layout, (67, 96), rhythm="V1")
    images = classifier.images([read_record(RECORD)])
    assert images.shape == (1, 3, 67, 96)
    assert run.config == replace(SMALL, layout=layout, rhythm="V1").filled()


def test_an_older_run_that_is_resumed_keeps_the_first_pen(examples_home):
    run = prepare(SMALL, examples_home)
    file = run.folder / "run.json"
    old = read_json(file)
    del old["input"]["pen"], old["input"]["rhythm"], old["config"]["rhythm"]
    write_json(file, old)
    assert run.config.rhythm == "II"
    assert geometry_of(run.meta["input"]).pen == 1
