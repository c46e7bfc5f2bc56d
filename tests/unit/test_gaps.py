"""Gaps, short and slow recordings: nothing is measured across them, and each is said."""

from dataclasses import replace

import numpy as np
import pytest
from recordings import EXAMPLES
from simulated_ecg import beats, record, regular, with_pulse

from ecgcore.imaging import LAYOUTS
from ecgcore.imaging.network_view import network_image
from ecgcore.inference.classify import classify_records
from ecgcore.inference.model import load_model
from ecgcore.measurement import gaps as gaps_module
from ecgcore.measurement.gaps import describe_gaps, mark_gaps, rr_intervals_s
from ecgcore.measurement.measurements import Measurements, measure
from ecgcore.measurement.quality import quality
from ecgcore.measurement.quality_gate import DOUBTFUL, REFUSED, gate
from ecgcore.measurement.rhythm import premature_beats, rate_bpm, rr_change, rr_irregularity
from ecgcore.paper.draw import page_svg
from ecgcore.records.read import read_record
from ecgcore.records.resample import resample_record, resample_signal
from ecgcore.workspace import Workspace

FEW = [read_record(path) for path in sorted(EXAMPLES.rglob("*.hea"))[:160:40]]
HOLD, ZERO, MISSING = "constant", "zero", "missing"
SHORT_MV = FEW[0].signal_mv[:, :250]
GROUPS_3X4 = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11))


def with_gap(ecg, start_s, stop_s, kind=MISSING, leads=range(12)):
    signal, start, stop = ecg.signal_mv.copy(), *(round(s * ecg.fs_hz) for s in (start_s, stop_s))
    rows = list(leads)
    fill = {MISSING: np.nan, ZERO: 0.0, HOLD: signal[rows, start, None]}[kind]
    signal[rows, start:stop] = fill
    return replace(ecg, signal_mv=signal)


def in_3x4(ecg, rhythm_leads):
    """Return a record of four groups of leads, one after the other, and rhythm strips."""
    signal, quarter = np.full_like(ecg.signal_mv, np.nan), ecg.signal_mv.shape[1] // 4
    for number, leads in enumerate(GROUPS_3X4):
        window = slice(number * quarter, (number + 1) * quarter)
        signal[list(leads), window] = ecg.signal_mv[list(leads), window]
    signal[list(rhythm_leads)] = ecg.signal_mv[list(rhythm_leads)]
    return replace(ecg, signal_mv=signal)


@pytest.mark.parametrize("kind", [MISSING, ZERO, HOLD])
@pytest.mark.parametrize("ecg", FEW, ids=lambda ecg: ecg.name)
def test_intervals_across_a_gap_of_any_kind_are_not_counted_and_it_is_said(ecg, kind):
    whole, cut = measure(ecg), measure(with_gap(ecg, 4.1, 6.1, kind))
    assert cut.rate_bpm == pytest.approx(whole.rate_bpm, abs=0.06 * whole.rate_bpm)
    assert cut.qrs_ms == pytest.approx(whole.qrs_ms, abs=8)
    assert cut.notes == ("2.0 s missing (from 4.1 s): intervals across it are not counted",)
    assert not [peak_s for peak_s in cut.r_peaks_s if 4.15 < peak_s < 6.05]


def test_a_gap_is_flagged_once_and_makes_the_gate_doubtful():
    result = gate(with_gap(FEW[0], 4, 7, ZERO))
    message = "gap: 3.0 s missing (from 4.0 s): intervals across it are not counted"
    assert (result.verdict, result.reasons) == (DOUBTFUL, (message,))


@pytest.mark.parametrize("ecg", FEW, ids=lambda ecg: ecg.name)
@pytest.mark.parametrize("kind", [MISSING, ZERO])
@pytest.mark.parametrize("leads", [range(6), range(6, 12)])
def test_beats_are_counted_on_while_half_of_the_leads_are_off(ecg, leads, kind):
    whole, partly = measure(ecg), measure(with_gap(ecg, 4, 6.5, kind, leads))
    assert partly.rate_bpm == pytest.approx(whole.rate_bpm, abs=0.5)
    assert partly.notes == ()


