"""A network that reads signals stands on the pages beside those that read images."""

import pytest
from reading import words

from ecgcore.training.config import TrainConfig
from ecgcore.training.work import train

SMALL = TrainConfig(
    cohort="examples", model="resnet1d", level="all", depth=4, width=8, epochs=1, device="cpu"
)


@pytest.fixture
def run(own_copy):
    return train(SMALL, own_copy)


def test_a_network_on_signals_classifies_and_explains_an_example(open_page, run):
    said = words(open_page("classify", classify_example="LBBB", classify_runs=run.id))
    assert "resnet1d reads signals of 10 s at 100 Hz: macro AUC" in said
    assert "Behind the trace: Grad-CAM of resnet1d" in said
    assert "ms and all leads." in said or "No positive evidence for" in said
    said = words(open_page("saliency", saliency_runs=run.id))
    assert "ms and all leads." in said or "No positive evidence for" in said
    assert run.id in set(open_page("overview").dataframe[1].value["run"])
