"""MATLAB files without a header: order, unit and rate by noted evidence, or refused."""

import struct
import zlib

import h5py
import numpy as np
import pytest
from recordings import limb_consistent_uv, real
from scipy.io import savemat

from ecgcore.errors import UnreadableRecord
from ecgcore.records.read import read_header, read_record
from ecgcore.records.record import LEADS, Statement

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
        "Record x does not say its sampling rate; x.hea is missing beside x.mat: fetch it, or give "
        "the rate (--source-fs-hz)."
    )


def test_a_rate_unit_and_names_in_the_file_are_believed(tmp_path):
    names = np.array(["I", "II", "III", "AVR", "AVL", "AVF", *(f"V{i}" for i in range(6, 0, -1))])
    order = [*range(6), *range(11, 5, -1)]
    path = saved(tmp_path / "x.mat", data=SIGNAL_UV[order] / 1000, fs=250.0, unit="mV", leads=names)
    record = read_record(path)
    np.testing.assert_allclose(record.signal_mv, SIGNAL_UV / 1000, atol=1e-6)
    assert (record.fs_hz, record.notes) == (250, ())
    assert read_header(path).fs_hz == 250
    assert "was given 500 Hz, its variable fs says 250 Hz" in refusal(path, source_fs_hz=500)


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
    mark_as_matlab(path)
    record = read_record(path)
    np.testing.assert_allclose(record.signal_mv, SIGNAL_UV / 1000, atol=1e-6)
    assert record.fs_hz == 400


def test_names_in_cells_of_version_73_are_understood(tmp_path):
    path = tmp_path / "x.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["val"] = SIGNAL_UV[::-1].T
        file["fs"] = np.array([[400.0]])
        file["units"] = np.array([[ord(letter)] for letter in "uV"], "<u2")
        file["units"].attrs["MATLAB_class"] = np.bytes_("char")
        for i, lead in enumerate(LEADS[::-1]):
            file[f"#refs#/{i}"] = np.array([[ord(letter)] for letter in lead], "<u2")
            file[f"#refs#/{i}"].attrs["MATLAB_class"] = np.bytes_("char")
        references = [[file[f"#refs#/{i}"].ref] for i in range(12)]
        file.create_dataset("leadnames", data=references, dtype=h5py.ref_dtype)
        file["leadnames"].attrs["MATLAB_class"] = np.bytes_("cell")
    mark_as_matlab(path)
    record = read_record(path)
    np.testing.assert_allclose(record.signal_mv, SIGNAL_UV / 1000, atol=1e-6)
    assert record.notes == ()
    assert record.evidence == {
        "rate": "its variable fs",
        "leads": "a variable beside it",
        "unit": "a variable beside it",
    }


def mark_as_matlab(path):
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")


@pytest.mark.parametrize(
    "variable", ["leads", "lead_order", "leadnames", "sig_name", "channels", "labels", "any_list"]
)
@pytest.mark.parametrize("spelling", ["{}", "lead_{}", "ECG {}"])
def test_names_beside_the_array_are_understood_in_any_spelling(tmp_path, variable, spelling):
    names = np.array([spelling.format(lead) for lead in LEADS[::-1]], dtype=object)
    path = saved(
        tmp_path / "x.mat", val=SIGNAL_UV[::-1], sampling_frequency=500, **{variable: names}
    )
    record = read_record(path)
    np.testing.assert_allclose(record.signal_mv, SIGNAL_UV / 1000, atol=1e-6)
    assert (record.fs_hz, record.notes) == (500, ("scale assumed: µV",))


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        (
            {"leads": [f"Anna{chr(97 + i)}" for i in range(12)]},
            "has 12 signals named after no lead",
        ),
        ({"leads": LEADS[:8]}, "is 12 by 1000; 8 leads, as it names them, in rows"),
        ({"lead_order": np.arange(12)[::-1]}, "the order of its leads is given by numbers"),
        ({"leads": LEADS, "sig_name": LEADS[::-1]}, "name the leads differently"),
        ({"fs": 500, "Fs": 250}, "its variable Fs says 250 Hz"),
        ({"units": "adu"}, "in a unit that is no voltage"),
        ({"units": ["uV", "mV"]}, "states 2 units for 12 leads"),
        ({"data": SIGNAL_UV[::-1]}, "holds several recordings (val, data)"),
    ],
)
def test_what_is_said_beside_the_array_is_never_passed_over(tmp_path, variables, reason):
    variables = {
        name: np.array(value, object) if isinstance(value, (list, tuple)) else value
        for name, value in variables.items()
    }
    path = saved(tmp_path / "x.mat", val=SIGNAL_UV, **variables)
    message = refusal(path, source_fs_hz=500, assume_order=True)
    assert reason in message
    assert "Anna" not in message


