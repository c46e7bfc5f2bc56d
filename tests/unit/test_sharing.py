"""Many threads ask one network at once: each gets its own answer and its own map."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import numpy as np
import pytest

from ecgcore.explain.api import explain
from ecgcore.inference.classify import classify_records
from ecgcore.inference.concurrency import Turns, asked, own_modules
from ecgcore.inference.model import load
from ecgcore.records.read import read_record
from ecgcore.workspace import Workspace

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "ptb-xl"


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return load("alexnet_m_se_gap", Workspace(tmp_path_factory.mktemp("home")))


def test_each_question_has_modules_of_its_own_on_the_same_weights(network):
    own = own_modules(network)
    pairs = zip(own.model.parameters(), network.model.parameters(), strict=True)
    assert all(a.data_ptr() == b.data_ptr() for a, b in pairs)
    assert own.cam_layer is not network.cam_layer
    fired = []
    own.cam_layer.register_forward_hook(lambda *_: fired.append(1))
    record = read_record(next(EXAMPLES.rglob("*.hea")))
    classify_records([record], network)
    assert not fired
    classify_records([record], own)
    assert fired


def test_answers_and_maps_asked_for_at_once_are_those_asked_for_one_by_one(network):
    records = [read_record(path) for path in sorted(EXAMPLES.rglob("*.hea"))[:8]]

    def ask(record):
        with asked(network) as own:
            told = classify_records([record], own)[0]
        with asked(network) as own:
            return told, explain(own, record, told["top"]).map

    one_by_one = [ask(record) for record in records]
    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(ask, records * 3))
    for (told, seen), (expected, there) in zip(at_once, one_by_one * 3, strict=True):
        assert told["record"] == expected["record"]
        for code, p in expected["probabilities"].items():
            assert told["probabilities"][code] == pytest.approx(p, abs=1e-5)
        assert (seen is None) == (there is None)
        assert there is None or np.allclose(seen, there, atol=1e-4)


def test_who_can_wait_lets_others_pass_and_nobody_is_left_out():
    turns, order = Turns(1), []

    def act(name, can_wait):
        with turns.turn(can_wait):
            order.append(name)

    with ThreadPoolExecutor(8) as pool:
        with turns.turn(can_wait=False):
            maps = [pool.submit(act, "map", True) for _ in range(3)]
            classes = [pool.submit(act, "class", False) for _ in range(3)]
            while turns._urgent < len(classes):
                sleep(0.01)
        for done in (*maps, *classes):
            done.result(timeout=10)
    assert order == ["class"] * 3 + ["map"] * 3
