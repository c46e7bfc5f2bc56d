"""A network that reads signals, for 71 classes, next to those that read images."""

import pytest
from reading import words

from ecgcore.runs.config import TrainConfig
from ecgcore.training.trainer import train

SMALL = TrainConfig(
    cohort="examples",
    model="resnet1d",
    level="all",
    label_set="ptbxl71",
    depth=4,
    width=8,
    epochs=1,
    device="cpu",
)
SHIPPED = "alexnet_m_se_gap"


@pytest.fixture
def run(own_copy):
    return train(SMALL, own_copy)


def test_a_network_on_signals_classifies_and_explains_an_example(open_page, run):
    app = open_page("classify", classify_example="LBBB", classify_runs=run.id)
    text = words(app)
    assert "resnet1d reads signals of 10 s at 100 Hz: macro AUC" in text
    assert "Behind the trace: Grad-CAM of resnet1d" in text
    assert "ms and all leads." in text or "No positive evidence for" in text
    assert "All 71 classes, not the 12 most probable" in {t.label for t in app.toggle}
    both = open_page("classify", classify_example="LBBB", classify_runs=[run.id, SHIPPED])
    assert "The networks answer different classes: resnet1d says " in words(both)
    assert f"{SHIPPED} says LBBB · Left bundle branch block" in words(both).replace("**", "")
    text = words(open_page("saliency", saliency_runs=run.id))
    assert "ms and all leads." in text or "No positive evidence for" in text
    assert run.id in set(open_page("overview").dataframe[1].value["run"])
