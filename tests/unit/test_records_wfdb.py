"""WFDB records: tidy ones, the untidiness that real headers have, and what is refused."""

import os

import numpy as np
import pytest
from recordings import DATA, limb_consistent_uv, real, write_wfdb

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats import wfdb
from ecgcore.records.read import read_record
from ecgcore.records.record import ALTERED, LEADS, Statement

CHALLENGE = ("Age: 74", "Sex: Male", "Dx: 59118001,426783006", "Rx: Unknown")
PTB_XL = DATA / "ptb-xl" / "records100" / "00000"


@pytest.fixture
def signal_uv():
    return limb_consistent_uv()


def refusal(path) -> str:
    with pytest.raises(UnreadableRecord) as caught:
        read_record(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_ptb_xl_record_has_its_signal_and_its_row_of_the_table():
    record = read_record(PTB_XL / "00001_lr.hea")
    assert record.signal_mv.shape == (12, 1000)
    assert record.signal_mv.dtype == np.float32
    assert record.fs_hz == 100
    # The published first samples of lead I (golden: wfdb's rdsamp C program).
    np.testing.assert_allclose(
        record.signal_mv[0, :5], [-0.119, -0.116, -0.12, -0.117, -0.103], atol=1e-6
    )
    assert (record.source, record.patient, record.fold) == ("ptb-xl", "15709", 3)
    assert (record.age_years, record.sex) == (56.0, "female")
    assert record.statements == (
        Statement("scp", "NORM", 100.0),
        Statement("scp", "LVOLT", 0.0),
        Statement("scp", "SR", 0.0),
    )
    assert record.notes == ()


def test_no_date_report_or_nurse_of_the_table_is_taken_over():
    details = read_record(PTB_XL / "00001_lr.hea").details
    assert (details["device"], details["site"]) == ("CS-12 E", "0")
    assert not {"recording_date", "report", "nurse"} & set(details)


def test_the_signal_file_stands_for_its_header():
    assert read_record(PTB_XL / "00001_lr.dat").name == "00001_lr"


def test_ptb_xl_ages_over_89_are_given_as_90(tmp_path, signal_uv):
    table = (DATA / "ptb-xl" / "ptbxl_database.csv").read_text()
    (tmp_path / "ptbxl_database.csv").write_text(table.replace("15709.0,56.0", "15709.0,300.0"))
    header = write_wfdb(tmp_path / "records100" / "00000", "00001_lr", signal_uv, fs_hz=100)
    assert read_record(header).age_years == 90.0


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("A0001", "cpsc_2018"),
        ("Q0004", "cpsc_2018_extra"),
        ("E00003", "georgia"),
        ("S0002", "ptb"),
        ("HR00001", "ptb-xl"),
        ("JS00001", "ecg-arrhythmia"),
        ("B00001", "unknown"),
    ],
)
def test_a_challenge_record_names_its_source(tmp_path, signal_uv, name, source):
    record = read_record(write_wfdb(tmp_path, name, signal_uv, suffix=".mat", comments=CHALLENGE))
    assert record.source == source
    assert (record.age_years, record.sex) == (74.0, "male")
    assert record.statements == (
        Statement("snomed", "59118001"),
        Statement("snomed", "426783006"),
    )
    np.testing.assert_array_equal(np.rint(record.signal_mv * 1000), signal_uv)


def test_a_name_alone_is_no_evidence_of_a_source(tmp_path, signal_uv):
    assert read_record(write_wfdb(tmp_path, "A0001", signal_uv)).source == "unknown"


def test_spaces_unknown_and_nan_in_comments_are_read_as_unknown(tmp_path, signal_uv):
    comments = (" Age: NaN", " Sex: Unknown", " Dx: Unknown")
    record = read_record(write_wfdb(tmp_path, "A0001", signal_uv, comments=comments))
    assert (record.age_years, record.sex, record.statements) == (None, None, ())
    assert record.source == "cpsc_2018"


