"""The imaging bench: the form that machines read. How fast is measured, not tested."""

import json

import pytest

from ecgcore.bench import imaging as bench


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(bench, "_ROUND_S", {False: 0.01, True: 0.01})
    monkeypatch.setattr(bench, "BATCH", 2)


def test_the_answer_has_the_promised_form():
    answer = json.loads(json.dumps(bench.bench_imaging(), allow_nan=False))
    assert set(answer["images_per_s"]) == {"100", "500"}
    for by_layout in answer["images_per_s"].values():
        assert set(by_layout) == {"stacked", "clinical", "panels"}
        assert by_layout["stacked"] > 0
    assert set(answer["matplotlib_ms"]) == {"reused_figure", "twelve_subplots"}
    assert 0 < answer["fill_share"] < 1
    assert set(answer["one_thread"]) == {"100", "500"}
    assert answer["cores"] >= 1
    assert answer["versions"]["ecgcore"]


def test_layouts_that_are_not_there_yet_are_null():
    answer = bench.bench_imaging()
    there = {name for name, v in answer["images_per_s"]["100"].items() if v is not None}
    assert there == set(bench.LAYOUTS)


def test_without_matplotlib_its_times_are_null_and_the_reason_is_told(monkeypatch):
    monkeypatch.setattr(bench, "_version", lambda package: None)
    answer = bench.bench_imaging()
    assert answer["matplotlib_ms"] == {"reused_figure": None, "twelve_subplots": None}
    assert answer["matplotlib_why"] == "matplotlib is not installed"


def test_the_full_bench_adds_batches_and_sizes():
    answer = bench.bench_imaging(full=True)
    assert set(answer["sizes"]) == {"112", "224", "448"}
    assert all(v > 0 for v in answer["batches"].values())
