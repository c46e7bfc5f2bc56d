"""Layouts with rows of several leads: order of the leads, segments of time, median beats, rhythm.

At 224 px a panel has 100 px/s, 12 px/mV and 27 columns before the R peak.
"""

import numpy as np
import pytest
import torch

from ecgcore.imaging import LAYOUTS, beats, draw, make_geometry
from ecgcore.imaging.beats import median_beats
from ecgcore.imaging.drawing import strip_ink
from ecgcore.records.record import LEADS

PANELS = make_geometry("panels")
R_COLUMN = 27  # the R peak stands on the edge between columns 26 and 27


def peaks(rr_s=0.83, first_s=0.6):
    """Return the R peaks of 10 s: no whole number of samples or pixels apart."""
    return np.arange(first_s, 9.4, rr_s)


def train(fs_hz, r_s, wave, leads=range(12)):
    """Return (1, 12, T) with ``wave`` (seconds from R → mV) at each peak in some leads."""
    times_s = np.arange(10 * fs_hz) / fs_hz
    from_r_s = times_s - r_s[np.abs(times_s[:, None] - r_s).argmin(axis=1)]
    signal_mv = torch.zeros(1, 12, 10 * fs_hz)
    signal_mv[:, list(leads)] = torch.from_numpy(wave(from_r_s)).float()
    return signal_mv


def qrs(width_s):
    """Return an R wave of 1.2 mV, half a cosine wide ``width_s`` from beginning to end."""
    return lambda t: 1.2 * np.where(np.abs(t) < width_s / 2, np.cos(np.pi * t / width_s), 0)


def columns_above_a_tenth(strip, ink):
    """Return in how many columns a strip's ink (H, W) reaches above 10 % of R."""
    highest_px = torch.where(ink.sum(dim=0) > 0, ink.bool().int().argmax(dim=0), 1000)
    tenth_px = strip.baseline_px - 0.1 * 1.2 * PANELS.px_per_mv - PANELS.pen_px / 2
    return int((highest_px + 1 < tenth_px).sum())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("lead", range(12))
def test_each_lead_is_drawn_on_its_own_strips_and_no_other(layout, lead):
    r_s, geometry = peaks(), make_geometry(layout)
    marked = train(500, r_s, qrs(0.1), [lead])
    changes = strip_ink(marked, 500, geometry, [r_s]) - strip_ink(0 * marked, 500, geometry, [r_s])
    for strip, change in zip(geometry.strips, changes[0], strict=True):
        assert bool((change.abs() > 0.1).any()) == (strip.lead == lead)
    changed = draw(marked, 500, layout, beats=[r_s]) != draw(0 * marked, 500, layout, beats=[r_s])
    channels = {s.channel for s in geometry.strips if s.lead == lead}
    assert set(changed[0].flatten(1).any(dim=1).nonzero().flatten().tolist()) == channels


def test_clinical_shows_each_lead_in_its_quarter_of_the_time_and_the_rhythm_throughout():
    signal_mv = torch.zeros(1, 12, 5000)
    signal_mv[..., 3000:3100] = 1.0  # 6.0 to 6.2 s: in the third quarter, that of V1 to V3
    geometry = make_geometry("clinical")
    ink = strip_ink(signal_mv, 500, geometry)[0]
    for strip, its_ink in zip(geometry.strips, ink, strict=True):
        row = int(strip.baseline_px) - 14
        rows = its_ink[row].nonzero().flatten()
        if LEADS[strip.lead] in ("V1", "V2", "V3") or strip.duration_s == 10:
            middle = float(rows.float().mean()) + 0.5
            assert middle == pytest.approx(strip.x_px(6.1), abs=0.3)
        else:
            assert not len(rows)


@pytest.mark.parametrize("rhythm", ["II", "V1"])
@pytest.mark.parametrize("layout", ["clinical", "panels"])
def test_the_rhythm_strip_shows_its_lead(layout, rhythm):
    r_s = peaks()
    marked = train(100, r_s, qrs(0.1), [LEADS.index(rhythm)])
    ink = strip_ink(marked, 100, make_geometry(layout, rhythm=rhythm), [r_s])[0, -1]
    high = ink.sum(dim=0) > 4
    beats_seen = int((high[1:] & ~high[:-1]).sum()) + int(high[0])
    assert beats_seen == len(r_s)


