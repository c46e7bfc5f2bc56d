"""CSV: separators, units, rates, names and orders: clear ones read, others refused."""

import numpy as np
import pytest
from recordings import DATA, limb_consistent_uv, write_csv

from ecgcore.errors import UnreadableRecord
from ecgcore.records.discover import find_records
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS

BARE = DATA / "ptb-xl-csv" / "00004_lr_100hz.csv"


@pytest.fixture
def table_mv():
    """(1000, 12) in mV."""
    return limb_consistent_uv().T / 1000


def refusal(path, **options) -> str:
    with pytest.raises(UnreadableRecord) as caught:
        read_record(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def times_of_day(places):
    """Return times of samples at 500 Hz from a minute before midnight on."""
    start = np.datetime64("2024-05-01T23:59:59.500")
    return [str(start + np.timedelta64(int(2 * place), "ms")) for place in places]


def test_a_bare_csv_equals_the_wfdb_record_it_was_made_from():
    record = read_record(BARE)
    wfdb = read_record(DATA / "ptb-xl" / "records100" / "00000" / "00004_lr.hea")
    assert (record.fs_hz, record.source) == (100, "ptb-xl")
    np.testing.assert_allclose(record.signal_mv, wfdb.signal_mv, atol=0.0006)
    assert record.notes == (
        "lead order assumed: columns 1–6 prove to be I, II, III, aVR, aVL, aVF; "
        "7–12 taken for V1–V6",
        "scale assumed: mV",
    )


@pytest.mark.parametrize(
    ("separator", "decimal"), [(",", "."), (";", "."), ("\t", "."), (";", ",")]
)
def test_separators_and_decimal_marks_are_distinguished(tmp_path, table_mv, separator, decimal):
    file = write_csv(tmp_path / "x_500hz.csv", table_mv, separator.join(LEADS), separator)
    if decimal == ",":
        file.write_text(file.read_text().replace(".", ","))
    np.testing.assert_allclose(read_record(file).signal_mv, table_mv.T, atol=1e-6)


def test_columns_are_matched_by_name_with_byte_order_mark_and_quotes(tmp_path, table_mv):
    order = np.random.default_rng(3).permutation(12)
    header = ",".join(f'"{LEADS[i].upper()}"' for i in order)
    file = write_csv(tmp_path / "x_500hz.csv", table_mv[:, order], "\ufeff" + header)
    np.testing.assert_allclose(read_record(file).signal_mv, table_mv.T, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "step", "fs_hz"),
    [
        ("time", 0.002, 500),
        ("time_s", 0.01, 100),
        ("time (ms)", 4, 250),
        ("t", 2, 500),
        ("ms", 1, 1000),
    ],
)
def test_a_time_column_gives_the_rate_and_is_no_lead(tmp_path, table_mv, name, step, fs_hz):
    clock = np.arange(len(table_mv)) * step
    table = np.column_stack([clock, table_mv])
    record = read_record(write_csv(tmp_path / "x.csv", table, ",".join((name, *LEADS))))
    assert record.fs_hz == pytest.approx(fs_hz)
    np.testing.assert_allclose(record.signal_mv, table_mv.T, atol=1e-6)


def test_a_time_column_that_may_be_a_count_is_refused(tmp_path, table_mv):
    table = np.column_stack([np.arange(len(table_mv)), table_mv])
    file = write_csv(tmp_path / "x.csv", table, ",".join(("time", *LEADS)))
    assert "its time column goes up by 1, which may be s, ms or samples" in refusal(file)


def test_a_gap_in_a_time_column_or_a_count_becomes_missing_samples(tmp_path, table_mv):
    kept = np.r_[0:450, 800:1000]
    for name, column in (("time", kept * 0.002), ("sample", kept), ("time", times_of_day(kept))):
        rows = [
            f"{c}," + ",".join(map(str, table_mv[i])) for i, c in zip(kept, column, strict=True)
        ]
        file = tmp_path / "x_500hz.csv"
        file.write_text("\n".join([",".join((name, *LEADS)), *rows]))
        record = read_record(file)
        np.testing.assert_allclose(record.signal_mv[:, kept], table_mv[kept].T, atol=1e-6)
        assert np.isnan(record.signal_mv[:, 450:800]).all()
        assert record.notes == ("scale assumed: mV", "0.700 s missing from 0.900 s on")
    clock = np.cumsum(np.tile([0.002, 0.002, 0.0032], 400))[:1000]
    table = np.column_stack([clock, table_mv])
    file = write_csv(tmp_path / "y.csv", table, ",".join(("time", *LEADS)), form="%.4f")
    assert "does not go up in equal steps" in refusal(file)


