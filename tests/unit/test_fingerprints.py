"""Fingerprints match one recording at another rate, gain, filter and length, and no other."""

import numpy as np
import pytest
from recordings import DATA, real
from scipy.signal import butter, sosfiltfilt

from ecgcore.cohort.duplicates import find_duplicates
from ecgcore.cohort.fingerprints import SIZE, as_table, fingerprint, is_duplicate, likeness
from ecgcore.records.read import read_record
from ecgcore.records.resample import resample_signal

LOW = DATA / "ptb-xl/records100/00000/00001_lr.hea"
HIGH = DATA / "ptb-xl/records500/00000/00001_hr.hea"
OTHER = DATA / "ptb-xl/records100/00000/00004_lr.hea"


@pytest.fixture(scope="module")
def high_mv() -> np.ndarray:
    """Return PTB-XL record 1 at 500 Hz, (12, 5000)."""
    return read_record(HIGH).signal_mv


def of(path) -> bytes:
    """Return the fingerprint of a file's record."""
    record = read_record(path)
    return fingerprint(record.signal_mv, record.fs_hz)


def test_a_fingerprint_is_512_bytes_and_always_the_same(high_mv):
    first = fingerprint(high_mv, 500)
    assert len(first) == SIZE == 512
    assert first == fingerprint(high_mv.copy(), 500)
    assert likeness(first, first) == pytest.approx(1)


def test_the_published_copies_at_100_and_500_hz_are_the_same():
    assert likeness(of(LOW), of(HIGH)) > 0.99


def test_another_patients_record_is_not_the_same():
    assert likeness(of(LOW), of(OTHER)) < 0.5
    assert not is_duplicate(of(LOW), of(OTHER))


@pytest.mark.parametrize("fs_hz", [100, 128, 250, 257, 360, 1000])
def test_a_copy_at_another_rate_is_the_same(high_mv, fs_hz):
    assert is_duplicate(
        fingerprint(high_mv, 500), fingerprint(resample_signal(high_mv, 500, fs_hz), fs_hz)
    )


@pytest.mark.parametrize("gain", [1e-3, 0.5, 5.96, 1e3])
def test_a_copy_at_another_gain_is_the_same(high_mv, gain):
    assert likeness(fingerprint(high_mv, 500), fingerprint(high_mv * gain, 500)) > 0.999


def test_a_filtered_coarsely_rounded_copy_on_a_baseline_is_the_same(high_mv):
    band = butter(2, [0.5, 40], "bandpass", fs=500, output="sos")
    copy_mv = np.round(sosfiltfilt(band, high_mv, axis=1) * 50) / 50
    copy_mv += 0.3 * np.sin(np.arange(5000) / 500)
    assert is_duplicate(fingerprint(high_mv, 500), fingerprint(copy_mv, 500))


def test_a_shorter_or_filled_up_copy_is_the_same_as_long_as_5_s_are_there(high_mv):
    whole = fingerprint(high_mv, 500)
    filled = np.pad(high_mv[:, :3000], ((0, 0), (0, 2000)), constant_values=np.nan)
    zeros = np.nan_to_num(filled)
    assert is_duplicate(whole, fingerprint(high_mv[:, :3000], 500))
    assert is_duplicate(whole, fingerprint(filled, 500))
    assert is_duplicate(whole, fingerprint(zeros, 500))
    assert likeness(whole, fingerprint(high_mv[:, :2000], 500)) == 0


def test_a_few_missing_samples_do_not_hide_a_copy(high_mv):
    holed = high_mv.copy()
    holed[3, 100:110] = np.nan
    holed[0, 2000:2010] = np.nan
    assert is_duplicate(fingerprint(high_mv, 500), fingerprint(holed, 500))


@pytest.mark.parametrize("value", [0.0, 1.234, np.nan])
def test_silence_is_like_nothing_not_even_itself(value):
    silent = fingerprint(np.full((12, 5000), value, np.float32), 500)
    assert silent == bytes(SIZE)
    assert not is_duplicate(silent, silent)
    assert find_duplicates([as_table([silent, silent])]) == []


def test_find_same_finds_each_group_once_in_order(high_mv):
    rng = np.random.default_rng(0)
    others = [
        fingerprint(np.cumsum(rng.normal(0, 0.02, (12, 1000)), axis=1), 100) for _ in range(200)
    ]
    first, again = fingerprint(high_mv, 500), fingerprint(resample_signal(high_mv, 500, 250), 250)
    everything = [*others[:100], first, of(OTHER), *others[100:], again, of(OTHER), of(LOW)]
    tables = [as_table(everything[:101]), as_table(everything[101:150]), as_table(everything[150:])]
    assert find_duplicates(tables) == [[100, 202, 204], [101, 203]]


def test_nothing_is_the_same_among_none_or_one():
    assert find_duplicates([]) == []
    assert find_duplicates([as_table([of(LOW)])]) == []


@pytest.mark.data
def test_the_challenges_hr_records_are_found_among_ptb_xl():
    paths = [
        *sorted(real("ptb-xl/records500").rglob("*.hea")),
        *sorted(real("ptb-xl/records100").rglob("00*_lr.hea"))[:600],
        *sorted(real("challenge-2021/ptb-xl").rglob("*.hea")),
    ]
    ids = [int(path.stem.removeprefix("HR")[:5]) for path in paths]
    twice = {number for number in ids if ids.count(number) > 1}
    groups = find_duplicates([as_table([of(path) for path in paths])])
    assert len(twice) >= 70
    assert [{ids[row] for row in group} for group in groups] == [
        {ids[group[0]]} for group in groups
    ]
    assert {ids[group[0]] for group in groups} == twice
    assert sum(map(len, groups)) == sum(ids.count(number) for number in twice)
