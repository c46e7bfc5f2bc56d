"""Explanations: Grad-CAM by hand, hot spots in their own lead, models left unchanged."""

import copy
import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from ecgcore.errors import EcgError, NotFound
from ecgcore.explanation.api import explain
from ecgcore.explanation.gradcam import layer_gradcam
from ecgcore.imaging.drawing import draw
from ecgcore.imaging.geometry import make_geometry
from ecgcore.models import create_model, list_models, model_info
from ecgcore.records.record import LEADS, Record

FS_HZ = 100
CLASSES = ("NSR", "LBBB")
GEOMETRY = make_geometry("stacked", 224, 10.0)


@dataclass
class HandBuilt:
    """The part of a classifier that explanations need, with a network built by hand."""

    model: nn.Module
    cam_layer: nn.Module
    classes: tuple[str, ...] = CLASSES
    run_id: str = "by-hand"
    reads_images: bool = True

    @property
    def input(self):
        layout = {"layout": "stacked", "size": [224, 224]} if self.reads_images else {}
        return layout | {"fs_hz": FS_HZ, "duration_s": 10.0}

    def signals(self, records):
        return torch.from_numpy(np.stack([r.signal_mv for r in records]))

    def inputs(self, records):
        signal_mv = self.signals(records)
        return draw(signal_mv, FS_HZ) if self.reads_images else signal_mv


def ecg() -> Record:
    """Return 10 s with a 0.6 mV spike each second and a slow wave between, in all leads."""
    t = np.arange(1000) / FS_HZ
    beat = 0.6 * np.exp(-(((t % 1) - 0.5) ** 2) / 0.0005) + 0.1 * np.sin(2 * np.pi * t)
    return Record(np.tile(beat, (12, 1)).astype(np.float32), FS_HZ, "r1")


class Spotlight(nn.Module):
    """A network with stride 1 that responds to ink in one spot only."""

    def __init__(self, x_px: float, y_px: float, reach_px: int = 3, sign: float = 1.0) -> None:
        super().__init__()
        mask = torch.zeros(224, 224)
        x, y = round(x_px), round(y_px)
        mask[y - reach_px : y + reach_px, x - reach_px : x + reach_px] = 1
        self.register_buffer("mask", mask)
        self.features = nn.Conv2d(3, 1, 1, bias=False)
        self.head = nn.Linear(1, 2, bias=False)
        nn.init.ones_(self.features.weight)
        self.head.weight.data = torch.tensor([[0.0], [sign]])

    def forward(self, images):
        return self.head(self.features(images * self.mask).mean(dim=(2, 3)))


def spotlight(lead, second, mv, **options):
    model = Spotlight(*GEOMETRY.pixel(lead, second, mv), **options)
    return HandBuilt(model, model.features)


def test_grad_cam_of_two_filters_equals_the_hand_worked_map():
    """Logit = 2 · mean(A) − mean(B), four cells: weights 0.5 and −0.25, negatives cut off."""
    model = nn.Sequential(
        nn.Conv2d(3, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 1)
    )
    model[0].weight.data = torch.tensor([[1.0, 0, 0], [0, 1, 0]])[..., None, None]
    model[3].weight.data = torch.tensor([[2.0, -1.0]])
    image = torch.zeros(1, 3, 2, 2)
    image[0, 0] = torch.tensor([[1.0, 0.5], [0.0, 1.0]])
    image[0, 1] = torch.tensor([[0.0, 1.0], [1.0, 4.0]])
    np.testing.assert_array_equal(layer_gradcam(model, model[0], image, 0), [[0.5, 0], [0, 0]])