def test_eleven_leads_and_a_time_column_are_refused(tmp_path, table_mv):
    clock = np.arange(len(table_mv)) * 0.002
    table = np.column_stack([clock, table_mv[:, :11]])
    named = write_csv(tmp_path / "a.csv", table, ",".join(("time", *LEADS[:11])))
    assert refusal(named).startswith("Record a has 11 leads (I, II,")
    bare = write_csv(tmp_path / "b.csv", table, None)
    assert refusal(bare).startswith("Record b has 11 columns beside time")
    assert refusal(bare, assume_order=True).startswith("Record b has 11 columns beside time")


def test_an_index_column_is_no_lead(tmp_path, table_mv):
    table = np.column_stack([np.arange(len(table_mv)), table_mv])
    file = write_csv(tmp_path / "x_100hz.csv", table, ",".join(("", *LEADS)))
    np.testing.assert_allclose(read_record(file).signal_mv, table_mv.T, atol=1e-6)


@pytest.mark.parametrize("line", ["# fs_hz=250", "#fs: 250 Hz", "# sampling rate = 250"])
def test_a_comment_gives_the_rate(tmp_path, table_mv, line):
    file = write_csv(tmp_path / "x.csv", table_mv)
    file.write_text(line + "\n" + file.read_text())
    assert read_record(file).fs_hz == 250


def test_the_rate_may_be_given_and_must_not_contradict_the_file(tmp_path, table_mv):
    assert read_record(write_csv(tmp_path / "x.csv", table_mv), source_fs_hz=400).fs_hz == 400
    file = write_csv(tmp_path / "x_100hz.csv", table_mv)
    assert refusal(file, source_fs_hz=400) == (
        "Record x_100hz: its sampling rate is not clear: was given 400 Hz, its name says 100 Hz."
    )


def test_an_unknown_rate_is_refused_with_what_to_add(tmp_path, table_mv):
    assert refusal(write_csv(tmp_path / "x.csv", table_mv)) == (
        "Record x does not say its sampling rate; add a column time_s, a line '# fs_hz=500' or "
        "_500hz in the file's name, or give it (--source-fs-hz)."
    )


def test_microvolts_are_inferred_from_their_size_and_noted(tmp_path, table_mv):
    file = write_csv(tmp_path / "x_500hz.csv", table_mv * 1000, form="%.0f")
    record = read_record(file)
    np.testing.assert_allclose(record.signal_mv, table_mv.T, atol=1e-6)
    assert record.notes == ("scale assumed: µV",)


def test_a_stated_unit_is_believed(tmp_path, table_mv):
    header = ",".join(f"{lead} (uV)" for lead in LEADS)
    record = read_record(write_csv(tmp_path / "a_500hz.csv", table_mv * 1000, header))
    np.testing.assert_allclose(record.signal_mv, table_mv.T, atol=1e-5)
    assert record.notes == ()
    file = write_csv(tmp_path / "b_500hz.csv", table_mv * 1000)
    file.write_text("# unit: µV\n" + file.read_text())
    np.testing.assert_allclose(read_record(file).signal_mv, table_mv.T, atol=1e-5)


@pytest.mark.parametrize("factor", [1e-4, 30, 1e7])
def test_an_absurd_scale_is_refused(tmp_path, table_mv, factor):
    file = write_csv(tmp_path / "x_500hz.csv", table_mv * factor, form="%.9f")
    assert "which is neither mV (0.05 to 20) nor µV (100 to 20000)" in refusal(file)


