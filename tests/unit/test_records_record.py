"""A record in Python: its one-line form, table, drawing for notebooks, and demographics."""

import doctest
import re
from dataclasses import replace
from datetime import date
from importlib import import_module

import numpy as np
import pytest
from recordings import DATA

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.errors import UnreadableRecord
from ecgcore.records import demographics, record, uploads
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS
from ecgcore.records.uploads import read_record_bytes

PTB_XL = DATA / "ptb-xl" / "records100" / "00000"
CSV = DATA / "ptb-xl-csv" / "00004_lr_100hz.csv"


@pytest.fixture(scope="module")
def ecg():
    return read_record(PTB_XL / "00001_lr.hea")


def test_a_record_is_shown_in_one_line_without_identifying_fields(ecg):
    assert repr(ecg) == "Record(name='00001_lr', 12 leads x 10.0 s at 100 Hz, age 56, sex F)"
    assert ecg.patient == "15709"
    assert "15709" not in repr(ecg)


def test_an_unknown_age_and_sex_are_left_out_and_an_age_over_89_is_not_shown(ecg):
    assert repr(replace(ecg, age_years=None, sex=None)).endswith("at 100 Hz)")
    assert repr(replace(ecg, age_years=97.0)).endswith("age 90+, sex F)")


def test_a_record_knows_its_leads_and_its_duration(ecg):
    assert ecg.leads == LEADS
    assert ecg.duration_s == 10


def test_a_record_as_a_table_has_seconds_down_and_leads_across(ecg):
    table = ecg.to_dataframe()
    assert table.index.name == "time_s"
    assert tuple(table.columns) == LEADS
    assert set(table.dtypes) == {np.dtype("float32")}
    np.testing.assert_array_equal(table.to_numpy(), ecg.signal_mv.T)
    np.testing.assert_allclose(table.index[[0, 1, 999]], [0, 0.01, 9.99])


def test_a_notebook_shows_the_ecg_on_paper_for_research_use_only(ecg):
    import_module("ecgcore.api")  # sets the view
    html = ecg._repr_html_()
    assert html.startswith("<div><svg ")
    assert html.endswith("</svg></div>")
    visible = re.findall(r"<text[^>]*>([^<]*)<", html)
    assert [line for line in visible if RESEARCH_USE_ONLY in line] == visible[-1:]
    assert set(LEADS) <= set(visible)
    assert "15709" not in html


def test_bytes_are_read_as_the_file_is():
    from_bytes = read_record_bytes(CSV.name, CSV.read_bytes())
    from_file = read_record(CSV)
    np.testing.assert_array_equal(from_bytes.signal_mv, from_file.signal_mv)
    without_signal = [vars(replace(ecg, signal_mv=None)) for ecg in (from_bytes, from_file)]
    assert without_signal[0] == without_signal[1]


def test_bytes_take_a_rate_and_a_window_and_only_the_last_part_of_the_name():
    content = CSV.read_bytes()
    ecg = read_record_bytes("../../mine.csv", content, source_fs_hz=50, start_s=2, duration_s=5)
    assert (ecg.name, ecg.fs_hz, ecg.duration_s) == ("mine", 50, 5)


def test_unreadable_bytes_are_refused_in_one_line():
    with pytest.raises(UnreadableRecord, match=r"^Record scan: scan\.pdf is a document"):
        read_record_bytes("scan.pdf", b"%PDF-1.7")


@pytest.mark.parametrize(
    ("text", "sex"),
    [
        *(("F", "female"), (" female ", "female"), ("m", "male"), ("MALE", "male")),
        *(("nan", None), ("", None), ("unknown", None), (None, None)),
    ],
)
def test_sex_is_read_from_every_spelling(text, sex):
    assert demographics.parse_sex(text) == sex


@pytest.mark.parametrize(
    ("value", "age_years"),
    [
        *(("56", 56), (56.0, 56), ("NaN", None), (float("nan"), None), ("", None)),
        *((None, None), ("-1", None), (131, None), (300, None)),
    ],
)
def test_an_age_is_that_of_a_person_or_none(value, age_years):
    assert demographics.parse_age_years(value) == age_years


def test_a_source_s_code_for_an_age_over_89_becomes_90():
    over_89 = demographics.PTB_XL_OVER_89
    assert demographics.parse_age_years("300", over_89=over_89) == 90
    assert demographics.parse_age_years("89", over_89=over_89) == 89


def test_an_age_at_recording_counts_full_years():
    birth = date(1950, 6, 2)
    assert demographics.age_at_recording(birth, date(2000, 6, 1)) == 49
    assert demographics.age_at_recording(birth, date(2000, 6, 2)) == 50
    assert demographics.age_at_recording(date(2000, 6, 3), date(2000, 6, 2)) is None
    assert demographics.age_at_recording(None, birth) is None


@pytest.mark.parametrize("module", [record, uploads])
def test_the_examples_of_docstrings_run(module):
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0
