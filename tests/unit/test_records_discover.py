"""Discovery: each record's own file once, in stable order, and nothing else."""

import os
import socket
import zipfile
from pathlib import Path

import pytest
from recordings import DATA, limb_consistent_uv, real, write_csv, write_wfdb

from ecgcore.records.discover import describe_files, find_records
from ecgcore.records.read import read_record

SIGNAL_UV = limb_consistent_uv(200)


@pytest.fixture
def folder(tmp_path):
    """Return a folder of two WFDB records with companions, one CSV, and many other files."""
    write_wfdb(tmp_path / "b", "A0002", SIGNAL_UV, suffix=".mat")
    write_wfdb(tmp_path / "a", "1", SIGNAL_UV)
    for mark in ("i", "ii", "v6", "atr"):
        (tmp_path / "a" / f"1.{mark}").write_bytes(b"\0\0")
    write_csv(tmp_path / "x_500hz.csv", SIGNAL_UV.T / 1000)
    (tmp_path / "RECORDS").write_text("a/1\nb/A0002\n")
    (tmp_path / "LICENSE.txt").write_text("Creative Commons\nAttribution 4.0\n")
    (tmp_path / "ptbxl_database.csv").write_text("ecg_id,scp_codes\n1,\"{'NORM': 100.0}\"\n")
    (tmp_path / "meta.csv").write_text(",idx,age,is_male\n0,0,46,True\n")
    (tmp_path / "numbers.csv").write_text("id,age,height\n1,46,170\n2,47,171\n")
    (tmp_path / ".hidden.hea").write_text("x 12 500 5000\n")
    return tmp_path


def names(paths) -> list[str]:
    return [Path(path).name for path in paths]


def test_a_folder_gives_each_record_once_and_no_companion(folder):
    assert names(find_records([folder])) == ["x_500hz.csv", "1.hea", "A0002.hea"]


def test_paths_are_as_reached_from_the_one_given(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert next(find_records([Path(folder.name)])) == Path(folder.name, "x_500hz.csv")


def test_all_files_of_a_record_give_it_once(folder):
    assert names(find_records(sorted((folder / "a").iterdir()))) == ["1.hea"]


def test_a_glob_gives_records(folder):
    assert names(find_records([folder / "*" / "*.hea"])) == ["1.hea", "A0002.hea"]
    assert names(find_records([folder / "*"])) == ["1.hea", "A0002.hea", "x_500hz.csv"]


def test_tables_and_licences_named_one_by_one_give_none(folder):
    tables = [folder / n for n in ("LICENSE.txt", "RECORDS", "ptbxl_database.csv", "meta.csv")]
    assert names(find_records(tables)) == []


def test_unreadable_files_are_yielded_so_that_they_are_reported(folder):
    (folder / "letter.hea").write_text("Dear patient,\n")
    (folder / "empty.csv").write_text("")
    assert {"letter.hea", "empty.csv"} <= set(names(find_records([folder])))
    paths = [folder / "not_there.hea", folder / "scan.pdf"]
    (folder / "scan.pdf").write_bytes(b"%PDF")
    assert list(find_records(paths)) == paths


def test_segments_are_part_of_their_record(tmp_path):
    write_wfdb(tmp_path, "seg_a", SIGNAL_UV)
    write_wfdb(tmp_path, "seg_b", SIGNAL_UV)
    (tmp_path / "whole.hea").write_text("whole/2 12 500 400\nseg_a 200\nseg_b 200\n")
    assert names(find_records([tmp_path])) == ["whole.hea"]


def test_a_signal_without_header_is_found_and_one_of_another_name_is_a_companion(tmp_path):
    write_wfdb(tmp_path, "alone", SIGNAL_UV, suffix=".mat").unlink()
    write_wfdb(tmp_path, "other", SIGNAL_UV, signal_file="shared.dat")
    (tmp_path / "other.dat").rename(tmp_path / "shared.dat")
    assert names(find_records([tmp_path])) == ["alone.mat", "other.hea"]


def test_linked_folders_are_followed_once_and_not_in_circles(folder, tmp_path_factory):
    (folder / "again").symlink_to(folder / "a")
    (folder / "circle").symlink_to(folder)
    given = tmp_path_factory.mktemp("links") / "archive"
    given.symlink_to(folder)  # what the user gives may itself be a link
    assert names(find_records([given])) == ["x_500hz.csv", "1.hea", "A0002.hea"]


def test_links_that_lead_out_pipes_and_sockets_are_listed_and_never_opened(
    folder, tmp_path_factory
):
    outside = write_wfdb(tmp_path_factory.mktemp("outside"), "far", SIGNAL_UV)
    (folder / "b" / "far.hea").symlink_to(outside)
    (folder / "out").symlink_to(outside.parent)
    os.mkfifo(folder / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket.edf"))
        files = {str(path.relative_to(folder)): role for path, role in describe_files(folder)}
    others: list[str] = []
    found = names(find_records([folder], lambda file: others.append(file.path.name)))
    assert found == ["x_500hz.csv", "1.hea", "A0002.hea"]
    assert {"pipe.csv", "socket.edf", "out", "far.hea"} <= set(others)
    assert files["pipe.csv"] == "refused: pipe.csv is a pipe, a socket or a device"
    link = "is a link that leads out of the folder, which is not followed"
    assert files["out"] == f"refused: out {link}"
    assert files["b/far.hea"] == f"refused: far.hea {link}"


def test_names_in_capitals_belong_together(tmp_path):
    header = write_wfdb(tmp_path, "rec", SIGNAL_UV)
    header.rename(tmp_path / "REC.HEA")
    (tmp_path / "rec.dat").rename(tmp_path / "REC.DAT")
    assert names(find_records([tmp_path])) == ["REC.HEA"]
    assert names(find_records([tmp_path / "REC.DAT"])) == ["REC.HEA"]
    assert read_record(tmp_path / "REC.DAT").name == "REC"
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("REC.HEA", "REC.DAT"):
            archive.write(tmp_path / name, name)
    assert read_record(tmp_path / "x.zip" / "REC.DAT").name == "REC"


@pytest.mark.parametrize(
    "text",
    [
        "I|II|III|V1\n0.1|0.2|0.1|0.3\n",
        "I,II,III,V1\nNA,NA,NA,NA\n0.1,0.2,0.1,0.3\n",
        "lead,sample,value\nI,0,0.1\nI,1,0.1\n",
        "lead,0,1,2\nI,0.1,0.1,0.1\nII,0.2,0.2,0.2\n",
        "I;0.1;0.2\nII;0.1;0.2\nIII;0.1;0.2\n",
    ],
    ids=["bars", "NA first", "long", "transposed", "lead a row"],
)
def test_a_text_that_names_leads_is_never_passed_over_as_a_table(tmp_path, text):
    (tmp_path / "x.csv").write_text(text)
    assert names(find_records([tmp_path])) == ["x.csv"]


def test_the_published_layout_gives_its_records():
    assert names(find_records([DATA / "ptb-xl"])) == [
        "00001_lr.hea",
        "00004_lr.hea",
        "00001_hr.hea",
    ]


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "n"),
    [("ludb", 60), ("challenge-2021", 76), ("ecg-arrhythmia", 55), ("ptb-xl-csv", 4), ("sph", 5)],
)
def test_real_folders_give_as_many_records_as_they_hold(folder, n):
    assert len(list(find_records([real(folder)]))) == n
