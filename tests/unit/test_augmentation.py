"""Augmentation: what it may and must not change; a training with it is reproducible."""

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
from ecgcore.training.augmenter import MIXING, ROBUST, STANDARD, Augmenter
from ecgcore.training.loss import Loss
from ecgcore.training.trainer import train

TRANSFORMS = {name: transform for name, (transform, _) in (STANDARD | MIXING).items()}
TRANSFORMS |= {f"robust {name}": transform for name, (transform, _) in ROBUST.items()}
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


def concatenate(*batches):
    return Batch(
        torch.cat([p.signal_mv for p in batches]),
        FS_HZ,
        torch.cat([p.targets for p in batches]),
        [peaks_s for p in batches for peaks_s in p.beats],
    )


def column(code):
    return CODES.index(code)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_same_seed_gives_the_same_result_and_another_seed_another(name):
    original = concatenate(batch(2), batch(2, ("STEMI",), st_mv=0.3), batch(2, ("LVH",), r_mv=3.0))
    unchanged = original.signal_mv.clone()
    first, again, other = (TRANSFORMS[name](original, BatchRng(seed)) for seed in (1, 1, 2))
    assert torch.equal(original.signal_mv, unchanged)
    assert torch.equal(first.signal_mv.nan_to_num(9), again.signal_mv.nan_to_num(9))
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.signal_mv.nan_to_num(9), other.signal_mv.nan_to_num(9))
    assert not torch.equal(first.signal_mv.nan_to_num(9), unchanged)
    assert first.signal_mv.shape == unchanged.shape


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name not in MIXING])
def test_no_standard_augmentation_touches_the_targets(name):
    original = batch(3, ("LVH", "STD"))
    assert torch.equal(TRANSFORMS[name](original, BatchRng(3)).targets, original.targets)


@pytest.mark.parametrize("name", ["time_shift", "crop", "time_warp"])
def test_beats_move_with_the_signal_and_the_rate_stays(name):
    changed = TRANSFORMS[name](batch(6), BatchRng(4))
    for signal_mv, peaks_s in zip(changed.signal_mv, changed.beats, strict=True):
        assert len(peaks_s) >= 8
        for peak_s in peaks_s:
            first = max(0, round(FS_HZ * (peak_s - 0.1)))
            near = signal_mv[LEADS.index("II"), first : first + 100].nan_to_num(-9)
            peak_found_s = float(first + near.argmax()) / FS_HZ
            assert peak_found_s == pytest.approx(peak_s, abs=0.003)
        rr_s = (peaks_s[-1] - peaks_s[0]) / (len(peaks_s) - 1)
        assert rr_s == pytest.approx(0.8, rel=0.01)


def test_a_shift_moves_by_half_a_second_at_most_and_leaves_the_rest_missing():
    changed = augmentation.time_shift(batch(20), BatchRng(5))
    missing = changed.signal_mv[:, 0].isnan().sum(dim=1)
    assert 0 < missing.max() <= 0.5 * FS_HZ + 1
    first_s = torch.tensor([peaks_s[0] for peaks_s in changed.beats])
    assert (first_s < 0.5).any()
    assert (first_s > 0.5).any()


def test_a_crop_keeps_a_run_of_the_recording_sample_by_sample():
    original = batch(10)
    original = replace(original, signal_mv=original.signal_mv + 0.1 * torch.randn(10, 12, 5000))
    changed = augmentation.crop(original, BatchRng(6))
    for before, after in zip(original.signal_mv, changed.signal_mv, strict=True):
        n_kept = int((~after[0].isnan()).sum())
        assert 4000 <= n_kept <= 5000
        assert not after[:, :n_kept].isnan().any()
        runs = before[0].unfold(0, n_kept, 1)
        start = int((runs - after[0, :n_kept]).abs().sum(dim=1).argmin())
        torch.testing.assert_close(
            before[:, start : start + n_kept], after[:, :n_kept], atol=2e-3, rtol=0
        )


def test_gain_scales_all_leads_equally_within_a_tenth():
    original = batch(50)
    factor = (
        augmentation.gain(original, BatchRng(7)).signal_mv[..., 250] / original.signal_mv[..., 250]
    )
    assert (factor.amax(dim=1) - factor.amin(dim=1)).max() < 1e-5
    assert 0.9 <= factor.min() < 0.92 < 1.08 < factor.max() <= 1.1