def test_bare_columns_in_another_order_are_refused_unless_the_caller_confirms_them(
    tmp_path, table_mv
):
    order = [6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5]
    file = write_csv(tmp_path / "x_500hz.csv", table_mv[:, order], None)
    assert refusal(file) == (
        "Record x_500hz has 12 columns without names, and the numbers do not prove the order I, "
        "II, III, aVR, aVL, aVF, V1–V6. Name them (I,II,III,…,V6), or confirm that order "
        "(--assume-order)."
    )
    record = read_record(file, assume_order=True)
    assert record.notes[0] == "lead order assumed: I–III, aVR–aVF, V1–V6, as the caller said"


def test_swapped_limb_leads_do_not_prove_an_order(tmp_path, table_mv):
    order = [2, 1, 0, *range(3, 12)]
    file = write_csv(tmp_path / "x_500hz.csv", table_mv[:, order], None)
    assert "do not prove the order" in refusal(file)


@pytest.mark.parametrize("columns", [8, 13])
def test_bare_columns_other_than_twelve_are_refused(tmp_path, columns):
    table = np.random.default_rng(0).normal(size=(500, columns))
    file = write_csv(tmp_path / "x_500hz.csv", table, None)
    assert refusal(file, assume_order=True).startswith(f"Record x_500hz has {columns} columns")


def test_leads_in_rows_are_turned(tmp_path, table_mv):
    lines = [
        ",".join([lead, *(f"{v:.3f}" for v in table_mv[:, i])]) for i, lead in enumerate(LEADS)
    ]
    file = tmp_path / "x_500hz.csv"
    file.write_text("\n".join(lines))
    np.testing.assert_allclose(read_record(file).signal_mv, table_mv.T, atol=1e-6)


