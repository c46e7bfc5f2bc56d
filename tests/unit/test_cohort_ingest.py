"""Ingest: totals add up, rejections have reasons, a second run updates the cohort."""

import csv
import json
import os
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
from recordings import DATA, limb_consistent_uv, real, write_csv, write_wfdb

from ecgcore.cohort import shards
from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.summary import DuplicateFile
from ecgcore.errors import EcgError, RequestError
from ecgcore.labels.classes import CODES
from ecgcore.records.read import read_record
from ecgcore.workspace import Workspace

DX = ("Age: 74", "Sex: Male", "Dx: 426783006")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home")


@pytest.fixture
def folder(tmp_path):
    """Three good records, two of them of a known source, beside three bad ones and a table."""
    root = tmp_path / "in"
    for i, name in enumerate(("A0001", "A0002")):
        write_wfdb(root, name, limb_consistent_uv(5000, i), suffix=".mat", comments=DX)
    write_csv(root / "Meyer_Anna_500hz.csv", limb_consistent_uv(5000, 5).T / 1000)
    write_wfdb(root, "A0003", limb_consistent_uv(5000, 3), suffix=".mat", comments=DX)
    (root / "A0003.mat").unlink()
    write_wfdb(root, "A0004", limb_consistent_uv(5000, 4)[:2], leads=("MLII", "V5"), comments=DX)
    (root / "Schulze_Otto.hea").write_text("Dear Mr Schulze,\n")
    (root / "table.csv").write_text("name,age\nAnna,56\n")
    return root


def check_form(result) -> None:
    """The promise of what machines read."""
    assert list(result.as_json()) == [
        "cohort",
        "fs_hz",
        "found",
        "read",
        "rejected",
        "duplicates",
        "classes",
        "targets",
        "notes",
        "others",
        "seconds",
    ]
    assert result.found == result.read + len(result.rejected) + len(result.duplicates)
    assert all(set(row) == {"record", "path", "reason"} for row in result.as_json()["rejected"])
    for tier in ("core", "broad"):
        assert list(result.classes[tier]) == list(CODES)
    assert set(result.targets) == {"multilabel", "exclusive", "priority"}
    for told in result.targets.values():
        assert set(told) == {"used", "left_out", "classes"}
        assert told["used"] + sum(told["left_out"].values()) == result.read
    json.dumps(result.as_json(), allow_nan=False)


def test_found_is_read_and_rejected_and_duplicates(folder, workspace):
    result = ingest(folder, "c", workspace)
    check_form(result)
    assert (result.found, result.read, result.fs_hz) == (6, 3, 500)
    reasons = {row.path: row.reason for row in result.rejected}
    assert reasons == {
        f"{folder}/A0003.hea": "Record A0003: A0003.mat, which its header names, is missing. "
        "Put it beside A0003.hea.",
        f"{folder}/A0004.hea": "Record A0004 has 2 leads (MLII, V5); 12 are needed (I, II, III, "
        "aVR, aVL, aVF, V1–V6), and I, II, V1, V2, V3, V4, V6 cannot be derived.",
        f"{folder}/Schulze_Otto.hea": "Record Schulze_Otto: Schulze_Otto.hea is not a WFDB header "
        "(its first line is another); the first line must give name, number of "
        "signals, rate and length.",
    }
    assert result.classes["core"]["NSR"] == 2


def test_ptb_xl_s_second_rate_is_a_duplicate(workspace):
    result = ingest(DATA / "ptb-xl", "c", workspace)
    check_form(result)
    assert (result.found, result.read, result.fs_hz) == (3, 2, 100)
    path = str(DATA / "ptb-xl/records500/00000/00001_hr.hea")
    assert result.duplicates == (DuplicateFile("00001_hr", path, "00001_lr"),)
    assert Cohort.open("c", workspace).index["record"].tolist() == ["00001_lr", "00004_lr"]


