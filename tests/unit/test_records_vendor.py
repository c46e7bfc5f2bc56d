"""Vendor formats: detected by content, read exactly, without names; others refused by name."""

import re
import shutil
import struct

import numpy as np
import pytest
from recordings import limb_consistent_uv
from vendor_binary_files import write_dicom, write_ishne
from vendor_files import WRITERS
from vendor_person import EIGHT, PERSON
from vendor_xml_files import lzw

from ecgcore.errors import UnreadableRecord
from ecgcore.records import file_format
from ecgcore.records.read import read_header, read_record
from ecgcore.records.record import LEADS, MACHINE_MEASUREMENTS
from ecgcore.records.vendor_record import impersonal_sentences

SIGNAL_UV = limb_consistent_uv(5000) // 8
XML = ("aecg", "muse", "cardiosoft", "philips", "mortara", "schiller")
BOMB = (
    '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c SYSTEM "file:///etc/passwd">]>'
)


def write_record(tmp_path, kind, **options):
    suffix, write = WRITERS[kind]
    return write(tmp_path / f"record_{kind}{suffix}", SIGNAL_UV, **options)


def expected_mv(stored=LEADS):
    """Return (12, T) in mV; limb leads that are not stored are derived from I and II."""
    signal_mv = SIGNAL_UV / 1000
    if "III" not in stored:
        one, two = signal_mv[:2]
        signal_mv[2:6] = [two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return signal_mv


def refusal(path):
    with pytest.raises(UnreadableRecord) as error:
        read_record(path)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kind", WRITERS)
def test_each_format_is_detected_by_its_content_whatever_its_suffix(tmp_path, kind):
    file = write_record(tmp_path, kind)
    assert file_format.detect_format(file) == kind
    assert file_format.detect_format(shutil.copy(file, tmp_path / "upload.bin")) == kind


@pytest.mark.parametrize("kind", WRITERS)
def test_each_format_gives_its_signal_in_mv_its_rate_age_and_sex(tmp_path, kind):
    file = write_record(tmp_path, kind)
    record = read_record(file)
    eight = kind in ("muse", "scp", "mortara", "schiller")
    signal_mv = expected_mv(EIGHT if eight else LEADS)
    n_samples = 2000 if kind == "ishne" else 5000  # ten seconds at 200 Hz
    assert record.signal_mv.shape == (12, n_samples)
    assert record.signal_mv.dtype == np.float32
    np.testing.assert_allclose(record.signal_mv, signal_mv[:, :n_samples], atol=1e-6)
    assert record.fs_hz == pytest.approx({"ishne": 200, "scp": 1e6 / 1667}.get(kind, 500), rel=1e-9)
    assert read_header(file).fs_hz == record.fs_hz
    assert (record.age_years, record.sex) == (62, "female")
    assert ("III, aVR, aVL, aVF derived from I and II" in record.notes) == eight


@pytest.mark.parametrize("kind", WRITERS)
def test_no_name_number_or_date_of_a_file_gets_into_the_record(tmp_path, kind):
    record = read_record(write_record(tmp_path, kind))
    everything = repr(record).lower() + repr(vars(record)).lower()
    assert [trace for trace in PERSON.traces if trace in everything] == []


@pytest.mark.parametrize("kind", ["dicom", "aecg", "muse", "cardiosoft", "philips", "scp"])
def test_the_machine_s_sentences_are_kept_but_for_those_about_people(tmp_path, kind):
    record = read_record(write_record(tmp_path, kind))
    assert [(s.system, s.code) for s in record.statements] == [("text", "Sinus rhythm")]


@pytest.mark.parametrize("kind", ["dicom", "aecg", "muse", "cardiosoft", "philips", "scp"])
def test_the_machine_s_measurements_stand_in_the_record_without_its_blanks(tmp_path, kind):
    machine = read_record(write_record(tmp_path, kind)).machine
    assert machine["qrs_ms"] == 92
    assert machine.get("pr_ms") == (160 if kind == "scp" else None)  # 0 is no interval
    assert set(machine) <= set(MACHINE_MEASUREMENTS)
    if kind in ("muse", "scp"):
        assert machine["axis_deg"] == 0  # 0° is an axis


@pytest.mark.parametrize("kind", WRITERS)
def test_a_window_starts_at_the_requested_second(tmp_path, kind):
    file = write_record(tmp_path, kind)
    full, part = read_record(file), read_record(file, start_s=2)
    first = round(2 * full.fs_hz)
    shared = full.signal_mv.shape[1] - first
    np.testing.assert_array_equal(part.signal_mv[:, :shared], full.signal_mv[:, first:])
    assert any(note.startswith("windowed: ") for note in part.notes)
    with pytest.raises(UnreadableRecord, match=r"a window from 60 s on is not in it\.$"):
        read_record(file, start_s=60)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_cut_off_is_refused_in_one_line(tmp_path, kind):
    file = write_record(tmp_path, kind)
    intact = file.read_bytes()
    file.write_bytes(intact[: len(intact) // 60])
    assert refusal(file).startswith(f"Record record_{kind}")


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind not in XML])
def test_a_lead_that_cannot_be_derived_is_named(tmp_path, kind):
    file = write_record(tmp_path, kind, leads=("I", "II", "V1", "V2", "V3", "V4", "V5"))
    assert refusal(file).endswith("and V6 cannot be derived.")


@pytest.mark.parametrize("kind", XML)
def test_xml_with_entities_is_not_opened(tmp_path, kind):
    assert "declares XML entities" in refusal(write_record(tmp_path, kind, head=BOMB))


@pytest.mark.parametrize("kind", XML)
def test_xml_of_more_elements_than_any_ecg_is_not_opened(tmp_path, kind):
    file = write_record(tmp_path, kind)
    encoding = "utf-16" if kind == "philips" else "latin-1"
    text = file.read_text(encoding)
    root = re.search(r"</\w+>$", text)[0]
    file.write_text(text.replace(root, "<a/>" * 500_000 + root), encoding)
    assert refusal(file).endswith("holds more XML elements than any ECG does.")


def test_a_dicom_zero_is_a_zero_even_where_the_padding_value_is(tmp_path):
    signal_uv = SIGNAL_UV.copy()
    signal_uv[:, 100:120] = 0
    file = write_dicom(tmp_path / "zero.dcm", signal_uv, padding=b"\0\0")
    assert (read_record(file).signal_mv[:, 100:120] == 0).all()


def test_a_dicom_sample_at_the_lowest_padding_value_is_missing(tmp_path):
    signal_uv = SIGNAL_UV.copy()
    signal_uv[6, 100:120] = -32768
    file = write_dicom(tmp_path / "padded.dcm", signal_uv, padding=b"\x00\x80")
    record = read_record(file)
    assert np.isnan(record.signal_mv[6, 100:120]).all()
    assert np.isnan(record.signal_mv).sum() == 20


def test_dicom_is_scaled_by_the_unit_that_each_channel_states(tmp_path):
    file = write_dicom(tmp_path / "mv.dcm", SIGNAL_UV, unit="mV")
    np.testing.assert_allclose(read_record(file).signal_mv, SIGNAL_UV / 1000, atol=1e-6)
    file = write_dicom(tmp_path / "pa.dcm", SIGNAL_UV, unit="kPa")
    assert refusal(file) == (
        "Record pa: lead I is in a unit that is no voltage; accepted are mV, µV, nV and V."
    )


def test_a_dicom_without_labels_gives_the_longer_original_group(tmp_path):
    import pydicom

    file = write_dicom(tmp_path / "bare.dcm", SIGNAL_UV)
    dataset = pydicom.dcmread(file)
    for group in dataset.WaveformSequence:
        del group.MultiplexGroupLabel
    dataset.save_as(file)
    assert read_record(file).signal_mv.shape == (12, 5000)


def test_a_dicom_channel_that_is_no_lead_is_left_aside_and_counted(tmp_path):
    import pydicom

    signal_uv = np.vstack([SIGNAL_UV, SIGNAL_UV[:1] * 3])
    file = write_dicom(tmp_path / "cath.dcm", SIGNAL_UV, groups=("RHYTHM",))
    dataset = pydicom.dcmread(file)
    group = dataset.WaveformSequence[0]
    pressure = pydicom.dcmread(file).WaveformSequence[0].ChannelDefinitionSequence[0]
    source = pressure.ChannelSourceSequence[0]
    source.CodeValue, source.CodeMeaning = "109016", "Aortic pressure"
    pressure.ChannelSensitivityUnitsSequence[0].CodeValue = "mm[Hg]"
    group.ChannelDefinitionSequence.append(pressure)
    group.NumberOfWaveformChannels = 13
    group.WaveformData = signal_uv.T.astype("<i2").tobytes()
    dataset.save_as(file)
    record = read_record(file)
    np.testing.assert_allclose(record.signal_mv, SIGNAL_UV / 1000, atol=1e-6)
    assert record.notes == ("not used: 1",)


def test_of_a_rhythm_strip_and_twelve_leads_a_dicom_gives_the_twelve(tmp_path):
    import pydicom

    file = write_dicom(tmp_path / "both.dcm", SIGNAL_UV, groups=("RHYTHM", "12-LEAD"))
    dataset = pydicom.dcmread(file)
    strip = dataset.WaveformSequence[0]
    strip.ChannelDefinitionSequence = strip.ChannelDefinitionSequence[1:2]
    strip.NumberOfWaveformChannels = 1
    strip.WaveformData = SIGNAL_UV[1].astype("<i2").tobytes()
    dataset.save_as(file)
    np.testing.assert_allclose(read_record(file).signal_mv, SIGNAL_UV / 1000, atol=1e-6)


def test_a_dicom_picture_is_refused_as_one_without_waveform(tmp_path):
    import pydicom

    file = write_dicom(tmp_path / "scan.dcm", SIGNAL_UV)
    dataset = pydicom.dcmread(file)
    del dataset.WaveformSequence
    dataset.Modality = "CR"
    dataset.save_as(file)
    assert refusal(file) == (
        "Record scan: scan.dcm is DICOM without a waveform; a 12-lead ECG waveform is needed."
    )


def test_a_file_with_a_median_beat_alone_is_refused(tmp_path):
    assert refusal(write_record(tmp_path, "dicom", groups=("MEDIAN BEAT",))) == (
        "Record record_dicom: record_dicom.dcm holds only a median beat, no rhythm; a recording of "
        "several beats is needed. Export the ECG with its waveform."
    )


def test_xml_is_detected_by_its_root_after_a_long_comment(tmp_path):
    file = write_record(tmp_path, "aecg", head=f"<!-- <RestingECG> {'x' * 9000} -->")
    assert file_format.detect_format(file) == "aecg"


def test_an_aecg_without_waveform_is_refused_as_such(tmp_path):
    assert "is an aECG without a waveform" in refusal(
        write_record(tmp_path, "aecg", waveform=False)
    )


def test_a_muse_lead_whose_checksum_is_wrong_is_noted(tmp_path):
    file = write_record(tmp_path, "muse")
    file.write_text(re.sub(r"<LeadDataCRC32>\d+", "<LeadDataCRC32>7", file.read_text("latin-1")))
    assert read_record(file).notes[0] == (
        "altered: checksum of I, II, V1, V2, V3, V4, V5, V6 differs"
    )


@pytest.mark.parametrize("kind", ["muse", "cardiosoft"])
def test_leads_shorter_than_declared_are_refused(tmp_path, kind):
    file = write_record(tmp_path, kind)
    file.write_text(file.read_text("latin-1").replace("CountTotal>5000<", "CountTotal>6000<"))
    assert "declares 6,000 samples" in refusal(file)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_philips_is_read_packed_and_plain_in_either_encoding(tmp_path, packed, encoding):
    file = write_record(tmp_path, "philips", packed=packed, encoding=encoding)
    np.testing.assert_allclose(read_record(file).signal_mv, SIGNAL_UV / 1000, atol=1e-6)


def test_philips_of_an_unknown_version_is_refused_by_its_version(tmp_path):
    message = refusal(write_record(tmp_path, "philips", version="1.05"))
    assert message.startswith(
        "Record record_philips: record_philips.xml is PhilipsECG 1.05; accepted are"
    )


def test_a_packed_stream_that_grows_without_limit_is_not_unpacked(tmp_path):
    body = lzw([0, *range(256, 1022), *[1021] * 20_000])
    stream = struct.pack("<iHh", len(body), 0, 0) + body
    assert "unpacks to more than" in refusal(write_record(tmp_path, "philips", stream=stream))


@pytest.mark.parametrize("packed", [True, False])
def test_scp_keeps_its_exact_rate_packed_or_plain(tmp_path, packed):
    record = read_record(write_record(tmp_path, "scp", packed=packed, interval_us=1667))
    assert record.fs_hz == pytest.approx(599.880024, abs=1e-6)
    np.testing.assert_allclose(record.signal_mv, expected_mv(EIGHT), atol=1e-6)


def test_scp_that_counts_its_samples_from_0_is_read_and_noted(tmp_path):
    record = read_record(write_record(tmp_path, "scp", first=0))
    np.testing.assert_allclose(record.signal_mv, expected_mv(EIGHT), atol=1e-6)
    assert record.notes[0] == "samples counted from 0 in the file, taken as from 1"


def test_scp_with_bimodal_compression_is_refused_by_name(tmp_path):
    assert "SCP-ECG with bimodal compression" in refusal(
        write_record(tmp_path, "scp", bimodal=True)
    )


def test_scp_whose_checksum_is_wrong_is_read_and_noted(tmp_path):
    file = write_record(tmp_path, "scp")
    content = bytearray(file.read_bytes())
    content[0] ^= 255
    file.write_bytes(content)
    assert read_record(file).notes[0] == "altered: a checksum differs"


def test_scp_that_claims_a_billion_samples_is_refused_at_once(tmp_path):
    file = write_record(tmp_path, "scp", packed=True)
    content = bytearray(file.read_bytes())
    at = content.index(struct.pack("<IIB", 1, 5000, 1))
    struct.pack_into("<I", content, at + 4, 1_000_000_000)
    struct.pack_into("<H", content, at - 18, 0)  # the section states no checksum
    file.write_bytes(content)
    assert "claims 1,000,035,000 samples" in refusal(file)


def test_a_file_named_scp_that_is_none_is_refused(tmp_path):
    file = tmp_path / "62.SCP"
    file.write_bytes(b"\x30\x9d\0\0\xf0\x72" + b"\0" * 500)
    assert refusal(file).startswith("Record 62: 62.SCP is not SCP-ECG, whatever its name")


def test_edf_leads_are_read_beside_other_signals_but_not_from_an_eeg(tmp_path):
    file = write_record(tmp_path, "edf", prefix="EEG ")
    assert refusal(file).endswith("; an EEG or another recording is not read.")


def test_edf_with_annotations_alone_is_refused_as_such(tmp_path):
    import pyedflib

    file = tmp_path / "notes.edf"
    with pyedflib.EdfWriter(str(file), 0, file_type=pyedflib.FILETYPE_EDFPLUS) as out:
        out.writeAnnotation(0, 1, "beat")
    assert refusal(file) == "Record notes: notes.edf holds annotations and no signal."


def test_of_a_day_in_ishne_only_the_window_is_read(tmp_path):
    file = write_record(tmp_path, "ishne")
    record = read_record(file, start_s=12.5)
    np.testing.assert_allclose(record.signal_mv, SIGNAL_UV[:, 2500:4500] / 1000, atol=1e-6)
    assert record.notes == ("windowed: 12.5–22.5 s of 25.0 s",)


def test_an_ishne_sample_that_marks_a_lead_as_off_is_missing(tmp_path):
    signal_uv = SIGNAL_UV.copy()
    signal_uv[7, 50:60] = -32768
    record = read_record(write_ishne(tmp_path / "off.ecg", signal_uv))
    assert np.isnan(record.signal_mv[7, 50:60]).all()
    assert np.isnan(record.signal_mv).sum() == 10


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.MWF", b"@ MFR Monitoring Waveform", "a.MWF cannot be parsed as MFER"),
        ("b.ECG", b"0000037\0\0\0" + b"2020-11-15 12:59:50\0", "Contec's own binary form"),
        ("c.xml", b"<?xml version='1.0'?><BTL_ECG/>", "c.xml is BTL's XML"),
        ("d.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "a picture of an ECG that this program did"),
        ("e.jpg", b"\xff\xd8\xff\xe0" + b"\0" * 40, "a picture of an ECG that this program did"),
        ("f.pdf", b"%PDF-1.7 ...", "f.pdf is a document"),
        ("f.docx", b"PK\x03\x04" + bytes(26) + b"word/document.xml", "f.docx is a document"),
        ("g.xml", b"<html><body/></html>", "XML of another kind (root element html)"),
        ("h.xml", b"not xml", "h.xml is not well-formed XML"),
        ("i.scp", b"", "i.scp is empty"),
        ("j.tgz", b"\x1f\x8b\x08\0", "packed in a form that is not opened"),
        ("k.ann", b"ANN  1.0" + b"\0" * 40, "annotations of an ISHNE recording"),
        ("l.dcm", b"not dicom at all", "l.dcm is not DICOM, whatever its name"),
        ("m.edf", b"0       John", "m.edf cannot be parsed as EDF"),
    ],
)
def test_formats_that_are_not_read_are_refused_by_name(tmp_path, name, content, reason):
    file = tmp_path / name
    file.write_bytes(content)
    assert reason in refusal(file)
    assert refusal(file).startswith(f"Record {file.stem}: ")


