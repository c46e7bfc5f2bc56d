"""Drawing: golden pictures worked by hand, peaks, ink, gaps, derivative, refusals.

At 224 px the stacked layout has 8 px/mV, 22.4 px/s and zero lines on pixel rows 40, 53, … 183.
"""

import numpy as np
import pytest
import torch
from recordings import DATA, real

from ecgcore.errors import NotFound, RequestError
from ecgcore.imaging import LAYOUTS, beats, draw, make_geometry
from ecgcore.imaging.drawing import lead_ink, out_of_range, strip_ink
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS

ZERO_ROWS = [40 + 13 * row for row in range(12)]
BEATS = [np.arange(0.5, 10)]  # the R peaks of wavy()


def flat(fs_hz=100, records=1, dtype=torch.float32):
    """Return 10 s of 0 mV."""
    return torch.zeros(records, 12, 10 * fs_hz, dtype=dtype)


def spike(fs_hz, start, height_mv=1.0):
    """Return V1 with one triangle of 20 ms whose first raised sample may be ``start``."""
    signal_mv = flat(fs_hz)
    half = max(1, round(0.01 * fs_hz))
    for step in range(-half + 1, half):
        signal_mv[0, 6, start + step] = height_mv * (1 - abs(step) / half)
    return signal_mv


def wavy(fs_hz=500, shift_s=0.0):
    """Return 60 beats a minute of smooth waves, another height in each lead."""
    times_s = torch.arange(10 * fs_hz, dtype=torch.float64) / fs_hz - shift_s
    beat = torch.exp(-((((times_s % 1) - 0.5) / 0.05) ** 2))
    return (beat * torch.linspace(-1.5, 1.5, 12, dtype=torch.float64)[:, None])[None]


def test_a_flat_record_is_twelve_lines_of_one_pixel_in_alternating_channels():
    image = draw(flat(), 100)
    assert image.shape == (1, 3, 224, 224)
    assert image.dtype == torch.float32
    expected = torch.zeros(3, 224, 224)
    for row, y in enumerate(ZERO_ROWS):
        expected[row % 3, y] = 1
    assert torch.equal(image[0], expected)


def column_ink(low_mv, high_mv, zero_row=118):
    """Return (224,) what a lead inks in a column between two voltages, half a pixel beyond each."""
    top, bottom = zero_row + 0.5 - 8 * high_mv - 0.5, zero_row + 0.5 - 8 * low_mv + 0.5
    edges = torch.arange(225).clamp(top, bottom)
    return edges.diff()


def test_a_square_pulse_of_1_mv_covers_exactly_the_pixels_it_should():
    """V1 rises from 1.99 to 2.00 s, x = 44.576 to 44.8, and falls from 89.376 to 89.6.

    In quarters of a column: it rises in 178 (to 0.777 mV) and 179, falls in 357 (to 0.446 mV) and
    358. The pen reaches three quarters farther on each side, and a column is the mean of four.
    """
    signal_mv = flat()
    signal_mv[0, 6, 200:400] = 1.0
    rise, fall = (44.75 - 44.576) / 0.224, (89.6 - 89.5) / 0.224
    expected = column_ink(0, 0)[:, None].repeat(1, 224)
    expected[:, 43] = column_ink(0, rise / 4)
    expected[:, 44] = column_ink(0, 1)
    expected[:, 45] = column_ink((rise + 1) / 4, 1)
    expected[:, 46:88] = column_ink(1, 1)[:, None]
    expected[:, 88] = column_ink((2 + fall) / 4, 1)
    expected[:, 89] = column_ink(0, 1)
    expected[:, 90] = column_ink(0, (1 + fall) / 4)
    assert torch.allclose(lead_ink(signal_mv, 100)[0, 6], expected, atol=1e-4)
    assert (expected[110:119, 44] == 1).all()
    assert (expected[110, 44:90] == 1).all()


def test_half_a_pixel_of_voltage_inks_two_rows_by_half():
    column = lead_ink(flat() + 1 / 16, 100)[0, 6, :, 100]
    assert column[117] == column[118] == 0.5
    assert column.sum() == 1