@pytest.mark.parametrize("lead", LEADS)
def test_a_hot_spot_in_a_lead_lands_in_that_lead(lead):
    record = ecg()
    mv = float(record.signal_mv[0, 425])
    explanation = explain(spotlight(lead, 4.25, mv), record, "LBBB")
    assert explanation.lead_relevance[lead] >= 0.8
    assert sum(explanation.lead_relevance.values()) == pytest.approx(1)
    assert max(explanation.lead_relevance, key=explanation.lead_relevance.get) == lead
    row, column = np.unravel_index(explanation.map.argmax(), explanation.map.shape)
    assert abs((column + 0.5) / GEOMETRY.px_per_s - 4.25) < 0.2
    at = explanation.by_lead_time[LEADS.index(lead)].argmax() * explanation.seconds_per_column
    assert at == pytest.approx(4.25, abs=0.2)
    assert explanation.off_trace == 0
    assert (row, column) == pytest.approx(GEOMETRY.pixel(lead, 4.25, mv)[::-1], abs=4)


def test_a_stroke_that_overruns_its_neighbours_row_counts_for_its_own_lead():
    record = ecg()
    record.signal_mv[LEADS.index("V2"), 420:424] = -2.4  # below V3's zero line, above V4's
    x_px, y_px = GEOMETRY.pixel("V2", 4.22, -2.4)
    assert GEOMETRY.at(x_px, y_px)[0] in ("V3", "V4")
    explanation = explain(spotlight("V2", 4.22, -2.4), record, "LBBB")
    assert explanation.lead_relevance["V2"] >= 0.8


def test_an_even_map_gives_every_lead_the_same():
    class Even(nn.Module):
        """Answers the same everywhere."""

        def __init__(self):
            super().__init__()
            self.features = nn.Conv2d(3, 1, 1)
            nn.init.zeros_(self.features.weight)
            nn.init.ones_(self.features.bias)

        def forward(self, images):
            return self.features(images).mean(dim=(2, 3)).expand(-1, 2)

    model = Even()
    explanation = explain(HandBuilt(model, model.features), ecg(), "LBBB")
    assert list(explanation.lead_relevance.values()) == pytest.approx([1 / 12] * 12)
    assert 0.4 < explanation.off_trace < 1


def test_evidence_off_every_trace_is_no_leads():
    model = Spotlight(100, 8)
    model.forward = lambda images: model.head(
        model.features((1 - images) * model.mask).mean(dim=(2, 3))
    )
    explanation = explain(HandBuilt(model, model.features), ecg(), "LBBB")
    assert explanation.off_trace == 1
    assert set(explanation.lead_relevance.values()) == {None}
    assert explanation.message == (
        "Evidence for LBBB lies on no trace: 100 % of the map lies off the traces; "
        "a cell of it spans 45 ms and 0.1 leads."
    )


def test_without_positive_evidence_there_is_no_map_and_it_is_said():
    explanation = explain(spotlight("V1", 4.25, 0.1, sign=-1.0), ecg(), "LBBB")
    assert explanation.map is None
    assert explanation.by_lead_time is None
    assert explanation.off_trace is None
    assert explanation.lead_relevance == dict.fromkeys(LEADS)
    assert explanation.message == (
        "No positive evidence for LBBB was found in record r1: "
        "nothing the network read there speaks for the class."
    )
    assert explanation.as_json()["evidence"] is False


def test_a_network_that_gives_no_numbers_is_an_error_and_not_a_map():
    classifier = spotlight("V1", 4.25, 0.1)
    classifier.model.features.weight.data.fill_(torch.nan)
    with pytest.raises(EcgError) as caught:
        explain(classifier, ecg(), "LBBB")
    assert str(caught.value) == (
        "Grad-CAM is not finite: neither is the network's output for this record."
    )