@pytest.mark.parametrize(
    "record_line",
    [
        "E00015.mat 12 500 1000 05-May-2020 14:50:55",
        "E00015 12 500 1000 1889-02-30 10:00",
        "E00015 12 500 1000 10:00:00 31/02/1889",
        "another 12 500 1000",
        "Müller 12 500 1000",
        "E00015 12 500.0/500.0(0) 1000",
    ],
)
def test_odd_names_and_dates_in_the_first_line_do_no_harm(tmp_path, signal_uv, record_line):
    header = write_wfdb(tmp_path, "E00015", signal_uv, suffix=".mat", record_line=record_line)
    record = read_record(header)
    assert (record.name, record.fs_hz) == ("E00015", 500)
    np.testing.assert_array_equal(np.rint(record.signal_mv * 1000), signal_uv)


@pytest.mark.parametrize(
    ("gain", "encoding"),
    [
        ("1000.0(0)/mV", "utf-8"),
        ("1000/mv", "utf-8"),
        ("1/uV", "utf-8"),
        ("1/µV", "utf-8"),
        ("1/µV", "latin-1"),
        ("1/μV", "utf-8"),
        ("1000000/V", "utf-8"),
        ("1000", "utf-8"),
    ],
)
def test_every_way_to_write_a_gain_gives_mv(tmp_path, signal_uv, gain, encoding):
    header = write_wfdb(tmp_path, "record", signal_uv, gain=gain, encoding=encoding)
    np.testing.assert_allclose(read_record(header).signal_mv, signal_uv / 1000, atol=1e-5)


def test_a_missing_gain_is_wfdb_s_default_and_is_noted(tmp_path, signal_uv):
    record = read_record(write_wfdb(tmp_path, "record", signal_uv, gain="0"))
    np.testing.assert_allclose(record.signal_mv, signal_uv / 200, rtol=1e-5)
    assert record.notes == ("scale assumed: 200 units = 1 mV, the header gives no gain",)


def test_ludb_s_gains_are_not_believed(tmp_path, signal_uv):
    leads = tuple(lead.lower() for lead in LEADS)
    comments = (
        "<age>: 51",
        "<sex>: F",
        "<diagnoses>:",
        "Rhythm: Sinus rhythm.",
        "Left ventricular hypertrophy. ",
    )
    header = write_wfdb(
        tmp_path, "1", signal_uv, gain="1639(-10)/mV", leads=leads, comments=comments
    )
    record = read_record(header)
    np.testing.assert_allclose(record.signal_mv, signal_uv / 1000, atol=1e-5)
    assert (record.source, record.age_years, record.sex) == ("ludb", 51.0, "female")
    assert record.statements == (
        Statement("ludb_text", "sinus rhythm"),
        Statement("ludb_text", "left ventricular hypertrophy"),
    )
    assert record.notes == ("scale assumed: 1 unit = 1 µV, not the header's gains",)


def test_windows_line_ends_are_read(tmp_path, signal_uv):
    header = write_wfdb(tmp_path, "A0001", signal_uv, newline="\r\n", comments=CHALLENGE)
    assert read_record(header).statements[0].code == "59118001"


def test_leads_are_found_by_name_in_any_order_and_spelling(tmp_path, signal_uv):
    order = np.random.default_rng(1).permutation(12)
    spelled = ["DI", "ii", "MDC_ECG_LEAD_III", "AVR", "avl", "aVF", *LEADS[6:]]
    leads = tuple(spelled[i] for i in order)
    record = read_record(write_wfdb(tmp_path, "record", signal_uv[order], leads=leads))
    np.testing.assert_array_equal(np.rint(record.signal_mv * 1000), signal_uv)


def test_further_leads_are_left_out_and_noted(tmp_path, signal_uv):
    leads = ("vx", *LEADS, "vy", "vz")
    more = np.vstack([signal_uv[:1], signal_uv, signal_uv[:2]])
    record = read_record(write_wfdb(tmp_path, "record", more, leads=leads))
    np.testing.assert_array_equal(np.rint(record.signal_mv * 1000), signal_uv)
    assert record.notes == ("not used: vx, vy, vz",)


