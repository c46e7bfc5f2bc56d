"""MATLAB files without a header: order, unit and rate by noted evidence, or refused."""

import h5py
import numpy as np
import pytest
from recordings import limb_consistent_uv, real
from scipy.io import savemat

from ecgcore.errors import UnreadableRecord
from ecgcore.records.read import read_header, read_record
from ecgcore.records.record import Statement

SIGNAL_UV = limb_consistent_uv(1000)
PROVEN = (
    "lead order assumed: columns 1–6 prove to be I, II, III, aVR, aVL, aVF; 7–12 taken for V1–V6"
)


def refusal(path, **options) -> str:
    with pytest.raises(UnreadableRecord) as caught:
        read_record(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def saved(path, version="5", **variables):
    savemat(path, variables, format=version)
    return path


@pytest.mark.parametrize("version", ["4", "5"])
@pytest.mark.parametrize("turned", [False, True])
def test_val_is_read_in_rows_or_columns_when_the_rate_is_given(tmp_path, version, turned):
    array = SIGNAL_UV.T if turned else SIGNAL_UV
    path = saved(tmp_path / "x.mat", version, val=array)
    record = read_record(path, source_fs_hz=500)
    np.testing.assert_allclose(record.signal_mv, SIGNAL_UV / 1000, atol=1e-6)
    assert record.notes == (PROVEN, "scale assumed: µV")
    assert refusal(path) == (
        "Record x has no header: x.hea is missing beside x.mat, and the file does not say its "
        "sampling rate; fetch the header, or give the rate (--source-fs-hz)."
    )


def test_a_rate_unit_and_names_in_the_file_are_believed(tmp_path):
    names = np.array(["I", "II", "III", "AVR", "AVL", "AVF", *(f"V{i}" for i in range(6, 0, -1))])
    order = [*range(6), *range(11, 5, -1)]
    path = saved(tmp_path / "x.mat", data=SIGNAL_UV[order] / 1000, fs=250.0, unit="mV", leads=names)
    record = read_record(path)
    np.testing.assert_allclose(record.signal_mv, SIGNAL_UV / 1000, atol=1e-6)
    assert (record.fs_hz, record.notes) == (250, ())
    assert read_header(path).fs_hz == 250
    assert "was given 500 Hz, the file says 250 Hz" in refusal(path, source_fs_hz=500)


def test_the_form_of_cpsc_2018_is_known(tmp_path):
    struct = {"sex": "Female", "age": 61, "data": SIGNAL_UV / 1000}
    record = read_record(saved(tmp_path / "A0001.mat", ECG=struct))
    np.testing.assert_allclose(record.signal_mv, SIGNAL_UV / 1000, atol=1e-6)
    assert (record.fs_hz, record.sex, record.age_years) == (500, "female", 61)
    assert record.notes == (
        "lead order assumed: I–III, aVR–aVF, V1–V6, the form of CPSC 2018",
        "scale assumed: mV",
        "rate assumed: 500 Hz, the form of CPSC 2018",
    )


def test_a_file_of_version_73_is_read(tmp_path):
    path = tmp_path / "x.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["val"] = SIGNAL_UV.T  # MATLAB stores columns first
        file["fs"] = np.array([[400.0]])
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")
    record = read_record(path)
    np.testing.assert_allclose(record.signal_mv, SIGNAL_UV / 1000, atol=1e-6)
    assert record.fs_hz == 400


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"other": SIGNAL_UV}, "is a MATLAB file without a recording"),
        ({"val": SIGNAL_UV[:8]}, "is 8 by 1000; twelve leads"),
        ({"val": SIGNAL_UV[:, :12]}, "is 12 by 12; twelve leads"),
        ({"val": "a text"}, "is no table of numbers"),
        ({"val": np.roll(SIGNAL_UV, 1, axis=0)}, "the numbers do not prove the order"),
        ({"val": SIGNAL_UV * 1e-6}, "which is neither mV"),
        ({"val": np.full((12, 1000), np.nan)}, "do not prove the order"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path, variables, reason):
    assert reason in refusal(saved(tmp_path / "x.mat", **variables), source_fs_hz=500)


def test_a_header_beside_a_mat_file_comes_first(tmp_path):
    saved(tmp_path / "x.mat", val=SIGNAL_UV)
    (tmp_path / "x.hea").write_text("x 12 500 1000\n")
    assert "declares 12 signals and describes 0" in refusal(tmp_path / "x.mat")


def test_a_mat_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ecgcore.records.formats.mat._LARGEST_BYTES", 1_000_000)
    path = tmp_path / "x.mat"
    savemat(path, {"val": np.zeros((12, 20_000))}, do_compression=True)
    assert path.stat().st_size < 10_000
    assert "damaged MATLAB file" in refusal(path, source_fs_hz=500)


def test_no_name_in_a_file_is_taken_over(tmp_path):
    struct = {"sex": "Male", "age": 61, "data": SIGNAL_UV / 1000, "name": "PLANTED DOE"}
    path = saved(tmp_path / "a.mat", ECG=struct, patient="PLANTED DOE", labels=["PLANTED"])
    assert "PLANTED" not in repr(vars(read_record(path)))


@pytest.mark.data
def test_chapman_s_published_set_is_read_with_its_table():
    folder = real("chapman-figshare")
    from scipy.io import loadmat

    for path in sorted(folder.rglob("*.mat")):
        record = read_record(path)
        np.testing.assert_allclose(
            record.signal_mv, loadmat(path)["val"].T / 1000, rtol=1e-6, atol=1e-6
        )
        assert (record.source, record.fs_hz) == ("chapman-figshare", 500)
        assert record.statements
        assert record.sex in ("female", "male")
        assert {"rate_bpm", "qrs_ms", "qt_ms", "qtc_ms"} <= set(record.machine)


@pytest.mark.data
def test_code_15_cut_into_one_file_a_record_is_read_with_its_labels():
    folder = real("code-15")
    from scipy.io import loadmat

    record = read_record(folder / "org" / "code_15_438277.mat")
    array = loadmat(folder / "org" / "code_15_438277.mat")["feats"]
    np.testing.assert_allclose(record.signal_mv, array, atol=1e-6)
    assert (record.source, record.fs_hz, record.age_years) == ("code-15", 400, 46)
    assert (record.sex, record.patient) == ("male", "185323")
    assert record.statements == (Statement("code15", "1dAVb"), Statement("code15", "not_normal"))
