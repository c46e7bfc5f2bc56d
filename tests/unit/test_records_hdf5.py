"""HDF5 in the forms of SPH and CODE, with their metadata tables."""

import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
from recordings import limb_consistent_uv, real

from ecgcore.errors import UnreadableRecord
from ecgcore.records.discover import find_records
from ecgcore.records.read import read_header, read_record
from ecgcore.records.record import LEADS, Statement
from ecgcore.records.sources import Origin

SIGNAL_MV = limb_consistent_uv(1000) / 1000
HALF_MV = SIGNAL_MV.astype("<f2")


@pytest.fixture
def code(tmp_path):
    """Return a part of CODE-15: two exams, the shorter filled with zeros, and a filling row."""
    tracings = np.zeros((3, 1200, 12), "<f4")
    tracings[0] = limb_consistent_uv(1200, 1).T / 1000
    tracings[1, 100:1100] = SIGNAL_MV.T
    with h5py.File(tmp_path / "exams_part0.hdf5", "w") as file:
        file["exam_id"] = np.array([77, 1234567, 0])
        file["tracings"] = tracings
    (tmp_path / "exams.csv").write_text(
        "exam_id,age,is_male,nn_predicted_age,1dAVb,RBBB,LBBB,SB,ST,AF,patient_id,death,timey,"
        "normal_ecg,trace_file\n"
        "77,38,True,40.1,False,False,False,False,False,False,5,False,2.1,True,exams_part0.hdf5\n"
        "1234567,59,False,40.1,False,True,False,False,True,False,6,,,False,exams_part0.hdf5\n"
    )
    return tmp_path / "exams_part0.hdf5"