@pytest.mark.parametrize("name", ["baseline_wander", "mains_noise", "muscle_noise"])
def test_noise_comes_from_electrodes_so_that_einthovens_law_holds(name):
    original = batch(20)
    noise = TRANSFORMS[name](original, BatchRng(8)).signal_mv - original.signal_mv
    one, two, three, avr, avl, avf = noise[:, :6].unbind(1)
    torch.testing.assert_close(one + three, two, atol=1e-5, rtol=0)
    torch.testing.assert_close(avr + avl + avf, torch.zeros_like(avr), atol=1e-5, rtol=0)
    assert 0.005 < noise.std() < 0.2


@pytest.mark.parametrize(
    ("name", "low_hz", "high_hz"),
    [("baseline_wander", 0, 0.7), ("mains_noise", 49, 61), ("muscle_noise", 15, 250)],
)
def test_noise_has_its_own_frequencies(name, low_hz, high_hz):
    original = batch(20)
    noise = TRANSFORMS[name](original, BatchRng(9)).signal_mv - original.signal_mv
    power = torch.fft.rfft(noise * torch.hann_window(5000)).abs().square().sum(dim=(0, 1))
    hz = torch.fft.rfftfreq(5000, 1 / FS_HZ)
    assert power[(hz >= low_hz) & (hz <= high_hz)].sum() > 0.95 * power.sum()


def test_mains_noise_is_left_out_where_the_rate_cannot_represent_it():
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
    original = concatenate(batch(1), batch(1, ("STEMI",), st_mv=0.4))
    changed = mixing.st_mix(original, BatchRng(12))
    share = float(changed.targets[0, column("STEMI")])
    assert 0.2 <= share <= 0.8
    assert changed.targets[0, column("NSR")] == pytest.approx(1 - share)
    two = changed.signal_mv[0, LEADS.index("II")]
    before = original.signal_mv[0, LEADS.index("II")]
    for peak_s in R_S[1:-1]:
        at = round((peak_s + 0.15) * FS_HZ)
        assert two[at] - before[at] == pytest.approx(1.2 * 0.4 * share, abs=0.02)
        qrs = slice(round((peak_s - 0.1) * FS_HZ), round((peak_s + 0.045) * FS_HZ))
        torch.testing.assert_close(two[qrs], before[qrs], atol=1e-3, rtol=0)