def write_frames(folder, frames: list[int], signal_uv, names=LEADS, fs_hz=50):
    """Write a record with ``frames`` samples a frame of each signal, and return its header."""
    rows = [row.reshape(-1, frame) for row, frame in zip(signal_uv, frames, strict=True)]
    n_frames = min(map(len, rows))
    lines = [f"x {len(rows)} {fs_hz} {n_frames}"]
    lines += [f"x.dat 16x{f} 1000/mV 16 0 0 0 0 {n}" for f, n in zip(frames, names, strict=True)]
    content = np.hstack([row[:n_frames] for row in rows]).astype("<i2")
    (folder / "x.dat").write_bytes(content.tobytes())
    (folder / "x.hea").write_text("\n".join(lines) + "\n")
    return folder / "x.hea"


@pytest.mark.parametrize("others", [(), ("RESP",)])
def test_several_samples_a_frame_are_read_at_the_leads_own_rate(tmp_path, signal_uv, others):
    slow = np.zeros((len(others), 100), np.int16)
    frames = [10] * 12 + [1] * len(others)
    header = write_frames(tmp_path, frames, [*signal_uv, *slow], (*LEADS, *others))
    record = read_record(header)
    assert record.fs_hz == 500
    np.testing.assert_array_equal(np.rint(record.signal_mv * 1000), signal_uv)
    assert record.notes == tuple(f"not used: {name}" for name in others)
    assert "50 frames a second" in record.evidence["rate"]
    np.testing.assert_array_equal(
        read_record(header, start_s=1.0).signal_mv, record.signal_mv[:, 500:]
    )


def test_a_lead_of_a_lower_rate_is_resampled_and_noted(tmp_path):
    seconds = np.arange(1000) / 500
    wave_uv = np.rint(1000 * np.sin(2 * np.pi * 5 * seconds)).astype(np.int16)
    signal_uv = [np.roll(wave_uv, i) for i in range(11)] + [wave_uv[::2]]
    record = read_record(write_frames(tmp_path, [10] * 11 + [5], signal_uv))
    assert record.notes == ("V6 resampled from 250 to 500 Hz",)
    np.testing.assert_allclose(record.signal_mv[11, 100:-100], wave_uv[100:-100] / 1000, atol=0.01)


@pytest.mark.parametrize("name", ["my rec", "12 3", "a/b/x", "ge_beats/00001_x"])
def test_names_with_spaces_or_a_path_are_read(tmp_path, signal_uv, name):
    last = name.rpartition("/")[2]
    header = write_wfdb(
        tmp_path, last, signal_uv, record_line=f"{name} 12 500 1000", signal_file=f"{name}.dat"
    )
    record = read_record(header)
    assert (record.name, record.fs_hz) == (last, 500)
    np.testing.assert_array_equal(np.rint(record.signal_mv * 1000), signal_uv)


def test_a_median_beat_is_no_recording(tmp_path, signal_uv):
    beat = write_wfdb(tmp_path, "00001_medians", signal_uv[:, :600])
    assert "holds a median beat of 1.2 s and no recording" in refusal(beat)
    assert read_record(write_wfdb(tmp_path, "medians", np.tile(signal_uv, 2))).duration_s == 4


def write_checked(folder, signal_uv, change=lambda content: content, **stated):
    """Write a record with checksums and first values, then change its signal file."""
    header = write_wfdb(folder, "x", signal_uv)
    lines = header.read_text().splitlines()
    for i, row in enumerate(signal_uv, start=1):
        first, total = stated.get("first", row[0]), stated.get("sum", row.sum(dtype=np.int16))
        lines[i] = lines[i].replace(" 0 0 0 0 ", f" 0 {first} {total} 0 ")
    header.write_text("\n".join(lines) + "\n")
    (folder / "x.dat").write_bytes(change((folder / "x.dat").read_bytes()))
    return header


