"""Augmentation: what it may change and what it must not; a training with it can be repeated."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecgcore.errors import NotFound
from ecgcore.labels.classes import CODES
from ecgcore.records.record import LEADS
from ecgcore.runs.config import TrainConfig
from ecgcore.training import augmentation, mixing
from ecgcore.training.augmentation import Batch, BatchRng
from ecgcore.training.augmenter import MIXING, STANDARD, Augmenter
from ecgcore.training.loss import Loss
from ecgcore.training.trainer import train

KINDS = {name: kind for name, (kind, _) in (STANDARD | MIXING).items()}
FS_HZ = 500
R_S = np.arange(0.5, 9.8, 0.8)


def beat(t, r_mv=1.0, st_mv=0.0):
    """Return R, ST and T waves around 0 s."""
    st = st_mv * ((t > 0.06) & (t < 0.3))
    return r_mv * np.exp(-((t / 0.012) ** 2)) + st + 0.2 * np.exp(-(((t - 0.25) / 0.04) ** 2))


def batch(records=4, classes=("NSR",), **shape):
    """Return recordings whose leads obey Einthoven, with known beats."""
    times_s = np.arange(10 * FS_HZ) / FS_HZ
    from_r_s = times_s - R_S[np.abs(times_s[:, None] - R_S).argmin(axis=1)]
    height = torch.tensor([0.5, 1.2, 0.7, -0.85, -0.1, 0.95, -0.5, 0.3, 0.8, 1.1, 1.0, 0.7])
    lead = torch.from_numpy(beat(from_r_s, **shape)).float()
    signal_mv = (height[:, None] * lead).repeat(records, 1, 1)
    targets = torch.zeros(records, len(CODES))
    targets[:, [CODES.index(code) for code in classes]] = 1
    return Batch(signal_mv, FS_HZ, targets, [R_S] * records)


def together(*parts):
    return Batch(
        torch.cat([p.signal_mv for p in parts]),
        FS_HZ,
        torch.cat([p.targets for p in parts]),
        [peaks_s for p in parts for peaks_s in p.beats],
    )


def column(code):
    return CODES.index(code)


@pytest.mark.parametrize("name", KINDS)
def test_the_same_seed_makes_the_same_and_another_seed_another(name):
    given = together(batch(2), batch(2, ("STEMI",), st_mv=0.3), batch(2, ("LVH",), r_mv=3.0))
    kept = given.signal_mv.clone()
    first, again, other = (KINDS[name](given, BatchRng(seed)) for seed in (1, 1, 2))
    assert torch.equal(given.signal_mv, kept)
    assert torch.equal(first.signal_mv.nan_to_num(9), again.signal_mv.nan_to_num(9))
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.signal_mv.nan_to_num(9), other.signal_mv.nan_to_num(9))
    assert not torch.equal(first.signal_mv.nan_to_num(9), kept)
    assert first.signal_mv.shape == kept.shape


@pytest.mark.parametrize("name", STANDARD)
def test_no_standard_augmentation_touches_the_targets(name):
    given = batch(3, ("LVH", "STD"))
    assert torch.equal(KINDS[name](given, BatchRng(3)).targets, given.targets)


@pytest.mark.parametrize("name", ["time_shift", "crop", "time_warp"])
def test_beats_move_with_the_signal_and_the_rate_stays(name):
    changed = KINDS[name](batch(6), BatchRng(4))
    for signal_mv, peaks_s in zip(changed.signal_mv, changed.beats, strict=True):
        assert len(peaks_s) >= 8
        for peak_s in peaks_s:
            first = max(0, round(FS_HZ * (peak_s - 0.1)))
            near = signal_mv[LEADS.index("II"), first : first + 100].nan_to_num(-9)
            found_s = float(first + near.argmax()) / FS_HZ
            assert found_s == pytest.approx(peak_s, abs=0.003)
        rr_s = (peaks_s[-1] - peaks_s[0]) / (len(peaks_s) - 1)
        assert rr_s == pytest.approx(0.8, rel=0.01)


def test_a_shift_moves_by_half_a_second_at_most_and_misses_the_rest():
    changed = augmentation.time_shift(batch(20), BatchRng(5))
    missing = changed.signal_mv[:, 0].isnan().sum(dim=1)
    assert 0 < missing.max() <= 0.5 * FS_HZ + 1
    first_s = torch.tensor([peaks_s[0] for peaks_s in changed.beats])
    assert (first_s < 0.5).any()
    assert (first_s > 0.5).any()


def test_a_crop_keeps_a_run_of_the_recording_sample_by_sample():
    given = batch(10)
    given = replace(given, signal_mv=given.signal_mv + 0.1 * torch.randn(10, 12, 5000))
    changed = augmentation.crop(given, BatchRng(6))
    for before, after in zip(given.signal_mv, changed.signal_mv, strict=True):
        kept = int((~after[0].isnan()).sum())
        assert 4000 <= kept <= 5000
        assert not after[:, :kept].isnan().any()
        runs = before[0].unfold(0, kept, 1)
        start = int((runs - after[0, :kept]).abs().sum(dim=1).argmin())
        torch.testing.assert_close(
            before[:, start : start + kept], after[:, :kept], atol=2e-3, rtol=0
        )


def test_gain_scales_all_leads_alike_within_a_tenth():
    given = batch(50)
    by = augmentation.gain(given, BatchRng(7)).signal_mv[..., 250] / given.signal_mv[..., 250]
    assert (by.amax(dim=1) - by.amin(dim=1)).max() < 1e-5
    assert 0.9 <= by.min() < 0.92 < 1.08 < by.max() <= 1.1


@pytest.mark.parametrize("name", ["baseline_wander", "mains_noise", "muscle_noise"])
def test_noise_comes_from_electrodes_so_that_einthovens_law_holds(name):
    given = batch(20)
    noise = KINDS[name](given, BatchRng(8)).signal_mv - given.signal_mv
    one, two, three, avr, avl, avf = noise[:, :6].unbind(1)
    torch.testing.assert_close(one + three, two, atol=1e-5, rtol=0)
    torch.testing.assert_close(avr + avl + avf, torch.zeros_like(avr), atol=1e-5, rtol=0)
    assert 0.005 < noise.std() < 0.2


@pytest.mark.parametrize(
    ("name", "low_hz", "high_hz"),
    [("baseline_wander", 0, 0.7), ("mains_noise", 49, 61), ("muscle_noise", 15, 250)],
)
def test_noise_has_its_own_frequencies(name, low_hz, high_hz):
    given = batch(20)
    noise = KINDS[name](given, BatchRng(9)).signal_mv - given.signal_mv
    power = torch.fft.rfft(noise * torch.hann_window(5000)).abs().square().sum(dim=(0, 1))
    hz = torch.fft.rfftfreq(5000, 1 / FS_HZ)
    assert power[(hz >= low_hz) & (hz <= high_hz)].sum() > 0.95 * power.sum()


def test_mains_noise_is_left_out_where_the_rate_cannot_hold_it():
    slow = Batch(torch.zeros(2, 12, 1000), 100, torch.zeros(2, 10))
    assert augmentation.mains_noise(slow, BatchRng(1)) is slow


def test_dropout_loses_one_lead_of_each_recording():
    changed = augmentation.lead_dropout(batch(30), BatchRng(10)).signal_mv
    lost = changed.isnan().all(dim=2)
    assert (lost.sum(dim=1) == 1).all()
    assert len(set(lost.int().argmax(dim=1).tolist())) > 6
    assert torch.equal(changed.isnan().any(dim=2), lost)


def test_a_warp_changes_no_interval_by_more_than_3_percent():
    changed = augmentation.time_warp(batch(20), BatchRng(11))
    rr_s = np.concatenate([np.diff(peaks_s) for peaks_s in changed.beats])
    assert np.abs(rr_s / 0.8 - 1).max() <= 0.031
    assert np.abs(rr_s / 0.8 - 1).max() > 0.01


def test_mixing_the_st_moves_it_and_the_targets_by_the_same_share_and_leaves_the_qrs():
    given = together(batch(1), batch(1, ("STEMI",), st_mv=0.4))
    changed = mixing.st_mix(given, BatchRng(12))
    share = float(changed.targets[0, column("STEMI")])
    assert 0.2 <= share <= 0.8
    assert changed.targets[0, column("NSR")] == pytest.approx(1 - share)
    two = changed.signal_mv[0, LEADS.index("II")]
    before = given.signal_mv[0, LEADS.index("II")]
    for peak_s in R_S[1:-1]:
        at = round((peak_s + 0.15) * FS_HZ)
        assert two[at] - before[at] == pytest.approx(1.2 * 0.4 * share, abs=0.02)
        qrs = slice(round((peak_s - 0.1) * FS_HZ), round((peak_s + 0.045) * FS_HZ))
        torch.testing.assert_close(two[qrs], before[qrs], atol=1e-3, rtol=0)


def test_mixing_voltage_moves_the_qrs_and_leaves_the_st():
    given = together(batch(1), batch(1, ("LVH",), r_mv=3.0))
    changed = mixing.voltage_mix(given, BatchRng(13))
    share = float(changed.targets[0, column("LVH")])
    two = changed.signal_mv[0, LEADS.index("II")]
    before = given.signal_mv[0, LEADS.index("II")]
    for peak_s in R_S[1:-1]:
        at = round(peak_s * FS_HZ)
        assert two[at] - before[at] == pytest.approx(1.2 * 2.0 * share, rel=0.05)
        st = slice(round((peak_s + 0.08) * FS_HZ), round((peak_s + 0.4) * FS_HZ))
        torch.testing.assert_close(two[st], before[st], atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", MIXING)
def test_mixing_does_not_depend_on_where_near_the_peak_a_beat_was_marked(name):
    given = together(batch(1), batch(1, ("STEMI",), st_mv=0.4), batch(1, ("LVH",), r_mv=3.0))
    off_s = np.random.default_rng(0).uniform(-0.01, 0.01, len(R_S))
    marked_off = replace(given, beats=[R_S + off_s, *given.beats[1:]])
    expected, changed = (KINDS[name](b, BatchRng(16)).signal_mv[0] for b in (given, marked_off))
    assert not torch.equal(expected, given.signal_mv[0])
    torch.testing.assert_close(changed, expected, atol=0.02, rtol=0)


def test_a_recording_without_beats_is_not_mixed_and_spoils_no_other():
    given = together(batch(1), batch(1), batch(1, ("STEMI",), st_mv=0.4))
    beatless = replace(given, beats=[np.empty(0), *given.beats[1:]])
    changed = mixing.st_mix(beatless, BatchRng(12))
    assert torch.equal(changed.signal_mv[0], given.signal_mv[0])
    assert torch.equal(changed.targets[0], given.targets[0])
    assert not torch.equal(changed.signal_mv[1], given.signal_mv[1])
    assert changed.signal_mv.isfinite().all()


def test_what_is_of_neither_class_nor_normal_is_not_mixed_and_no_partner():
    given = together(batch(2, ("LBBB",)), batch(2))
    for mix in MIXING.values():
        changed = mix[0](given, BatchRng(14))
        assert torch.equal(changed.signal_mv, given.signal_mv)
        assert torch.equal(changed.targets, given.targets)
    given = together(batch(2, ("LBBB",)), batch(1, ("STD",), st_mv=-0.2))
    assert torch.equal(mixing.st_mix(given, BatchRng(14)).signal_mv, given.signal_mv)


def test_unknown_targets_stay_unknown_and_without_beats_nothing_is_mixed():
    given = together(batch(1), batch(1, ("STEMI",), st_mv=0.4))
    given.targets[:, column("STD")] = torch.nan
    changed = mixing.st_mix(given, BatchRng(15))
    assert changed.targets[0, column("STD")].isnan()
    unseen = replace(given, beats=None)
    assert mixing.st_mix(unseen, BatchRng(15)) is unseen


def test_shares_of_two_classes_are_learnt_as_shares():
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1]]))
    hard, shared = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0.75, 0.25, 0]])
    assert Loss("exclusive")(logits, hard).item() == pytest.approx(-np.log(0.7))
    expected = -0.75 * np.log(0.7) - 0.25 * np.log(0.2)
    assert Loss("exclusive")(logits, shared).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", ["standard", "targeted"])
def test_an_augmenter_repeats_itself_and_changes_some_recordings_only(name):
    given = together(batch(6), batch(3, ("STEMI",), st_mv=0.3), batch(3, ("LVH",), r_mv=3.0))
    first, again = (Augmenter(name, 7) for _ in range(2))
    for _ in range(3):
        one, two = first(given), again(given)
        assert torch.equal(one.signal_mv.nan_to_num(9), two.signal_mv.nan_to_num(9))
    same = [
        torch.equal(a, b.nan_to_num(9))
        for a, b in zip(given.signal_mv, first(given).signal_mv, strict=True)
    ]
    assert not all(same)
    assert given.beats[0] is R_S


@pytest.mark.parametrize("augment", ["standard", "targeted"])
def test_a_training_with_augmentation_is_recorded_and_repeatable(augment, examples_home):
    config = TrainConfig(
        cohort="examples", model="alexnet_m_se_gap", level="60", size=67, epochs=1, device="cpu",
        augmentation=augment, layout="panels",
    )  # fmt: skip
    first, second = (train(config, examples_home) for _ in range(2))
    assert first.meta["config"]["augmentation"] == augment
    assert first.evaluation | {"run": ""} == second.evaluation | {"run": ""}
    assert first.history["train_loss"].tolist() == second.history["train_loss"].tolist()
    plain = train(replace(config, augmentation="none"), examples_home)
    assert plain.history["train_loss"].tolist() != first.history["train_loss"].tolist()


def test_an_unknown_augmentation_is_refused_by_name():
    config = TrainConfig(cohort="examples", augmentation="flip")
    with pytest.raises(NotFound, match=r"no augmentation 'flip'.*none, standard, targeted"):
        config.filled()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("name", KINDS)
def test_augmentations_stay_on_the_device(name):
    given = together(batch(2), batch(2, ("STEMI",), st_mv=0.3))
    given = replace(given, signal_mv=given.signal_mv.cuda(), targets=given.targets.cuda())
    changed = KINDS[name](given, BatchRng(1))
    assert changed.signal_mv.device.type == changed.targets.device.type == "cuda"