def test_empty_cells_are_missing_and_a_separator_at_line_ends_is_no_column(tmp_path, table_mv):
    file = write_csv(tmp_path / "x_500hz.csv", table_mv)
    lines = file.read_text().splitlines()
    lines[5] = "," + lines[5].split(",", 1)[1]
    file.write_text("\n".join([lines[0], *(line + "," for line in lines[1:])]))
    record = read_record(file)
    assert np.isnan(record.signal_mv[0, 4])
    assert np.isnan(record.signal_mv).sum() == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "x_500hz.csv is empty"),
        ("# fs_hz=500\n", "x_500hz.csv is empty"),
        (",".join(LEADS) + "\n", "has no samples"),
        ("I,II\n0.1,0.2\n0.2,0.3\n", "has 2 leads (I, II)"),
        (",".join(LEADS) + "\n" + ",".join(["x"] * 12), "is not a table of numbers"),
        (",".join(LEADS) + "\n" + ",".join(["1"] * 14) + "\n", "names 12 columns and has 14"),
        ("name,age\nAnna,56\n", "is not a table of numbers"),
        (",".join(LEADS) + "\n" + ",".join(["inf"] * 12), "row 1, column 1 below its header"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(tmp_path, content, reason):
    file = tmp_path / "x_500hz.csv"
    file.write_text(content)
    assert reason in refusal(file)


def test_flat_and_empty_recordings_are_refused(tmp_path, table_mv):
    assert "is flat" in refusal(write_csv(tmp_path / "a_500hz.csv", table_mv * 0))
    table_mv[:, 7] = np.nan
    file = write_csv(tmp_path / "b_500hz.csv", table_mv)
    assert "has no signal in V2" in refusal(file)


SPELLED = ("lead_{}", "ECG_{}", "Lead {}", "{}_uv", "MDC_ECG_LEAD_{}", "{}-Ref", "ch_{} (uV)")


@pytest.mark.parametrize("spelling", SPELLED)
def test_leads_are_matched_by_name_in_any_spelling_and_order(tmp_path, table_mv, spelling):
    order = [*range(6), *range(11, 5, -1)]
    header = ",".join(spelling.format(LEADS[i]) for i in order)
    file = write_csv(tmp_path / "x_500hz.csv", table_mv[:, order] * 1000, header)
    np.testing.assert_allclose(read_record(file).signal_mv, table_mv.T, atol=1e-5)


def test_names_that_are_no_leads_are_refused_even_where_the_order_is_confirmed(tmp_path, table_mv):
    header = ",".join(f"Anna{chr(97 + i)}" for i in range(12))
    file = write_csv(tmp_path / "x_500hz.csv", table_mv, header)
    reason = refusal(file, assume_order=True)
    assert reason.startswith("Record x_500hz has 12 signals named after no lead.")
    assert "Anna" not in reason


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("has_index", [False, True])
def test_numbers_of_columns_and_of_rows_are_no_samples(tmp_path, table_mv, first, has_index):
    header = ",".join(map(str, range(first, 12 + first)))
    table = np.column_stack([np.arange(1000), table_mv]) if has_index else table_mv
    file = write_csv(tmp_path / "x_500hz.csv", table, f",{header}" if has_index else header)
    record = read_record(file)
    np.testing.assert_allclose(record.signal_mv, table_mv.T, atol=1e-6)
    assert record.notes[0].startswith("lead order assumed")


def long_rows(table_mv):
    return ["lead,sample,value_mV"] + [
        f"{lead},{k},{v:.3f}" for i, lead in enumerate(LEADS) for k, v in enumerate(table_mv[:, i])
    ]


def transposed_rows(table_mv, clock=range(1000)):
    named = zip(("lead", *LEADS), (clock, *table_mv.T), strict=True)
    return [",".join([name, *map(str, row)]) for name, row in named]


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
@pytest.mark.parametrize("make", [long_rows, transposed_rows])
def test_a_row_a_lead_and_a_row_a_sample_of_a_lead_are_turned(tmp_path, table_mv, make, separator):
    file = tmp_path / "x_500hz.csv"
    file.write_text("\n".join(make(table_mv)).replace(",", separator))
    np.testing.assert_allclose(read_record(file).signal_mv, table_mv.T, atol=1e-6)
    assert list(find_records([tmp_path])) == [file]


def test_the_times_above_rows_of_leads_give_the_rate(tmp_path, table_mv):
    file = tmp_path / "x.csv"
    file.write_text("\n".join(transposed_rows(table_mv, np.arange(1000) * 0.004)))
    assert read_record(file).fs_hz == 250
    bare = [row.split(",", 1)[1] for row in transposed_rows(table_mv)]
    for rows in (bare[1:], bare, [f"{i},{row}" for i, row in enumerate(bare[1:])]):
        file.write_text("\n".join(rows))
        record = read_record(file, source_fs_hz=500)
        np.testing.assert_allclose(record.signal_mv, table_mv.T, atol=1e-6)


def test_a_long_table_whose_leads_do_not_fit_together_is_refused(tmp_path, table_mv):
    file = tmp_path / "x_500hz.csv"
    file.write_text("\n".join(long_rows(table_mv)[:-5]))
    assert "its leads have different times" in refusal(file)


def test_words_for_missing_samples_and_pipes_are_understood(tmp_path, table_mv):
    file = write_csv(tmp_path / "x_500hz.csv", table_mv, "|".join(LEADS), "|")
    lines = file.read_text().splitlines()
    for row, word in enumerate(("NA", "NaN", "null", "n/a", ""), 1):
        lines[row] = "|".join([word] * 12)
    file.write_text("\n".join(lines))
    record = read_record(file)
    assert np.isnan(record.signal_mv[:, :5]).all()
    np.testing.assert_allclose(record.signal_mv[:, 5:], table_mv[5:].T, atol=1e-6)


@pytest.mark.parametrize(
    ("lines", "fs_hz"),
    [
        ("Sampling frequency,250\nUnits,mV\n", 250),
        ("# srHz=250\n", 250),
        ("# Rate: 75 bpm\n# fs: 0.25 kHz\n", 250),
        ("# original fs: 1000\n# fs: 500\n", 500),
    ],
)
def test_comments_state_the_rate_in_words_of_sampling_alone(tmp_path, table_mv, lines, fs_hz):
    file = write_csv(tmp_path / "x.csv", table_mv)
    file.write_text(lines + file.read_text())
    assert read_record(file).fs_hz == fs_hz


def test_two_rates_or_units_in_comments_are_refused(tmp_path, table_mv):
    file = write_csv(tmp_path / "x.csv", table_mv)
    text = file.read_text()
    file.write_text("# fs: 1000\n# fs: 500\n" + text)
    assert refusal(file) == (
        "Record x: its sampling rate is not clear: a comment says 1000 Hz, a comment says 500 Hz."
    )
    file.write_text("# fs: 500\n# unit: mV\n# unit: uV\n" + text)
    assert refusal(file) == "Record x states two units; state the one that is meant."
    file.write_text("# fs: 500\n# unit: adu\n" + text)
    assert "in a unit that is no voltage" in refusal(file)


@pytest.mark.parametrize("name", ["bandpass_0.05-150Hz", "lp100hz", "notch_50Hz", "x_250hz_500hz"])
def test_a_filter_in_the_name_is_no_rate(tmp_path, table_mv, name):
    assert "does not say its sampling rate" in refusal(
        write_csv(tmp_path / f"{name}.csv", table_mv)
    )


def test_a_file_cut_off_within_a_row_loses_that_row_and_says_so(tmp_path, table_mv):
    file = write_csv(tmp_path / "x_500hz.csv", table_mv)
    file.write_text(file.read_text().rstrip("\n")[:-20])
    record = read_record(file)
    np.testing.assert_allclose(record.signal_mv, table_mv[:-1].T, atol=1e-6)
    assert record.notes[-1] == "cut off: the file ends within a row, which is left out"
    lines = file.read_text().splitlines()
    lines[500] = lines[500].rpartition(",")[0]
    file.write_text("\n".join(lines))
    assert "row 500 of x_500hz.csv has 11 cells and the others 12" in refusal(file)


def test_columns_that_are_not_used_are_counted_and_never_named(tmp_path, table_mv):
    table = np.column_stack([table_mv, table_mv[:, :3]])
    file = write_csv(tmp_path / "x_500hz.csv", table, ",".join((*LEADS, "V7", "MLII", "Anna")))
    assert read_record(file).notes[-1] == "columns not used: V7, MLII, 1 more"


def test_a_table_of_physiobank_with_a_line_of_units_is_read(tmp_path, table_mv):
    rows = [f"'0:0{i * 2 // 1000}.{i * 2 % 1000:03d}'," for i in range(1000)]
    lines = [row + ",".join(map(str, values)) for row, values in zip(rows, table_mv, strict=True)]
    names = ",".join(["'Elapsed time'", *(f"'{lead}'" for lead in LEADS)])
    units = ",".join(["'hh:mm:ss.mmm'"] + ["'mV'"] * 12)
    file = tmp_path / "samples.csv"
    file.write_text("\n".join([names, units, *lines]))
    record = read_record(file)
    np.testing.assert_allclose(record.signal_mv, table_mv.T, atol=1e-6)
    assert (record.fs_hz, record.notes) == (500, ())


def test_times_of_day_without_a_header_are_a_clock(tmp_path, table_mv):
    cells = zip(times_of_day(range(1000)), table_mv, strict=True)
    file = tmp_path / "x.csv"
    file.write_text("\n".join(",".join([time, *map(str, row)]) for time, row in cells))
    record = read_record(file)
    np.testing.assert_allclose(record.signal_mv, table_mv.T, atol=1e-6)
    assert record.fs_hz == 500
    assert list(find_records([tmp_path])) == [file]


def test_a_long_table_may_have_decimal_commas(tmp_path, table_mv):
    file = tmp_path / "x_500hz.csv"
    file.write_text("\n".join(long_rows(table_mv)).replace(",", ";").replace(".", ","))
    np.testing.assert_allclose(read_record(file).signal_mv, table_mv.T, atol=1e-6)


def test_an_inverted_lead_is_turned_upright(tmp_path, table_mv):
    signs = np.where(np.array(LEADS) == "aVR", -1, 1)
    header = ",".join(LEADS).replace("aVR", "-aVR")
    record = read_record(write_csv(tmp_path / "x_500hz.csv", table_mv * signs, header))
    np.testing.assert_allclose(record.signal_mv, table_mv.T, atol=1e-6)
    assert record.notes[-1] == "stored inverted, turned upright: aVR"