def test_a_checksum_that_differs_is_noted_with_its_lead(tmp_path, signal_uv):
    def flip(content):
        return content[:2402] + bytes([content[2402] ^ 8]) + content[2403:]

    assert read_record(write_checked(tmp_path, signal_uv)).notes == ()
    record = read_record(write_checked(tmp_path, signal_uv, flip))
    assert record.notes == (f"{ALTERED}checksum of II differs",)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[1:] + b"\0",
        lambda content: content[:12001] + b"\0" + content[12001:],
        lambda content: content[:12000] + content[:12000],
        lambda content: content[::-1],
    ],
    ids=["shifted", "inserted", "copied", "other byte order"],
)
def test_other_samples_than_the_header_s_are_refused(tmp_path, signal_uv, change):
    text = refusal(write_checked(tmp_path, signal_uv, change))
    assert "its samples are not those that its header describes" in text


def test_first_values_are_compared_where_there_are_no_checksums(tmp_path, signal_uv):
    assert read_record(write_checked(tmp_path, signal_uv, sum=0)).notes == ()
    shifted = write_checked(tmp_path, signal_uv, lambda content: content[1:] + b"\0", sum=0)
    assert "the first sample of every lead differs" in refusal(shifted)
    whole = write_checked(tmp_path, signal_uv, sum=0)
    assert read_record(whole, start_s=0.5).notes == ("from 0.5 s on",)
    same_everywhere = write_checked(tmp_path, signal_uv, sum=77, first=5)  # a writer's template
    assert read_record(same_everywhere).notes == ()


def test_more_samples_than_stated_are_noted(tmp_path, signal_uv):
    def lengthen(content):
        return content + content[:2400]

    held = "the file holds 0.2 s more than its header states, not read"
    assert read_record(write_checked(tmp_path, signal_uv, lengthen)).notes == (held,)
    unchecked = write_checked(tmp_path, signal_uv, lengthen, sum=0, first=0)
    assert read_record(unchecked).notes == (f"{ALTERED}{held}",)


def test_the_part_of_a_long_recording_that_is_read_is_noted(tmp_path, signal_uv, monkeypatch):
    monkeypatch.setattr(wfdb, "LONGEST_SAMPLES", 400)
    header = write_wfdb(tmp_path, "x", signal_uv)
    assert read_record(header).notes == ("first 0.8 s of 2 s read",)
    assert read_record(header, start_s=1).notes == ("from 1 s on, 0.8 s of 2 s read",)
    assert read_record(header, start_s=1.4).notes == ("from 1.4 s on",)


def test_a_signal_file_that_is_a_link_out_of_its_folder_is_not_followed(tmp_path, signal_uv):
    header = write_wfdb(tmp_path / "a", "x", signal_uv)
    (tmp_path / "a" / "x.dat").rename(tmp_path / "x.dat")
    (tmp_path / "a" / "x.dat").symlink_to(tmp_path / "x.dat")
    assert "x.dat is a link to a file outside of its folder" in refusal(header)
    (tmp_path / "a" / "x.dat").unlink()
    os.mkfifo(tmp_path / "a" / "x.dat")
    assert "a pipe, a socket or a device" in refusal(header)


def test_a_record_of_links_to_one_folder_is_read(tmp_path, signal_uv):
    write_wfdb(tmp_path / "store", "x", signal_uv)
    (tmp_path / "links").mkdir()
    for suffix in (".hea", ".dat"):
        (tmp_path / "links" / f"x{suffix}").symlink_to(tmp_path / "store" / f"x{suffix}")
    assert read_record(tmp_path / "links" / "x.hea").fs_hz == 500


@pytest.mark.parametrize(
    "dx",
    [
        "426783006;164889003",
        "426783006|164889003",
        "[426783006, '164889003']",
        "426783006 164889003",
    ],
)
@pytest.mark.parametrize("key", ["Dx", "DX", "Diagnosis", "dx_codes"])
def test_codes_are_read_however_they_are_separated(tmp_path, signal_uv, dx, key):
    record = read_record(write_wfdb(tmp_path, "x", signal_uv, comments=(f"{key}: {dx}",)))
    assert [s.code for s in record.statements] == ["426783006", "164889003"]


