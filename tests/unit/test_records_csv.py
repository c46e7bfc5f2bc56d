"""CSV: separators, units, rates, names and orders: clear ones read, others refused."""

import numpy as np
import pytest
from recordings import DATA, limb_consistent_uv, write_csv

from ecgcore.errors import UnreadableRecord
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


def test_a_time_column_with_a_gap_is_refused(tmp_path, table_mv):
    clock = np.arange(len(table_mv)) * 0.002
    clock[500:] += 1
    file = write_csv(
        tmp_path / "x.csv", np.column_stack([clock, table_mv]), ",".join(("time", *LEADS))
    )
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
        "Record x_100hz: its sampling rate is not clear: was given 400 Hz, "
        "a comment or its name says 100 Hz."
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
