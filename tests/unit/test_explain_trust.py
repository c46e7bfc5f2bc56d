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
from ecgcore.explanation.api import explain
from ecgcore.explanation.integrated_gradients import image_integrated_gradients
from ecgcore.explanation.methods import METHODS
from ecgcore.explanation.randomization import (
    randomization_cascade,
    shuffle_weights,
    weighted_layers,
)
from ecgcore.explanation.target import Target
from ecgcore.explanation.trust import check_trust, load_checks, verdict
from ecgcore.models import create_model

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


def trust(classifier, record, method):
    explained = explain(classifier, record, "RBBB", method)
    return check_trust(explained, classifier, record).trust


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion_wave"])
def test_a_net_that_learnt_a_block_passes_and_shuffled_or_untrained_it_fails(
    block_net, blocks, method
):
    torch.manual_seed(5)
    nothing = replace(block_net, model=create_model("resnet1d", 2, **SMALL).eval())
    mixed = replace(block_net, model=shuffle_weights(block_net.model, 3))
    for record in blocks:
        explanation = explain(block_net, record, "RBBB", method)
        assert explanation.wave_relevance["QRS"] > 2 * explanation.wave_time["QRS"]
        assert trust(block_net, record, method)["verdict"] == "passes"
        for other in (nothing, mixed):
            result = trust(other, record, method)
            assert result["verdict"].startswith(
                "do not rely on it: the network responds to this record no more"
            )
            assert result["checks"]["response"]["passes"] is False


def test_a_mark_off_the_trace_is_where_the_relevance_lies_and_the_alarm_fires(mark_net):
    record = ecg(np.random.default_rng(7), block=False, name="1")
    for method in ("grad_cam", "integrated_gradients"):
        result = trust(mark_net, record, method)
        assert "the network looks at ink that is no ECG: a shortcut" in result["verdict"]
    relevance = image_integrated_gradients(Target.of(mark_net, record, "RBBB")).clip(min=0)
    assert relevance[:, MARK, MARK].sum() / relevance.sum() >= 0.5
    assert explain(mark_net, record, "RBBB").off_trace >= 0.5


def test_without_the_mark_the_same_net_does_not_alarm(mark_net):
    for seed in range(2):
        record = ecg(np.random.default_rng(seed), block=False, name="0")
        result = trust(mark_net, record, "integrated_gradients")
        assert result["checks"]["off_trace"]["passes"] is True
        assert "shortcut" not in (result["verdict"] or "")


def test_the_explained_network_is_left_as_it_was_to_the_bit(block_net, mark_net, blocks):
    torch.manual_seed(0)
    for classifier in (block_net, mark_net):
        model = classifier.model
        model.train()
        before = copy.deepcopy(model.state_dict())
        inplace = [getattr(m, "inplace", None) for m in model.modules()]
        state = torch.random.get_rng_state()
        for method in METHODS:
            explanation = explain(classifier, blocks[0], "NSR", method)
            if method in ("grad_cam", "occlusion_lead"):
                check_trust(explanation, classifier, blocks[0], [classifier])
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert torch.equal(state, torch.random.get_rng_state())
        assert all(m.training for m in model.modules())
        assert all(p.grad is None for p in model.parameters())
        assert not any(m._forward_hooks or m._backward_hooks for m in model.modules())
        assert [getattr(m, "inplace", None) for m in model.modules()] == inplace
        model.eval()


def test_weights_are_shuffled_from_the_head_on_and_keep_their_values(block_net):
    model = block_net.model
    layers = len(weighted_layers(model))
    changed = {}
    for done, net in randomization_cascade(model, 3):
        pairs = zip(model.parameters(), net.parameters(), strict=True)
        changed[done] = sum(not torch.equal(a, b) for a, b in pairs)
        assert torch.equal(net.stem[0].weight, model.stem[0].weight) == (done < layers)
    assert list(changed) == [1, (1 + layers) // 2, layers]
    assert 0 < changed[1] < changed[(1 + layers) // 2] < changed[layers]
    own, shuffled = (n.stem[0].weight.detach().flatten().sort().values for n in (model, net))
    assert torch.equal(own, shuffled)


def test_maps_of_another_seed_are_compared_where_its_run_is_given(block_net, blocks):
    other = trained(
        replace(block_net, model=create_model("resnet1d", 2, **SMALL)), seed=2, steps=40
    )
    explanation = explain(block_net, blocks[0], "RBBB", "occlusion_lead")
    same = check_trust(explanation, block_net, blocks[0], [block_net]).trust["checks"]["seeds"]
    assert same["value"] == pytest.approx(1)
    seeds = check_trust(explanation, block_net, blocks[0], [other]).trust["checks"]["seeds"]
    assert -1 <= seeds["value"] < 1
    without = check_trust(explanation, block_net, blocks[0]).trust["checks"]["seeds"]
    assert (without["value"], without["says"]) == (None, "no runs of other seeds were given")


def test_guided_maps_never_pass_and_a_class_without_evidence_has_no_verdict():
    passed = {"weights": load_checks()["weights"].evaluate(0.0)}
    assert verdict(passed)["verdict"] == "passes"
    assert verdict(passed, "warned")["verdict"] == (
        "do not rely on it: guided maps restore the image whatever the network learnt "
        "(Adebayo et al. 2018)"
    )


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