@pytest.mark.parametrize("ecg", FEW, ids=lambda ecg: ecg.name)
def test_leads_recorded_in_turn_beside_a_rhythm_strip_are_measured_and_not_classified(ecg):
    whole, in_turn = measure(ecg), measure(in_3x4(ecg, [1]))
    assert in_turn.rate_bpm == pytest.approx(whole.rate_bpm, abs=1)
    assert in_turn.qrs_ms == pytest.approx(whole.qrs_ms, abs=12)
    assert in_turn.notes[0].startswith("few beats in I, III, aVR, ")
    verdict = gate(in_3x4(ecg, [1]))
    assert verdict.verdict == REFUSED
    assert verdict.reasons[0] == "11 of 12 leads without a signal for most of the time; 3 may be"


def test_without_a_rhythm_strip_only_the_rhythm_is_measured():
    in_turn = measure(in_3x4(FEW[0], []))
    assert in_turn.rate_bpm == pytest.approx(measure(FEW[0]).rate_bpm, abs=1)
    assert in_turn.qrs_ms is None
    assert in_turn.notes[0].endswith("only the rhythm is measured")


@pytest.mark.parametrize("rate_bpm", [30, 60, 150])
def test_the_line_between_simulated_beats_is_no_gap(rate_bpm):
    ecg = record(beats(500, regular(10, rate_bpm), 10, qt_ms=320), 500)
    assert mark_gaps(ecg.signal_mv, 500) == (ecg.signal_mv, ())
    assert measure(ecg).rate_bpm == pytest.approx(rate_bpm, abs=0.5)


def test_a_calibration_pulse_is_no_gap():
    ecg = with_pulse(resample_signal(FEW[0].signal_mv, 100, 500), 500)
    assert mark_gaps(ecg, 500)[1] == ()


def test_missing_samples_at_the_ends_are_no_gap():
    ecg = resample_record(replace(FEW[0], signal_mv=FEW[0].signal_mv[:, :700]), 100, 10)
    assert mark_gaps(ecg.signal_mv, 100)[1] == ()
    short = measure(replace(FEW[0], signal_mv=FEW[0].signal_mv[:, :700]))
    assert measure(ecg) == short


def test_several_gaps_are_summed_and_their_starts_named():
    cut = FEW[0]
    for start_s in (1, 3, 5, 7.5):
        cut = with_gap(cut, start_s, start_s + 0.5)
    gaps = mark_gaps(cut.signal_mv, 100)[1]
    assert describe_gaps(gaps).startswith("2.0 s missing (from 1.0, 3.0, 5.0 s and 1 more):")


def test_rhythm_is_that_of_the_beats_on_either_side_of_a_gap():
    cut = with_gap(FEW[0], 4.5, 6.5)
    gaps = mark_gaps(cut.signal_mv, 100)[1]
    peaks_s = np.array([0, 1, 2, 3, 4, 7, 8, 8.6, 10])  # 8.6 is early
    known = rr_intervals_s(peaks_s, gaps)
    assert np.flatnonzero(np.isnan(known)).tolist() == [4]
    assert rate_bpm(peaks_s, gaps) == 60
    assert rr_change(peaks_s, gaps) == 0
    assert rr_irregularity(peaks_s, gaps) < rr_irregularity(peaks_s)
    assert np.flatnonzero(premature_beats(peaks_s, gaps)).tolist() == [7]


def test_below_two_beats_nothing_is_measured_and_the_gate_refuses():
    short = replace(FEW[0], signal_mv=FEW[0].signal_mv[:, :20])
    reason = "0.2 s recorded, with fewer than two beats: too short to measure or classify"
    assert measure(short) == Measurements(notes=(reason,))
    assert gate(short).verdict == REFUSED
    assert gate(short).reasons[0] == f"too_short: {reason}"