def test_the_challenge_s_copy_of_a_ptb_xl_record_is_its_duplicate(workspace, tmp_path):
    shutil.copytree(DATA / "ptb-xl", tmp_path / "in" / "ptb-xl")
    write_wfdb(tmp_path / "in" / "challenge", "HR00001", limb_consistent_uv(5000), comments=DX)
    result = ingest(tmp_path / "in", "c", workspace)
    check_form(result)
    assert (result.read, result.fs_hz) == (2, 100)
    assert {duplicate.record: duplicate.of for duplicate in result.duplicates} == {
        "HR00001": "00001_lr",
        "00001_hr": "00001_lr",
    }


def test_a_link_that_leads_nowhere_is_rejected_until_it_leads_somewhere(folder, workspace):
    (folder / "A0009.hea").symlink_to(folder / "elsewhere" / "A0009.hea")
    result = ingest(folder, "c", workspace)
    check_form(result)
    reasons = {row.record: row.reason for row in result.rejected}
    assert "Record A0009: there is no file A0009.hea." in reasons.values()
    write_wfdb(folder / "elsewhere", "A0009", limb_consistent_uv(5000, 9), comments=DX)
    shutil.copy(folder / "elsewhere" / "A0009.dat", folder)
    assert "A0009" in set(
        ingest(folder, "c", workspace) and Cohort.open("c", workspace).index["record"]
    )


@pytest.mark.parametrize(
    ("old", "new", "note"),
    [
        ("{'NORM': 100.0", "['NORM': 100.0", "no statements: its scp_codes in ptbxl_database.csv"),
        ("strat_fold", "fold", "ptbxl_database.csv has no column strat_fold"),
        ("ecg_id", "id", "no metadata: ptbxl_database.csv, the table beside the records, has no"),
        ("\n1,", "\n1,2,3,4\n1,", "rows in ptbxl_database.csv that differ, for this one record"),
        ("\n1,", "\n11,", "not in ptbxl_database.csv"),
    ],
)
def test_a_damaged_table_refuses_no_record_and_is_noted(workspace, tmp_path, old, new, note):
    shutil.copytree(DATA / "ptb-xl", tmp_path / "in")
    table = tmp_path / "in" / "ptbxl_database.csv"
    table.write_text(table.read_text().replace(old, new))
    result = ingest(tmp_path / "in", "c", workspace, measure=False)
    check_form(result)
    assert not result.rejected
    notes = Cohort.open("c", workspace).index["notes"]
    assert any(note in text for text in notes)


def test_a_table_with_semicolons_and_empty_rows_is_read(tmp_path):
    shutil.copytree(DATA / "ptb-xl", tmp_path / "in")
    table = tmp_path / "in" / "ptbxl_database.csv"
    expected = read_record(tmp_path / "in" / "records100" / "00000" / "00001_lr.hea")
    rows = list(csv.reader(table.read_text().splitlines()))
    rows = [
        [cell.replace("15709.0", "15709,0").replace("56.0", "56,0") for cell in r] for r in rows
    ]
    with table.open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows([rows[0], [""] * len(rows[0]), *rows[1:]])
    record = read_record(tmp_path / "in" / "records100" / "00000" / "00001_lr.hea")
    assert record.notes == ()
    for name in ("patient", "age_years", "sex", "fold", "statements", "details"):
        assert getattr(record, name) == getattr(expected, name)


def test_the_rate_can_be_chosen_and_slower_records_are_not_raised(workspace):
    result = ingest(DATA / "ptb-xl", "c", workspace, store_fs_hz=500)
    assert (result.fs_hz, result.read) == (500, 1)
    assert [row.record for row in result.duplicates] == ["00001_lr"]
    assert [row.reason for row in result.rejected] == [
        "Record 00004_lr is sampled at 100 Hz and this cohort at 500 Hz; rates are not raised. "
        "Ingest it into a cohort of a lower rate."
    ]
    assert ingest(DATA / "ptb-xl", "d", workspace, store_fs_hz=500, upsample=True).read == 2


