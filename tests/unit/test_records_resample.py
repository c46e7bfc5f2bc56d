"""Resampling: known sines, gaps, windows, and PTB-XL's own two rates."""

import numpy as np
import pytest
from recordings import DATA

from ecgcore.records.read import read_record
from ecgcore.records.record import Record
from ecgcore.records.resample import resample_record


def sine(frequency_hz: float, fs_hz: float = 500, duration_s: float = 10) -> Record:
    t = np.arange(round(fs_hz * duration_s)) / fs_hz
    wave = np.sin(2 * np.pi * frequency_hz * t).astype(np.float32)
    return Record(np.tile(wave, (12, 1)), fs_hz, "sine")


@pytest.mark.parametrize("fs_hz", [250, 257, 400, 500, 1000])
def test_a_wave_below_the_limit_keeps_its_shape(fs_hz):
    resampled = resample_record(sine(10, fs_hz), 100, 10)
    expected = sine(10, 100).signal_mv
    assert resampled.signal_mv.shape == (12, 1000)
    np.testing.assert_allclose(resampled.signal_mv[:, 50:-50], expected[:, 50:-50], atol=0.01)
    assert resampled.notes == (f"resampled from {fs_hz} to 100 Hz",)


@pytest.mark.parametrize("frequency_hz", [55, 95, 180])
def test_a_wave_above_the_limit_is_removed_and_not_folded_back(frequency_hz):
    resampled = resample_record(sine(frequency_hz), 100, 10).signal_mv
    assert np.abs(resampled[:, 50:-50]).max() < 0.02


def test_ptb_xl_s_two_rates_agree():
    slow = read_record(DATA / "ptb-xl" / "records100" / "00000" / "00001_lr.hea").signal_mv
    fast = read_record(DATA / "ptb-xl" / "records500" / "00000" / "00001_hr.hea")
    resampled = resample_record(fast, 100, 10).signal_mv
    # PTB-XL's lags by 1.2 ms, which a steep QRS shows, and rings at the ends.
    assert np.sqrt(np.mean((resampled - slow)[:, 20:-20] ** 2)) < 0.01
    for lead in range(12):
        assert np.corrcoef(resampled[lead, 20:-20], slow[lead, 20:-20])[0, 1] > 0.99


def test_a_baseline_offset_does_not_ring_at_the_ends():
    record = Record(np.full((12, 5000), 5.0, np.float32), 500.0, "offset")
    np.testing.assert_allclose(resample_record(record, 100, 10).signal_mv, 5.0, atol=1e-3)


def test_gaps_stay_gaps_and_do_not_spread():
    record = sine(5)
    record.signal_mv[3, 1000:1500] = np.nan
    resampled = resample_record(record, 100, 10).signal_mv
    assert np.isnan(resampled[3, 201:299]).all()
    assert np.isnan(resampled).sum() == pytest.approx(100, abs=1)


def test_longer_records_give_their_first_window_and_shorter_ones_are_filled():
    long = resample_record(sine(1, 100, 30), 100, 10)
    np.testing.assert_array_equal(long.signal_mv, sine(1, 100, 30).signal_mv[:, :1000])
    assert long.notes == ("first 10 s of 30 s",)
    short = resample_record(sine(1, 100, 7), 100, 10)
    assert np.isnan(short.signal_mv[:, 700:]).all()
    assert not np.isnan(short.signal_mv[:, :700]).any()
    assert short.notes == ("filled from 7 to 10 s with missing values",)


def test_a_window_of_a_longer_record_does_not_depend_on_what_comes_long_after():
    long = sine(3, 1000, 115)
    cut = sine(3, 1000, 11)
    np.testing.assert_array_equal(
        resample_record(long, 500, 10).signal_mv, resample_record(cut, 500, 10).signal_mv
    )


def test_a_record_in_the_right_form_is_returned_as_it_is():
    record = sine(1, 100, 10)
    assert resample_record(record, 100, 10) is record