@pytest.mark.parametrize("fs_hz", [100, 500])
def test_beats_of_60_a_minute_stand_in_their_columns(fs_hz):
    signal_mv = flat(fs_hz)
    signal_mv[0, 1, round(0.52 * fs_hz) :: fs_hz] = 2.0  # II, at 0.52, 1.52 … 9.52 s
    peak_row = lead_ink(signal_mv, fs_hz)[0, 1, 53 - 16]
    columns = [int(22.4 * (s + 0.52)) for s in range(10)]
    assert (peak_row > 0.999).nonzero().flatten().tolist() == columns
    near = {column + step for column in columns for step in (-1, 0, 1)}
    assert set(peak_row.nonzero().flatten().tolist()) <= near


@pytest.mark.parametrize("lead", range(12))
def test_each_lead_is_drawn_in_its_own_row_and_channel(lead):
    signal_mv = flat()
    signal_mv[0, lead, 500] = 0.7
    changed = (draw(signal_mv, 100) - draw(flat(), 100))[0]
    channels, rows, columns = changed.nonzero(as_tuple=True)
    assert set(channels.tolist()) == {lead % 3}
    assert (rows.min(), rows.max()) == (ZERO_ROWS[lead] - 6, ZERO_ROWS[lead] - 1)
    assert columns.unique().tolist() == [111, 112]  # 5 s is the edge between these


@pytest.mark.parametrize("fs_hz", [100, 500])
@pytest.mark.parametrize("height_mv", [1.0, -1.0, 0.3])
def test_a_spike_of_20_ms_keeps_its_height_at_any_phase(fs_hz, height_mv):
    for phase in range(25):
        ink = lead_ink(spike(fs_hz, 3 * fs_hz + phase, height_mv), fs_hz)[0, 6]
        height_px = ink.sum(dim=0).max() - 1
        assert 0.98 * 8 * abs(height_mv) <= height_px <= 1.001 * 8 * abs(height_mv)


@pytest.mark.parametrize("fs_hz", [100, 500])
@pytest.mark.parametrize("width_s", [0.02, 0.04, 0.1])
def test_total_ink_does_not_depend_on_sub_pixel_shifts(fs_hz, width_s):
    """Spikes of 20, 40 and 100 ms, moved by samples of 0.22 or 0.045 px.

    They are 28 px apart, so that all lie alike between the columns and none makes up for another.
    """
    times_s = torch.arange(10 * fs_hz, dtype=torch.float64) / fs_hz
    spikes = (1 - (times_s % 1.25 - 0.6).abs() / (width_s / 2)).clamp(min=0).expand(1, 12, -1)
    inks = [draw(spikes.roll(step, -1), fs_hz).sum() for step in range(23)]
    assert max(inks) / min(inks) < 1.01
    by_voltage = [draw(wavy(fs_hz) + shift / 80, fs_hz).sum() for shift in range(11)]
    assert max(by_voltage) / min(by_voltage) < 1.0001


@pytest.mark.parametrize("file", sorted((DATA / "ptb-xl").rglob("*.hea")), ids=lambda f: f.stem)
def test_total_ink_of_a_real_record_does_not_depend_on_sub_pixel_shifts(file):
    """Its ends are held, so that nothing enters or leaves."""
    record = read_record(file)
    signal_mv, held = torch.from_numpy(record.signal_mv)[None], round(record.fs_hz / 2)
    signal_mv[..., :held] = signal_mv[..., held, None]
    signal_mv[..., -held:] = signal_mv[..., -held, None]
    steps = range(0, round(record.fs_hz / 15), round(record.fs_hz / 100))
    moved = [torch.cat([signal_mv[..., :1].repeat(1, 1, n), signal_mv], -1) for n in steps]
    inks = [draw(signal[..., : signal_mv.shape[-1]], record.fs_hz).sum() for signal in moved]
    assert max(inks) / min(inks) < 1.01


@pytest.mark.parametrize("fs_hz", [100, 257, 500, 1000])
def test_steep_strokes_are_unbroken(fs_hz):
    torch.manual_seed(0)
    signal_mv = torch.randn(4, 12, 10 * fs_hz).clamp(-4, 4)
    top_to_bottom = lead_ink(signal_mv, fs_hz) > 0  # (B, 12, H, W)
    within_a_column = top_to_bottom.int().diff(dim=2).abs().sum(dim=2)
    assert (within_a_column == 2).all()
    connected = (top_to_bottom[..., :-1] & top_to_bottom[..., 1:]).any(dim=2)
    assert connected.all()