def test_stored_signals_equal_those_read(workspace):
    ingest(DATA / "ptb-xl", "c", workspace)
    cohort = Cohort.open("c", workspace)
    read = [read_record(cohort.path_of(name)).signal_mv for name in cohort.index["record"]]
    np.testing.assert_array_equal(cohort.signals([0, 1]), np.stack(read))


def test_nothing_on_disk_but_the_private_table_knows_names_dates_or_paths(folder, workspace):
    shutil.copytree(DATA / "ptb-xl", folder / "ptb-xl")
    ingest(folder, "c", workspace)
    secrets = (b"Meyer", b"Schulze", b"15709", b"1984-11-09", str(folder).encode())
    private = workspace.cohorts / "c" / "private"
    assert private.stat().st_mode & 0o777 == 0o700
    for file in workspace.path.rglob("*"):
        if file.is_file() and file.parent != private:
            content = file.read_bytes()
            assert not [secret for secret in secrets if secret in content], file
    for file in private.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600


def test_patients_are_keyed_hashes_that_another_home_does_not_share(workspace, tmp_path):
    ingest(DATA / "ptb-xl", "c", workspace)
    ingest(DATA / "ptb-xl", "c", Workspace(tmp_path / "other"))
    here = Cohort.open("c", workspace).index["patient"]
    there = Cohort.open("c", Workspace(tmp_path / "other")).index["patient"]
    assert here.str.fullmatch("[0-9a-f]{16}").all()
    assert not set(here) & set(there)


def test_ages_over_90_are_capped(folder, workspace):
    write_wfdb(folder, "A0005", limb_consistent_uv(5000, 9), comments=("Age: 104", "Dx: 1"))
    ingest(folder, "c", workspace)
    assert Cohort.open("c", workspace).index.set_index("record").loc["A0005", "age"] == 90


def test_the_same_folder_again_reads_nothing(folder, workspace, monkeypatch):
    first = ingest(folder, "c", workspace)
    before = Cohort.open("c", workspace)
    monkeypatch.setattr(
        shards, "read_record", lambda path, **how: pytest.fail(f"{path} was read again")
    )
    second = ingest(folder, "c", workspace)
    assert replace(second, seconds=0) == replace(first, seconds=0)
    assert Cohort.open("c", workspace).hash == before.hash


def test_new_changed_and_gone_files_bring_a_cohort_up_to_date(folder, workspace):
    ingest(folder, "c", workspace)
    write_wfdb(folder, "A0003", limb_consistent_uv(5000, 3), suffix=".mat", comments=DX)
    write_wfdb(folder, "A0002", limb_consistent_uv(5000, 7), suffix=".mat", comments=DX)
    (folder / "A0001.hea").unlink()
    (folder / "A0001.mat").unlink()
    result = ingest(folder, "c", workspace)
    check_form(result)
    cohort = Cohort.open("c", workspace)
    assert set(cohort.index["record"]) > {"A0002", "A0003"}
    assert "A0001" not in set(cohort.index["record"])
    np.testing.assert_array_equal(
        np.rint(cohort.signals([cohort.row_of("A0002")])[0] * 1000), limb_consistent_uv(5000, 7)
    )
    assert result.found == 5
    assert len(list((workspace.cohorts / "c" / "shards").iterdir())) == len(cohort.meta["shards"])


def test_a_second_folder_is_added_and_the_first_stays(folder, workspace, tmp_path):
    ingest(folder, "c", workspace)
    write_wfdb(tmp_path / "more", "Q0001", limb_consistent_uv(5000, 8), comments=DX)
    result = ingest(tmp_path / "more", "c", workspace)
    check_form(result)
    assert (result.found, result.read) == (7, 4)
    shutil.rmtree(folder)
    assert ingest(tmp_path / "more", "c", workspace).read == 4


