"""Methods that go down to the signal: what they must give where the answer is known by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from explained import FS_HZ, MARK, Classifier, ecg
from torch import nn

from ecgcore.errors import RequestError
from ecgcore.explanation.api import explain
from ecgcore.explanation.deletion import deletion_and_insertion
from ecgcore.explanation.masking import interpolate_removed, resting_signal
from ecgcore.explanation.methods import GUIDED_WARNING, METHODS
from ecgcore.explanation.target import Target
from ecgcore.explanation.waves import WAVES, locate_waves
from ecgcore.imaging.drawing import draw
from ecgcore.imaging.png import NetworkImage
from ecgcore.models import create_model
from ecgcore.records.record import LEADS, Record

V1 = LEADS.index("V1")


class Weighted(nn.Module):
    """A net on signals whose second logit is a weighted sum of samples, the first half of it."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.features = nn.Conv1d(12, 12, 1, groups=12, bias=False)
        self.features.weight.data.fill_(1)
        self.cam_layer = self.features
        self.register_buffer("weights", weights)

    def forward(self, signals):
        response = (self.features(signals.nan_to_num(0.0)) * self.weights).sum(dim=(1, 2))
        return torch.stack([response / 2, response], dim=1)


class Ink(nn.Module):
    """A net on pictures with stride 1: its second logit is the ink between some rows."""

    def __init__(self, rows: slice) -> None:
        super().__init__()
        self.cam_layer = nn.Conv2d(3, 1, 1, bias=False)
        self.cam_layer.weight.data.fill_(1)
        self.rows = rows

    def forward(self, images):
        response = self.cam_layer(images)[:, :, self.rows].mean(dim=(1, 2, 3))
        return torch.stack([-response, 100 * response], dim=1)


def record(seed: int = 0, block: bool = True) -> Record:
    return ecg(np.random.default_rng(seed), block)


def weighing(samples=slice(None)):
    """Return a net for which all that V1 does in these samples of ``record()`` speaks."""
    lead = torch.from_numpy(record().signal_mv[V1])
    weights = torch.zeros(12, 500)
    weights[V1, samples] = (lead - lead.median()).sign()[samples]
    return Classifier(Weighted(weights))


def test_integrated_gradients_of_a_linear_net_are_weight_times_change():
    """Exact for a linear net: |x − median|, whatever the number of steps."""
    ecg_record = record()
    target = Target.of(weighing(slice(100, 200)), ecg_record, "RBBB")
    relevance = METHODS["integrated_gradients"].attribute(target).relevance
    expected = np.zeros((12, 500))
    lead = ecg_record.signal_mv[V1].astype(float)
    expected[V1, 100:200] = np.abs(lead - np.median(lead))[100:200]
    np.testing.assert_allclose(relevance, expected, atol=1e-5)


@pytest.mark.parametrize("layout", ["stacked", "clinical", "panels"])
def test_integrated_gradients_through_the_drawing_sum_to_the_change_of_the_logit(layout):
    classifier = Classifier(Ink(slice(0, 96)), size=96)
    run_input = classifier.input | {"layout": layout}

    class Drawn(Classifier):
        input = run_input

        def inputs(self, records):
            return draw(self.signals(records), FS_HZ, layout, 96, duration_s=5.0)

    target = Target.of(Drawn(classifier.model, size=96), record(), "RBBB")
    relevance = METHODS["integrated_gradients"].attribute(target).relevance.sum()
    ends = target.signal_logits(torch.cat([target.signal, resting_signal(target.signal)]))
    assert ends[0] - ends[1] > 1
    assert relevance == pytest.approx(ends[0] - ends[1], rel=0.15)


def test_occlusion_by_lead_finds_the_one_lead_that_counts():
    ecg_record = record()
    explanation = explain(weighing(), ecg_record, "RBBB", "occlusion_lead")
    assert {lead: share for lead, share in explanation.lead_relevance.items() if share} == {"V1": 1}
    assert explanation.resolution.leads == 1
    assert explanation.wave_relevance is None
    assert explanation.why_no_waves.startswith(
        "a cell of this map spans 5000 ms, longer than a QRS"
    )


