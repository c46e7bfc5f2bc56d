"""The high-pass: what it removes, what it keeps, and what gaps and ends do."""

import numpy as np
import pytest
import torch

from ecgcore.imaging.high_pass import high_pass

FS_HZ = 100.0
TIMES_S = torch.arange(1000, dtype=torch.float64) / FS_HZ


def wave(hz, mv=1.0):
    return mv * torch.sin(2 * torch.pi * hz * TIMES_S)


def remaining_share(hz, cutoff_hz=0.5):
    """Return the amplitude that is left in the middle of the signal, where no end matters."""
    middle = slice(300, 700)
    return float((high_pass(wave(hz), FS_HZ, cutoff_hz)[middle] / wave(hz)[middle]).median())


@pytest.mark.parametrize("hz", [0.5, 1.0, 5.0, 20.0])
def test_the_amplitude_left_is_that_of_a_first_order_filter_run_both_ways(hz):
    expected = (hz / 0.5) ** 2 / (1 + (hz / 0.5) ** 2)
    assert remaining_share(hz) == pytest.approx(expected, abs=0.01)


def test_a_constant_is_removed_to_the_ends():
    assert high_pass(torch.full((2, 12, 700), 3.0), FS_HZ, 0.5).abs().max() < 1e-4


def test_a_cut_off_of_zero_changes_nothing():
    signal_mv = torch.randn(1, 12, 50)
    assert high_pass(signal_mv, FS_HZ, 0) is signal_mv


def test_gaps_stay_gaps_and_do_not_leak_into_what_was_recorded():
    signal_mv = 5 + wave(8.0)[None].repeat(12, 1)
    signal_mv[3], signal_mv[4, 500:] = np.nan, np.nan
    filtered = high_pass(signal_mv, FS_HZ, 0.5)
    torch.testing.assert_close(filtered.isnan(), signal_mv.isnan())
    assert (filtered[4, :500] - wave(8.0)[:500]).abs().max() < 0.1


def test_the_two_rates_give_the_same_signal():
    fast_s = torch.arange(5000, dtype=torch.float64) / 500
    fast = high_pass(torch.sin(2 * torch.pi * 4 * fast_s) + 0.1 * fast_s, 500, 0.5)[::5]
    slow = high_pass(wave(4.0) + 0.1 * TIMES_S, FS_HZ, 0.5)
    torch.testing.assert_close(fast, slow, atol=0.005, rtol=0)
