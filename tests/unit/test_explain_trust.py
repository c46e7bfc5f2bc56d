"""Whether a map can be relied on: nets that learnt a block, a mark, or nothing."""

import copy
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from explained import MARK, Classifier, ecg, trained
from torch import nn

import ecgcore.explanation.trust as trust_module
from ecgcore.atomic import write_json
from ecgcore.errors import DamagedFile
from ecgcore.explanation.api import explain
from ecgcore.explanation.integrated_gradients import image_integrated_gradients
from ecgcore.explanation.map_statistics import MapStatistics
from ecgcore.explanation.methods import METHODS
from ecgcore.explanation.randomization import shuffle_weights, weighted_layers
from ecgcore.explanation.references import References
from ecgcore.explanation.target import Target
from ecgcore.explanation.trust import check_trust, judge, load_checks, verdict
from ecgcore.explanation.trust_limits import TrustLimits, find_limits
from ecgcore.labels.label_sets import label_set
from ecgcore.models import create_model
from ecgcore.runs.run import Run

SMALL = {"depth": 4, "width": 8}


@pytest.fixture(scope="module")
def block_net():
    """Return a network on signals that learnt right bundle branch block."""
    torch.manual_seed(1)
    return trained(Classifier(create_model("resnet1d", 2, **SMALL)), seed=1, steps=40)


@pytest.fixture(scope="module")
def blocks():
    rng = np.random.default_rng(99)
    return [ecg(rng, block=True) for _ in range(2)]