def test_a_few_beats_are_measured_and_doubtful():
    short = replace(FEW[0], signal_mv=SHORT_MV)
    assert measure(short).rate_bpm == pytest.approx(measure(FEW[0]).rate_bpm, abs=6)
    assert gate(short).verdict == DOUBTFUL
    assert "short: 2.5 s recorded; below 5 s answers are less certain" in gate(short).reasons


@pytest.mark.parametrize("fs_hz", [50, 60])
def test_at_a_slow_rate_the_rhythm_is_measured_and_no_wave(fs_hz):
    slow = replace(FEW[0], signal_mv=resample_signal(FEW[0].signal_mv, 100, fs_hz), fs_hz=fs_hz)
    measured = measure(slow)
    assert measured.rate_bpm == pytest.approx(measure(FEW[0]).rate_bpm, abs=0.2)
    assert measured.qrs_ms is None
    assert measured.notes == (
        f"sampled at {fs_hz} Hz: only the rhythm is measured, waves are smoothed",
    )
    assert "slow" in [flag.code for flag in quality(slow)]


def test_networks_get_a_flat_gap_as_missing_and_a_short_record_is_noted(tmp_path):
    network = load_model("resnet1d_scaled", Workspace(tmp_path))
    network = replace(network, input=network.input | {"highpass_hz": 0.0})
    drawn_flat, missing = (with_gap(FEW[0], 4, 6, kind) for kind in (ZERO, MISSING))
    assert np.array_equal(network.signals([drawn_flat]), network.signals([missing]), equal_nan=True)
    assert np.array_equal(network.signals([FEW[0]])[0], FEW[0].signal_mv)
    long = replace(FEW[0], signal_mv=np.tile(FEW[0].signal_mv, 2))
    short = replace(FEW[0], signal_mv=SHORT_MV)
    [whole, short, long] = classify_records([FEW[0], short, long], network)
    assert whole["notes"] == []
    assert long["notes"] == ["the first 10 s of 20.0 s are classified"]
    assert short["notes"] == [
        "2.5 s of the 10 s that resnet1d_scaled reads: filled with missing values, less certain"
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_gap_leaves_no_ink_and_the_rest_is_drawn_as_it_was(layout):
    whole, cut = (network_image(ecg, layout).image for ecg in (FEW[0], with_gap(FEW[0], 6, 7)))
    assert np.isfinite(cut).all()
    assert 0 < cut.sum() < whole.sum() or layout == "panels"


@pytest.mark.parametrize("kind", [MISSING, ZERO])
def test_resampling_does_not_smear_a_gap(kind):
    cut = with_gap(FEW[0], 4, 6, kind)
    fast = replace(cut, signal_mv=resample_signal(cut.signal_mv, 100, 500), fs_hz=500)
    assert measure(fast).rate_bpm == pytest.approx(measure(cut).rate_bpm, abs=0.1)


def test_the_gaps_of_a_record_are_looked_for_once_for_quality_measurements_and_networks(
    monkeypatch, tmp_path
):
    ecg, searched = with_gap(FEW[0], 4, 6, ZERO), []
    search = gaps_module.mark_gaps
    monkeypatch.setattr(
        gaps_module, "mark_gaps", lambda *signal: searched.append(signal) or search(*signal)
    )
    network = load_model("resnet1d_scaled", Workspace(tmp_path))
    gate(ecg), measure(ecg), network.signals([ecg])
    assert len(searched) == 1
    assert not quality(replace(ecg, signal_mv=FEW[0].signal_mv))  # another record


def test_a_flat_gap_is_drawn_as_nothing_on_paper_like_a_missing_one():
    pages = [page_svg(with_gap(FEW[0], 4, 6, kind)) for kind in (ZERO, HOLD, MISSING)]
    assert len(set(pages)) == 1
    assert pages[0] != page_svg(FEW[0])
