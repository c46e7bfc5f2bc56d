"""The bench of ingest: what it measures is there, and what it feeds is no duplicate."""

import json

import numpy as np
import pandas as pd
import pytest
from recordings import limb_consistent_uv, write_wfdb

from ecgcore.bench import ingest as bench
from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError
from ecgcore.workspace import Workspace


def test_repeated_examples_are_records_of_their_own_with_labels(tmp_path):
    bench.repeat_examples(400, tmp_path / "in")
    answer = ingest(tmp_path / "in", "c", Workspace(tmp_path / "home"), measure=False)
    assert (answer.found, answer.read, answer.duplicates) == (400, 400, ())
    index = Cohort.open("c", Workspace(tmp_path / "home")).index
    assert index["signal_hash"].is_unique
    assert index["patient"].is_unique
    assert (index["statements"] != "[]").all()


def test_some_records_of_a_folder_are_linked_with_their_table(tmp_path):
    bench.repeat_examples(8, tmp_path / "in")
    bench.link_records(tmp_path / "in", 5, tmp_path / "out")
    assert len(list((tmp_path / "out").rglob("*.hea"))) == 5
    assert len(list((tmp_path / "out").rglob("*.dat"))) == 5
    assert len(pd.read_csv(tmp_path / "out" / "ptbxl_database.csv")) == 8


def test_a_folder_without_records_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="holds no WFDB record"):
        bench.link_records(tmp_path / "empty", 5, tmp_path / "out")
    with pytest.raises(RequestError, match="There is no folder"):
        bench.bench_ingest(tmp_path / "nowhere")


def test_the_answer_has_rates_processor_time_and_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "RECORDS", {"plain": 6, "measured": 3})
    monkeypatch.setattr(bench, "SERIES", (2, 4))
    for i in range(6):
        write_wfdb(tmp_path / "in", f"A000{i}", limb_consistent_uv(5000, i), comments=("Dx: 1",))
    answer = bench.bench_ingest(tmp_path / "in", full=True)
    json.dumps(answer, allow_nan=False)
    assert answer["records"] == {"plain": 6, "measured": 3}
    for name in ("records_per_s", "cpu_ms_per_record"):
        assert set(answer[name]) == {"plain", "measured"}
        assert min(answer[name].values()) > 0
    assert list(answer["memory_mb"]) == ["2", "4"]
    assert np.all(list(answer["memory_all_mb"].values()) >= list(answer["memory_mb"].values()))
