"""The imaging bench: the form that machines read. How fast is measured, not tested."""

import json

import numpy as np
import pytest

from ecgcore.bench import disk_to_tensor
from ecgcore.bench import imaging as bench
from ecgcore.records.read import read_record


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(bench, "_ROUND_S", {False: 0.01, True: 0.01})
    monkeypatch.setattr(bench, "BATCH", 2)


def test_the_answer_has_the_promised_form():
    answer = json.loads(json.dumps(bench.bench_imaging(), allow_nan=False))
    assert set(answer["images_per_s"]) == {"100", "500"}
    for by_layout in answer["images_per_s"].values():
        assert set(by_layout) == {"stacked", "clinical", "panels"}
        assert all(v > 0 for v in by_layout.values())
    assert set(answer["matplotlib_ms"]) == {"reused_figure", "twelve_subplots"}
    assert 0 < answer["fill_share"] < 1
    for part in ("one_thread", "disk_ms", "fill_shares"):
        assert {hz: set(by_layout) for hz, by_layout in answer[part].items()} == {
            hz: {"stacked", "clinical", "panels"} for hz in ("100", "500")
        }
    assert set(answer["page_ms"]) == {"svg", "png", "pdf", "measure", "svg_60s_1000hz"}
    assert set(answer["growth"]) == {"records", "pixels"}
    assert answer["cores"] >= 1
    assert answer["versions"]["ecgcore"]


def test_without_matplotlib_its_times_are_null_and_the_reason_is_told(monkeypatch):
    monkeypatch.setattr(bench, "_version", lambda package: None)
    answer = bench.bench_imaging()
    assert answer["matplotlib_ms"] == {"reused_figure": None, "twelve_subplots": None}
    assert answer["page_ms"] is None
    assert answer["matplotlib_why"] == "matplotlib is not installed"


def test_the_full_bench_has_longer_series(monkeypatch):
    monkeypatch.setattr(bench, "RECORDS", {False: (2, 4), True: (2, 4, 8)})
    monkeypatch.setattr(bench, "SIZES_PX", {False: (32, 64), True: (32, 64, 96)})
    assert set(bench.bench_imaging()["ms_by_records"]) == {"2", "4"}
    answer = bench.bench_imaging(full=True)
    assert set(answer["ms_by_records"]) == {"2", "4", "8"}
    assert set(answer["ms_by_side_px"]) == {"32", "64", "96"}


def test_linear_growth_has_an_exponent_of_1():
    assert bench._exponent({"1": 3.0, "10": 30.0, "100": 300.0}) == 1
    assert bench._exponent({"10": 1.0, "20": 4.0}) == 2


def test_the_simulated_beats_stand_where_they_are_said_to():
    signals_mv, peaks_s = bench.simulated(1, 500), bench.peaks_s(1)[0]
    lead = signals_mv[0].abs().amax(dim=1).argmax()
    for peak_s in peaks_s[:-1]:
        around = signals_mv[0, lead, round(500 * (peak_s - 0.3)) : round(500 * (peak_s + 0.3))]
        assert abs(around.abs().argmax() - 150) <= 3


def test_what_is_written_for_the_disk_bench_is_read_back(tmp_path):
    signal_mv = bench.simulated(1, 100)[0].numpy()
    record = read_record(disk_to_tensor._write_record(tmp_path, "r1", signal_mv, 100))
    assert np.abs(record.signal_mv - signal_mv).max() < 0.00051
