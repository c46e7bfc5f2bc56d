"""The quality gate: what refuses an answer, what is merely doubtful."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecgcore.inference.classify import classify_records
from ecgcore.inference.model import load
from ecgcore.measure.quality_gate import DOUBTFUL, MOST_LEADS_WITHOUT, PASSES, REFUSED, gate
from ecgcore.records.read import read_record
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
    found = gate(replace(record, signal_mv=record.signal_mv * factor))
    assert found.verdict == REFUSED
    assert found.reasons[0].startswith("gain: ")


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_four_leads_without_a_signal_refuse_and_three_are_doubtful(record, fill):
    signal = record.signal_mv.copy()
    signal[6 : 6 + MOST_LEADS_WITHOUT] = fill
    assert gate(replace(record, signal_mv=signal)).verdict == DOUBTFUL
    signal[6 + MOST_LEADS_WITHOUT] = fill
    found = gate(replace(record, signal_mv=signal))
    assert found.verdict == REFUSED
    assert found.reasons[0] == "4 of 12 leads without a signal; 3 may be"


def test_exchanged_limb_leads_are_doubtful_and_said_in_the_answer(record, tmp_path):
    signal = record.signal_mv.copy()
    signal[[0, 1]] = signal[[1, 0]]
    exchanged = replace(record, signal_mv=signal)
    assert gate(exchanged).verdict == DOUBTFUL
    network = load("alexnet_gap", Workspace(tmp_path))
    assert classify_records([exchanged], network)[0]["gate"] == DOUBTFUL
