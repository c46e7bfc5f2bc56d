"""``ecgcore measure`` and ``ecgcore bench measurements``: answers, refusals, exit codes."""

import json
import shutil

import numpy as np
import pytest
import wfdb
from recordings import EXAMPLES, real, write_wfdb
from simulated_ecg import P_MS, T_MS, beats, regular
from vendor_xml_files import write_muse

from ecgcore.bench.measurements import bench_measurements
from ecgcore.errors import RequestError
from ecgcore.records.record import LEADS

FOLDER = EXAMPLES / "records100" / "00000"
DOCUMENTED_KEYS = {
    "path",
    "rate_bpm",
    "pr_ms",
    "qrs_ms",
    "qt_ms",
    "qtc_bazett_ms",
    "qtc_fridericia_ms",
    "axis_deg",
    "r_peaks_s",
    "st_j_mv",
    "st_j60_mv",
    "sokolow_lyon_mv",
    "cornell_mv",
    "error",
}
SIGNAL_UV = np.rint(1000 * beats(500, regular(10, 60), 10)).astype(np.int16)


def test_a_folder_gives_one_line_a_record_in_order_with_all_documented_keys(run):
    code, out, _ = run("measure", FOLDER, "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [a["path"] for a in answers] == [str(p) for p in sorted(FOLDER.glob("*.hea"))]
    for answer in answers:
        assert answer.keys() >= DOCUMENTED_KEYS
        assert answer["error"] is None
        assert answer["notes"][0] == "automatic, unconfirmed"
        assert answer["machine"] == {}
        assert 30 < answer["rate_bpm"] < 200
        assert answer["st_j_mv"].keys() == set(LEADS)
        assert answer["r_peaks_s"] == sorted(answer["r_peaks_s"])


def test_without_json_the_output_is_one_line_a_record_and_a_note_that_it_is_unconfirmed(run):
    code, out, err = run("measure", FOLDER)
    assert code == 0
    assert len(out.splitlines()) == len(list(FOLDER.glob("*.hea")))
    assert all(" ms, QT " in line for line in out.splitlines())
    assert "automatic, unconfirmed" in err


def test_the_machines_own_measurements_are_shown_with_ours(run, tmp_path):
    file = write_muse(tmp_path / "one.xml", SIGNAL_UV)
    code, out, _ = run("measure", file, "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["machine"] == {"rate_bpm": 61, "qrs_ms": 92, "axis_deg": 0}
    assert answer["rate_bpm"] == pytest.approx(60, abs=0.3)
    assert answer["qrs_ms"] != 92
    assert "(machine: rate 61, QRS 92, axis 0; III, aVR" in run("measure", file)[1]


def test_a_record_that_cannot_be_read_is_a_line_with_its_reason(run, tmp_path):
    write_wfdb(tmp_path, "good", SIGNAL_UV)
    bad = write_wfdb(tmp_path, "bad", SIGNAL_UV)
    bad.with_suffix(".dat").unlink()
    code, out, _ = run("measure", tmp_path, "--json")
    first, second = (json.loads(line) for line in out.splitlines())
    assert code == 0
    assert first.keys() == second.keys()
    assert (first["path"], second["path"]) == (str(bad), str(tmp_path / "good.hea"))
    assert "bad.dat" in first["error"]
    assert first["qrs_ms"] is None
    assert first["r_peaks_s"] == first["notes"] == []
    code, out, err = run("measure", bad, "--json")
    assert (code, json.loads(out), err) == (2, first, "")


def test_a_folder_without_records_is_a_wrong_request(run, tmp_path):
    code, out, err = run("measure", tmp_path, "--json")
    assert (code, out) == (2, "")
    assert err.replace("\n", "") == f"No ECG record in {tmp_path}."


def write_marked(folder, name, pr_ms, qrs_ms, qt_ms):
    """Write a record and its marks as LUDB does: one annotation file a lead."""
    at_s = regular(10, 70)
    signal = beats(500, at_s, 10, pr_ms, qrs_ms, qt_ms)
    write_wfdb(folder, name, np.rint(1000 * signal).astype(np.int16))
    marks = []
    for onset_s in at_s[1:-1]:
        waves = [("N", 0, qrs_ms), ("t", qt_ms - T_MS, qt_ms)]
        if pr_ms is not None:
            waves.insert(0, ("p", -pr_ms, P_MS - pr_ms))
        for symbol, start, stop in waves:
            spots = zip("(" + symbol + ")", (start, (start + stop) / 2, stop), strict=True)
            marks += [(round(500 * (onset_s + ms / 1000)), mark) for mark, ms in spots]
    sample, symbol = zip(*marks, strict=True)
    wfdb.wrann(name, "marks", np.array(sample), list(symbol), write_dir=str(folder))
    for lead in LEADS:
        shutil.copy(folder / f"{name}.marks", folder / f"{name}.{lead.lower()}")


def test_the_bench_compares_with_the_marks_of_a_folder(run, tmp_path):
    for i, (pr, qrs, qt) in enumerate([(160, 100, 400), (180, 120, 420), (None, 90, 380)]):
        write_marked(tmp_path / "data", str(i + 1), pr, qrs, qt)
    code, out, _ = run("bench", "measurements", "--data", tmp_path, "--json")
    answer = json.loads(out.splitlines()[-1])
    assert code == 0
    assert answer["records"] == 3
    assert answer["rate_within_2_bpm"] == 1
    assert (answer["without_p"], answer["p_found_where_none"]) == (1, 0)
    assert {name: row["n"] for name, row in answer["intervals"].items()} == {
        "qrs_ms": 3,
        "pr_ms": 2,
        "qt_ms": 3,
    }
    assert answer["intervals"]["pr_ms"]["median_ms"] <= 8
    assert 5 <= answer["intervals"]["qrs_ms"]["bias_ms"] <= 23
    assert answer["intervals"]["qt_ms"]["median_ms"] <= 14
    assert [half["qrs_ms"]["n"] for half in answer["halves"]] == [2, 1]


def test_the_bench_asks_for_ludb_without_annotated_records(tmp_path):
    write_wfdb(tmp_path, "1", SIGNAL_UV)
    with pytest.raises(RequestError) as refused:
        bench_measurements(tmp_path)
    assert str(refused.value) == (
        f"No record with marks in {tmp_path}; LUDB's layout is needed: data/1.hea with 1.i … "
        "1.v6 beside it. Get it: ecgcore download ludb."
    )


def test_intervals_on_ludb_are_within_the_goals_of_its_annotations():
    answer = bench_measurements(real("ludb"))
    goals = {"qrs_ms": (8, 25, 0.75), "qt_ms": (10, 45, 0.75), "pr_ms": (7, 22, 0.80)}
    for part in (answer["intervals"], *answer["halves"]):
        for name, (median_ms, percentile_90_ms, r) in goals.items():
            assert part[name]["median_ms"] <= median_ms
            assert part[name]["percentile_90_ms"] <= percentile_90_ms
            assert part[name]["r"] >= r
    assert answer["rate_within_2_bpm"] >= 0.96
    assert answer["p_found_where_none"] == 0
