"""Ingest of records inside zip and HDF5 files: discovery, names, updates."""

import os
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pytest
from recordings import DATA, limb_consistent_uv, write_csv, write_wfdb
from test_cohort_ingest import check_form

from ecgcore.cohort import shards
from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.store import Cohort
from ecgcore.workspace import Workspace

DX = ("Dx: 426783006",)


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home")


def write_zip(file, folder):
    """Pack a folder with all below it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return file


def write_code(file, exams):
    """Write exams as CODE-15 has them: 4096 samples at 400 Hz between zeros, mV."""
    tracings = np.zeros((len(exams), 4096, 12), np.float32)
    for row, exam in enumerate(exams):
        tracings[row, 48:-48] = limb_consistent_uv(4000, exam).T / 1000
    with h5py.File(file, "w") as content:
        content["exam_id"], content["tracings"] = np.array(exams), tracings
    return file


@pytest.fixture
def packed(tmp_path):
    """A zip of two records of a known source and one with a patient's name, beside an exam file."""
    loose = tmp_path / "loose"
    write_wfdb(loose / "deep", "A0001", limb_consistent_uv(5000, 1), comments=DX)
    write_wfdb(loose / "deep", "A0002", limb_consistent_uv(5000, 2), comments=DX)
    write_csv(loose / "Meyer_Anna_500hz.csv", limb_consistent_uv(5000, 3).T / 1000)
    folder = tmp_path / "in"
    write_zip(folder / "Schulze.zip", loose)
    write_code(folder / "exams_part0.hdf5", [11, 12, 13])
    return folder


def test_records_in_zip_and_hdf5_files_are_read_from_their_container(packed, workspace):
    result = ingest(packed, "c", workspace, store_fs_hz=100)
    check_form(result)
    assert (result.found, result.read) == (6, 6)
    cohort = Cohort.open("c", workspace)
    names = cohort.index["record"].tolist()
    assert set(names) >= {"A0001", "A0002", "code-15-11", "code-15-12", "code-15-13"}
    assert str(cohort.path_of("A0001")) == str(packed / "Schulze.zip/deep/A0001.hea")
    assert str(cohort.path_of("code-15-12")) == str(packed / "exams_part0.hdf5/12")


def test_no_file_s_name_stands_anywhere_but_in_the_private_table(packed, workspace):
    ingest(packed, "c", workspace)
    private = workspace.cohorts / "c" / "private"
    for file in workspace.path.rglob("*"):
        if file.is_file() and file.parent != private:
            content = file.read_bytes()
            assert b"Meyer" not in content, file
            assert b"Schulze" not in content, file
            assert b"exams_part" not in content, file


def test_a_member_without_a_known_source_is_named_by_its_bytes(packed, workspace, tmp_path):
    ingest(packed, "c", workspace)
    ingest(tmp_path / "loose", "c", workspace)
    cohort = Cohort.open("c", workspace)
    [name] = [name for name in cohort.index["record"] if name.startswith("r")]
    result = ingest(packed, "c", workspace)
    assert [t.of for t in result.duplicates if "Meyer" in t.path] == [name]


def test_unchanged_containers_are_not_read_again_and_changed_ones_are(
    packed, workspace, monkeypatch
):
    first = ingest(packed, "c", workspace)
    with monkeypatch.context() as patched:
        patched.setattr(shards, "read_record", lambda *of, **how: pytest.fail("read again"))
        assert replace(ingest(packed, "c", workspace), seconds=0) == replace(first, seconds=0)
    write_code(packed / "exams_part0.hdf5", [11, 14])
    os.utime(packed / "exams_part0.hdf5", (1, 1))
    result = ingest(packed, "c", workspace)
    check_form(result)
    names = set(Cohort.open("c", workspace).index["record"])
    assert {"code-15-11", "code-15-14", "A0001"} <= names
    assert not names & {"code-15-12", "code-15-13"}


def test_records_of_a_container_elsewhere_stay_when_another_folder_is_ingested(
    packed, workspace, tmp_path
):
    ingest(packed, "c", workspace)
    write_wfdb(tmp_path / "more", "A0001", limb_consistent_uv(5000, 1), comments=DX)
    result = ingest(tmp_path / "more", "c", workspace)
    check_form(result)
    assert (result.found, result.read) == (7, 6)


def test_a_zip_file_itself_can_be_ingested_with_its_source_s_table(workspace, tmp_path):
    file = write_zip(tmp_path / "in" / "ptb-xl.zip", DATA / "ptb-xl")
    result = ingest(file, "c", workspace)
    check_form(result)
    assert (result.found, result.read, result.fs_hz) == (3, 2, 100)
    index = Cohort.open("c", workspace).index
    assert index["fold"].notna().all()
    assert index["patient"].notna().all()
    assert [row.path for row in result.duplicates] == [f"{file}/records500/00000/00001_hr.hea"]