@pytest.mark.parametrize("fs_hz", [100, 500])
@pytest.mark.parametrize("given", ["exactly", "by sample", "not at all"])
def test_a_wide_qrs_is_told_from_a_narrow_one_at_any_phase(fs_hz, given):
    for phase in np.linspace(0, 0.02, 7):
        r_s = peaks(first_s=0.6 + phase)
        shown = {
            "exactly": [r_s],
            "by sample": [np.round(r_s * fs_hz) / fs_hz],
            "not at all": None,
        }[given]
        narrow, wide = (
            strip_ink(train(fs_hz, r_s, qrs(width_s)), fs_hz, PANELS, shown)[0, :12]
            for width_s in (0.08, 0.13)
        )
        for strip, a, b in zip(PANELS.strips[:12], narrow, wide, strict=True):
            assert columns_above_a_tenth(strip, b) - columns_above_a_tenth(strip, a) >= 3


@pytest.mark.parametrize("fs_hz", [100, 500])
def test_the_r_peak_stands_at_second_0_whatever_its_phase(fs_hz):
    for phase in np.linspace(0, 0.02, 7):
        r_s = peaks(first_s=0.6 + phase)
        sampled = np.round(r_s * fs_hz) / fs_hz  # as a detector gives them
        for strip, ink in zip(
            PANELS.strips[:12],
            strip_ink(train(fs_hz, r_s, qrs(0.1)), fs_hz, PANELS, [sampled])[0],
            strict=False,
        ):
            above = (ink.sum(dim=0) - PANELS.pen_px).clamp(min=0)
            middle = (above * (torch.arange(224) + 0.5)).sum() / above.sum()
            assert middle == pytest.approx(strip.x_px(0), abs=0.15)