def refusal(path, **options) -> str:
    with pytest.raises(UnreadableRecord) as caught:
        read_record(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def sph(path, array=HALF_MV):
    with h5py.File(path, "w") as file:
        file["ecg"] = array
        file.attrs["patient"] = "PLANTED DOE"
    return path


def test_a_file_of_code_gives_its_exams_by_paths_through_it(code):
    assert list(find_records([code.parent])) == [code / "77", code / "1234567"]
    assert list(find_records([code / "77"])) == [code / "77"]
    assert read_header(code / "77") == (Origin("code-15", "77"), 400)


def test_an_exam_is_read_without_its_filling_and_with_its_labels(code):
    record = read_record(code / "1234567")
    np.testing.assert_allclose(record.signal_mv, SIGNAL_MV, atol=1e-6)
    assert (record.name, record.source, record.fs_hz) == ("1234567", "code-15", 400)
    assert (record.age_years, record.sex, record.patient) == (59, "female", "6")
    assert record.statements == (
        Statement("code15", "RBBB"),
        Statement("code15", "ST"),
        Statement("code15", "not_normal"),
    )
    assert record.notes == (
        "lead order assumed: I–III, aVR–aVF, V1–V6, as CODE-15 gives it",
        "scale assumed: mV",
        "rate assumed: 400 Hz, that of CODE-15",
        "200 samples of filling zeros left out",
    )
    assert read_record(code / "77").statements == (Statement("code15", "normal_ecg"),)


def test_what_a_file_of_code_does_not_hold_is_refused(code):
    assert refusal(code / "5") == "There is no exam 5 in exams_part0.hdf5."
    assert "holds many recordings; name one" in refusal(code)
    assert refusal(code / "0") == "Record 0 is filling: all its samples are zero."


def test_a_file_of_sph_is_one_record_with_its_statements(tmp_path):
    (tmp_path / "records").mkdir()
    path = sph(tmp_path / "records" / "A00001.h5")
    (tmp_path / "metadata.csv").write_text(
        "ECG_ID,AHA_Code,Patient_ID,Age,Sex,N,Date\nA00001,22;30+308,S00001,55,M,1000,2020-03-04\n"
    )
    assert list(find_records([tmp_path])) == [path]
    record = read_record(path)
    np.testing.assert_allclose(record.signal_mv, HALF_MV, atol=1e-6)
    assert (record.source, record.patient, record.age_years) == ("sph", "S00001", 55)
    assert (record.sex, record.fs_hz) == ("male", 500)
    assert record.statements == (Statement("aha", "22"), Statement("aha", "30+308"))
    assert "PLANTED" not in repr(vars(record))
    assert "2020" not in repr(vars(record))
    assert read_header(path) == (Origin("sph", "A00001"), 500)


def test_hdf5_of_other_forms_is_refused_by_what_it_lacks(tmp_path):
    path = sph(tmp_path / "a.h5", np.zeros((3, 50), "<f4"))
    assert "its variable ecg is 3 by 50" in refusal(path)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["weights"] = np.zeros(5)
    assert "is HDF5 in a form that is not known" in refusal(tmp_path / "b.h5")
    assert list(find_records([tmp_path / "b.h5"])) == [tmp_path / "b.h5"]
    path = sph(tmp_path / "c.h5", SIGNAL_MV.astype("<f4"))
    assert "does not say its sampling rate" in refusal(path)
    assert read_record(path, source_fs_hz=250).fs_hz == 250
    (tmp_path / "d.h5").write_bytes((tmp_path / "c.h5").read_bytes()[:600])
    assert "damaged HDF5" in refusal(tmp_path / "d.h5")


@pytest.mark.parametrize("names_are", ["dataset", "attribute"])
def test_names_and_a_rate_beside_the_array_are_obeyed(tmp_path, names_are):
    path = tmp_path / "x.h5"
    names = np.array([f"lead_{lead}" for lead in LEADS[::-1]], "S8")
    with h5py.File(path, "w") as file:
        file["ecg"] = SIGNAL_MV[::-1].astype("<f4")
        if names_are == "dataset":
            file["any_list"], file["fs"] = names, 250.0
        else:
            file["ecg"].attrs["leads"], file.attrs["sampling_rate"] = names, 250
    record = read_record(path)
    np.testing.assert_allclose(record.signal_mv, SIGNAL_MV, atol=1e-6)
    assert (record.fs_hz, record.notes) == (250, ("scale assumed: mV",))
    message = refusal(path, source_fs_hz=500)
    assert "was given 500 Hz, its variable " in message
    assert message.endswith("says 250 Hz.")


def many(path, ids=None, width=1000, n=3, **attributes):
    """Write a file of many recordings, each of another gain."""
    with h5py.File(path, "w") as file:
        file["tracings"] = np.stack([np.zeros((width, 12))] * n).astype("<f4")
        for row in range(n):
            file["tracings"][row, :1000] = SIGNAL_MV.T * (row + 1)
        if ids is not None:
            file["exam_id"] = np.array(ids)
        file.attrs.update(attributes)
    return path


def test_recordings_without_numbers_are_named_by_their_rows(tmp_path):
    path = many(tmp_path / "ecg_tracings.hdf5", width=4096)
    assert list(find_records([tmp_path])) == [path / str(row) for row in range(3)]
    assert refusal(path).endswith("name one: ecg_tracings.hdf5/0.")
    record = read_record(path / "2")
    np.testing.assert_allclose(record.signal_mv, SIGNAL_MV * 3, atol=1e-5)
    assert (record.fs_hz, record.source) == (400, "unknown")
    assert "rate assumed: 400 Hz, that of CODE-15" in record.notes


def test_the_rate_of_a_file_of_many_is_its_own_or_given_and_never_assumed(tmp_path):
    path = many(tmp_path / "lab.hdf5", [21, 22, 23])
    assert refusal(path / "22").startswith("Record 22 does not say its sampling rate")
    assert read_header(path / "22") == (None, None)
    record = read_record(path / "22", source_fs_hz=500)
    assert (record.fs_hz, record.source) == (500, "unknown")
    path = many(tmp_path / "stated.hdf5", [21, 22, 23], fs=500)
    assert read_record(path / "22").fs_hz == 500
    assert "was given 400 Hz, its variable fs says 500 Hz" in refusal(path / "22", source_fs_hz=400)


def test_two_recordings_of_one_number_are_both_kept(tmp_path):
    path = many(tmp_path / "lab_500hz.hdf5", [21, 22, 21])
    assert [p.name for p in find_records([path])] == ["21#1", "22", "21#2"]
    np.testing.assert_allclose(read_record(path / "21#2").signal_mv, SIGNAL_MV * 3, atol=1e-5)
    assert refusal(path / "21") == (
        "Exam 21 occurs more than once in lab_500hz.hdf5; name one: lab_500hz.hdf5/21#1, "
        "lab_500hz.hdf5/21#2 …"
    )


def test_a_half_precision_file_has_the_rate_in_its_name_not_that_of_sph(tmp_path):
    record = read_record(sph(tmp_path / "f16_250hz.h5"))
    assert record.fs_hz == 250
    assert "does not say its sampling rate" in refusal(sph(tmp_path / "f16.h5"))


def test_a_file_never_reaches_another_file(tmp_path):
    sph(tmp_path / "secret.h5")
    links = h5py.ExternalLink("secret.h5", "ecg"), h5py.SoftLink("/outside/ecg")
    for i, link in enumerate(links):
        with h5py.File(tmp_path / f"{i}_500hz.h5", "w") as file:
            file["outside"] = h5py.ExternalLink("secret.h5", "/")
            file["ecg"] = link
    with h5py.File(tmp_path / "2_500hz.h5", "w") as file:
        layout = h5py.VirtualLayout((12, 1000), "<f2")
        layout[:] = h5py.VirtualSource("secret.h5", "ecg", (12, 1000))
        file.create_virtual_dataset("ecg", layout)
    with h5py.File(tmp_path / "3_500hz.h5", "w") as file:
        external = [(str(tmp_path / "secret.h5"), 2048, 12_000)]
        file.create_dataset("ecg", (12, 500), "<f2", external=external)
    for i in range(4):
        assert "links to another file or keeps its numbers there" in refusal(
            tmp_path / f"{i}_500hz.h5"
        )


def test_a_file_that_would_unpack_to_more_than_one_ecg_is_refused(
    tmp_path, monkeypatch, in_this_process
):
    monkeypatch.setattr("ecgcore.records.formats.hdf5_file.LARGEST_BYTES", 2_000_000)
    with h5py.File(tmp_path / "zeros_500hz.h5", "w") as file:
        file.create_dataset("ecg", (12, 100_000), "<f4", chunks=(12, 100_000), compression=9)
    assert "would unpack to more than one ECG can hold" in refusal(tmp_path / "zeros_500hz.h5")
    with h5py.File(tmp_path / "false_500hz.h5", "w") as file:
        data = file.create_dataset("ecg", (12, 1000), "<f4", chunks=(12, 1000), compression=9)
        data.id.write_direct_chunk((0, 0), zlib.compress(bytes(300_000_000), 9))
    assert "would unpack to more than one ECG can hold" in refusal(tmp_path / "false_500hz.h5")


def test_one_exam_of_many_is_read_without_the_others(tmp_path):
    path = tmp_path / "big.hdf5"
    with h5py.File(path, "w") as file:
        shape = (40_000, 4096, 12)
        data = file.create_dataset("tracings", shape, "<f4", chunks=(1, 4096, 12), compression=4)
        data[39_999, 1000:2000] = SIGNAL_MV.T
        file["exam_id"] = np.arange(1, 40_001)
    tracemalloc.start()
    record = read_record(path / "40000")
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(record.signal_mv, SIGNAL_MV, atol=1e-6)
    assert peak_bytes < 100_000_000


@pytest.mark.data
def test_all_of_sph_is_read_and_only_what_its_table_lacks_has_no_statements():
    folder = real("sph")
    records = {path.name: read_record(path) for path in find_records([folder])}
    assert len(records) == 5
    for name, record in records.items():
        with h5py.File(folder / name) as file:
            np.testing.assert_array_equal(record.signal_mv, file["ecg"][()].astype("<f4"))
    bare = [name for name, record in records.items() if not record.statements]
    assert bare == ["SPH00005.h5"]
    assert records["SPH00005.h5"].notes[-1] == "not in metadata.csv"
