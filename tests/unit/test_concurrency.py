"""Many threads use one network at once: each gets its own answer and its own map."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import numpy as np
import pytest

from ecgcore.explanation.api import explain
from ecgcore.inference.classify import classify_records
from ecgcore.inference.concurrency import PrioritySlots, exclusive_classifier, with_own_modules
from ecgcore.inference.model import load_model
from ecgcore.records.read import read_record
from ecgcore.workspace import Workspace

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "ptb-xl"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return load_model("alexnet_m_se_gap", Workspace(tmp_path_factory.mktemp("home")))


def test_each_caller_has_modules_of_its_own_on_the_same_weights(classifier):
    own = with_own_modules(classifier)
    pairs = zip(own.model.parameters(), classifier.model.parameters(), strict=True)
    assert all(a.data_ptr() == b.data_ptr() for a, b in pairs)
    assert own.cam_layer is not classifier.cam_layer
    fired = []
    own.cam_layer.register_forward_hook(lambda *_: fired.append(1))
    record = read_record(next(EXAMPLES.rglob("*.hea")))
    classify_records([record], classifier)
    assert not fired
    classify_records([record], own)
    assert fired


def test_concurrent_answers_and_maps_are_those_computed_one_by_one(classifier):
    records = [read_record(path) for path in sorted(EXAMPLES.rglob("*.hea"))[:8]]

    def classify_and_explain(record):
        with exclusive_classifier(classifier) as own:
            answer = classify_records([record], own)[0]
        with exclusive_classifier(classifier) as own:
            return answer, explain(own, record, answer["top"]).map

    sequential = [classify_and_explain(record) for record in records]
    with ThreadPoolExecutor(8) as pool:
        concurrent = list(pool.map(classify_and_explain, records * 3))
    for (answer, cam), (expected, expected_cam) in zip(concurrent, sequential * 3, strict=True):
        assert answer["record"] == expected["record"]
        for code, p in expected["probabilities"].items():
            assert answer["probabilities"][code] == pytest.approx(p, abs=1e-5)
        assert (cam is None) == (expected_cam is None)
        assert expected_cam is None or np.allclose(cam, expected_cam, atol=1e-4)


def test_low_priority_callers_let_others_pass_and_nobody_is_left_out():
    slots, order = PrioritySlots(1), []

    def work(name, low_priority):
        with slots.slot(low_priority):
            order.append(name)

    with ThreadPoolExecutor(8) as pool:
        with slots.slot(low_priority=False):
            maps = [pool.submit(work, "map", True) for _ in range(3)]
            classes = [pool.submit(work, "class", False) for _ in range(3)]
            while slots._urgent < len(classes):
                sleep(0.01)
        for future in (*maps, *classes):
            future.result(timeout=10)
    assert order == ["class"] * 3 + ["map"] * 3
