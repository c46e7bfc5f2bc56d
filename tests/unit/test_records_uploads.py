"""Uploads: content in memory, read in a private folder that is removed afterwards."""

import tempfile

import numpy as np
import pytest
from recordings import DATA, limb_consistent_uv, write_wfdb

from ecgcore.errors import UnreadableRecord
from ecgcore.records.read import read_record
from ecgcore.records.record import Record
from ecgcore.records.uploads import read_uploads


@pytest.fixture
def temp_root(tmp_path, monkeypatch):
    """Return the folder in which temporary folders are created."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def contents(*paths) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths}


def test_a_pair_is_one_record_equal_to_the_file_s(temp_root):
    pair = DATA / "ptb-xl" / "records100" / "00000"
    [(name, record)] = read_uploads(contents(pair / "00004_lr.dat", pair / "00004_lr.hea"))
    assert name == "00004_lr.hea"
    assert isinstance(record, Record)
    np.testing.assert_array_equal(record.signal_mv, read_record(pair / "00004_lr.hea").signal_mv)
    assert list(temp_root.iterdir()) == []


def test_several_records_keep_their_order_and_bad_ones_are_reported(temp_root):
    files = contents(DATA / "ptb-xl-csv" / "00004_lr_100hz.csv")
    files |= {"scan.pdf": b"%PDF", "empty.csv": b"", "table.csv": b"name,age\nAnna,5\n"}
    results = dict(read_uploads({"x.hea": b"no header", **files}))
    assert list(results) == ["x.hea", "00004_lr_100hz.csv", "scan.pdf", "empty.csv", "table.csv"]
    assert isinstance(results.pop("00004_lr_100hz.csv"), Record)
    for name, error in results.items():
        assert isinstance(error, UnreadableRecord), name
        assert str(temp_root) not in str(error)
    assert list(temp_root.iterdir()) == []


def test_a_header_without_its_signal_says_what_is_missing(temp_root, tmp_path):
    header = write_wfdb(tmp_path / "in", "A0001", limb_consistent_uv(), suffix=".mat")
    [(_, error)] = read_uploads(contents(header))
    assert str(error) == (
        "Record A0001: A0001.mat, which its header names, is missing. Put it beside A0001.hea."
    )


@pytest.mark.parametrize("above", ["../../", "/etc/", "..\\..\\", "C:\\patients\\"])
def test_folders_in_names_are_dropped(temp_root, above):
    content = (DATA / "ptb-xl-csv" / "00004_lr_100hz.csv").read_bytes()
    [(name, record)] = read_uploads({f"{above}00004_lr_100hz.csv": content})
    assert name == "00004_lr_100hz.csv"
    assert isinstance(record, Record)
    assert list(temp_root.iterdir()) == []


def test_equal_names_from_two_folders_are_two_records(temp_root, tmp_path):
    files = {}
    for i, folder in enumerate(("a", "b")):
        header = write_wfdb(tmp_path / "in" / folder, "A0001", limb_consistent_uv(seed=i))
        files |= {f"{folder}/{p.name}": p.read_bytes() for p in header.parent.iterdir()}
    results = read_uploads(files)
    assert [name for name, _ in results] == ["A0001.hea", "A0001.hea"]
    first, second = (record.signal_mv for _, record in results)
    assert not np.array_equal(first, second)


def test_a_rate_can_be_given_for_a_csv_without_one(temp_root):
    content = (DATA / "ptb-xl-csv" / "00004_lr_100hz.csv").read_bytes()
    [(_, error)] = read_uploads({"mine.csv": content})
    assert "does not say its sampling rate" in str(error)
    [(_, record)] = read_uploads({"mine.csv": content}, source_fs_hz=100)
    assert isinstance(record, Record)
    assert record.fs_hz == 100
