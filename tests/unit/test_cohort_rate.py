"""Rate of a cohort: the highest that 90 % of its records have, in whatever order they came."""

import json

import numpy as np
import pytest
from recordings import limb_consistent_uv, write_csv, write_wfdb
from test_cohort_ingest import check_form

from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.scan import ScannedFile, common_rate_hz
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError
from ecgcore.records.read import ReadOptions
from ecgcore.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home")


def seed_of(name):
    return int(name[1:]) + 1000 * ord(name[0])


def write(folder, fs_hz, names, seconds=10):
    for name in names:
        signal = limb_consistent_uv(fs_hz * seconds, seed_of(name))
        write_wfdb(folder, name, signal, fs_hz=fs_hz, comments=("Dx: 426783006",))
    return folder


def rates(**numbers):
    kinds = [int(hz[2:]) for hz, n in numbers.items() for _ in range(n)]
    return [ScannedFile(str(i), "", str(i), str(i), hz) for i, hz in enumerate(kinds)]


@pytest.mark.parametrize(
    ("seen", "rate"),
    [
        (rates(hz500=9, hz100=1), 500),
        (rates(hz500=8, hz100=1), 100),
        (rates(hz1000=5, hz500=5), 500),
        (rates(hz400=10), 100),
        (rates(hz257=1, hz100=1), 100),
        ([], 100),
    ],
)
def test_the_highest_rate_that_nine_of_ten_have(seen, rate):
    assert common_rate_hz(seen) == rate


def test_a_record_at_two_rates_counts_once_by_its_higher():
    both = [ScannedFile(f"{i}{hz}", "", str(i), "", hz) for i in range(3) for hz in (100, 500)]
    assert common_rate_hz(both) == 500


def test_the_rate_follows_when_another_folder_changes_the_balance(workspace, tmp_path):
    fast = write(tmp_path / "fast", 500, [f"A000{i}" for i in range(4)])
    slow = write(tmp_path / "slow", 100, [f"Q000{i}" for i in range(2)])
    assert ingest(fast, "c", workspace).fs_hz == 500
    result = ingest(slow, "c", workspace)
    check_form(result)
    assert (result.fs_hz, result.read, result.rejected) == (100, 6, ())
    both = Cohort.open("c", workspace)
    ingest(tmp_path, "whole", workspace, measure=False)
    whole = Cohort.open("whole", workspace)
    assert both.n_samples == 1000
    for name in whole.index["record"]:
        one, other = both.signals([both.row_of(name)]), whole.signals([whole.row_of(name)])
        np.testing.assert_array_equal(one, other)
    for file in slow.iterdir():
        file.unlink()
    assert ingest(slow, "c", workspace).fs_hz == 500


def test_a_rate_that_was_asked_for_stays(workspace, tmp_path):
    ingest(write(tmp_path / "fast", 500, ["A0001", "A0002"]), "c", workspace, store_fs_hz=500)
    result = ingest(write(tmp_path / "slow", 100, ["Q0001"]), "c", workspace)
    assert (result.fs_hz, result.read) == (500, 2)
    [rejected] = result.rejected
    assert "rates are not raised" in rejected.reason


def test_where_files_are_gone_the_rate_stays_as_nothing_could_be_read_anew(workspace, tmp_path):
    fast = write(tmp_path / "fast", 500, ["A0001", "A0002"])
    ingest(fast, "c", workspace)
    for file in fast.iterdir():
        file.unlink()
    result = ingest(write(tmp_path / "slow", 100, ["Q0001"]), "c", workspace)
    assert (result.fs_hz, result.read) == (500, 2)


def test_length_and_window_can_be_asked_for_and_stay(workspace, tmp_path):
    folder = write(tmp_path / "in", 500, ["A0001"], seconds=30)
    result = ingest(folder, "c", workspace, duration_s=5, read_options=ReadOptions(start_s=10))
    check_form(result)
    cohort = Cohort.open("c", workspace)
    assert cohort.signals([0]).shape == (1, 12, 2500)
    signal = limb_consistent_uv(15_000, seed_of("A0001"))
    np.testing.assert_array_equal(np.rint(cohort.signals([0])[0] * 1000), signal[:, 5000:7500])
    assert json.loads(cohort.index["notes"][0])[0].startswith("from 10 s on")
    with pytest.raises(RequestError, match="holds 5 s from second 10 at 500 Hz"):
        ingest(folder, "c", workspace)
    with pytest.raises(RequestError, match=r"stores 1 to 600 s of a record, not 0\.5 s"):
        ingest(folder, "d", workspace, duration_s=0.5)


def test_files_that_did_not_say_their_rate_are_tried_again_when_it_is_given(workspace, tmp_path):
    folder = write(tmp_path / "in", 500, ["A0001"])
    write_csv(folder / "untold.csv", limb_consistent_uv(2500, 5).T / 1000)
    first = ingest(folder, "c", workspace)
    assert [len(first.rejected), first.read] == [1, 1]
    second = ingest(folder, "c", workspace, read_options=ReadOptions(source_fs_hz=500))
    assert (second.rejected, second.read) == ((), 2)
    assert ingest(folder, "c", workspace).read == 2