def test_mixing_voltage_moves_the_qrs_and_leaves_the_st():
    original = concatenate(batch(1), batch(1, ("LVH",), r_mv=3.0))
    changed = mixing.voltage_mix(original, BatchRng(13))
    share = float(changed.targets[0, column("LVH")])
    two = changed.signal_mv[0, LEADS.index("II")]
    before = original.signal_mv[0, LEADS.index("II")]
    for peak_s in R_S[1:-1]:
        at = round(peak_s * FS_HZ)
        assert two[at] - before[at] == pytest.approx(1.2 * 2.0 * share, rel=0.05)
        st = slice(round((peak_s + 0.08) * FS_HZ), round((peak_s + 0.4) * FS_HZ))
        torch.testing.assert_close(two[st], before[st], atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", MIXING)
def test_mixing_does_not_depend_on_the_exact_mark_of_a_beat(name):
    original = concatenate(batch(1), batch(1, ("STEMI",), st_mv=0.4), batch(1, ("LVH",), r_mv=3.0))
    off_s = np.random.default_rng(0).uniform(-0.01, 0.01, len(R_S))
    marked_off = replace(original, beats=[R_S + off_s, *original.beats[1:]])
    expected, changed = (
        TRANSFORMS[name](b, BatchRng(16)).signal_mv[0] for b in (original, marked_off)
    )
    assert not torch.equal(expected, original.signal_mv[0])
    torch.testing.assert_close(changed, expected, atol=0.02, rtol=0)


def test_a_recording_without_beats_is_not_mixed_and_affects_no_other():
    original = concatenate(batch(1), batch(1), batch(1, ("STEMI",), st_mv=0.4))
    beatless = replace(original, beats=[np.empty(0), *original.beats[1:]])
    changed = mixing.st_mix(beatless, BatchRng(12))
    assert torch.equal(changed.signal_mv[0], original.signal_mv[0])
    assert torch.equal(changed.targets[0], original.targets[0])
    assert not torch.equal(changed.signal_mv[1], original.signal_mv[1])
    assert changed.signal_mv.isfinite().all()


def test_recordings_of_other_classes_are_neither_mixed_nor_partners():
    original = concatenate(batch(2, ("LBBB",)), batch(2))
    for transform, _ in MIXING.values():
        changed = transform(original, BatchRng(14))
        assert torch.equal(changed.signal_mv, original.signal_mv)
        assert torch.equal(changed.targets, original.targets)
    original = concatenate(batch(2, ("LBBB",)), batch(1, ("STD",), st_mv=-0.2))
    assert torch.equal(mixing.st_mix(original, BatchRng(14)).signal_mv, original.signal_mv)


def test_unknown_targets_stay_unknown_and_without_beats_nothing_is_mixed():
    original = concatenate(batch(1), batch(1, ("STEMI",), st_mv=0.4))
    original.targets[:, column("STD")] = torch.nan
    changed = mixing.st_mix(original, BatchRng(15))
    assert changed.targets[0, column("STD")].isnan()
    without_beats = replace(original, beats=None)
    assert mixing.st_mix(without_beats, BatchRng(15)) is without_beats


def test_mixed_targets_enter_the_loss_by_their_shares():
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1]]))
    hard, shared = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0.75, 0.25, 0]])
    assert Loss("exclusive")(logits, hard).item() == pytest.approx(-np.log(0.7))
    expected = -0.75 * np.log(0.7) - 0.25 * np.log(0.2)
    assert Loss("exclusive")(logits, shared).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", ["standard", "robust", "targeted"])
def test_an_augmenter_is_reproducible_and_changes_some_recordings_only(name):
    original = concatenate(batch(6), batch(3, ("STEMI",), st_mv=0.3), batch(3, ("LVH",), r_mv=3.0))
    first, again = (Augmenter(name, 7) for _ in range(2))
    for _ in range(3):
        one, two = first(original), again(original)
        assert torch.equal(one.signal_mv.nan_to_num(9), two.signal_mv.nan_to_num(9))
    same = [
        torch.equal(a, b.nan_to_num(9))
        for a, b in zip(original.signal_mv, first(original).signal_mv, strict=True)
    ]
    assert not all(same)
    assert original.beats[0] is R_S


@pytest.mark.parametrize("augment", ["standard", "targeted"])
def test_a_training_with_augmentation_is_recorded_and_reproducible(augment, examples_home):
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


@pytest.mark.parametrize("name", ["baseline_wander", "muscle_noise", "gain"])
def test_a_robust_transform_changes_more_than_the_standard_one(name):
    original = batch(40)
    standard, robust = (
        float((kinds[name][0](original, BatchRng(3)).signal_mv - original.signal_mv).std())
        for kinds in (STANDARD, ROBUST)
    )
    assert robust > 1.3 * standard


def test_robust_lead_dropout_removes_two_or_three_leads():
    changed = ROBUST["lead_dropout"][0](batch(60), BatchRng(3))
    missing = changed.signal_mv.isnan().all(dim=2).sum(dim=1)
    assert set(missing.tolist()) == {2, 3}  # one only if the same lead is drawn three times


def test_an_unknown_augmentation_is_refused_by_name():
    config = TrainConfig(cohort="examples", augmentation="flip")
    with pytest.raises(NotFound, match=r"no augmentation 'flip'.*none, standard, robust, targeted"):
        config.resolve()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("name", TRANSFORMS)
def test_augmentations_stay_on_the_device(name):
    original = concatenate(batch(2), batch(2, ("STEMI",), st_mv=0.3))
    original = replace(
        original, signal_mv=original.signal_mv.cuda(), targets=original.targets.cuda()
    )
    changed = TRANSFORMS[name](original, BatchRng(1))
    assert changed.signal_mv.device.type == changed.targets.device.type == "cuda"