def test_the_same_waves_look_alike_at_100_and_500_hz():
    slow, fast = draw(wavy(100), 100), draw(wavy(500), 500)
    assert (slow - fast).abs().mean() < 0.001


@pytest.mark.parametrize("lead", [0, 11])
@pytest.mark.parametrize("sign", [-1, 1])
def test_no_row_is_cut_within_5_mv_and_beyond_the_trace_runs_along_the_limit(lead, sign):
    signal_mv = flat()
    signal_mv[0, lead, 300:600] = sign * 4.9
    inside = lead_ink(signal_mv, 100)[0, lead]
    assert inside[:, 100].sum() == pytest.approx(1, abs=1e-4)
    signal_mv[0, lead, 300:600] = sign * 9
    beyond = lead_ink(signal_mv, 100)[0, lead, :, 100]
    assert beyond.nonzero().flatten().tolist() == [ZERO_ROWS[lead] - sign * 40]


def test_leads_beyond_5_mv_are_told_in_data():
    signal_mv = flat(records=2)
    signal_mv[1, 3, 7], signal_mv[1, 5, 7], signal_mv[0, 2] = -5.1, 5.0, float("nan")
    exceeding = out_of_range(signal_mv)
    assert exceeding.nonzero().tolist() == [[1, 3]]


def test_missing_samples_leave_no_ink_and_change_no_other_record():
    whole = wavy(100).float().repeat(2, 1, 1)
    holed = whole.clone()
    holed[1, 3, 200:400], holed[1, 4] = float("nan"), float("nan")
    ink = lead_ink(holed, 100)
    assert torch.equal(draw(holed, 100)[0], draw(whole, 100)[0])
    assert ink[1, 4].sum() == 0
    inked = ink[1, 3].sum(dim=0) > 0
    # missing from 1.99 s (x = 44.58) to 4.00 s (x = 89.6), less the pen's three quarters of a pixel
    assert inked.logical_not().nonzero().flatten().tolist() == list(range(46, 88))
    assert torch.equal(ink[1, 3][:, :43], lead_ink(whole, 100)[1, 3][:, :43])


def test_a_short_record_keeps_its_rate_and_leaves_the_right_side_empty():
    image = draw(wavy(100)[..., :500], 100)
    assert torch.equal(image[..., :110], draw(wavy(100), 100)[..., :110])
    assert image[..., 113:].sum() == 0


def test_voltage_is_never_rescaled():
    small, large = (lead_ink(k * spike(100, 300), 100)[0, 6].sum(dim=0).max() for k in (0.5, 4))
    assert (large - 1) / (small - 1) == pytest.approx(8, rel=1e-4)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [32, 96, 448, (100, 300), (300, 100), (224, 2500)])