@pytest.mark.parametrize("name", [m for m in list_models() if not model_info(m).fixed_size])
def test_every_network_of_free_size_is_explained_and_left_as_it_was(name):
    torch.manual_seed(3)
    model = create_model(name, classes=2)
    model.train()
    trunk = [part for part in model.children() if part is not model.head]
    trunk[0][0].eval()  # flags may be mixed
    for part in trunk:
        part.requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    flags = [m.training for m in model.modules()]
    reads_images = model_info(name).input == "image"
    classifier = HandBuilt(model, model.cam_layer, reads_images=reads_images)
    with torch.inference_mode():
        explanations = [explain(classifier, ecg(), code) for code in CLASSES]
    assert [m.training for m in model.modules()] == flags
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert {p.requires_grad for part in trunk for p in part.parameters()} == {False}
    assert {p.requires_grad for p in model.head.parameters()} == {True}
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    for explanation in explanations:
        assert explanation.image.shape == (3, 224, 224)
        if explanation.map is not None:
            assert explanation.map.shape == (224, 224)
            assert explanation.by_lead_time.shape == (12, 224)
            assert 0 <= explanation.map.min() < explanation.map.max() <= 1


def test_alexnets_map_states_its_cell_of_0_77_seconds_and_offers_no_waves():
    torch.manual_seed(0)
    model = create_model("alexnet_gap", classes=2)
    explanation = explain(HandBuilt(model, model.cam_layer), ecg(), "NSR").as_json()
    assert explanation["resolution"]["ms"] == pytest.approx(10_000 / 13)
    assert explanation["resolution"]["leads"] == pytest.approx(1.33, abs=0.02)
    assert explanation["wave_relevance"] is None
    assert explanation["why"] == (
        "a cell of this map spans 769 ms, longer than a QRS (about 100 ms): "
        "it does not separate one wave from the next"
    )


def test_the_json_holds_what_machines_were_promised():
    explanation = explain(spotlight("V1", 4.25, 0.1), ecg(), "LBBB").as_json()
    assert json.loads(json.dumps(explanation, allow_nan=False)) == explanation
    assert list(explanation["lead_relevance"]) == list(LEADS)
    assert (explanation["class"], explanation["method"]) == ("LBBB", "grad_cam")
    assert (explanation["run"], explanation["record"]) == ("by-hand", "r1")
    unchecked = {"verdict": None, "checks": {}, "why": "not checked yet", "limits": None}
    assert explanation["trust"] == unchecked
    assert set(explanation["resolution"]) == {"ms", "leads"}


def test_an_unknown_class_or_method_is_refused_with_the_nearest():
    classifier = spotlight("V1", 4.25, 0.1)
    with pytest.raises(NotFound) as caught:
        explain(classifier, ecg(), "LBB")
    assert str(caught.value) == (
        "There is no class 'LBB'. Did you mean 'LBBB'? Available: NSR, LBBB."
    )
    with pytest.raises(NotFound) as caught:
        explain(classifier, ecg(), "LBBB", method="magic")
    assert str(caught.value) == (
        "There is no explanation method 'magic'. Available: grad_cam, integrated_gradients, "
        "occlusion_lead, occlusion_beat, occlusion_wave, guided_grad_cam."
    )


class Late(nn.Module):
    """A net on signals that answers to the first lead between 6 and 7 s."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv1d(12, 1, 1, bias=False)
        self.features.weight.data = torch.eye(12)[:1, :, None]
        when = torch.zeros(1000)
        when[600:700] = 1
        self.register_buffer("when", when)

    def forward(self, signal_mv):
        response = (self.features(signal_mv.square() * self.when)).mean(dim=2)
        return torch.cat([-response, response], dim=1)


def test_a_map_of_a_network_on_signals_tells_the_time_and_no_lead():
    model = Late()
    explanation = explain(HandBuilt(model, model.features, reads_images=False), ecg(), "LBBB")
    seconds = np.arange(explanation.by_lead_time.shape[1]) * explanation.seconds_per_column
    peak_s = seconds[explanation.by_lead_time[4] > 0.5]
    assert 6.0 < peak_s.min() <= peak_s.max() < 7.0
    assert explanation.resolution.leads == 12
    assert explanation.message.startswith("Evidence for LBBB lies most around 6.")
    assert "all leads" in explanation.message
    assert set(explanation.lead_relevance.values()) == {None}
    assert explanation.image.shape == (3, 224, 224)