@pytest.mark.parametrize(
    ("text", "age_years"),
    [
        (">89", 90),
        ("89+", 90),
        ("90 or older", 90),
        ("6 months", 0.5),
        ("45 years", 45),
        ("045Y", 45),
        ("300", 90),
        (">40", None),
        ("18-20", None),
        ("-1", None),
    ],
)
def test_ages_are_read_as_people_write_them(tmp_path, signal_uv, text, age_years):
    header = write_wfdb(tmp_path, "x", signal_uv, comments=(f"Age: {text}",))
    assert read_record(header).age_years == age_years


@pytest.mark.parametrize(
    ("folder", "name", "comments", "expected"),
    [
        ("p1/p10000032/s4", "40689238", ("<subject_id>: 10000032",), ("mimic-iv-ecg", "10000032")),
        (
            "x",
            "I02",
            ("<age>: 65 <sex>: F <diagnoses> Angina", "patient 1", "PVCs"),
            ("incart", "1"),
        ),
        ("patient001", "s0010_re", ("age: 81", "Reason for admission: x"), ("ptb", "patient001")),
        ("x", "294669", ("Chagas label: True", "Source: SaMi-Trop"), ("sami-trop", None)),
        ("x", "111038", ("Chagas label: False", "Source: CODE-15%"), ("code-15", None)),
        ("patient001", "x", ("Patient ID: 7",), ("unknown", "7")),
        ("patient001", "x", ("Patient: unknown",), ("unknown", None)),
    ],
)
def test_source_and_patient_are_read_from_comments_and_folders(
    tmp_path, signal_uv, folder, name, comments, expected
):
    record = read_record(write_wfdb(tmp_path / folder, name, signal_uv, comments=comments))
    assert (record.source, record.patient) == expected
    if name == "I02":
        assert (record.age_years, record.sex) == (65, "female")


def test_missing_limb_leads_are_derived_and_noted(tmp_path, signal_uv):
    rows = [0, 1, 6, 7, 8, 9, 10, 11]
    leads = tuple(LEADS[row] for row in rows)
    record = read_record(write_wfdb(tmp_path, "record", signal_uv[rows], leads=leads))
    assert np.abs(record.signal_mv * 1000 - signal_uv).max() < 1.1
    assert record.notes == ("III, aVR, aVL, aVF derived from I and II",)


def test_a_two_lead_record_is_refused_by_name(tmp_path, signal_uv):
    header = write_wfdb(tmp_path, "100", signal_uv[:2], leads=("MLII", "V5"))
    assert refusal(header) == (
        "Record 100 has 2 leads (MLII, V5); 12 are needed (I, II, III, aVR, aVL, aVF, V1–V6), "
        "and I, II, V1, V2, V3, V4, V6 cannot be derived."
    )


def test_a_lead_that_stands_twice_is_refused(tmp_path, signal_uv):
    header = write_wfdb(tmp_path, "record", signal_uv, leads=(*LEADS[:11], "V5"))
    assert refusal(header).startswith("Record record has lead V5 twice")


def test_a_missing_signal_file_is_named(tmp_path, signal_uv):
    header = write_wfdb(tmp_path, "A0001", signal_uv, suffix=".mat")
    (tmp_path / "A0001.mat").unlink()
    assert refusal(header) == (
        "Record A0001: A0001.mat, which its header names, is missing. Put it beside A0001.hea."
    )


def test_a_renamed_pair_is_read(tmp_path, signal_uv):
    header = write_wfdb(
        tmp_path,
        "my ecg 1",
        signal_uv,
        suffix=".mat",
        signal_file="A0001.mat",
        record_line="A0001 12 500 1000",
    )
    np.testing.assert_array_equal(np.rint(read_record(header).signal_mv * 1000), signal_uv)


def test_a_signal_that_is_cut_off_is_refused_with_its_sizes(tmp_path, signal_uv):
    header = write_wfdb(tmp_path, "A0001", signal_uv, suffix=".mat")
    intact = (tmp_path / "A0001.mat").read_bytes()
    (tmp_path / "A0001.mat").write_bytes(intact[:12_000])
    assert refusal(header) == (
        "Record A0001: A0001.mat is cut off: 12,000 bytes, and its header declares 24,024. "
        "Fetch it again."
    )


