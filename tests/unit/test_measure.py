"""Measurements: known intervals are recovered at any rate, start and gain, and nothing crashes."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import simulated_ecg
from recordings import EXAMPLES, limb_consistent_uv, real
from simulated_ecg import beats, record, regular, twelve, with_pulse

from ecgcore.measurement.measurements import MEASURE_SCHEMA, Measurements, measure
from ecgcore.measurement.rpeaks import r_peaks
from ecgcore.records.discover import find_records
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS
from ecgcore.records.resample import resample_signal

DOCUMENTED_KEYS = {
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
}
INTERVALS = ("pr_ms", "qrs_ms", "qt_ms")
FEW = [read_record(path) for path in list(find_records([EXAMPLES]))[:160:16]]


def noisy(signal_mv, seed=0, noise_mv=0.01):
    noise = np.random.default_rng(seed).normal(0, noise_mv, signal_mv.shape)
    return (signal_mv + noise).astype(np.float32)


@pytest.mark.parametrize("fs_hz", [100, 128, 257, 500, 1000])
@pytest.mark.parametrize(
    ("rate_bpm", "pr_ms", "qrs_ms", "qt_ms", "duration_s"),
    [
        (60, 160, 100, 400, 10),
        (120, 120, 80, 300, 10),
        (45, 220, 140, 480, 10),
        (75, 160, 160, 440, 5),
    ],
)
def test_known_intervals_are_measured(fs_hz, rate_bpm, pr_ms, qrs_ms, qt_ms, duration_s):
    at_s = regular(duration_s, rate_bpm)
    measured = measure(record(noisy(beats(fs_hz, at_s, duration_s, pr_ms, qrs_ms, qt_ms)), fs_hz))
    assert measured.rate_bpm == pytest.approx(rate_bpm, abs=0.5)
    assert measured.p_wave
    assert measured.pr_ms == pytest.approx(pr_ms, abs=8)
    # Our onsets follow a cardiologist's (LUDB), whose complexes are longer than these abrupt ones.
    assert 5 <= measured.qrs_ms - qrs_ms <= 23
    assert measured.qt_ms == pytest.approx(qt_ms, abs=14)
    rr_s = 60 / measured.rate_bpm
    assert measured.qtc_bazett_ms == pytest.approx(measured.qt_ms / rr_s**0.5)
    assert measured.qtc_fridericia_ms == pytest.approx(measured.qt_ms / rr_s ** (1 / 3))
    peaks_s = np.array(measured.r_peaks_s)
    assert len(peaks_s) == len(at_s)
    assert (peaks_s > at_s).all()
    assert (peaks_s < at_s + qrs_ms / 1000).all()


def test_without_a_p_wave_there_is_no_pr_interval():
    measured = measure(record(noisy(beats(250, regular(10, 70), 10, pr_ms=None)), 250))
    assert (measured.p_wave, measured.pr_ms, measured.p_ms) == (False, None, None)
    assert measured.qt_ms is not None


def test_a_fast_rhythm_without_a_rest_before_p_has_no_pr_interval():
    at_s = regular(10, 150)
    fast = measure(record(noisy(beats(500, at_s, 10, pr_ms=130, qrs_ms=80, qt_ms=270)), 500))
    assert (fast.p_wave, fast.pr_ms) == (False, None)
    slower = measure(record(noisy(beats(500, regular(10, 110), 10, 130, 80, 270)), 500))
    assert slower.pr_ms == pytest.approx(130, abs=10)


def test_a_wide_complex_that_ends_in_v1_has_the_axis_of_its_first_part(monkeypatch):
    rightwards = (-2.5, -1.25, 1.0, 0.5, 0.0, -0.3, -0.5, -0.5)
    leftwards = (1.0, 0.5, 0.2, 0.4, 0.6, 1.0, 1.0, 1.0)
    waves = simulated_ecg.WAVES | {"q": (0.0,) * 8, "r": leftwards, "s": rightwards}
    for v1, expected_deg in ((1.0, 0), (-1.0, 180)):
        changed = waves | {"s": (*rightwards[:2], v1, *rightwards[3:])}
        monkeypatch.setattr(simulated_ecg, "WAVES", changed)
        wide = measure(record(noisy(beats(500, regular(10, 60), 10, qrs_ms=160)), 500))
        assert wide.qrs_ms > 140
        assert abs((wide.axis_deg - expected_deg + 180) % 360 - 180) < 12


def test_a_left_block_that_ends_above_the_baseline_in_v1_has_the_axis_of_the_whole(monkeypatch):
    end = (-2.5, -1.25, 0.6, 0.5, 0.0, -0.3, -0.5, -0.5)
    beginning = (1.0, 0.5, -2.0, 0.4, 0.6, 1.0, 1.0, 1.0)
    waves = simulated_ecg.WAVES | {"q": (0.0,) * 8, "r": beginning, "s": end}
    monkeypatch.setattr(simulated_ecg, "WAVES", waves)
    wide = measure(record(noisy(beats(500, regular(10, 60), 10, qrs_ms=160)), 500))
    assert abs(abs(wide.axis_deg) - 180) < 12


def test_a_qrs_complex_is_not_begun_by_the_p_wave_that_runs_into_it():
    measured = measure(record(noisy(beats(500, regular(10, 70), 10, pr_ms=105)), 500))
    assert measured.qrs_ms == pytest.approx(110, abs=12)
    assert measured.pr_ms == pytest.approx(100, abs=14)


def test_the_axis_points_in_the_direction_of_the_limb_leads():
    for axis_deg in (-120, -60, 0, 45, 90, 170):
        direction = np.deg2rad(axis_deg)
        eight = beats(500, regular(10, 60), 10)[[0, 1, 6, 7, 8, 9, 10, 11]]
        eight[0] = np.cos(direction) * eight[5]
        eight[1] = np.cos(direction - np.pi / 3) * eight[5]
        measured_deg = measure(record(twelve(eight), 500)).axis_deg
        assert abs((measured_deg - axis_deg + 180) % 360 - 180) < 3


def lead_of(*waves, fs_hz=500):
    """Return (T,) mV: each wave (mV) 30 ms long, one after the other, every second."""
    t = np.arange(10 * fs_hz) / fs_hz
    lead = np.zeros(len(t))
    for onset_s in regular(10, 60):
        for i, height in enumerate(waves):
            phase = (t - onset_s - 0.03 * i) / 0.03
            inside = (phase > 0) & (phase < 1)
            lead[inside] += height * np.sin(np.pi * phase[inside]) ** 2
    return lead


@pytest.mark.parametrize(
    ("waves", "expected"),
    [
        ((0, 1.2, -0.5), dict(q_mv=0, r_mv=1.2, s_mv=-0.5, r2_mv=0)),
        ((-0.2, 1.2, 0), dict(q_mv=-0.2, r_mv=1.2, s_mv=0, r2_mv=0)),
        ((0.3, -0.8, 0.9), dict(q_mv=0, r_mv=0.3, s_mv=-0.8, r2_mv=0.9)),
        ((0, -1.5, 0), dict(q_mv=-1.5, r_mv=0, s_mv=-1.5, r2_mv=0)),
        ((0, -1.5, 0.1), dict(q_mv=-1.5, r_mv=0.1, s_mv=-1.5, r2_mv=0)),
        ((0.1, -1.5, 0.1), dict(q_mv=0, r_mv=0.1, s_mv=-1.5, r2_mv=0.1)),
    ],
)
def test_waves_of_a_lead_are_named_and_measured(waves, expected):
    signal = beats(500, regular(10, 60), 10, qrs_ms=90)
    signal[6] = lead_of(*waves)
    measured = measure(record(signal, 500)).leads["V1"]
    for name, value in expected.items():
        assert getattr(measured, name) == pytest.approx(value, abs=0.03), name


@pytest.mark.parametrize("terminal_r_mv", [0, 0.1])
def test_voltages_take_the_depth_of_qs_and_the_taller_of_r_and_r2(terminal_r_mv):
    signal = beats(500, regular(10, 60), 10, qrs_ms=90)
    signal[LEADS.index("V1")] = lead_of(0, -1.5, terminal_r_mv)
    signal[LEADS.index("V5")] = lead_of(0.3, -0.4, 2.2)
    signal[LEADS.index("V6")] = lead_of(0, 1.1, 0)
    signal[LEADS.index("V3")] = lead_of(0.1, -0.9, 0)
    signal[LEADS.index("aVL")] = lead_of(0, 1.3, 0)
    measured = measure(record(signal, 500))
    assert measured.sokolow_lyon_mv == pytest.approx(1.5 + 2.2, rel=0.02)
    assert measured.cornell_mv == pytest.approx(1.3 + 0.9, rel=0.02)


def test_st_levels_are_measured_by_lead():
    signal = beats(500, regular(10, 60), 10)
    t = np.arange(signal.shape[1]) / 500
    for onset_s in regular(10, 60):
        plateau = np.clip((t - onset_s - 0.09) / 0.02, 0, 1) * np.clip(
            (onset_s + 0.3 - t) / 0.1, 0, 1
        )
        signal[LEADS.index("V2")] += 0.3 * plateau
    leads = measure(record(noisy(signal), 500)).leads
    assert leads["V2"].st_j_mv == pytest.approx(0.3, abs=0.05)
    assert leads["V2"].st_j60_mv == pytest.approx(0.3, abs=0.05)
    assert leads["V5"].st_j_mv == pytest.approx(0, abs=0.05)


def test_a_premature_wide_beat_is_counted_and_kept_out_of_the_median_beat():
    at_s = np.delete(regular(10, 60), 5)
    signal = beats(500, at_s, 10)
    signal += beats(500, np.array([4.95]), 10, pr_ms=None, qrs_ms=180, qt_ms=500)[:, :] * -1.4
    measured = measure(record(signal, 500))
    assert len(measured.r_peaks_s) == len(at_s) + 1
    assert (measured.premature_beats, measured.aberrant_beats) == (1, 1)
    assert measured.qrs_ms == pytest.approx(
        measure(record(beats(500, at_s, 10), 500)).qrs_ms, abs=4
    )


def test_a_calibration_pulse_is_not_a_beat():
    plain = beats(500, regular(10, 60)[:9], 10)
    pulsed = with_pulse(plain, 500)
    assert len(r_peaks(pulsed, 500)) == 9
    for name in ("rate_bpm", *INTERVALS):
        of_both = [getattr(measure(record(x, 500)), name) for x in (plain, pulsed)]
        assert of_both[0] == pytest.approx(of_both[1], abs=2)


@pytest.mark.parametrize("gain", [0.5, 2])
def test_gain_changes_voltages_and_no_interval(gain):
    for one in FEW:
        alone, other = (
            measure(replace(one, signal_mv=one.signal_mv * np.float32(g))) for g in (1, gain)
        )
        for name in ("rate_bpm", *INTERVALS, "axis_deg"):
            assert getattr(other, name) == pytest.approx(getattr(alone, name), abs=0.01)
        for name in ("sokolow_lyon_mv", "cornell_mv"):
            assert getattr(other, name) == pytest.approx(gain * getattr(alone, name), abs=0.1)


def differences(some, others, name):
    """Return absolute differences between measurements of the same records, where both exist."""
    pairs = [(getattr(a, name), getattr(b, name)) for a, b in zip(some, others, strict=True)]
    return np.array([abs(a - b) for a, b in pairs if a is not None and b is not None])


def test_a_record_that_begins_a_little_later_measures_the_same():
    from_start = [measure(one) for one in FEW]
    later = [
        measure(replace(one, signal_mv=one.signal_mv[:, round(0.3 * one.fs_hz) :])) for one in FEW
    ]
    for name in INTERVALS:
        assert sum((getattr(m, name) is None) for m in from_start) == sum(
            (getattr(m, name) is None) for m in later
        )
        assert np.median(differences(from_start, later, name)) <= 2
        assert differences(from_start, later, name).max() <= 16


@pytest.mark.parametrize("fs_hz", [257, 1000])
def test_a_record_at_another_rate_measures_the_same(fs_hz):
    as_is = [measure(one) for one in FEW]
    other = [
        measure(replace(one, signal_mv=resample_signal(one.signal_mv, 100, fs_hz), fs_hz=fs_hz))
        for one in FEW
    ]
    for name in INTERVALS:
        assert differences(as_is, other, name).max() <= 4
    assert differences(as_is, other, "rate_bpm").max() <= 0.2
    assert differences(as_is, other, "sokolow_lyon_mv").max() <= 0.05


def unusual_signal(kind, n_samples, fs_hz):
    rng = np.random.default_rng(n_samples)
    t = np.arange(n_samples) / fs_hz
    noise = rng.normal(0, 1, (12, n_samples))
    if kind == "holes":
        noise[rng.random(noise.shape) < 0.3] = np.nan
    return {
        "walk": limb_consistent_uv(n_samples, 1) / 1000,
        "noise": noise,
        "holes": noise,
        "flat": np.zeros((12, n_samples)),
        "all missing": np.full((12, n_samples), np.nan),
        "one lead": np.where(np.arange(12)[:, None] == 3, np.sin(7 * t) ** 21, np.nan),
        "square": np.tile(np.sign(np.sin(7 * t)), (12, 1)),
        "absurd": limb_consistent_uv(n_samples, 1) * 1e6,
    }[kind]


@pytest.mark.parametrize(
    "kind", ["walk", "noise", "flat", "all missing", "holes", "one lead", "square", "absurd"]
)
@pytest.mark.parametrize(("fs_hz", "duration_s"), [(100, 5), (333.3, 10), (1000, 1), (100, 120)])
def test_no_signal_makes_measuring_fail_or_warn(kind, fs_hz, duration_s):
    measured = measure(record(unusual_signal(kind, round(fs_hz * duration_s), fs_hz), fs_hz))
    json.dumps(measured.as_json(), allow_nan=False)
    if kind in ("flat", "all missing", "absurd"):
        assert replace(measured, notes=()) == Measurements()


def test_measurements_come_back_from_a_row_and_have_the_documented_json_keys():
    measured = measure(FEW[0])
    table = pa.Table.from_pylist([measured.as_row()], MEASURE_SCHEMA)
    again = Measurements.from_row(table.to_pandas().iloc[0].to_dict())
    assert again.qrs_ms == measured.qrs_ms
    assert again.leads["V2"].s_mv == pytest.approx(measured.leads["V2"].s_mv)
    assert again.as_row().keys() == measured.as_row().keys()
    answer = measured.as_json()
    assert answer.keys() >= DOCUMENTED_KEYS
    assert answer["st_j_mv"].keys() == set(LEADS)
    empty = Measurements().as_json()
    assert all(
        empty[name] is None for name in DOCUMENTED_KEYS - {"r_peaks_s", "st_j_mv", "st_j60_mv"}
    )


def test_the_same_recording_at_100_and_500_hz_measures_the_same():
    paths = {hz: sorted(real(f"ptb-xl/records{hz}").rglob("*.hea")) for hz in (100, 500)}
    low_of = {path.stem[:5]: path for path in paths[100]}
    pairs = [
        (measure(read_record(low_of[p.stem[:5]])), measure(read_record(p))) for p in paths[500][::2]
    ]
    low, high = zip(*pairs, strict=True)
    for name in INTERVALS:
        assert np.median(differences(low, high, name)) <= 2
        assert np.percentile(differences(low, high, name), 90) <= 4
    assert differences(low, high, "rate_bpm").max() <= 1
    assert differences(low, high, "axis_deg").max() <= 5
    assert np.median(differences(low, high, "sokolow_lyon_mv")) <= 0.1
