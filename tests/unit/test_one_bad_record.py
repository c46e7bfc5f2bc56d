"""One bad record: an unexpected error becomes its line, and never stops a folder."""

import os
import shutil

import pytest
from recordings import DATA

from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.store import Cohort
from ecgcore.errors import UnreadableRecord
from ecgcore.imaging.convert import convert
from ecgcore.inference import classify as classifying
from ecgcore.inference.classify import classify_paths
from ecgcore.inference.model import load_model
from ecgcore.measurement import measurements
from ecgcore.measurement.measure_files import measure_files
from ecgcore.records.formats import wfdb
from ecgcore.workspace import Workspace

PLANTED = "KeyError in"


@pytest.fixture
def folder(tmp_path):
    """Return a folder of two recordings, 00001_lr and 00004_lr, and a pipe."""
    shutil.copytree(DATA / "ptb-xl" / "records100", tmp_path / "in")
    shutil.copy(DATA / "ptb-xl" / "ptbxl_database.csv", tmp_path / "in")
    os.mkfifo(tmp_path / "in" / "pipe.csv")
    return tmp_path / "in"


def plant_failure(monkeypatch, module, name, is_bad):
    """Let a function fail with a name in its error for the record that ``is_bad`` finds."""
    intact = getattr(module, name)

    def fail(*args, **options):
        if is_bad(args[0]):
            raise KeyError("Jane Doe")
        return intact(*args, **options)

    monkeypatch.setattr(module, name, fail)


def is_first(record) -> bool:
    return record.name == "00001_lr"


def test_a_reader_that_fails_gives_a_line_in_measure(folder, monkeypatch):
    plant_failure(monkeypatch, wfdb, "read_wfdb_header", lambda path: path.stem == "00001_lr")
    first, second, pipe = measure_files([folder])
    assert PLANTED in first["error"]
    assert "Doe" not in first["error"]
    assert second["error"] is None
    assert "a pipe, a socket or a device" in pipe["error"]


def test_a_measurement_that_fails_gives_a_line_in_measure(folder, monkeypatch):
    from ecgcore.measurement import measure_files as module

    plant_failure(monkeypatch, module, "measure", is_first)
    first, second, _ = measure_files([folder])
    assert PLANTED in first["error"]
    assert second["rate_bpm"]


def test_a_measurement_that_fails_rejects_its_record_in_ingest(folder, monkeypatch, tmp_path):
    plant_failure(monkeypatch, measurements, "measure", is_first)
    result = ingest(folder, "c", tmp_path / "home", workers=1)
    [rejected] = result.rejected
    assert rejected.record == "00001_lr"
    assert PLANTED in rejected.reason
    assert result.read == 1
    assert result.others["refused: pipe.csv is a pipe, a socket or a device"] == 1


def test_a_record_that_a_network_fails_on_gives_a_line_in_classify(folder, monkeypatch, tmp_path):
    plant_failure(monkeypatch, classifying, "_gate", is_first)
    classifier = load_model("alexnet_m_se_gap", Workspace(tmp_path / "home"))
    first, second, pipe = classify_paths([folder], classifier)
    assert PLANTED in first["error"]
    assert first["gate"] == "refused"
    assert second["probabilities"]
    assert "a pipe, a socket or a device" in pipe["error"]


def test_a_record_that_cannot_be_drawn_leaves_the_others_drawn(folder, monkeypatch, tmp_path):
    from ecgcore.imaging import convert as module

    workspace = Workspace(tmp_path / "home")
    ingest(folder, "c", workspace, workers=1, measure=False)
    cohort = Cohort.open("c", workspace)
    plant_failure(monkeypatch, module, "resample_record", is_first)
    with pytest.raises(UnreadableRecord, match="1 of 2 records were not drawn; the first: Record"):
        convert(cohort, tmp_path / "out", workers=1)
    assert [file.stem for file in (tmp_path / "out").rglob("*.png")] == ["00004_lr"]