def test_any_size_is_drawn_with_every_lead(layout, size):
    height, width = (size, size) if isinstance(size, int) else size
    image = draw(wavy(100), 100, layout, size, BEATS)
    assert image.shape == (1, 3, height, width)
    assert 0 <= image.min() <= image.max() <= 1
    geometry = make_geometry(layout, size)
    ink = strip_ink(wavy(100), 100, geometry, BEATS)[0]
    for strip, its_ink in zip(geometry.strips, ink, strict=True):
        assert (its_ink[:, strip.columns].sum(dim=0) > 0).all()
        its_ink[:, strip.columns] = 0
        assert its_ink.sum() == 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_picture_is_its_strips_put_together(layout):
    geometry = make_geometry(layout)
    ink = strip_ink(wavy(100), 100, geometry, BEATS)
    together = torch.zeros(1, 3, 224, 224, dtype=ink.dtype)
    for strip, its_ink in zip(geometry.strips, ink.unbind(1), strict=True):
        together[:, strip.channel] += its_ink
    image = draw(wavy(100), 100, layout, beats=BEATS)
    assert torch.allclose(image, together.clamp(max=1), atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_derivative_is_that_of_the_picture(layout, monkeypatch):
    # Where a beat is laid is not part of the derivative: it is found as if it were given.
    monkeypatch.setattr(beats, "qrs_centres", lambda signal_mv, fs_hz, r_s: r_s)
    torch.manual_seed(1)
    signal_mv = 0.2 * torch.randn(1, 12, 40, dtype=torch.float64).cumsum(dim=2)
    signal_mv[0, 2, 10:20] = float("nan")
    weight = torch.randn(3, 64, 48, dtype=torch.float64)

    def picture(signal):
        return draw(signal, 20, layout, (64, 48), [np.array([0.7, 1.0, 1.3])], 2)

    def score(signal):
        return (picture(signal) * weight).sum()

    with_grad = signal_mv.clone().requires_grad_()
    score(with_grad).backward()
    for lead, sample in [(0, 3), (4, 17), (7, 21), (11, 39), (2, 5)]:
        step = torch.zeros_like(signal_mv)
        step[0, lead, sample] = 1e-6
        slope = (score(signal_mv + step) - score(signal_mv - step)) / 2e-6
        assert with_grad.grad[0, lead, sample] == pytest.approx(slope.item(), abs=1e-4)
    assert with_grad.grad[0, 2, 10:20].abs().sum() == 0
    assert torch.equal(picture(with_grad).detach(), picture(signal_mv))


def test_drawing_for_inference_first_does_not_spoil_derivatives_afterwards():
    signal_mv = wavy(100)[..., :333]
    with torch.inference_mode():
        draw(signal_mv, 100)
    with_grad = signal_mv.clone().requires_grad_()
    draw(with_grad, 100).square().sum().backward()
    assert with_grad.grad.abs().sum() > 0


def test_batches_give_what_single_records_give():
    torch.manual_seed(2)
    signals_mv = torch.randn(70, 12, 1000)
    together = draw(signals_mv, 100)
    assert torch.equal(together[[0, 33, 69]], draw(signals_mv[[0, 33, 69]], 100))
    assert draw(signals_mv[:0], 100).shape == (0, 3, 224, 224)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_cpu_and_cuda_agree(layout):
    signals_mv = wavy(500).float().repeat(5, 1, 1) + 0.05 * torch.randn(5, 12, 5000)
    signals_mv[2, 3, 1000:2000] = float("nan")
    peaks_s = [BEATS[0][: n + 4] for n in range(5)]
    on_gpu = draw(signals_mv.cuda(), 500, layout, beats=peaks_s)
    assert on_gpu.device.type == "cuda"
    assert (on_gpu.cpu() - draw(signals_mv, 500, layout, beats=peaks_s)).abs().max() < 1 / 255


def test_the_first_pen_draws_as_it_always_did():
    """One column's width of trace: a rise at x = 44.7 fills column 44 and no other."""
    signal_mv = flat()
    signal_mv[0, 6, 200:400] = 1.0
    expected = torch.zeros(224, 224)
    expected[118, :44] = expected[118, 90:] = 1
    expected[110:119, 44] = expected[110:119, 89] = 1
    expected[110, 45:89] = 1
    assert torch.equal(lead_ink(signal_mv, 100, stroke_version=1)[0, 6], expected)


def test_what_cannot_be_drawn_is_refused_in_one_line():
    with pytest.raises(NotFound, match=r"no layout 'stakced'. Did you mean 'stacked'"):
        draw(flat(), 100, layout="stakced")
    with pytest.raises(RequestError, match=r"shape \(B, 12, T\), not \(1, 8, 1000\)"):
        draw(flat()[:, :8], 100)
    with pytest.raises(RequestError, match="30 s does not fit an image of 10 s"):
        draw(flat().repeat(1, 1, 3), 100)
    with pytest.raises(RequestError, match="R peaks of 2 records and 1 signals"):
        draw(flat(), 100, "panels", beats=[np.zeros(0), np.zeros(0)])
    with pytest.raises(RequestError, match="20 × 20 px is too small"):
        draw(flat(), 100, size=20)


@pytest.mark.data
def test_real_records_are_drawn_with_ink_in_every_lead():
    record = read_record(real("ptb-xl") / "records100/00000/00001_lr.hea")
    ink = lead_ink(torch.from_numpy(record.signal_mv)[None], record.fs_hz)
    assert (ink.sum(dim=2) >= 0.99).all()
    assert ink.shape == (1, len(LEADS), 224, 224)
    tallest = np.ptp(record.signal_mv, axis=1).argmax()
    assert ink[0].sum(dim=1).max(dim=1).values.argmax() == tallest