@pytest.mark.parametrize("fs_hz", [100, 500])
def test_a_spike_of_20_ms_keeps_its_height_in_a_panel(fs_hz):
    half = round(0.01 * fs_hz)
    for start in range(fs_hz // 2, fs_hz // 2 + 10):
        at = np.arange(start, 10 * fs_hz - fs_hz // 2, round(0.83 * fs_hz))
        signal_mv = torch.zeros(1, 12, 10 * fs_hz)
        for step in range(-half + 1, half):
            signal_mv[..., at + step] = 1 - abs(step) / half
        ink = strip_ink(signal_mv, fs_hz, PANELS, [at / fs_hz])[0, :12]
        height_px = ink.sum(dim=1).amax(dim=1) - PANELS.pen_px  # (12,)
        assert (height_px >= 0.98 * 12).all()
        assert (height_px <= 1.07 * 12 + 1e-3).all()  # the cubic dips beside a lone sample


def test_the_picture_is_the_same_at_both_rates():
    r_s = peaks()
    slow, fast = (
        draw(train(fs_hz, r_s, qrs(0.09)), fs_hz, "panels", beats=[r_s]) for fs_hz in (100, 500)
    )
    assert (slow - fast).abs().mean() < 0.002


def test_an_ectopic_beat_does_not_change_the_median():
    r_s = peaks()
    with_one = train(500, r_s, qrs(0.09))
    around = slice(round((r_s[4] - 0.2) * 500), round((r_s[4] + 0.3) * 500))
    with_one[..., around] = -2.0 * torch.hann_window(with_one[..., around].shape[-1])
    ink = [strip_ink(s, 500, PANELS, [r_s])[:, :12] for s in (train(500, r_s, qrs(0.09)), with_one)]
    assert torch.allclose(*ink, atol=0.05)


def test_baseline_wander_does_not_mix_the_beats():
    r_s = peaks()
    still = train(500, r_s, qrs(0.09))
    times_s = torch.arange(5000) / 500
    wander = 0.3 * torch.sin(2 * torch.pi * 0.15 * times_s)
    plain, wandering = (
        median_beats(s, 500, [r_s], -0.27, 0.0025, 297)[0] for s in (still, still + wander)
    )
    shape = wandering - wandering.mean(dim=-1, keepdim=True)
    assert (shape - (plain - plain.mean(dim=-1, keepdim=True))).abs().max() < 0.06


@pytest.mark.parametrize("count", range(1, 17))
def test_the_median_of_any_number_of_beats_is_the_median(count):
    torch.manual_seed(count)
    cut = torch.randn(3, 12, 16, 5)
    counts = torch.tensor([count, 16, 1])
    padding = beats._padding(counts, 16)[:, None, :, None]
    medians = beats._median_of_rows((cut + padding).unbind(dim=2), counts)
    for record, n, middle in zip(cut, counts, medians, strict=True):
        expected = record[:, :n].quantile(0.5, dim=1)
        torch.testing.assert_close(middle, expected)


def test_of_many_beats_some_all_over_the_record_are_used():
    fast = np.arange(0.3, 9.7, 0.3)
    chosen = beats._select_beats(fast, -0.1, 0.1, 9.998)
    assert len(chosen) == beats.MAX_BEATS
    assert (chosen[0], chosen[-1]) == (fast[0], fast[-1])
    assert np.diff(chosen).max() < 1.6


def test_beats_that_are_cut_off_count_only_where_there_is_no_other():
    r_s = np.array([0.1, 5.0, 9.9])
    assert beats._select_beats(r_s, -0.27, 0.47, 9.998).tolist() == [5.0]
    assert beats._select_beats(r_s[[0]], -0.27, 0.47, 9.998).tolist() == [0.1]
    ink = strip_ink(train(500, r_s[[0]], qrs(0.1)), 500, PANELS, [r_s[[0]]])[0, 0]
    inked_columns = (ink[:, :74].sum(dim=0) > 0).nonzero().flatten()
    assert (inked_columns.min(), inked_columns.max()) == (pytest.approx(R_COLUMN - 10, abs=1), 73)


def test_without_beats_the_panels_are_empty_and_the_rhythm_strip_is_drawn():
    image = draw(torch.zeros(1, 12, 1000), 100, "panels")
    first, last = (int(PANELS.strips[i].baseline_px) for i in (0, -1))
    assert image[:, :, last].sum() == 224
    assert image.sum() == 224
    assert image[:, :, first].sum() == 0


def test_missing_samples_take_nothing_from_other_records_or_beats():
    r_s = peaks()
    whole = train(500, r_s, qrs(0.09)).repeat(2, 1, 1)
    holed = whole.clone()
    holed[1, 3, 1000:1400], holed[1, 4] = float("nan"), float("nan")
    ink = strip_ink(holed, 500, PANELS, [r_s, r_s])
    panel = [LEADS[s.lead] for s in PANELS.strips].index
    reference = strip_ink(whole, 500, PANELS, [r_s, r_s])
    assert torch.equal(ink[0], reference[0])
    assert ink[1, panel("aVL")].sum() == 0
    assert torch.allclose(ink[1, panel("aVR")], reference[1, panel("aVR")], atol=0.02)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_batches_give_what_single_records_give(layout):
    torch.manual_seed(2)
    signals_mv = train(100, peaks(), qrs(0.1)).repeat(20, 1, 1) + 0.1 * torch.randn(20, 12, 1000)
    every = [peaks()[: n % 11] for n in range(20)]
    together = draw(signals_mv, 100, layout, beats=every)
    for i in (0, 9, 19):
        alone = draw(signals_mv[i : i + 1], 100, layout, beats=every[i : i + 1])
        assert torch.equal(together[i : i + 1], alone)
    assert draw(signals_mv[:0], 100, layout).shape == (0, 3, 224, 224)


def test_the_median_passes_derivatives_to_the_beats_it_takes():
    torch.manual_seed(3)
    r_s = peaks()
    signal_mv = train(500, r_s, qrs(0.09)) + 0.01 * torch.randn(1, 12, 5000)
    with_grad = signal_mv.clone().requires_grad_()
    draw(with_grad, 500, "panels", beats=[r_s]).square().sum().backward()
    assert with_grad.grad.isfinite().all()
    assert (with_grad.grad[0].abs().sum(dim=1) > 0).all()
    near = np.abs(np.arange(5000) / 500 - r_s[:, None]).min(axis=0) < 0.05
    assert with_grad.grad[0, 0, torch.from_numpy(near)].abs().sum() > 0
