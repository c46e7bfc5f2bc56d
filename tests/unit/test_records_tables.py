"""Parquet, Feather, workbooks and NumPy arrays: read as CSV is, alone, in folders and in zips."""

import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
from recordings import limb_consistent_uv

from ecgcore.errors import UnreadableRecord
from ecgcore.records.discover import describe_files, find_records
from ecgcore.records.read import read_header, read_record
from ecgcore.records.record import LEADS

SIGNAL_MV = limb_consistent_uv(600) / 1000
TABLE = pd.DataFrame(SIGNAL_MV.T, columns=list(LEADS))
CLOCK = pd.date_range("2024-05-01 23:59:59.5", periods=600, freq="2ms").astype(str)
WRITERS = {
    "parquet": lambda table, path: table.to_parquet(path),
    "feather": lambda table, path: table.to_feather(path),
    "xlsx": lambda table, path: table.to_excel(path, index=False),
}


def refusal(path, **options) -> str:
    with pytest.raises(UnreadableRecord) as caught:
        read_record(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def written(path, table):
    WRITERS[path.suffix[1:]](table, path)
    return path


def timed(times) -> pd.DataFrame:
    return pd.concat([pd.DataFrame({"time": times}), TABLE], axis=1)


def long_table() -> pd.DataFrame:
    table = TABLE.rename_axis("sample").reset_index()
    return table.melt("sample", var_name="lead", value_name="value_mV")


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize(
    ("table", "notes"),
    [
        (TABLE[list(LEADS[::-1])], ("scale assumed: mV",)),
        ((TABLE[list(LEADS[::-1])] * 1000).add_prefix("lead_").add_suffix("_uV"), ()),
        (timed(np.arange(600) * 0.002), ("scale assumed: mV",)),
        (timed(CLOCK), ("scale assumed: mV",)),
        (long_table(), ()),
        (long_table().sample(frac=1, random_state=3).sort_values("sample", kind="stable"), ()),
    ],
    ids=["reversed", "spelled", "seconds", "clock", "long", "long by sample"],
)
def test_a_table_is_read_as_csv_is(tmp_path, suffix, table, notes):
    path = written(tmp_path / f"x_500hz.{suffix}", table.reset_index(drop=True))
    record = read_record(path)
    np.testing.assert_allclose(record.signal_mv, SIGNAL_MV, atol=1e-5)
    assert (record.fs_hz, record.notes) == (500, notes)
    assert read_header(path).fs_hz == 500


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_table_that_says_too_little_is_refused_as_csv_is(tmp_path, suffix):
    path = written(tmp_path / f"x.{suffix}", TABLE)
    assert refusal(path).startswith("Record x does not say its sampling rate")
    assert read_record(path, source_fs_hz=250).fs_hz == 250
    names = {lead: f"Anna{i}a" for i, lead in enumerate(LEADS)}
    path = written(tmp_path / f"y_500hz.{suffix}", TABLE.rename(columns=names))
    assert "12 signals named after no lead" in refusal(path, assume_order=True)
    numbered = TABLE.set_axis([str(i) for i in range(12)], axis=1)
    record = read_record(written(tmp_path / f"z_500hz.{suffix}", numbered))
    np.testing.assert_allclose(record.signal_mv, SIGNAL_MV, atol=1e-5)
    assert record.notes[0].startswith("lead order assumed: columns 1–6 prove")


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_table_of_patients_in_a_folder_stays_a_table(tmp_path, suffix):
    patients = pd.DataFrame({"ecg_id": [1, 2], "age": [50, 60], "sex": ["F", "M"]})
    written(tmp_path / f"patients.{suffix}", patients)
    record = written(tmp_path / f"x_500hz.{suffix}", TABLE)
    assert list(find_records([tmp_path])) == [record]
    assert dict(describe_files(tmp_path)) == {
        tmp_path / f"patients.{suffix}": "table",
        record: "record",
    }
    packed = tmp_path / "all.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in (record, tmp_path / f"patients.{suffix}"):
            archive.write(path, path.name)
    assert list(find_records([packed])) == [packed / record.name]
    np.testing.assert_allclose(read_record(packed / record.name).signal_mv, SIGNAL_MV, atol=1e-5)


def test_lines_of_text_above_a_sheet_state_rate_and_unit(tmp_path):
    path = tmp_path / "x.xlsx"
    with pd.ExcelWriter(path) as writer:
        (TABLE * 1000).to_excel(writer, sheet_name="ECG", index=False, startrow=3)
        sheet = writer.sheets["ECG"]
        sheet["A1"], sheet["B1"] = "Sampling frequency", 250
        sheet["A2"], sheet["B2"] = "Units", "uV"
        pd.DataFrame({"a": ["notes"]}).to_excel(writer, sheet_name="notes")
    record = read_record(path)
    np.testing.assert_allclose(record.signal_mv, SIGNAL_MV, atol=1e-5)
    assert (record.fs_hz, record.notes) == (250, ())
    with pd.ExcelWriter(path) as writer:
        TABLE.to_excel(writer, sheet_name="one", index=False)
        TABLE.to_excel(writer, sheet_name="two", index=False)
    assert "2 of the 2 sheets of x.xlsx hold a recording" in refusal(path)


@pytest.mark.parametrize("suffix", ["xlsx", "npz"])
def test_a_recording_s_zip_that_would_unpack_to_too_much_is_refused(
    tmp_path, monkeypatch, in_this_process, suffix
):
    path = tmp_path / f"x.{suffix}"
    if suffix == "npz":
        np.savez(path, signal=np.zeros((12, 1000)), fs=500)
    else:
        written(path, TABLE)
    monkeypatch.setattr("ecgcore.records.zip_limits.LARGEST_RECORDING_BYTES", 10_000)
    assert "more than any ECG; it is not opened" in refusal(path)


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_damaged_table_is_refused_in_one_line(tmp_path, suffix):
    path = written(tmp_path / f"x_500hz.{suffix}", TABLE)
    path.write_bytes(path.read_bytes()[:3000])
    assert refusal(path).startswith("Record x_500hz: x_500hz.")


def test_lists_in_cells_are_refused(tmp_path):
    path = tmp_path / "x_500hz.parquet"
    pd.DataFrame({lead: [SIGNAL_MV[i]] for i, lead in enumerate(LEADS)}).to_parquet(path)
    assert "the cells of x_500hz.parquet hold lists" in refusal(path)


@pytest.mark.parametrize("turned", [False, True])
def test_an_array_is_read_by_its_shape_with_the_rate_in_its_name_or_given(tmp_path, turned):
    array = SIGNAL_MV.T if turned else SIGNAL_MV
    np.save(tmp_path / "x.npy", array)
    np.save(tmp_path / "x_500hz.npy", array)
    assert refusal(tmp_path / "x.npy") == (
        "Record x does not say its sampling rate; give it (--source-fs-hz)."
    )
    for record in (
        read_record(tmp_path / "x.npy", source_fs_hz=500),
        read_record(tmp_path / "x_500hz.npy"),
    ):
        np.testing.assert_allclose(record.signal_mv, SIGNAL_MV, atol=1e-6)
        assert record.notes[0].startswith("lead order assumed: columns 1–6 prove")


@pytest.mark.parametrize("form", ["(N, 12, T)", "(N, T, 12)", "(N, 1, T, 12)"])
def test_an_array_of_many_gives_a_recording_a_row(tmp_path, form):
    arrays = np.stack([SIGNAL_MV * gain for gain in (1, 2, 3)])
    if form != "(N, 12, T)":
        arrays = arrays.transpose(0, 2, 1)
    path = tmp_path / "waveforms_250hz.npy"
    np.save(path, arrays[:, None] if form == "(N, 1, T, 12)" else arrays)
    assert list(find_records([tmp_path])) == [path / "0", path / "1", path / "2"]
    record = read_record(path / "2")
    np.testing.assert_allclose(record.signal_mv, 3 * SIGNAL_MV, atol=1e-6)
    assert (record.name, record.fs_hz) == ("waveforms_250hz_2", 250)
    assert refusal(path).endswith("name one: waveforms_250hz.npy/0.")
    assert refusal(path / "7") == "There is no recording 7 in waveforms_250hz.npy."


def test_arrays_by_name_bring_their_rate_unit_and_leads(tmp_path):
    path = tmp_path / "x.npz"
    objects = np.array([{"patient": "Anna"}], dtype=object)  # never opened, and no hindrance
    named = {"any_list": np.array(LEADS[::-1]), "units": "nV", "about": objects}
    np.savez(path, signal=SIGNAL_MV[::-1] * 1e6, fs=500, **named)
    record = read_record(path)
    np.testing.assert_allclose(record.signal_mv, SIGNAL_MV, atol=1e-5)
    assert (record.fs_hz, record.notes) == (500, ())
    assert list(find_records([tmp_path])) == [path]
    assert "was given 250 Hz, its variable fs says 500 Hz" in refusal(path, source_fs_hz=250)


def test_no_object_is_unpickled(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "x.npz", signal=np.array([{"a": 1}], dtype=object))
    (tmp_path / "y.npy").write_bytes(pickle.dumps(SIGNAL_MV))
    assert "holds objects, which are never opened" in refusal(tmp_path / "x.npy")
    assert "holds objects, which are never opened" in refusal(tmp_path / "x.npz")
    assert "in no form that is known" in refusal(tmp_path / "y.npy")


def test_arrays_of_features_and_pictures_are_no_recordings(tmp_path):
    np.save(tmp_path / "features.npy", np.zeros((100, 7)))
    np.save(tmp_path / "labels.npy", np.zeros(100, int))
    assert list(find_records([tmp_path])) == []
    (tmp_path / "labels.csv").write_text("image,label\na,b\n")
    np.save(tmp_path / "images.npy", np.zeros((3, 12, 200)))
    assert list(find_records([tmp_path])) == []


@pytest.mark.parametrize(
    "normalise",
    [
        lambda x: (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True),
        lambda x: (x - x.min(1, keepdims=True)) / np.ptp(x, axis=1, keepdims=True),
    ],
)
def test_leads_scaled_to_one_size_hold_no_voltage(tmp_path, normalise):
    np.save(tmp_path / "x.npy", normalise(SIGNAL_MV))
    assert "each of its leads was scaled to the same size" in refusal(
        tmp_path / "x.npy", source_fs_hz=500, assume_order=True
    )
