"""Measurements of a cohort: at ingest from the record itself, or later from stored signals."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from recordings import DATA, EXAMPLES, limb_consistent_uv, write_wfdb

from ecgcore.cohort import measurements_table, shards
from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.measure_job import ensure_measured
from ecgcore.cohort.store import Cohort
from ecgcore.errors import NotFound, RequestError
from ecgcore.labels.criteria import criteria_states
from ecgcore.measurement.measurements import MEASURE_SCHEMA, measure
from ecgcore.measurement.quality import quality
from ecgcore.measurement.rpeaks import r_peaks
from ecgcore.records.read import read_record
from ecgcore.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home")


@pytest.fixture
def real_two(workspace):
    ingest(DATA / "ptb-xl", "c", workspace)
    return Cohort.open("c", workspace)


def test_every_record_is_measured_at_ingest_and_aligned_with_the_index(real_two):
    measures = real_two.measures
    assert measures.columns.tolist() == ["record", *MEASURE_SCHEMA.names, "quality"]
    assert measures["record"].tolist() == real_two.index["record"].tolist()
    for row, name in enumerate(measures["record"]):
        record = read_record(real_two.path_of(name))
        alone = measure(record)
        assert measures["rate_bpm"][row] == pytest.approx(alone.rate_bpm)
        assert measures["qrs_ms"][row] == pytest.approx(alone.qrs_ms)
        assert json.loads(measures["quality"][row]) == [str(flag) for flag in quality(record)]


def test_beats_are_those_found_at_ingest(real_two):
    [beats] = real_two.beats([1])
    record = read_record(real_two.path_of(real_two.index["record"][1]))
    np.testing.assert_allclose(beats, r_peaks(record.signal_mv, record.fs_hz), atol=1e-5)


def test_a_record_is_measured_at_its_own_rate_and_in_its_stored_window(
    workspace, tmp_path, monkeypatch
):
    measured = []

    def watched(record, duration_s):
        measured.append((record.fs_hz, record.duration_s, duration_s))
        return measure_row(record, duration_s)

    measure_row = measurements_table.measure_row
    monkeypatch.setattr(measurements_table, "measure_row", watched)
    write_wfdb(tmp_path / "in", "A0001", limb_consistent_uv(30_000), fs_hz=1000)
    ingest(tmp_path / "in", "c", workspace, store_fs_hz=100)
    assert measured == [(1000, 30, 10)]
    assert max(Cohort.open("c", workspace).beats([0])[0]) < 10


def test_without_measuring_columns_are_there_and_empty_and_beats_are_sought(workspace):
    ingest(DATA / "ptb-xl", "c", workspace, measure=False)
    cohort = Cohort.open("c", workspace)
    assert not cohort.is_measured
    assert cohort.measures.columns.tolist() == ["record", *MEASURE_SCHEMA.names, "quality"]
    assert cohort.measures.isna().all(axis=None)
    record = read_record(cohort.path_of(cohort.index["record"][0]))
    np.testing.assert_allclose(cohort.beats([0])[0], r_peaks(record.signal_mv, 100), atol=1e-5)


@pytest.mark.parametrize("way", ["a later ingest", "on first use"])
def test_measurements_can_be_made_later_without_reading_a_file(workspace, monkeypatch, way):
    ingest(DATA / "ptb-xl", "whole", workspace)
    ingest(DATA / "ptb-xl", "c", workspace, measure=False)
    before = Cohort.open("c", workspace).hash
    monkeypatch.setattr(shards, "read_record", lambda *of, **how: pytest.fail("a file was read"))
    progress = []
    if way == "on first use":
        ensure_measured("c", workspace, on_progress=lambda *done: progress.append(done))
        assert progress == [(1, 2), (2, 2)]
    else:
        ingest(DATA / "ptb-xl", "c", workspace)
    cohort = Cohort.open("c", workspace)
    assert cohort.is_measured
    assert cohort.hash == before
    pd.testing.assert_frame_equal(cohort.measures, Cohort.open("whole", workspace).measures)


def test_several_processes_measure_a_cohort_that_was_not(workspace, monkeypatch):
    monkeypatch.setattr("ecgcore.cohort.update.SHARD_RECORDS", 40)
    ingest(EXAMPLES, "c", workspace, workers=1, measure=False)
    progress = []
    cohort = ensure_measured(
        "c", workspace, workers=2, on_progress=lambda *done: progress.append(done)
    )
    assert progress[-1] == (160, 160)
    assert len(cohort.meta["shards"]) == 4
    assert cohort.measures["record"].tolist() == cohort.index["record"].tolist()
    assert cohort.measures["rate_bpm"].notna().mean() > 0.95


def test_some_shards_measured_and_others_not_give_one_table(workspace, tmp_path):
    ingest(DATA / "ptb-xl", "c", workspace)
    write_wfdb(tmp_path / "in", "A0001", limb_consistent_uv(1000), fs_hz=100)
    ingest(tmp_path / "in", "c", workspace, measure=False)
    cohort = Cohort.open("c", workspace)
    assert cohort.measures["rate_bpm"].isna().tolist() == [False, False, True]
    assert not cohort.is_measured
    assert len(cohort.beats([0, 1, 2])) == 3


def test_measures_stay_with_their_records_when_another_goes(workspace, tmp_path):
    for i in range(3):
        write_wfdb(tmp_path / "in", f"A000{i}", limb_consistent_uv(5000, i), comments=("Dx: 1",))
    ingest(tmp_path / "in", "c", workspace)
    before = Cohort.open("c", workspace).measures.set_index("record")
    (tmp_path / "in" / "A0001.hea").unlink()
    (tmp_path / "in" / "A0001.dat").unlink()
    ingest(tmp_path / "in", "c", workspace)
    after = Cohort.open("c", workspace).measures.set_index("record")
    pd.testing.assert_frame_equal(after, before.loc[["A0000", "A0002"]])


def test_a_cohort_of_an_earlier_version_opens_and_is_brought_up_to_date(workspace, tmp_path):
    ingest(DATA / "ptb-xl", "c", workspace, measure=False)
    shard = workspace.cohorts / "c" / "shards" / "00000"
    index = pd.read_parquet(shard / "index.parquet")
    index.drop(columns="machine").to_parquet(shard / "index.parquet", index=False)
    fingerprints = next(shard.glob("fingerprints*.npy"))
    fingerprints.unlink()
    meta = json.loads((workspace.cohorts / "c" / "cohort.json").read_text())
    for key in ("rate_by_rule", "start_s"):
        del meta[key]
    (workspace.cohorts / "c" / "cohort.json").write_text(json.dumps(meta))
    old = Cohort.open("c", workspace)
    assert old.index["machine"].tolist() == ["{}", "{}"]
    assert old.record(0).machine == {}
    assert not old.is_measured
    write_wfdb(tmp_path / "in", "A0001", limb_consistent_uv(1000), fs_hz=100)
    assert ingest(tmp_path / "in", "c", workspace).read == 3
    assert Cohort.open("c", workspace).is_measured
    assert fingerprints.exists()


def test_what_the_machine_measured_stands_in_the_index(workspace, tmp_path, monkeypatch):
    machine = {"rate_bpm": 61.0, "qrs_ms": 96.0}
    monkeypatch.setattr(
        shards, "read_record", lambda p, **how: replace(read_record(p, **how), machine=machine)
    )
    write_wfdb(tmp_path / "in", "A0001", limb_consistent_uv(5000))
    ingest(tmp_path / "in", "c", workspace)
    assert Cohort.open("c", workspace).record(0).machine == machine


def test_states_by_criteria_are_made_from_the_measures(workspace):
    ingest(EXAMPLES, "c", workspace)
    cohort = Cohort.open("c", workspace)
    states = cohort.states("core", label_source="criteria", thresholds="aha2009")
    assert states.shape == (160, 10)
    expected = criteria_states(cohort.measures, cohort.index, "aha2009", "core")
    np.testing.assert_array_equal(states, expected)
    assert (states != cohort.states("core")).any()
    with pytest.raises(NotFound, match="There is no label source 'guess'"):
        cohort.states("core", label_source="guess")


def test_criteria_of_a_cohort_that_was_not_measured_are_refused(workspace):
    ingest(DATA / "ptb-xl", "c", workspace, measure=False)
    with pytest.raises(RequestError) as refused:
        Cohort.open("c", workspace).states(label_source="criteria")
    assert str(refused.value) == (
        "Cohort 'c' has not been measured, and criteria need measurements. "
        "Make them: ecgcore ingest FOLDER --cohort c."
    )