def test_occlusion_by_beat_finds_the_beat_that_counts_and_its_chance():
    ecg_record = record()
    third = locate_waves(ecg_record.signal_mv.astype(float), FS_HZ).edges[2]
    explanation = explain(weighing(slice(*third)), ecg_record, "RBBB", "occlusion_beat")
    shares = [beat["share"] for beat in explanation.beats]
    assert shares.index(max(shares)) == 2
    assert max(shares) > 0.99
    assert sum(beat["time"] for beat in explanation.beats) == pytest.approx(1)
    assert explanation.beats[2]["at_s"] == pytest.approx(sum(third) / 200, abs=0.3)
    assert set(explanation.lead_relevance.values()) == {None}


@pytest.mark.parametrize("method", ["occlusion_wave", "integrated_gradients"])
def test_relevance_lies_in_the_wave_that_counts(method):
    """V1's samples within each QRS are weighed by their own sign: all of them speak for it."""
    ecg_record = record()
    waves = locate_waves(ecg_record.signal_mv.astype(float), FS_HZ)
    inside = torch.from_numpy(waves.masks()[WAVES.index("QRS")])
    explained = explain(weighing(inside), ecg_record, "RBBB", method)
    assert explained.wave_relevance["QRS"] > 0.99
    assert explained.lead_relevance["V1"] > 0.99
    assert set(explained.wave_time) == set(WAVES)
    assert explained.wave_time["QRS"] < 0.35
    assert explained.why_no_waves is None
    assert "in QRS (100 % of it in" in explained.message


def test_the_waves_of_a_record_with_known_qrs_lie_where_they_were_drawn():
    ecg_record = record(block=False)
    waves = locate_waves(ecg_record.signal_mv.astype(float), FS_HZ)
    assert 95 <= 10 * waves.masks()[1].sum() / len(waves.peaks_s) <= 150
    assert waves.label[[round(at * FS_HZ) for at in waves.peaks_s]].tolist() == [1] * len(
        waves.peaks_s
    )


def test_what_is_taken_out_becomes_a_straight_line_and_what_is_missing_stays_missing():
    signal = np.array([[0.0, 5, 5, 3], [1, 1, 9, 1], [np.nan, 2, 2, 4]])
    kept = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]], bool)
    np.testing.assert_array_equal(
        interpolate_removed(signal, kept), [[0, 1, 2, 3], [1, 1, 1, 1], [np.nan, 2, 2, 2]]
    )


def test_a_picture_is_explained_in_the_picture_alone():
    classifier = Classifier(Ink(slice(0, 8)), size=96)
    target = Target.of(classifier, record(), "RBBB")
    picture = NetworkImage(target.image[0].numpy(), target.geometry, "p", FS_HZ, None, {})
    classifier.inputs = lambda sights: torch.from_numpy(sights[0].image)[None]
    assert explain(classifier, picture, "RBBB").map is not None
    with pytest.raises(RequestError) as caught:
        explain(classifier, picture, "RBBB", "integrated_gradients")
    assert str(caught.value) == (
        "The image of record p holds no signal to explain by lead, beat or wave. "
        "Give the recording, or take grad_cam."
    )


def test_a_record_without_beats_is_refused_by_the_methods_that_take_them_out():
    still = Record(np.zeros((12, 500), np.float32), FS_HZ, "still")
    with pytest.raises(RequestError, match="No beat was found in record still"):
        explain(weighing(), still, "RBBB", "occlusion_wave")


def test_a_map_of_a_coarse_cell_offers_no_waves_and_guided_ones_are_warned_of():
    torch.manual_seed(0)
    model = create_model("alexnet_m_se_gap", 2)
    explanation = explain(
        Classifier(model, size=96), record(), "RBBB", "guided_grad_cam", signed=True
    )
    assert explanation.as_json()["warning"] == GUIDED_WARNING
    assert explanation.wave_relevance is None
    assert all(block[2].inplace for block in model.features)


def test_the_right_order_beats_random_orders_and_the_wrong_one_does_not():
    target = Target.of(weighing(slice(100, 200)), record(), "RBBB")
    relevance = METHODS["integrated_gradients"].attribute(target)
    assert deletion_and_insertion(target, relevance) == (1, 1)
    reverse = replace(relevance, relevance=-relevance.relevance)
    assert deletion_and_insertion(target, reverse) == (0, 0)


def test_a_mark_is_what_stands_in_the_picture_beside_the_drawing():
    classifier = Classifier(Ink(slice(0, 6)), size=96, marked={"simulated"})
    target = Target.of(classifier, record(), "RBBB")
    assert target.extra_ink[0, :, MARK, MARK].min() > 0
    assert target.extra_ink[0, :, 6:].abs().max() == 0
    assert torch.equal(target.network_inputs(target.signal), target.inputs)
