"""Quality gate: recordings that pass, are doubtful, or are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecgcore.inference.classify import classify_records
from ecgcore.inference.model import load_model
from ecgcore.measurement.measurements import measure
from ecgcore.measurement.quality import quality
from ecgcore.measurement.quality_gate import DOUBTFUL, MAX_SILENT_LEADS, PASSES, REFUSED, gate
from ecgcore.records.read import read_record
from ecgcore.records.record import ALTERED
from ecgcore.workspace import Workspace

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "ptb-xl"


@pytest.fixture(scope="module")
def record():
    return read_record(next(EXAMPLES.rglob("00530_lr.hea")))


def test_a_sound_recording_passes(record):
    assert gate(record).verdict == PASSES
    assert gate(record).reasons == ()


@pytest.mark.parametrize("factor", [1000, 0.01])
def test_another_unit_is_refused_with_its_reason(record, factor):
    result = gate(replace(record, signal_mv=record.signal_mv * factor))
    assert result.verdict == REFUSED
    assert result.reasons[0].startswith("gain: ")


@pytest.mark.parametrize("peak_mv", [-1001, 1e30])
def test_a_voltage_that_no_electrode_gives_is_refused_before_anything_is_measured(record, peak_mv):
    signal = record.signal_mv.copy()
    signal[7, 300] = peak_mv
    absurd = replace(record, signal_mv=signal)
    result = gate(absurd)  # an overflow would warn, and warnings fail here
    assert result.verdict == REFUSED
    (reason,) = result.reasons
    assert reason.startswith(f"gain: up to {abs(peak_mv):.3g} mV, and no electrode gives 1000 mV")
    assert measure(absurd).rate_bpm is None
    assert measure(absurd).notes == (reason.removeprefix("gain: "),)


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_four_leads_without_a_signal_refuse_and_three_are_doubtful(record, fill):
    signal = record.signal_mv.copy()
    signal[6 : 6 + MAX_SILENT_LEADS] = fill
    assert gate(replace(record, signal_mv=signal)).verdict == DOUBTFUL
    signal[6 + MAX_SILENT_LEADS] = fill
    result = gate(replace(record, signal_mv=signal))
    assert result.verdict == REFUSED
    assert result.reasons[0] == "4 of 12 leads without a signal; 3 may be"


def test_a_file_that_its_own_checks_deny_is_doubtful(record):
    result = gate(replace(record, notes=("V9 not used", f"{ALTERED}checksum of V1 differs")))
    assert result.verdict == DOUBTFUL
    assert result.reasons == ("altered: checksum of V1 differs",)


def test_the_gate_returns_the_flags_that_it_rests_on(record):
    doubtful = replace(record, signal_mv=record.signal_mv[[1, 0, *range(2, 12)]])
    assert gate(doubtful).flags == quality(doubtful) != ()
    without_samples = replace(record, signal_mv=record.signal_mv[:, :1])
    assert gate(without_samples).flags == quality(without_samples) != ()
    assert gate(without_samples).verdict == REFUSED


def test_exchanged_limb_leads_are_doubtful_in_the_gate_and_in_the_answer(record, tmp_path):
    signal = record.signal_mv.copy()
    signal[[0, 1]] = signal[[1, 0]]
    exchanged = replace(record, signal_mv=signal)
    assert gate(exchanged).verdict == DOUBTFUL
    network = load_model("alexnet_gap", Workspace(tmp_path))
    assert classify_records([exchanged], network)[0]["gate"] == DOUBTFUL