def test_a_longer_recording_than_half_an_hour_is_not_read_whole(tmp_path):
    signal_uv = np.tile(SIGNAL_UV, (1, 440))
    file = write_dicom(tmp_path / "day.dcm", signal_uv, fs_hz=500)
    assert refusal(file).startswith("Record day has 2,200,000 samples a lead; at most 2,000,000")


@pytest.mark.parametrize(
    "sentence",
    [
        "Confirmed by SMITH, JOHN (52) on 1/2/2020 3:04:05 PM",
        "When compared with ECG of 01-JAN-2010 10:11,",
        "Referred by: ANDERSON",
        "Electronically signed",
        "Technician: 33",
        "MRN 12345678",
        "*** Age 62, no suspected reversal; Dr. House ***",
        "The lady Quillfeather has a normal ECG",
        "----",
    ],
)
def test_sentences_about_people_and_days_are_dropped(sentence):
    assert impersonal_sentences([sentence], [PERSON.family]) == []


@pytest.mark.parametrize(
    "sentence",
    [
        "Normal sinus rhythm",
        "Left ventricular hypertrophy (S V1 + R V5 = 4.1 mV)",
        "ST elevation, consider inferior injury or acute infarct",
        "RSR' in V1 or V2, QRS duration 96 ms",
        "ålderskorrigerat Sokolow index (SV1+RV5 eller V6) = 4.1 mV",
    ],
)
def test_sentences_about_the_heart_are_kept(sentence):
    assert impersonal_sentences([f" {sentence} ,"], ["Normal^Test", PERSON.family]) == [sentence]