@pytest.mark.parametrize(("unit", "per_mv"), [("nV", 1e6), ("uV", 1e3), ("mV", 1), ("V", 1e-3)])
def test_a_stated_unit_is_obeyed(tmp_path, unit, per_mv):
    path = saved(tmp_path / "x.mat", val=SIGNAL_UV * (per_mv / 1000), units=unit)
    record = read_record(path, source_fs_hz=500)
    np.testing.assert_allclose(record.signal_mv, SIGNAL_UV / 1000, rtol=1e-5, atol=1e-6)
    assert record.notes == (PROVEN,)


@pytest.mark.parametrize("unit", ["V", "volts", "Microvolt", "millivolts"])
def test_the_names_of_units_are_obeyed_as_their_signs(tmp_path, unit):
    per_uv = {"m": 1e-3, "v": 1e-6}.get(unit[0].lower() if unit != "Microvolt" else "", 1)
    path = saved(tmp_path / "x.mat", val=SIGNAL_UV * per_uv, unit=unit, fs="500 Hz")
    record = read_record(path)
    np.testing.assert_allclose(record.signal_mv, SIGNAL_UV / 1000, rtol=1e-5, atol=1e-6)
    assert (record.fs_hz, record.notes) == (500, (PROVEN,))


def test_a_vector_a_lead_and_a_vector_of_times_are_understood(tmp_path):
    times = np.delete(np.arange(1010) * 4.0, np.arange(400, 410))
    leads = {f"{lead}_uV": SIGNAL_UV[i] for i, lead in enumerate(LEADS)}
    record = read_record(saved(tmp_path / "x.mat", time_ms=times, **leads))
    kept = np.delete(np.arange(1010), np.arange(400, 410))
    np.testing.assert_allclose(record.signal_mv[:, kept], SIGNAL_UV / 1000, atol=1e-6)
    assert record.fs_hz == 250
    assert record.notes == ("0.040 s missing from 1.6 s on",)


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


def test_a_mat_bomb_is_refused(tmp_path, monkeypatch, in_this_process):
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


def test_names_in_a_struct_beside_the_array_or_around_it_are_understood(tmp_path):
    info = {"lead_names": np.array(LEADS[::-1], object), "fs": 500}
    beside = saved(tmp_path / "a.mat", data=SIGNAL_UV[::-1], info=info)
    around = saved(tmp_path / "b.mat", record={"signal": SIGNAL_UV[::-1], **info})
    for path in (beside, around):
        record = read_record(path)
        np.testing.assert_allclose(record.signal_mv, SIGNAL_UV / 1000, atol=1e-6)
        assert (record.fs_hz, record.notes) == (500, ("scale assumed: µV",))


@pytest.mark.parametrize("rows", [13, 2**29 + 12, -12])
@pytest.mark.parametrize("is_compressed", [False, True])
def test_an_array_that_claims_more_than_it_holds_is_refused(tmp_path, rows, is_compressed):
    """``scipy`` would end the process: it trusts the stated size."""
    file = tmp_path / "x.mat"
    savemat(file, {"val": np.zeros((12, 1000), np.int8), "fs": 500.0})
    content = file.read_bytes()
    stated = struct.pack("<ii", 12, 1000)
    assert content.count(stated) == 1
    content = content.replace(stated, struct.pack("<ii", rows, 1000))
    if is_compressed:
        packed = zlib.compress(content[128:])
        content = content[:128] + struct.pack("<II", 15, len(packed)) + packed
    file.write_bytes(content)
    with pytest.raises(UnreadableRecord, match="is a damaged MATLAB file"):
        read_record(file)