def test_equal_bytes_of_an_unknown_source_are_a_duplicate(folder, workspace):
    shutil.copy(folder / "Meyer_Anna_500hz.csv", folder / "copy_500hz.csv")
    result = ingest(folder, "c", workspace)
    assert result.read == 3
    [duplicate] = result.duplicates
    assert duplicate.record == duplicate.of
    assert "Meyer" not in duplicate.record


def test_a_good_copy_stands_in_for_a_bad_one(folder, workspace):
    write_wfdb(folder / "z", "A0003", limb_consistent_uv(5000, 3), suffix=".mat", comments=DX)
    result = ingest(folder, "c", workspace)
    assert "A0003" in set(Cohort.open("c", workspace).index["record"])
    assert f"{folder}/A0003.hea" in [row.path for row in result.rejected]


def test_values_beyond_int16_are_clipped_and_noted(tmp_path, workspace):
    signal = limb_consistent_uv(5000).astype(np.int32)
    signal[6, 100:110] = 30_000
    write_wfdb(tmp_path / "in", "A0001", signal, gain="500/mV", comments=DX)
    ingest(tmp_path / "in", "c", workspace)
    cohort = Cohort.open("c", workspace)
    assert json.loads(cohort.index["notes"][0]) == ["clipped at ±32.767 mV"]
    assert cohort.signals([0])[0, 6, 100] == pytest.approx(32.767)


def test_lengths_and_rates_are_brought_to_one_and_noted(tmp_path, workspace):
    write_wfdb(tmp_path / "in", "A0001", limb_consistent_uv(3500), comments=DX)
    write_wfdb(tmp_path / "in", "A0002", limb_consistent_uv(30_000), fs_hz=1000, comments=DX)
    ingest(tmp_path / "in", "c", workspace)
    cohort = Cohort.open("c", workspace)
    assert cohort.signals([0, 1]).shape == (2, 12, 5000)
    assert cohort.index["fs_hz"].tolist() == [500, 1000]
    assert cohort.index["duration_s"].tolist() == [7, 30]
    assert [json.loads(notes) for notes in cohort.index["notes"]] == [
        ["filled from 7 to 10 s with missing values"],
        ["resampled from 1000 to 500 Hz", "first 10 s of 30 s"],
    ]
    assert np.isnan(cohort.signals([0])[0, :, 3500:]).all()


def test_labels_are_made_anew_when_their_tables_change(folder, workspace, monkeypatch):
    ingest(folder, "c", workspace)
    monkeypatch.setattr("ecgcore.cohort.update.tables_hash", lambda: "another")
    monkeypatch.setattr("ecgcore.cohort.summary.tables_hash", lambda: "another")
    monkeypatch.setattr(
        shards, "read_record", lambda path, **how: pytest.fail(f"{path} was read again")
    )
    ones = {f"{tier}_{code}": 1 for tier in ("core", "broad") for code in CODES}
    monkeypatch.setattr("ecgcore.cohort.index._labels", lambda *of: ones)
    result = ingest(folder, "c", workspace)
    assert set(result.classes["core"].values()) == {3}


def test_progress_is_told_to_the_end(folder, workspace):
    told = []
    ingest(folder, "c", workspace, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(i, 6) for i in range(1, 7)]


def test_several_processes_give_the_same_cohort_as_one(folder, workspace, monkeypatch):
    one = ingest(folder, "one", workspace, workers=1)
    monkeypatch.setattr("ecgcore.cohort.update.SHARD_RECORDS", 2)
    many = ingest(folder, "many", workspace, workers=2)
    assert replace(one, cohort="many", seconds=0) == replace(many, seconds=0)
    a, b = Cohort.open("one", workspace), Cohort.open("many", workspace)
    assert (len(a.meta["shards"]), len(b.meta["shards"])) == (1, 3)
    assert a.index.equals(b.index)
    assert a.hash == b.hash
    np.testing.assert_array_equal(a.signals([2, 0, 1]), b.signals([2, 0, 1]))


