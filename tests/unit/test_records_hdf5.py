"""HDF5 in the forms of SPH and CODE, with their metadata tables."""

import h5py
import numpy as np
import pytest
from recordings import limb_consistent_uv, real

from ecgcore.errors import UnreadableRecord
from ecgcore.records.discover import find_records
from ecgcore.records.read import read_header, read_record
from ecgcore.records.record import Statement
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
    assert "its dataset ecg is 3 by 50" in refusal(path)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["weights"] = np.zeros(5)
    assert "is HDF5 in a form that is not known" in refusal(tmp_path / "b.h5")
    assert list(find_records([tmp_path / "b.h5"])) == [tmp_path / "b.h5"]
    path = sph(tmp_path / "c.h5", SIGNAL_MV.astype("<f4"))
    assert "does not say its sampling rate" in refusal(path)
    assert read_record(path, source_fs_hz=250).fs_hz == 250
    (tmp_path / "d.h5").write_bytes((tmp_path / "c.h5").read_bytes()[:600])
    assert "damaged HDF5" in refusal(tmp_path / "d.h5")


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
