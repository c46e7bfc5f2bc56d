"""A network that reads signals, for 71 classes, stands beside those that read images."""

import pytest
from reading import words

from ecgcore.runs.config import TrainConfig
from ecgcore.training.trainer import train

SMALL = TrainConfig(
    cohort="examples", model="resnet1d", level="all", label_set="ptbxl71", depth=4, width=8,
    epochs=1, device="cpu",
)  # fmt: skip
SHIPPED = "alexnet_m_se_gap"


@pytest.fixture
def run(own_copy):
    return train(SMALL, own_copy)


def test_a_network_on_signals_classifies_and_explains_an_example(open_page, run):
    app = open_page("classify", classify_example="LBBB", classify_runs=run.id)
    said = words(app)
    assert "resnet1d reads signals of 10 s at 100 Hz: macro AUC" in said
    assert "Behind the trace: Grad-CAM of resnet1d" in said
    assert "ms and all leads." in said or "No positive evidence for" in said
    assert "All 71 classes, not the 12 most probable" in {t.label for t in app.toggle}
    beside = open_page("classify", classify_example="LBBB", classify_runs=[run.id, SHIPPED])
    assert "Asked for different classes, resnet1d says " in words(beside)
    assert f"{SHIPPED} says LBBB · Left bundle branch block" in words(beside).replace("**", "")
    said = words(open_page("saliency", saliency_runs=run.id))
    assert "ms and all leads." in said or "No positive evidence for" in said
    assert run.id in set(open_page("overview").dataframe[1].value["run"])
