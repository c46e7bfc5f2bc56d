"""Time columns: rates, times of day, and missing samples."""

import numpy as np
import pytest

from ecgcore.errors import UnreadableRecord
from ecgcore.records.clocks import (
    fill_gaps,
    gap_notes,
    is_count,
    parse_times,
    read_clock,
    read_count,
)


def test_times_of_day_are_seconds_and_go_on_after_midnight():
    day = ["2024-05-01T23:59:59.996", "2024-05-01T23:59:59.998", "2024-05-02T00:00:00.000"]
    for cells in (day, [c.replace("T", " ") for c in day], [c[11:].replace(".", ",") for c in day]):
        np.testing.assert_allclose(np.diff(parse_times("r", cells)), 0.002, atol=1e-9)
    np.testing.assert_allclose(parse_times("r", ["11:59:59 AM", "12:00:00 PM"]), [43199, 43200])
    with pytest.raises(UnreadableRecord, match="is not one of times of day"):
        parse_times("r", ["10:00:00", "Anna"])


def test_a_clock_rounded_to_milliseconds_still_gives_its_rate():
    times_ms = np.round(np.arange(3600) * 1000 / 360)
    clock = read_clock("r", times_ms, "ms")
    assert clock.fs_hz == pytest.approx(360, rel=1e-4)
    np.testing.assert_array_equal(clock.places, np.arange(3600))


@pytest.mark.parametrize("rounded", [0.001, 1e-6])
def test_missing_samples_are_places_left_out_and_noted(rounded):
    kept = np.r_[0:2050, 3050:4000, 4001:5000]
    times_s = np.round(kept / 500 / rounded) * rounded + 1_714_550_400
    clock = read_clock("r", times_s, "s")
    assert clock.fs_hz == pytest.approx(500, rel=1e-4)
    np.testing.assert_array_equal(clock.places, kept)
    assert gap_notes(clock.places, 500) == (
        "2.0 s missing from 4.1 s on",
        "0.002 s missing from 8.0 s on",
    )
    filled = fill_gaps(np.ones((12, len(kept))), clock.places)
    assert filled.shape == (12, 5000)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(filled[0])), [*range(2050, 3050), 4000])


def test_many_gaps_are_counted_and_a_count_may_have_gaps_too():
    kept = np.delete(np.arange(2000), np.arange(100, 2000, 100))
    notes = gap_notes(read_count("r", kept).places, 500)
    assert len(notes) == 4
    assert notes[-1] == "0.038 s missing in 19 gaps in all"
    assert [is_count(np.arange(first, first + 12)) for first in (0, 1, 2)] == [True, True, False]


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (np.cumsum(np.tile([2, 2, 3.2], 50)), "does not go up in equal steps"),
        (np.r_[0:100, 50:100] * 2.0, "does not go up in equal steps"),
        (np.r_[0:50, 49:100] * 2.0, "does not go up in equal steps"),
        (np.r_[0.0:50, np.nan, 50:100] * 2.0, "does not go up in equal steps"),
        (np.r_[0:50, 500:550] * 2.0, "leaves out more samples than it holds"),
        (np.arange(100.0), "goes up by 1, which may be s, ms or samples"),
    ],
)
def test_times_that_show_no_even_sampling_are_refused(times, reason):
    with pytest.raises(UnreadableRecord, match=reason):
        read_clock("r", times, "")
