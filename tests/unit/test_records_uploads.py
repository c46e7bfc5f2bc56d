"""Uploads: names and contents from a browser, read in a private folder that goes again."""

import tempfile

import numpy as np
import pytest
from recordings import DATA, limb_consistent_uv, write_wfdb

from ecgcore.errors import UnreadableRecord
from ecgcore.records.read import read_record
from ecgcore.records.record import Record
from ecgcore.records.uploads import read_uploads


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return the folder in which temporary folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def contents(*paths) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths}


def test_a_pair_is_one_record_equal_to_the_file_s(place):
    pair = DATA / "ptb-xl" / "records100" / "00000"
    [(name, record)] = read_uploads(contents(pair / "00004_lr.dat", pair / "00004_lr.hea"))
    assert name == "00004_lr.hea"
    assert isinstance(record, Record)
    np.testing.assert_array_equal(record.signal_mv, read_record(pair / "00004_lr.hea").signal_mv)
    assert list(place.iterdir()) == []


def test_several_records_keep_their_order_and_bad_ones_are_told(place):
    files = contents(DATA / "ptb-xl-csv" / "00004_lr_100hz.csv")
    files |= {"scan.pdf": b"%PDF", "empty.csv": b"", "table.csv": b"name,age\nAnna,5\n"}
    answers = dict(read_uploads({"x.hea": b"no header", **files}))
    assert list(answers) == ["x.hea", "00004_lr_100hz.csv", "scan.pdf", "empty.csv", "table.csv"]
    assert isinstance(answers.pop("00004_lr_100hz.csv"), Record)
    for name, answer in answers.items():
        assert isinstance(answer, UnreadableRecord), name
        assert str(place) not in str(answer)
    assert list(place.iterdir()) == []


def test_a_header_without_its_signal_says_what_is_missing(place, tmp_path):
    header = write_wfdb(tmp_path / "in", "A0001", limb_consistent_uv(), suffix=".mat")
    [(_, answer)] = read_uploads(contents(header))
    assert str(answer) == (
        "Record A0001: A0001.mat, which its header names, is missing. Put it beside A0001.hea."
    )


@pytest.mark.parametrize("above", ["../../", "/etc/", "..\\..\\", "C:\\patients\\"])
def test_folders_in_names_are_dropped(place, above):
    content = (DATA / "ptb-xl-csv" / "00004_lr_100hz.csv").read_bytes()
    [(name, record)] = read_uploads({f"{above}00004_lr_100hz.csv": content})
    assert name == "00004_lr_100hz.csv"
    assert isinstance(record, Record)
    assert list(place.iterdir()) == []


def test_equal_names_from_two_folders_are_two_records(place, tmp_path):
    files = {}
    for i, folder in enumerate(("a", "b")):
        header = write_wfdb(tmp_path / "in" / folder, "A0001", limb_consistent_uv(seed=i))
        files |= {f"{folder}/{p.name}": p.read_bytes() for p in header.parent.iterdir()}
    answers = read_uploads(files)
    assert [name for name, _ in answers] == ["A0001.hea", "A0001.hea"]
    first, second = (record.signal_mv for _, record in answers)
    assert not np.array_equal(first, second)


def test_a_rate_can_be_given_for_a_csv_without_one(place):
    content = (DATA / "ptb-xl-csv" / "00004_lr_100hz.csv").read_bytes()
    [(_, answer)] = read_uploads({"mine.csv": content})
    assert "does not say its sampling rate" in str(answer)
    [(_, record)] = read_uploads({"mine.csv": content}, source_fs_hz=100)
    assert isinstance(record, Record)
    assert record.fs_hz == 100
