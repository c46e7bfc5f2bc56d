"""EDF, EDF+ and BDF: labels, dates, rates, gaps and scales as recorders write them."""

import re
from datetime import datetime

import numpy as np
import pyedflib
import pytest
from recordings import limb_consistent_uv

from ecgcore.errors import UnreadableRecord
from ecgcore.records import file_format
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS

SIGNAL_UV = limb_consistent_uv(3500) // 8  # 7 s at 500 Hz
FIXED = {"patient": 8, "date": 168, "time": 176, "reserved": 192, "records": 236}


def write(file, signals, kind=pyedflib.FILETYPE_EDFPLUS, **changes):
    """Write (label, samples in µV, rate) at 0.5 µV a step; ``changes`` of the signals' headers."""
    with pyedflib.EdfWriter(str(file), len(signals), file_type=kind) as out:
        out.setStartdatetime(datetime(2020, 1, 1))
        largest = 2**23 - 1 if kind in (pyedflib.FILETYPE_BDF, pyedflib.FILETYPE_BDFPLUS) else 32767
        for row, (label, _, fs_hz) in enumerate(signals):
            scale = {
                "physical_max": largest // 2,
                "physical_min": -(largest // 2),
                "dimension": "uV",
            }
            digital = {"digital_max": largest, "digital_min": -largest}
            names = {"label": label, "transducer": "", "prefilter": "", "sample_frequency": fs_hz}
            out.setSignalHeader(row, names | scale | digital | changes)
        out.writeSamples([np.asarray(samples, float) for _, samples, _ in signals])
    return file


def twelve(label="{}", fs_hz=500):
    return [(label.format(lead), row, fs_hz) for lead, row in zip(LEADS, SIGNAL_UV, strict=True)]


def patch(file, offset, content):
    data = bytearray(file.read_bytes())
    data[offset : offset + len(content)] = content
    file.write_bytes(data)
    return file


def refusal(file):
    with pytest.raises(UnreadableRecord) as error:
        read_record(file)
    return str(error.value)


def assert_read(file, notes=()):
    record = read_record(file)
    np.testing.assert_allclose(record.signal_mv, SIGNAL_UV / 1000, atol=3e-4)
    assert record.fs_hz == 500
    assert record.notes == notes
    assert set(record.evidence) == {"rate", "leads", "unit"}


@pytest.mark.parametrize(
    "label", ["{}", "ECG {}", "ECG Lead {}", "ECG {}-Ref", "EKG_{}", "lead {}"]
)
def test_labels_are_understood_in_every_usual_spelling(tmp_path, label):
    assert_read(write(tmp_path / "labels.edf", twelve(label)))


@pytest.mark.parametrize("kind", [pyedflib.FILETYPE_EDF, pyedflib.FILETYPE_EDFPLUS])
@pytest.mark.parametrize(
    ("field", "content"),
    [("date", b" " * 8), ("time", b"61.75.99"), ("date", b"99.99.99"), ("patient", b" " * 80)],
)
def test_dates_and_names_that_are_blank_or_wrong_do_not_matter(tmp_path, kind, field, content):
    file = patch(write(tmp_path / "dates.edf", twelve(), kind), FIXED[field], content)
    assert file_format.detect_format(file.rename(tmp_path / "upload.bin")) == "edf"
    assert_read(tmp_path / "upload.bin")


@pytest.mark.parametrize("kind", [pyedflib.FILETYPE_BDF, pyedflib.FILETYPE_BDFPLUS])
def test_samples_of_24_bits_are_read(tmp_path, kind):
    assert_read(write(tmp_path / "wide.bdf", twelve(), kind))


def test_records_that_are_apart_are_placed_at_their_times_with_a_note(tmp_path):
    file = write(tmp_path / "gap.edf", twelve())
    data = file.read_bytes().replace(b"EDF+C", b"EDF+D", 1)
    late = re.sub(rb"\+([4-6])\x14\x14", lambda m: b"+%d\x14\x14" % (int(m[1]) + 2), data)
    file.write_bytes(late)
    record = read_record(file)
    assert record.notes == ("2.0 s missing from 4.0 s on",)
    assert record.signal_mv.shape == (12, 4500)
    assert np.isnan(record.signal_mv[:, 2000:3000]).all()
    for ours, theirs in ((slice(0, 2000), slice(0, 2000)), (slice(3000, 4500), slice(2000, 3500))):
        np.testing.assert_allclose(
            record.signal_mv[:, ours], SIGNAL_UV[:, theirs] / 1000, atol=3e-4
        )
    part = read_record(file, start_s=5)
    assert "1.0 s missing from 0.0 s on" in part.notes
    np.testing.assert_array_equal(part.signal_mv, record.signal_mv[:, 2500:])


@pytest.mark.parametrize("kind", [pyedflib.FILETYPE_EDF, pyedflib.FILETYPE_EDFPLUS])
def test_complete_records_of_a_recorder_that_was_stopped_are_read(tmp_path, kind):
    file = write(tmp_path / "open.edf", twelve(), kind)
    assert_read(patch(file, FIXED["records"], b"-1      "))
    file.write_bytes(file.read_bytes() + b"\0" * 100)
    assert_read(file, notes=("not used: 100 bytes after the last record",))


def test_signals_beside_the_ecg_decide_nothing(tmp_path):
    beside = [("Resp", np.zeros(70), 10), ("SpO2", np.zeros(7), 1), ("Pleth", np.zeros(7000), 1000)]
    assert_read(
        write(tmp_path / "beside.edf", beside + twelve(), pyedflib.FILETYPE_EDF),
        notes=("not used: 3 other signal(s)",),
    )


def test_leads_of_a_lower_rate_are_resampled_with_a_note(tmp_path):
    slow = [(label, row[::2], 250) for label, row, _ in twelve()[6:]]
    record = read_record(write(tmp_path / "rates.edf", twelve()[:6] + slow))
    assert record.notes == ("V1, V2, V3, V4, V5, V6 resampled from 250 to 500 Hz",)
    assert record.fs_hz == 500
    np.testing.assert_allclose(record.signal_mv[:6], SIGNAL_UV[:6] / 1000, atol=3e-4)


def test_two_signals_under_one_label_are_refused_and_a_copy_is_noted(tmp_path):
    copy = write(tmp_path / "copy.edf", [*twelve(), ("II", SIGNAL_UV[1], 500)])
    assert_read(copy, notes=("stored twice, with one signal: II",))
    other = write(tmp_path / "other.edf", [*twelve(), ("ECG II", SIGNAL_UV[7], 500)])
    assert "has lead II twice, with two signals" in refusal(other)


@pytest.mark.parametrize(
    ("kind", "change"),
    [(pyedflib.FILETYPE_EDF, change) for change in ("insert", "copy", "delete")]
    + [(pyedflib.FILETYPE_EDFPLUS, change) for change in ("insert", "copy", "delete", "shift")],
)
def test_bytes_too_many_or_too_few_are_refused(tmp_path, kind, change):
    file = write(tmp_path / "bytes.edf", twelve(), kind)
    data = file.read_bytes()
    at = len(data) // 2
    altered = {
        "insert": data[:at] + b"\0\0" + data[at:],
        "copy": data[:at] + data[at - 4000 :],
        "delete": data[:at] + data[at + 2 :],
        "shift": data[:at] + b"\0\0" + data[at:-2],
    }
    file.write_bytes(altered[change])
    assert re.search(r"it is (altered|cut off)\.$", refusal(file))


def test_bytes_after_the_last_record_of_edf_plus_are_left_aside_and_said(tmp_path):
    file = write(tmp_path / "tail.edf", twelve())
    file.write_bytes(file.read_bytes() + b"\0" * 100)
    assert_read(file, notes=("not used: 100 bytes after the last record",))


def test_an_inverted_scale_is_obeyed_and_said(tmp_path):
    file = write(tmp_path / "inverted.edf", twelve())
    data = file.read_bytes()
    low, high = 256 + 13 * 104 + 6 * 8, 256 + 13 * 112 + 6 * 8  # of V1, the seventh of 13 signals
    swapped = patch(patch(file, low, data[high : high + 8]), high, data[low : low + 8])
    record = read_record(swapped)
    np.testing.assert_allclose(record.signal_mv[6], -SIGNAL_UV[6] / 1000, atol=3e-4)
    assert record.notes == ("inverted by the header (physical minimum above maximum): V1",)


def test_a_header_that_does_not_scale_is_said(tmp_path):
    plain = {"physical_max": 32767, "physical_min": -32768, "digital_min": -32768}
    record = read_record(write(tmp_path / "plain.edf", twelve(), **plain))
    assert record.notes == (
        f"stored numbers taken as they are, as the header scales by 1: {', '.join(LEADS)}",
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dimension": "mmHg"}, "in a unit that is no voltage"),
        ({"dimension": ""}, "without a unit"),
    ],
)
def test_a_unit_that_is_no_voltage_is_refused(tmp_path, changes, reason):
    assert reason in refusal(write(tmp_path / "unit.edf", twelve(), **changes))


@pytest.mark.parametrize(
    ("offset", "content"),
    [
        (FIXED["records"], b"99999999"),  # records
        (252, b"9999"),  # signals
        (244, b"0       "),  # seconds a record
        (244, b"1e-300  "),
        (256 + 13 * 216, b"99999999"),  # samples a record
        (256 + 13 * 104, b"6000    "),  # physical range of no width
        (256 + 13 * 112, b"nan     "),
    ],
)
def test_absurd_numbers_of_a_header_are_refused_in_one_line(tmp_path, offset, content):
    file = patch(write(tmp_path / "absurd.edf", twelve()), offset, content)
    if offset == 256 + 13 * 104:
        patch(file, 256 + 13 * 112, content)
    assert refusal(file).startswith("Record absurd")
