"""One recording filed twice, at another rate, gain or in another format, is one record."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from recordings import DATA, limb_consistent_uv, real, write_csv, write_wfdb
from test_cohort_ingest import check_form

from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.scan import ScannedFile, with_unique_names
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.summary import DuplicateFile
from ecgcore.records.resample import resample_signal
from ecgcore.workspace import Workspace

DX = ("Age: 74", "Sex: Male", "Dx: 426783006")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home")


@pytest.fixture
def folder(tmp_path):
    """A0001 and a copy of it by other names: at 250 Hz, half as tall, in a CSV."""
    folder_path = tmp_path / "in"
    signal = limb_consistent_uv(5000, 1)
    write_wfdb(folder_path, "A0001", signal, comments=DX)
    write_wfdb(folder_path, "A0002", limb_consistent_uv(5000, 2), comments=DX)
    write_csv(folder_path / "a_copy_250hz.csv", resample_signal(signal / 1000, 500, 250).T)
    write_wfdb(folder_path, "half", signal // 2)
    return folder_path


def names(workspace, cohort="c"):
    return Cohort.open(cohort, workspace).index["record"].tolist()


def test_copies_at_another_rate_gain_and_in_another_format_are_listed(folder, workspace):
    result = ingest(folder, "c", workspace, store_fs_hz=100)
    check_form(result)
    assert (result.found, result.read) == (4, 2)
    assert names(workspace) == ["A0001", "A0002"]
    twins = {duplicate.path: duplicate.of for duplicate in result.duplicates}
    assert twins == {f"{folder}/a_copy_250hz.csv": "A0001", f"{folder}/half.hea": "A0001"}
    assert "half" not in str(Cohort.open("c", workspace).index)


def test_a_copy_of_another_folder_is_found_at_a_later_ingest(folder, workspace, tmp_path):
    write_wfdb(tmp_path / "more", "Q0001", limb_consistent_uv(5000, 2), comments=DX)
    ingest(folder, "c", workspace, store_fs_hz=100)
    result = ingest(tmp_path / "more", "c", workspace)
    check_form(result)
    assert (result.found, result.read) == (5, 2)
    assert DuplicateFile("Q0001", str(tmp_path / "more/Q0001.hea"), "A0002") in result.duplicates


def test_the_copy_that_states_something_is_kept_whichever_came_first(folder, workspace, tmp_path):
    signal = limb_consistent_uv(5000, 7)
    (tmp_path / "bare").mkdir()
    write_csv(tmp_path / "bare" / "x_500hz.csv", signal.T / 1000)
    first = ingest(tmp_path / "bare", "c", workspace)
    assert (first.read, first.duplicates) == (1, ())
    write_wfdb(tmp_path / "told", "A0009", signal, comments=DX)
    result = ingest(tmp_path / "told", "c", workspace)
    check_form(result)
    assert names(workspace) == ["A0009"]
    assert [duplicate.of for duplicate in result.duplicates] == ["A0009"]
    np.testing.assert_array_equal(
        np.rint(Cohort.open("c", workspace).signals([0])[0] * 1000), signal
    )


def test_a_copy_takes_its_place_again_when_the_other_is_gone(folder, workspace):
    ingest(folder, "c", workspace, store_fs_hz=100)
    for suffix in (".hea", ".dat"):
        (folder / f"A0001{suffix}").unlink()
    result = ingest(folder, "c", workspace)
    check_form(result)
    assert (result.found, result.read) == (3, 2)
    assert "A0001" not in names(workspace)
    [duplicate] = result.duplicates
    assert duplicate.of in names(workspace)


def test_a_copy_of_a_copy_is_one_of_the_record_that_stays(workspace, tmp_path):
    signal = limb_consistent_uv(5000, 3)
    for i, (folder_path, comments) in enumerate((("a", ()), ("b", ("Dx: Unknown",)), ("c", DX))):
        write_wfdb(
            tmp_path / folder_path,
            f"A000{i}" if comments else "bare",
            signal + i,
            comments=comments,
        )
        result = ingest(tmp_path / folder_path, "c", workspace)
        check_form(result)
    assert names(workspace) == ["A0002"]
    assert {duplicate.of for duplicate in result.duplicates} == {"A0002"}
    assert len(result.duplicates) == 2


def test_the_same_folder_again_changes_nothing(folder, workspace):
    first = ingest(folder, "c", workspace, store_fs_hz=100)
    before = Cohort.open("c", workspace)
    second = ingest(folder, "c", workspace)
    assert replace(second, seconds=0) == replace(first, seconds=0)
    assert Cohort.open("c", workspace).meta == before.meta


def test_twins_in_several_shards_leave_all_tables_aligned(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr("ecgcore.cohort.update.SHARD_RECORDS", 3)
    for i in range(10):
        signal = limb_consistent_uv(1000, i % 6)
        write_wfdb(tmp_path / "in", f"A{i:04d}", signal, fs_hz=100, comments=DX)
    result = ingest(tmp_path / "in", "c", workspace, workers=1)
    check_form(result)
    assert {duplicate.record: duplicate.of for duplicate in result.duplicates} == {
        f"A{i:04d}": f"A{i - 6:04d}" for i in range(6, 10)
    }
    cohort = Cohort.open("c", workspace)
    assert cohort.index["record"].tolist() == cohort.measures["record"].tolist()
    for row in range(6):
        stored = np.rint(cohort.signals([row])[0] * 1000)
        np.testing.assert_array_equal(stored, limb_consistent_uv(1000, row))


def test_names_that_two_sources_share_are_told_apart():
    mine, other = (
        ScannedFile("/a/A1.hea", "", "sph/A1", "A1", 500),
        ScannedFile("/b/A1.h5", "", "x/A1", "A1", 500),
    )
    copy = ScannedFile("/c/A1.hea", "", "sph/A1", "A1", 500)
    named = with_unique_names([mine, other, copy], [])
    assert [seen.record for seen in named] == ["A1", "x-A1", "A1"]
    assert [seen.record for seen in with_unique_names([other], named)] == ["x-A1"]
    assert [seen.record for seen in with_unique_names([mine], [other])] == ["sph-A1"]


def test_known_copies_prefer_the_file_that_has_its_source_s_table(workspace, tmp_path):
    copy = tmp_path / "in" / "a-copy"
    copy.mkdir(parents=True)
    for suffix in (".hea", ".dat"):
        shutil.copy(DATA / "ptb-xl/records100/00000" / f"00001_lr{suffix}", copy)
    shutil.copytree(DATA / "ptb-xl", tmp_path / "in" / "ptb-xl")
    ingest(tmp_path / "in", "c", workspace)
    cohort = Cohort.open("c", workspace)
    assert json.loads(cohort.index.set_index("record").loc["00001_lr", "statements"])
    assert cohort.path_of("00001_lr").is_relative_to(tmp_path / "in" / "ptb-xl")


@pytest.mark.data
def test_real_copies_are_found_across_databases_formats_and_rates(workspace):
    """E07500 stands in data/formats in fifteen forms, from 12-bit to 1000 Hz."""
    result = ingest(real("formats"), "c", workspace, measure=False)
    of = {duplicate.path.rpartition("/")[2]: duplicate.of for duplicate in result.duplicates}
    for name in (
        "fmt212.hea",
        "rate257.hea",
        "rate1000.hea",
        "derived_time_s_header_uV.csv",
        "derived_E07500_edfplus_uV.edf",
    ):
        assert of[name] == "E07500"


@pytest.mark.data
def test_all_databases_come_into_one_cohort_and_what_is_there_twice_is_named(workspace):
    folders = ("ecg-arrhythmia", "challenge-2021", "ludb", "code-15", "chapman-figshare", "sph")
    for folder in folders:
        result = ingest(real(folder), "all", workspace, measure=False)
        check_form(result)
        assert result.rejected == ()
    assert (result.read, result.fs_hz) == (55 + 76 + 60 + 30 + 8 + 5, 100)
    result = ingest(real("ptb-xl-csv"), "all", workspace, measure=False)
    assert [duplicate.of for duplicate in result.duplicates] == ["HR00004"]
    result = ingest(real("ptb-xl") / "records500", "all", workspace, measure=False)
    check_form(result)
    assert result.read == 55 + 76 + 60 + 30 + 8 + 5 + (4 - 1) + (80 - 3)
    of = {duplicate.record: duplicate.of for duplicate in result.duplicates}
    assert len(of) == 3 + 1
    assert {of[f"HR0000{i}"] for i in (1, 2, 6)} == {f"0000{i}_hr" for i in (1, 2, 6)}
