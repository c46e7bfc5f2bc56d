"""Sampling rates: what states one, what does not, and statements that differ."""

import pytest

from ecgcore.errors import UnreadableRecord
from ecgcore.records.rates import decide_rate, is_rate_name, rate_in_name, rates_in_text


@pytest.mark.parametrize(
    ("line", "rates_hz"),
    [
        ("fs_hz=250", [250]),
        ("#fs: 250 Hz", [250]),
        ("sampling rate = 1 kHz", [1000]),
        ("Sampling frequency,500", [500]),
        ("Sampling Frequency (Hz): 1,000", [1000]),
        ("sampling frequency (kHz) = 0,5", [500]),
        ("srHz=500", [500]),
        ('{"fs": 5e2}', [500]),
        ("samples per second: 360", [360]),
        ("Sampling interval: 2 ms", [500]),
        ("Rate: 500 Hz", [500]),
        ("fs: 1000 / fs: 500", [1000, 500]),
        ("original fs: 1000 / fs: 500", [500]),
        ("original sampling rate 1000 Hz, resampled to 500 Hz", [500]),
        *((line, []) for line in ("Rate: 75 bpm", "Heart rate: 75", "Rate: 75", "fs: 75/min")),
        *((line, []) for line in ("Notch: 50 Hz", "Filter 0.05-150 Hz", "Sampling: 12 leads")),
    ],
)
def test_a_line_states_a_rate_only_where_it_speaks_of_sampling(line, rates_hz):
    assert rates_in_text([line]) == rates_hz


@pytest.mark.parametrize(
    ("stem", "fs_hz"),
    [
        *(("00077_lr_100hz", 100), ("rec 500 Hz", 500), ("x_1kHz", 1000), ("rec-001-500hz", 500)),
        *(("rec_0.5-40Hz_500Hz", 500), ("500hz_lp40hz", 500), ("notch_50hz_500hz", 500)),
        *(("rec_bandpass_0.05-150Hz", None), ("bw_0.05_100hz", None), ("100hz_lowpass", None)),
        *(("lp_100hz", None), ("rec_50hz", None), ("rec_150Hz", None), ("x_40hz", None)),
        *(("x_250hz_500hz", None), ("500hz_to_100hz", None), ("hp0.5hz_lp100hz", None)),
    ],
)
def test_a_name_states_a_rate_only_where_it_is_one_alone_and_no_filter_s(stem, fs_hz):
    assert rate_in_name(stem) == fs_hz


def test_names_of_rates_are_known_in_every_usual_spelling():
    names = ("fs", "Fs", "FS (Hz)", "fs_hz", "SamplingFrequency", "sampling rate", "sample-rate")
    assert all(map(is_rate_name, names))
    assert not any(map(is_rate_name, ("rate", "heart_rate", "hz", "time")))


def test_statements_that_differ_are_refused_with_each_of_them():
    statements = [("a comment", 1000.0), ("a comment", 500.0), ("its name", None)]
    with pytest.raises(UnreadableRecord) as caught:
        decide_rate("r", statements, given_hz=500)
    assert str(caught.value) == (
        "Record r: its sampling rate is not clear: was given 500 Hz, a comment says 1000 Hz, a "
        "comment says 500 Hz."
    )


def test_a_usual_rate_gives_way_to_any_statement_and_is_noted():
    usual = ("that of SPH", 500.0)
    rate = decide_rate("r", [("its name", None)], usual=usual)
    assert rate == (500, "that of SPH", ("rate assumed: 500 Hz, that of SPH",))
    rate = decide_rate("r", [("its name", 250.0)], usual=usual)
    assert rate == (250, "its name", ("rate: 250 Hz (its name), not 500 Hz (that of SPH)",))
    rate = decide_rate("r", [], given_hz=250, usual=("that of SPH", 250.0))
    assert rate == (250, "the rate given", ())


def test_a_small_difference_is_noted_and_a_rate_that_nothing_states_is_asked_for():
    rate = decide_rate("r", [("a comment", 500.0), ("its time column", 498.0)])
    assert rate.notes == ("rate: 500 Hz (a comment), not 498 Hz (its time column)",)
    with pytest.raises(UnreadableRecord) as caught:
        decide_rate("r", [("its name", None)])
    assert str(caught.value) == (
        "Record r does not say its sampling rate; give it (--source-fs-hz)."
    )
