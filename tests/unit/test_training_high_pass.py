"""A high-pass belongs to a run: it trains, scores and answers through the same one."""

from dataclasses import replace

import numpy as np
import pytest

from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError, UnreadableRecord
from ecgcore.imaging.png import NetworkImage
from ecgcore.inference.model import load_model
from ecgcore.inference.onnx_export import onnx_metadata
from ecgcore.records.record import Record
from ecgcore.runs.config import ResolvedConfig, TrainConfig
from ecgcore.training.prepare import plan_training
from ecgcore.training.trainer import train

CONFIG = TrainConfig(
    cohort="examples",
    model="resnet1d",
    depth=4,
    width=4,
    level="60",
    epochs=1,
    device="cpu",
    highpass_hz=0.5,
)


@pytest.fixture(scope="module")
def run(examples_home):
    return train(CONFIG, examples_home)


def test_stored_scores_are_those_of_the_same_records_answered_later(run, examples_home):
    classifier = load_model(run.id, examples_home)
    assert classifier.highpass_hz == run.meta["input"]["highpass_hz"] == 0.5
    cohort, stored = Cohort.open("examples", examples_home), run.predictions.head(8)
    records = [cohort.record(name) for name in stored["record"]]
    columns = [f"p_{code}" for code in classifier.classes]
    np.testing.assert_allclose(classifier.predict_proba(records), stored[columns], atol=2e-3)


def test_an_offset_changes_no_answer(run, examples_home):
    classifier = load_model(run.id, examples_home)
    record = Cohort.open("examples", examples_home).record(0)
    moved = replace(record, signal_mv=record.signal_mv + np.float32(2.0))
    np.testing.assert_allclose(
        classifier.predict_proba([record]), classifier.predict_proba([moved]), atol=1e-4
    )


def test_a_run_without_a_high_pass_says_nothing_of_it(examples_home):
    classifier = load_model("alexnet_gap")
    assert "highpass_hz" not in classifier.input
    rng = np.random.default_rng(0)
    record = Record(rng.normal(1, 1, (12, 1000)).astype(np.float32), 100.0, "made")
    np.testing.assert_array_equal(classifier.signals([record])[0], record.signal_mv)


def test_a_run_that_starts_from_another_takes_its_high_pass(run, examples_home):
    config = replace(CONFIG, highpass_hz=0.0, pretrained=run.id)
    assert plan_training(config, examples_home).config.highpass_hz == 0.5


def test_an_image_drawn_without_the_high_pass_is_refused():
    shipped = load_model("alexnet_gap")
    classifier = replace(shipped, input=shipped.input | {"highpass_hz": 0.5})
    image = NetworkImage(np.zeros((3, 224, 224), np.float32), shipped.geometry, "made", 100.0)
    shipped.check_image(image)
    with pytest.raises(UnreadableRecord, match=r"without the high-pass of 0\.5 Hz"):
        classifier.check_image(image)


def test_an_exported_network_states_its_high_pass(run, examples_home):
    assert onnx_metadata(load_model(run.id, examples_home))["highpass_hz"] == "0.5"


def test_a_cut_off_that_the_standard_does_not_allow_is_refused():
    with pytest.raises(RequestError, match=r"highpass hz 1\.0 is not accepted; 0 to 0\.67 Hz is"):
        replace(CONFIG, highpass_hz=1.0).resolve()


def test_a_stored_run_of_an_earlier_version_has_none():
    assert ResolvedConfig.from_json({"cohort": "examples"}).highpass_hz == 0.0
