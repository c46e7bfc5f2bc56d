"""Metadata tables beside recordings: rows found, doubled, missing, damaged."""

import h5py
import numpy as np
import pytest
from recordings import limb_consistent_uv, write_wfdb

from ecgcore.records.read import read_record
from ecgcore.records.record import Statement

SIGNAL_UV = limb_consistent_uv(1000)
MIMIC_COLUMNS = (
    "subject_id,study_id,ecg_time,report_0,report_1,rr_interval,p_onset,p_end,qrs_onset,qrs_end,"
    "t_end,p_axis,qrs_axis,t_axis"
)


@pytest.fixture
def mimic(tmp_path):
    """Return the header of a recording in MIMIC-IV-ECG's layout."""
    folder = tmp_path / "files" / "p1000" / "p10000032" / "s40689238"
    return write_wfdb(folder, "40689238", SIGNAL_UV, comments=("<subject_id>: 10000032",))


def write_measurements(header, *rows: str):
    table = header.parents[4] / "machine_measurements.csv"
    table.write_text("\n".join([MIMIC_COLUMNS, *rows]) + "\n")


def test_mimic_gives_the_patient_and_the_machine_s_words_and_measurements(mimic):
    row = "10000032,40689238,2180-07-23,Sinus rhythm,,659,40,128,170,258,518,81,77,29999"
    write_measurements(mimic, "1,40689237,,,,,,,,,,,,", row)
    record = read_record(mimic)
    assert (record.source, record.patient) == ("mimic-iv-ecg", "10000032")
    assert record.statements == (Statement("text", "Sinus rhythm"),)
    assert record.machine == {
        "rate_bpm": 91.0,
        "pr_ms": 130,
        "qrs_ms": 88,
        "qt_ms": 348,
        "p_axis_deg": 81,
        "axis_deg": 77,
    }
    assert record.notes == ()


def test_mimic_s_folders_name_the_patient_where_a_copy_lost_its_comments(tmp_path):
    folder = tmp_path / "files" / "p1000" / "p10000032" / "s40689238"
    header = write_wfdb(folder, "40689238", SIGNAL_UV)
    write_measurements(header, "10000032,40689238,,Sinus rhythm,,659,,,,,,,,")
    record = read_record(header)
    assert (record.source, record.patient) == ("mimic-iv-ecg", "10000032")
    assert record.machine == {"rate_bpm": 91.0}
    other = read_record(write_wfdb(folder, "40689239", SIGNAL_UV))  # no study of that folder
    assert (other.source, other.patient) == ("unknown", None)


@pytest.mark.parametrize(
    ("rows", "note"),
    [
        (["1,2,,,,,,,,,,,,"], "not in machine_measurements.csv"),
        (["1,40689238,,A,,,,,,,,,,"] * 2, "2 rows in machine_measurements.csv"),
        (["1,40689238,,A,,many,,,,,,,,"], "no metadata: machine_measurements.csv"),
    ],
)
def test_what_mimic_s_table_does_not_give_is_noted(mimic, rows, note):
    write_measurements(mimic, *rows)
    record = read_record(mimic)
    assert record.notes[0].startswith(note)
    assert (record.patient, record.machine) == ("10000032", {})


def test_two_rows_of_one_exam_are_noted_and_neither_is_taken(tmp_path):
    tracings = np.zeros((2, 4096, 12), np.float32)
    tracings[:, 1000:3000] = np.tile(SIGNAL_UV, 2).T / 1000
    with h5py.File(tmp_path / "exams_part0.hdf5", "w") as file:
        file["tracings"], file["exam_id"] = tracings, [11, 12]
    columns = "exam_id,age,is_male,patient_id,1dAVb,RBBB,LBBB,SB,ST,AF"
    rows = ["11,50,True,7,False,True,False,False,False,False", "12,60,True,8" + ",False" * 6]
    (tmp_path / "exams.csv").write_text(
        "\n".join([columns, *rows, rows[0], "12,61,True,8" + ",True" * 6])
    )
    first, second = (read_record(tmp_path / "exams_part0.hdf5" / exam) for exam in ("11", "12"))
    assert (first.age_years, first.statements) == (50, (Statement("code15", "RBBB"),))
    assert (second.age_years, second.patient, second.statements) == (None, None, ())
    assert "rows in exams.csv that differ, for this one record: none is used" in second.notes


@pytest.mark.parametrize(("n_rows", "age_years"), [(2, 60), (3, None)])
def test_sami_trop_s_rows_are_those_of_its_file_if_both_have_as_many(tmp_path, n_rows, age_years):
    tracings = np.zeros((2, 4096, 12), np.float32)
    tracings[:, 1000:3000] = np.tile(SIGNAL_UV, 2).T / 1000
    with h5py.File(tmp_path / "exams.hdf5", "w") as file:
        file["tracings"] = tracings
    rows = ["9,50,False,True", "8,60,True,False", "7,70,True,False"][:n_rows]
    (tmp_path / "exams.csv").write_text("\n".join(["exam_id,age,is_male,normal_ecg", *rows]) + "\n")
    record = read_record(tmp_path / "exams.hdf5" / "1")
    assert (record.source, record.age_years) == ("sami-trop", age_years)
    note = "exams.csv has 3 rows for 2 recordings: none is used"
    assert (note in record.notes) == (n_rows == 3)
    assert record.sex == ("male" if n_rows == 2 else None)