def test_whole_shards_of_a_failed_run_are_used_again(folder, workspace, monkeypatch):
    monkeypatch.setattr("ecgcore.cohort.update.SHARD_RECORDS", 2)
    reads = []

    def failing(path, **how):
        reads.append(path.stem)
        if path.stem == "A0004":
            raise KeyboardInterrupt
        return read_record(path, **how)

    monkeypatch.setattr(shards, "read_record", failing)
    with pytest.raises(KeyboardInterrupt):
        ingest(folder, "c", workspace, workers=1)
    assert reads == ["A0001", "A0002", "A0003", "A0004"]
    assert not (workspace.cohorts / "c" / "cohort.json").exists()
    reads.clear()
    monkeypatch.setattr(
        shards, "read_record", lambda path, **how: (reads.append(path.stem), read_record(path))[1]
    )
    result = ingest(folder, "c", workspace, workers=1)
    assert result.read == 3
    assert not {"A0001", "A0002"} & set(reads)


def wait_for(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def others_of_session(session: int) -> list[int]:
    """Return the living processes of a session (Linux)."""
    living = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            living.append(int(process))
    return living


def test_nothing_is_left_of_a_cohort_of_which_nothing_can_be_read(tmp_path, workspace):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.hea").write_text("hello\n")
    result = ingest(tmp_path / "in", "c", workspace)
    check_form(result)
    assert (result.found, result.read) == (1, 0)
    assert not (workspace.cohorts / "c").exists()


def test_a_folder_that_is_not_there_or_empty_is_refused(tmp_path, workspace):
    with pytest.raises(RequestError, match=r"^There is no folder .*nowhere\.$"):
        ingest(tmp_path / "nowhere", "c", workspace)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match=r"No ECG was found in .*empty"):
        ingest(tmp_path / "empty", "c", workspace)
    assert not (workspace.cohorts / "c").exists()


@pytest.mark.parametrize("name", ["", "../c", ".c", "a b", "a/b", "x" * 65])
def test_a_name_that_is_no_folder_s_is_refused(folder, workspace, name):
    with pytest.raises(RequestError, match="cannot be called"):
        ingest(folder, name, workspace)
    assert not workspace.cohorts.exists()


def test_another_form_needs_another_name(folder, workspace):
    with pytest.raises(RequestError, match="stored at 100 or 500 Hz, not at 250 Hz"):
        ingest(folder, "c", workspace, store_fs_hz=250)
    ingest(folder, "c", workspace)
    with pytest.raises(RequestError, match="holds 10 s from second 0 at 500 Hz"):
        ingest(folder, "c", workspace, store_fs_hz=100)


def test_two_ingests_into_one_cohort_do_not_meet(folder, workspace):
    from filelock import FileLock

    workspace.cohorts.mkdir(parents=True)
    with FileLock(workspace.cohorts / ".c.lock"), pytest.raises(EcgError, match="being written by"):
        ingest(folder, "c", workspace)


def test_a_full_disk_is_told_before_anything_is_written(folder, workspace, monkeypatch):
    monkeypatch.setattr(Workspace, "free_bytes", lambda self: 1000)
    with pytest.raises(EcgError, match="GB are free; make room"):
        ingest(folder, "c", workspace)
    assert not list((workspace.cohorts / "c").glob("shards/*"))


@pytest.mark.data
@pytest.mark.parametrize(("folder", "n"), [("ecg-arrhythmia", 55), ("challenge-2021", 76)])
def test_real_folders_are_read_whole(workspace, folder, n):
    result = ingest(real(folder), "c", workspace)
    check_form(result)
    assert (result.found, result.read, result.fs_hz) == (n, n, 500)


@pytest.mark.data
def test_every_unreadable_real_file_has_one_reason_of_one_line(workspace):
    result = ingest(real("formats"), "c", workspace)
    check_form(result)
    assert result.read + len(result.duplicates) >= 20
    for row in result.rejected:
        assert row.reason
        assert "\n" not in row.reason
        assert "Traceback" not in row.reason