class Small(nn.Module):
    """Two convolutions on a picture, and the largest answer of each map."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 5, 2, 2), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1))
        self.cam_layer = nn.ReLU()
        self.head = nn.Linear(8, 2)

    def forward(self, images):
        return self.head(self.cam_layer(self.first(images)).amax(dim=(2, 3)))


@pytest.fixture(scope="module")
def mark_net():
    """Return a network on pictures of one class of ECG, half of which bear a mark and a name."""
    torch.manual_seed(2)
    return trained(
        Classifier(Small(), size=96, marked={"1"}), seed=2, steps=60, rate=0.01, blocks=False
    )


@pytest.fixture(scope="module")
def references():
    """Return simulated references of many amplitudes, every second one with a block."""
    rng = np.random.default_rng(3)
    records = tuple(
        replace(one, signal_mv=one.signal_mv * np.float32(2 ** rng.uniform(-1, 1)))
        for one in (ecg(rng, block=i % 2 == 1, name=f"reference {i}") for i in range(16))
    )
    states = np.array([[1 - i % 2, i % 2] for i in range(16)], np.int8)
    return References(records, states, np.arange(16))


def trust(classifier, record, method, references, code="RBBB"):
    explained = explain(classifier, record, code, method)
    return check_trust(explained, classifier, record, references=references).trust


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion_wave"])
def test_a_net_that_learnt_a_block_passes_and_shuffled_or_untrained_it_does_not(
    block_net, blocks, references, method
):
    torch.manual_seed(5)
    nothing = replace(block_net, model=create_model("resnet1d", 2, **SMALL).eval())
    mixed = replace(block_net, model=shuffle_weights(block_net.model, 3))
    for record in blocks:
        explanation = explain(block_net, record, "RBBB", method)
        assert explanation.wave_relevance["QRS"] > 2 * explanation.wave_time["QRS"]
        result = trust(block_net, record, method, references)
        assert result["verdict"] == "passes"
        assert result["checks"]["weights"]["passes"] is True
        for other in (nothing, mixed):
            result = trust(other, record, method, references)
            assert result["verdict"] != "passes"
            assert result["checks"]["response"]["passes"] is False


def test_nothing_speaks_for_a_class_that_the_network_judges_absent(block_net, references):
    normal = ecg(np.random.default_rng(11), block=False, name="normal")
    result = trust(block_net, normal, "grad_cam", references)
    assert result["verdict"] is None
    assert result["why"].startswith("nothing speaks for RBBB: by-hand judges it absent here (prob")
    assert set(result["checks"]) == {"response", "off_trace"}
    assert trust(block_net, normal, "grad_cam", references, "NSR")["verdict"] is not None


def test_a_map_that_is_the_same_in_every_record_of_the_class_fails(block_net, references, blocks):
    states = np.array([[0, 1], *[[1, 0]] * 15], np.int8)
    same = References((blocks[0], *references.records[1:]), states, references.answered)
    renamed = replace(blocks[0], name="another")
    alike = MapStatistics(block_net, renamed, "RBBB", "integrated_gradients", same)
    assert alike.other_records() == pytest.approx(1)
    failed = judge({"record": alike.other_records()}, TrustLimits())["record"]
    assert failed["says"] == "other records of the class have the same map"
    assert alike.mean_map() == (
        "fewer than two other records of the class have a map of as many parts"
    )


def test_a_mark_off_the_trace_is_where_the_relevance_lies_and_the_alarm_fires(mark_net, references):
    record = ecg(np.random.default_rng(7), block=False, name="1")
    for method in ("grad_cam", "integrated_gradients"):
        result = trust(mark_net, record, method, references)
        assert "the network looks at ink that is no ECG: a shortcut" in result["verdict"]
    relevance = image_integrated_gradients(Target.of(mark_net, record, "RBBB")).clip(min=0)
    assert relevance[:, MARK, MARK].sum() / relevance.sum() >= 0.5
    assert explain(mark_net, record, "RBBB").off_trace >= 0.5


def test_without_the_mark_the_same_net_does_not_alarm(mark_net, references):
    for seed in range(2):
        record = ecg(np.random.default_rng(seed), block=False, name="0")
        result = trust(mark_net, record, "integrated_gradients", references)
        assert result["checks"]["off_trace"]["passes"] is True
        assert "shortcut" not in (result["verdict"] or "")


def test_the_explained_network_is_left_as_it_was_to_the_bit(
    block_net, mark_net, blocks, references
):
    torch.manual_seed(0)
    for classifier in (block_net, mark_net):
        model = classifier.model
        model.train()
        before = copy.deepcopy(model.state_dict())
        inplace = [getattr(m, "inplace", None) for m in model.modules()]
        state = torch.random.get_rng_state()
        for method in METHODS:
            explanation = explain(classifier, blocks[0], "RBBB", method)
            if method in ("grad_cam", "occlusion_lead"):
                check_trust(explanation, classifier, blocks[0], [classifier], references)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert torch.equal(state, torch.random.get_rng_state())
        assert all(m.training for m in model.modules())
        assert all(p.grad is None for p in model.parameters())
        assert not any(m._forward_hooks or m._backward_hooks for m in model.modules())
        assert [getattr(m, "inplace", None) for m in model.modules()] == inplace
        model.eval()


def test_weights_of_every_layer_are_shuffled_and_keep_their_values(block_net):
    model = block_net.model
    net, again = shuffle_weights(model, 3), shuffle_weights(model, 3)
    changed = 0
    for own, shuffled, same in zip(
        model.parameters(), net.parameters(), again.parameters(), strict=True
    ):
        assert torch.equal(own.flatten().sort().values, shuffled.flatten().sort().values)
        assert torch.equal(shuffled, same)
        changed += not torch.equal(own, shuffled)
    assert changed >= len(weighted_layers(model))


def test_maps_of_another_seed_are_compared_where_its_run_is_given(block_net, blocks, references):
    other = trained(
        replace(block_net, model=create_model("resnet1d", 2, **SMALL)), seed=2, steps=40
    )
    explanation = explain(block_net, blocks[0], "RBBB", "occlusion_lead")

    def seeds(others):
        checked = check_trust(explanation, block_net, blocks[0], others, references)
        return checked.trust["checks"]["seeds"]

    assert seeds([block_net])["value"] == pytest.approx(1)
    assert -1 <= seeds([other])["value"] < 1
    without = seeds([])
    assert (without["value"], without["says"]) == (None, "no runs of other seeds were given")


def test_guided_maps_never_pass():
    passed = judge({"weights": 0.0, "seeds": "none were given"}, TrustLimits())
    assert verdict(passed)["verdict"] == "passes"
    assert verdict(passed, "warned")["verdict"] == (
        "do not rely on it: guided maps restore the image whatever the network learnt "
        "(Adebayo et al. 2018)"
    )


def test_limits_of_a_network_hold_for_its_weights_and_method_alone(tmp_path, block_net):
    (tmp_path / "weights.safetensors").write_bytes(b"weights")
    own = replace(block_net, run=Run(tmp_path))
    assert find_limits(own, "grad_cam", "RBBB") == TrustLimits(
        source="general ones, since by-hand has none of its own"
    )
    stored = {
        "weights": own.run.weights_hash,
        "records_from": "a cohort",
        "response": 2.5,
        "response_by_class": {"RBBB": 3.5},
        "methods": {"grad_cam": {"records": 120, "limits": {"class": 0.4}}},
    }
    write_json(tmp_path / "trust.json", stored)
    found = find_limits(own, "grad_cam", "RBBB")
    assert found.by_check == {"response": 3.5, "class": 0.4}
    assert found.source.endswith("and this method, from 120 records: a cohort")
    result = judge({"class": 0.5, "weights": 0.4}, found)
    assert (result["class"]["passes"], result["weights"]["passes"]) == (False, True)
    assert find_limits(own, "occlusion_lead", "NSR").by_check == {"response": 2.5}
    (tmp_path / "weights.safetensors").write_bytes(b"retrained")
    assert find_limits(own, "grad_cam", "RBBB").by_check == {}
    assert find_limits(own, "grad_cam", "RBBB").source.endswith("are of other weights")
    (tmp_path / "trust.json").write_text('{"weights": 1}')
    with pytest.raises(DamagedFile, match=r"trust\.json"):
        find_limits(own, "grad_cam", "RBBB")


@pytest.mark.parametrize("name", ["paper10", "ptbxl71"])
def test_references_are_four_examples_of_each_class_labelled_for_the_network(name):
    codes = label_set(name).codes
    references = References.of_examples(codes)
    assert (len(references.records), len(references.answered)) == (160, 40)
    lvh = codes.index("LVH")
    without = references.without(lvh, references.records[references.answered[0]].name)
    assert references.answered[0] not in without
    assert (references.states[without, lvh] == 0).all()
    assert (references.states[references.of_class(lvh, "", 3), lvh] == 1).all()


def test_references_for_classes_of_no_known_set_are_normal_examples():
    references = References.of_examples(("mine", "other"))
    normal = References.of_examples(label_set("paper10").codes).states[:, 0] == 1
    assert normal[references.answered].all()
    assert len(references.without(0, "")) == len(references.answered)
    assert not len(references.of_class(0, "", 3))


def test_every_threshold_is_a_row_of_the_table_with_its_reason():
    file = Path(trust_module.__file__).with_name("trust.csv")
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["check"] for row in rows] == list(load_checks())
    assert all(row["why"] and row["otherwise"] and row["statistic"] for row in rows)
    for check in load_checks().values():
        assert check.relation in ("at least", "at most")
        beyond = check.threshold + (0.01 if check.relation == "at most" else -0.01)
        assert check.evaluate(check.threshold)["passes"] is True
        assert check.evaluate(beyond)["says"] == check.otherwise
