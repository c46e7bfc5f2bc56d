"""Cohorts of earlier versions, damaged, or with changed tables are updated."""

import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from recordings import limb_consistent_uv, write_wfdb

from ecgcore.cohort import fingerprints, shards
from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.measure_job import ensure_measured
from ecgcore.cohort.store import Cohort
from ecgcore.errors import DamagedFile
from ecgcore.labels.classes import CODES
from ecgcore.measurement.measurements import Measurements
from ecgcore.records.read import read_record
from ecgcore.workspace import Workspace

DX = ("Age: 74", "Sex: Male", "Dx: 426783006")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home")


@pytest.fixture
def folder(tmp_path):
    """Two records of one source, at 500 Hz."""
    for i in range(2):
        write_wfdb(tmp_path / "in", f"A000{i}", limb_consistent_uv(5000, i), comments=DX)
    return tmp_path / "in"


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that ingest reads."""
    names = []

    def read(path, **how):
        names.append(path.stem)
        return read_record(path, **how)

    monkeypatch.setattr(shards, "read_record", read)
    return names


def watch_measuring(monkeypatch):
    """Let every measurement be told apart, and return (rate, seconds) of what is measured."""
    measured = []

    def measure(record):
        measured.append((record.fs_hz, record.duration_s))
        return Measurements(rate_bpm=float(len(measured)))

    monkeypatch.setattr("ecgcore.measurement.measurements.measure", measure)
    return measured


def test_records_are_measured_anew_only_when_measuring_changed(
    folder, workspace, reads, monkeypatch
):
    ingest(folder, "c", workspace)
    reads.clear()
    measured = watch_measuring(monkeypatch)
    ingest(folder, "c", workspace)
    ensure_measured("c", workspace)
    assert measured == []
    monkeypatch.setattr("ecgcore.measurement.measurements.MEASURE_VERSION", 1000)
    assert Cohort.open("c", workspace).is_measured
    assert not Cohort.open("c", workspace).has_current_measurements
    ingest(folder, "c", workspace)
    cohort = ensure_measured("c", workspace)
    assert measured == [(500, 10), (500, 10)]
    assert cohort.measures["rate_bpm"].tolist() == [1, 2]
    assert reads == []


def test_a_partial_shard_of_an_earlier_version_is_not_continued(
    folder, workspace, reads, monkeypatch
):
    def stop(*of):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shards.PartialShard, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            ingest(folder, "c", workspace)
    assert reads == ["A0000", "A0001"]
    monkeypatch.setattr(shards.fingerprints, "VERSION", 1000)
    ingest(folder, "c", workspace)
    assert reads == ["A0000", "A0001"] * 2


@pytest.mark.parametrize("still", ["there", "gone", "changed"])
def test_a_later_measurement_is_that_of_the_file_where_it_has_another_rate(
    folder, workspace, monkeypatch, still
):
    ingest(folder, "c", workspace, store_fs_hz=100, measure=False)
    if still == "gone":
        shutil.rmtree(folder)
    elif still == "changed":
        write_wfdb(folder, "A0000", limb_consistent_uv(9000, 7), comments=DX)
    measured = watch_measuring(monkeypatch)
    assert ensure_measured("c", workspace).is_measured
    first = {"there": 500, "gone": 100, "changed": 100}[still]
    assert measured == [(first, 10), (100 if still == "gone" else 500, 10)]


def test_fingerprints_of_another_version_are_made_anew(folder, workspace, tmp_path):
    ingest(folder, "c", workspace)
    [file] = workspace.cohorts.rglob("fingerprints*.npy")
    table = np.load(file)
    np.save(file.with_name("fingerprints.npy"), np.zeros_like(table))
    file.unlink()
    write_wfdb(tmp_path / "more", "Q0001", limb_consistent_uv(5000, 1) // 2, comments=DX)
    result = ingest(tmp_path / "more", "c", workspace)
    assert [duplicate.of for duplicate in result.duplicates] == ["A0001"]
    np.testing.assert_array_equal(fingerprints.read(file.parent, 500), table)
    assert not file.with_name("fingerprints.npy").exists()


@pytest.mark.parametrize("also", ["nothing", "a new record"])
def test_labels_are_made_anew_whatever_else_an_ingest_finds(
    folder, workspace, tmp_path, monkeypatch, also
):
    ingest(folder, "c", workspace)
    for module in ("update", "summary", "shards"):
        monkeypatch.setattr(f"ecgcore.cohort.{module}.tables_hash", lambda: "another")
    ones = {f"{tier}_{code}": 1 for tier in ("core", "broad") for code in CODES}
    monkeypatch.setattr("ecgcore.cohort.index._labels", lambda *of: ones)
    if also == "a new record":
        write_wfdb(tmp_path / "more", "Q0001", limb_consistent_uv(5000, 8), comments=DX)
        folder = tmp_path / "more"
    result = ingest(folder, "c", workspace)
    assert set(result.classes["core"].values()) == {result.read}
    assert Cohort.open("c", workspace).meta["label_tables"] == "another"


def cut(file):
    file.write_bytes(file.read_bytes()[:-1000])


@pytest.mark.parametrize(
    "damage",
    [
        lambda shard: cut(shard / "signals.npy"),
        lambda shard: (shard / "signals.npy").unlink(),
        lambda shard: cut(shard / "index.parquet"),
        lambda shard: _without(shard / "index.parquet", "broad_ECT"),
        shutil.rmtree,
    ],
)
def test_a_shard_that_is_not_whole_is_read_anew(folder, workspace, tmp_path, reads, damage):
    ingest(folder, "c", workspace)
    write_wfdb(tmp_path / "more", "Q0001", limb_consistent_uv(5000, 8), comments=DX)
    ingest(tmp_path / "more", "c", workspace)
    before = Cohort.open("c", workspace)
    damage(workspace.cohorts / "c" / "shards" / before.meta["shards"][0])
    reads.clear()
    result = ingest(tmp_path / "more", "c", workspace)
    assert (result.found, result.read, reads) == (3, 3, ["A0000", "A0001"])
    after = Cohort.open("c", workspace)
    assert set(after.index["record"]) == {"A0000", "A0001", "Q0001"}
    for name in after.index["record"]:
        stored = read_record(after.path_of(name)).signal_mv
        np.testing.assert_array_equal(after.signals([after.row_of(name)])[0], stored)


def _without(file, column):
    pq.write_table(pq.read_table(file).drop_columns([column]), file)


def test_a_damaged_private_table_is_told_in_one_line(folder, workspace):
    ingest(folder, "c", workspace)
    cut(workspace.cohorts / "c" / "private" / "00000.parquet")
    with pytest.raises(DamagedFile) as refused:
        ingest(folder, "c", workspace)
    assert str(refused.value) == (
        "Cohort 'c': private/00000.parquet cannot be read; remove the cohort's folder and ingest "
        "again."
    )


def test_measures_that_cannot_be_read_are_made_anew(folder, workspace):
    ingest(folder, "c", workspace)
    before = Cohort.open("c", workspace).measures
    cut(workspace.cohorts / "c" / "shards" / "00000" / "measures.parquet")
    ingest(folder, "c", workspace)
    pd.testing.assert_frame_equal(Cohort.open("c", workspace).measures, before)
