"""Leads of several groups: at the same time, as parts of a page, or refused."""

import numpy as np
import pytest

from ecgcore.errors import UnreadableRecord
from ecgcore.records.lead_groups import LeadGroup, combine_groups, needed_groups
from ecgcore.records.record import LEADS

FS_HZ = 100.0
SIGNAL_MV = np.random.default_rng(3).normal(size=(12, 1000))
ROWS = [LEADS[first : first + 3] for first in (0, 3, 6, 9)]


def group(leads, first_s=0.0, last_s=10.0, start_s=None, fs_hz=FS_HZ):
    rows = [LEADS.index(lead) for lead in leads]
    part = SIGNAL_MV[rows, round(first_s * FS_HZ) : round(last_s * FS_HZ)]
    return LeadGroup(list(leads), part, fs_hz, start_s)


def page(start_s=lambda part_s: None):
    return [group(ROWS[i], 2.5 * i, 2.5 * i + 2.5, start_s(2.5 * i)) for i in range(4)]


def assert_page(combined):
    order = [combined.columns.index(lead) for lead in LEADS]
    signal_mv = combined.signal_mv[order]
    assert signal_mv.shape == (12, 1000)
    for part in range(4):
        rows, inside = slice(3 * part, 3 * part + 3), slice(250 * part, 250 * part + 250)
        np.testing.assert_array_equal(signal_mv[rows, inside], SIGNAL_MV[rows, inside])
        outside = np.delete(signal_mv[rows], np.r_[inside], axis=1)
        assert np.isnan(outside).all()


def test_parts_without_times_that_fill_a_page_are_placed_one_after_the_other_and_said():
    combined = combine_groups("page", page())
    assert_page(combined)
    assert combined.notes == (
        "recorded in parts: I, II, III 0–2.5 s; aVR, aVL, aVF 2.5–5 s; V1, V2, V3 5–7.5 s; "
        "V4, V5, V6 7.5–10 s (assumed one after the other: the file states no times)",
    )


def test_parts_with_times_are_placed_at_them_in_any_order_of_the_file():
    groups = page(lambda part_s: 40_000.0 + part_s)
    combined = combine_groups("page", [groups[2], groups[0], groups[3], groups[1]])
    assert_page(combined)
    assert combined.notes[0].endswith("(as the file states)")


def test_a_rhythm_strip_is_whole_and_its_part_agrees():
    combined = combine_groups("strip", [*page(), group(["II"])])
    row = combined.signal_mv[combined.columns.index("II")]
    np.testing.assert_array_equal(row, SIGNAL_MV[1])
    assert len(combined.notes) == 1
    assert "II 0–10 s" in combined.notes[0]


def test_a_rhythm_strip_of_another_time_is_left_aside_and_said():
    other = LeadGroup(["II"], SIGNAL_MV[1:2, ::-1], FS_HZ)
    combined = combine_groups("strip", [*page(), other])
    assert_page(combined)
    assert combined.notes[1] == "not used: a strip of II recorded at another time"


@pytest.mark.parametrize(
    ("start_s", "finding"),
    [(7.0, "as the file states"), (None, "assumed: the file states no times")],
)
def test_long_groups_are_of_the_same_time(start_s, finding):
    combined = combine_groups(
        "two", [group(LEADS[:6], start_s=start_s), group(LEADS[6:], start_s=start_s)]
    )
    np.testing.assert_array_equal(combined.signal_mv, SIGNAL_MV)
    assert combined.notes == (f"put together from 2 groups of leads of the same time ({finding})",)


def test_two_halves_of_a_page_are_parts_of_5_s():
    combined = combine_groups("6x2", [group(LEADS[:6], 0, 5), group(LEADS[6:], 5, 10)])
    assert np.isnan(combined.signal_mv[0]).sum() == np.isnan(combined.signal_mv[11]).sum() == 500


def test_groups_of_different_rates_are_brought_to_the_highest():
    slow = group(LEADS[6:], 0, 10, 0.0, fs_hz=50.0)
    slow = LeadGroup(slow.columns, np.ones((6, 500)), 50.0, 0.0)
    combined = combine_groups("rates", [group(LEADS[:6], start_s=0.0), slow])
    assert combined.signal_mv.shape == (12, 1000)
    np.testing.assert_allclose(combined.signal_mv[6:], 1, atol=1e-3)
    assert combined.notes[0] == "V1, V2, V3, V4, V5, V6 resampled from 50 to 100 Hz"


def test_a_group_of_twelve_leads_is_taken_alone_and_the_others_are_counted():
    groups = [group(["II"]), group(LEADS), group(LEADS)]
    assert needed_groups([g.columns for g in groups]) == [1]
    combined = combine_groups("alone", groups)
    np.testing.assert_array_equal(combined.signal_mv, SIGNAL_MV)
    assert combined.notes == ("not used: 2 other group(s) of leads",)


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        ([group(LEADS[:6], 0, 4), group(LEADS[6:], 4, 6)], "does not state when each was recorded"),
        ([group(LEADS[:6], 0, 2), group(LEADS[6:], 2, 4)], "does not state when each was recorded"),
        ([group(LEADS[:6], start_s=0), group(LEADS[6:], start_s=3600)], "recorded over 3,610 s"),
    ],
)
def test_groups_that_fit_no_common_time_are_refused(groups, reason):
    with pytest.raises(UnreadableRecord, match=reason):
        combine_groups("apart", groups)