def test_an_empty_signal_file_is_refused(tmp_path, signal_uv):
    header = write_wfdb(tmp_path, "A0001", signal_uv)
    (tmp_path / "A0001.dat").write_bytes(b"")
    assert "A0001.dat is cut off: 0 bytes" in refusal(header)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "x.hea is empty"),
        (b"This is a letter to a patient.\nKind regards\n", "is not a WFDB header"),
        (b"\x89PNG\0\0\0\0", "is not a short text"),
        (b"# only a comment\n", "it has no record line"),
        (b"x 12 500 5000\n", "declares 12 signals and describes 0"),
        (b"x 0 500 5000\n", "has 0 leads"),
        (b"x 12 500 5000\nx.dat 16 1000/mV 16 0 0 0 0 I\n", "declares 12 signals and describes 1"),
        (b"x 1 500 5000\nnonsense\n", "names a file and nothing more"),
    ],
)
def test_a_header_that_is_none_is_refused(tmp_path, content, reason):
    (tmp_path / "x.hea").write_bytes(content)
    assert reason in refusal(tmp_path / "x.hea")


@pytest.mark.parametrize("file", ["../secret.dat", "/etc/passwd", "..\\secret.dat", "C:secret.dat"])
def test_a_header_cannot_point_outside_its_folder(tmp_path, signal_uv, file):
    write_wfdb(tmp_path, "secret", signal_uv)
    header = write_wfdb(tmp_path / "in", "x", signal_uv, signal_file=file)
    assert "must lie in the header's own folder" in refusal(header)


def test_segments_cannot_point_outside_their_folder(tmp_path, signal_uv):
    write_wfdb(tmp_path, "secret", signal_uv)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.hea").write_text("x/1 12 500 1000\n../secret 1000\n")
    assert "must lie in the header's own folder" in refusal(tmp_path / "in" / "x.hea")


def test_segments_are_joined(tmp_path, signal_uv):
    write_wfdb(tmp_path, "seg_a", signal_uv[:, :400])
    write_wfdb(tmp_path, "seg_b", signal_uv[:, 400:])
    (tmp_path / "whole.hea").write_text("whole/2 12 500 1000\nseg_a 400\nseg_b 600\n")
    record = read_record(tmp_path / "whole.hea")
    np.testing.assert_array_equal(np.rint(record.signal_mv * 1000), signal_uv)


def test_samples_marked_as_missing_stay_missing(tmp_path, signal_uv):
    signal_uv[6, 100:200] = -32768
    record = read_record(write_wfdb(tmp_path, "record", signal_uv))
    assert np.isnan(record.signal_mv[6, 100:200]).all()
    assert np.isnan(record.signal_mv).sum() == 100


def test_a_lead_without_any_sample_is_refused(tmp_path, signal_uv):
    signal_uv[[6, 7]] = -32768
    header = write_wfdb(tmp_path, "record", signal_uv)
    assert "has no signal in V1, V2" in refusal(header)
    header = write_wfdb(tmp_path, "empty", np.full((12, 100), -32768, np.int16))
    assert "has no signal in any lead" in refusal(header)


def test_one_flat_lead_is_noted_and_a_flat_record_is_refused(tmp_path, signal_uv):
    signal_uv[8] = 7
    assert read_record(write_wfdb(tmp_path, "a", signal_uv)).notes == ("flat: V3",)
    header = write_wfdb(tmp_path, "b", np.zeros((12, 500), np.int16))
    assert refusal(header) == "Record b is flat: no lead ever changes its value."


def test_another_unit_or_an_absurd_scale_is_refused(tmp_path, signal_uv):
    assert "lead I is in 'mmHg'" in refusal(write_wfdb(tmp_path, "a", signal_uv, gain="1000/mmHg"))
    assert "an ECG spans 0.1 to 20 mV" in refusal(write_wfdb(tmp_path, "b", signal_uv, gain="1/mV"))


