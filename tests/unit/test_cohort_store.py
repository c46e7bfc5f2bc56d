"""Cohort store: signals from memory-mapped shards, the index, and errors for missing parts."""

import numpy as np
import pytest
from recordings import DATA, limb_consistent_uv, write_wfdb

from ecgcore.cohort.catalogue import list_cohorts
from ecgcore.cohort.codec import MISSING
from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.store import Cohort
from ecgcore.errors import DamagedFile, NotFound
from ecgcore.labels.classes import CODES
from ecgcore.records.record import Statement
from ecgcore.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home")


@pytest.fixture
def seven(workspace, tmp_path, monkeypatch):
    """Return a cohort of seven records in three shards, each of another constant in V1."""
    monkeypatch.setattr("ecgcore.cohort.update.SHARD_RECORDS", 3)
    for i in range(7):
        signal = limb_consistent_uv(1000, i)
        signal[6] = i + 1
        signal[6, 0] = MISSING
        write_wfdb(tmp_path / "in", f"A000{i}", signal, fs_hz=100, comments=("Dx: 426783006",))
    ingest(tmp_path / "in", "seven", workspace, workers=1)
    return Cohort.open("seven", workspace)


def test_rows_come_in_the_order_asked_from_all_shards(seven):
    rows = [6, 0, 3, 3, 2]
    signals = seven.signals(np.array(rows))
    assert signals.shape == (5, 12, 1000)
    assert signals.dtype == np.float32
    np.testing.assert_allclose(signals[:, 6, 1], (np.array(rows) + 1) / 1000, rtol=1e-6)
    assert np.isnan(signals[:, 6, 0]).all()
    assert seven.signals([]).shape == (0, 12, 1000)


def test_signals_are_int16_on_disk_and_mapped(seven):
    parts = [seven._signals(shard) for shard in range(3)]
    assert [len(part) for part in parts] == [3, 3, 1]
    assert all(isinstance(part, np.memmap) and part.dtype == np.int16 for part in parts)


def test_records_are_found_by_name(seven):
    assert [seven.row_of(name) for name in ("A0000", "A0006")] == [0, 6]
    with pytest.raises(NotFound, match="has no record 'B' among its 7, such as 'A0000'"):
        seven.row_of("B")
    assert seven.path_of("A0004").name == "A0004.hea"


def test_states_are_those_of_the_index(seven):
    states = seven.states("core")
    assert states.shape == (7, 10)
    assert states.dtype == np.int8
    assert (states[:, 0] == 1).all()
    with pytest.raises(NotFound, match="no label tier 'wide'"):
        seven.states("wide")


def test_a_record_comes_back_with_all_that_labels_need(workspace):
    ingest(DATA / "ptb-xl", "c", workspace)
    record = Cohort.open("c", workspace).record("00001_lr")
    assert (record.name, record.source, record.fold, record.sex) == (
        "00001_lr",
        "ptb-xl",
        3,
        "female",
    )
    assert record.statements[0] == Statement("scp", "NORM", 100.0)
    assert record.details["validated_by_human"] == "True"
    assert record.signal_mv.shape == (12, 1000)


def test_the_index_has_its_columns(seven):
    columns = [
        *("record", "source", "patient", "age", "sex", "fold", "fs_hz", "duration_s"),
        *("statements", "details", "machine", "notes", "signal_hash"),
        *(f"{tier}_{code}" for tier in ("core", "broad") for code in CODES),
    ]
    assert seven.index.columns.tolist() == columns
    assert seven.index["patient"].isna().all()


def test_a_cohort_that_does_not_exist_names_the_nearest(seven, workspace):
    with pytest.raises(NotFound) as caught:
        Cohort.open("sevn", workspace)
    assert str(caught.value) == (
        "There is no cohort 'sevn'. Did you mean 'seven'? Available: seven. "
        "Make one: ecgcore ingest FOLDER --cohort NAME."
    )


def test_cohorts_are_listed(seven, workspace):
    [summary] = list_cohorts(workspace)
    assert (summary.name, summary.records, summary.patients) == ("seven", 7, 7)
    assert (summary.fs_hz, summary.sources) == (100, {"cpsc_2018": 7})
    assert list_cohorts(Workspace(workspace.path / "nowhere")) == []


@pytest.mark.parametrize("file", ["signals.npy", "index.parquet"])
def test_a_damaged_shard_is_told(seven, workspace, file):
    (seven.folder / "shards" / "00001" / file).write_bytes(b"damaged")
    opened = Cohort.open("seven", workspace)
    with pytest.raises(DamagedFile, match="ingest its folder again"):
        (opened.signals(range(7)), opened.index)
