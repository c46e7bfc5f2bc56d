"""Valid recordings written by independent libraries are read to the same signal, or refused."""

import os

import numpy as np
import pytest
from generated import FORMATS, RECORDINGS, Recording
from hypothesis import HealthCheck, given, settings

from ecgcore.errors import UnreadableRecord
from ecgcore.records.read import read_record

EXAMPLES = int(os.environ.get("ECGCORE_EXAMPLES", "12"))
"""Recordings of each format; set the variable to 1000 for a thorough look."""
TOLERANCE_MV = 0.002


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_valid_recording_is_read_to_its_signal_or_refused(format_name, tmp_path):
    outcomes = {"read": 0, "refused": 0}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(RECORDINGS)
    def check(recording: Recording) -> None:
        path = FORMATS[format_name](tmp_path, recording)
        try:
            record = read_record(path)
        except UnreadableRecord:
            outcomes["refused"] += 1
            return
        finally:
            for file in tmp_path.iterdir():
                file.unlink()
        outcomes["read"] += 1
        assert record.fs_hz == pytest.approx(recording.fs_hz, rel=1e-4)
        assert record.signal_mv.shape == recording.signal_mv.shape
        step_mv = 1.01 / recording.units_per_mv if format_name == "edf" else 0  # it truncates
        difference_mv = np.abs(record.signal_mv - recording.signal_mv).max()
        assert difference_mv <= max(TOLERANCE_MV, step_mv)

    check()
    assert outcomes["read"] > 0.9 * sum(outcomes.values())