@pytest.mark.parametrize("fs_hz", [0, 20, 1e6])
def test_a_rate_that_no_electrocardiograph_has_is_refused(tmp_path, signal_uv, fs_hz):
    header = write_wfdb(tmp_path, "x", signal_uv, record_line=f"x 12 {fs_hz:.0f} 1000")
    assert refusal(header) == (
        f"Record x is sampled at {fs_hz:g} Hz; rates from 50 to 40,000 Hz are read. "
        "Correct the rate that the file states."
    )


def test_a_newer_matlab_file_is_refused_by_its_kind(tmp_path, signal_uv):
    header = write_wfdb(tmp_path, "A0001", signal_uv, suffix=".mat")
    (tmp_path / "A0001.mat").write_bytes(b"MATLAB 5.0 MAT-file" + b" " * 30_000)
    assert "MATLAB file of version 5 or later" in refusal(header)


def test_a_signal_without_header_a_folder_and_other_formats_are_refused(tmp_path, signal_uv):
    write_wfdb(tmp_path, "A0001", signal_uv).unlink()
    assert "A0001.hea is missing" in refusal(tmp_path / "A0001.dat")
    assert "is a folder" in refusal(tmp_path)
    assert "there is no file B.hea" in refusal(tmp_path / "B.hea")
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    assert "a.pdf is a document" in refusal(tmp_path / "a.pdf")


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "n", "sources"),
    [
        ("ecg-arrhythmia", 55, {"ecg-arrhythmia"}),
        ("challenge-2021", 76, {"cpsc_2018", "cpsc_2018_extra", "georgia", "ptb", "ptb-xl"}),
        ("ludb", 60, {"ludb"}),
        ("code-15/wfdb", 20, {"code-15"}),
    ],
)
def test_every_real_record_is_read_and_obeys_einthoven(folder, n, sources):
    from ecgcore.records.discover import find_records

    records = [read_record(path) for path in find_records([real(folder)])]
    assert len(records) == n
    assert {record.source for record in records} == sources
    off = [np.nanmean(np.abs(r.signal_mv[1] - r.signal_mv[0] - r.signal_mv[2])) for r in records]
    assert np.median(off) < 0.01  # mV


@pytest.mark.data
def test_files_of_every_signal_format_read_as_wfdb_s_own_reading():
    import json

    formats = real("formats")
    expected = json.loads((formats / "expected.json").read_text())
    checked = 0
    for name, reading in expected.items():
        if not name.startswith(("wfdb/derived", "wfdb/cinc2021", "wfdb/ptbxl")):
            continue
        if "error" in reading or reading["leads"] == ["None"]:
            continue
        record = read_record(formats / name)
        first = np.array(reading["first5_mV"]) / (1000 if "uvunits" in name else 1)
        np.testing.assert_allclose(record.signal_mv[0, :5], first, atol=1e-4, err_msg=name)
        assert (record.fs_hz, record.signal_mv.shape[1]) == (reading["fs"], reading["n"])
        checked += 1
    assert checked >= 20


def test_an_unneeded_rate_is_noted_as_not_used():
    header = PTB_XL / "00001_lr.hea"
    record = read_record(header, source_fs_hz=1000)
    note = "the 1000 Hz given are not used: the file says 100 Hz"
    assert (record.fs_hz, record.notes) == (100, (*read_record(header).notes, note))
    assert read_record(header, source_fs_hz=100).notes == read_record(header).notes


@pytest.mark.parametrize("form", ["16", "24"])
def test_a_header_without_a_rate_takes_the_given_one_before_the_default(tmp_path, signal_uv, form):
    from wfdb import wrsamp

    table_mv = signal_uv.T / 1000
    units = ["mV"] * 12
    wrsamp("x", 500, units, list(LEADS), table_mv, fmt=[form] * 12, write_dir=str(tmp_path))
    header = tmp_path / "x.hea"
    header.write_text(header.read_text().replace("x 12 500 1000", "x 12"))
    record = read_record(header, source_fs_hz=500)
    assert (record.fs_hz, record.evidence["rate"]) == (500, "the rate given")
    assert not [note for note in record.notes if "rate" in note or "given" in note]
    assert read_record(header).notes[0].startswith("rate assumed: 250 Hz")
