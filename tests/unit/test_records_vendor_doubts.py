"""Vendor formats: parts, median beats, electrodes off, checksums, and lengths that differ."""

import re
import struct

import numpy as np
import pydicom
import pytest
from recordings import limb_consistent_uv
from vendor_binary_files import write_dicom
from vendor_files import WRITERS

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats import dicom
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS

SIGNAL_UV = limb_consistent_uv(5000) // 8
SIGNAL_MV = SIGNAL_UV / 1000
ENCODINGS = {"philips": "utf-16"}
MEDIAN = "holds only a median beat, no rhythm; a recording of several beats is needed"
PARTS = (slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12))


def write(tmp_path, kind, **options):
    suffix, writer = WRITERS[kind]
    signal_uv = options.pop("signal_uv", SIGNAL_UV)
    return writer(tmp_path / f"x{suffix}", signal_uv, **options)


def edited(tmp_path, kind, *replacements, **options):
    """Write an XML file in which patterns are replaced."""
    file = write(tmp_path, kind, **options)
    encoding = ENCODINGS.get(kind, "latin-1")
    text = file.read_text(encoding)
    for pattern, replacement in replacements:
        text, n_replaced = re.subn(pattern, replacement, text, flags=re.S)
        assert n_replaced
    file.write_text(text, encoding)
    return file


def edited_dicom(tmp_path, edit, **options):
    file = write(tmp_path, "dicom", groups=("RHYTHM",), **options)
    dataset = pydicom.dcmread(file)
    edit(dataset)
    dataset.save_as(file)
    return file


def refusal(file):
    with pytest.raises(UnreadableRecord) as error:
        read_record(file)
    assert "\n" not in str(error.value)
    return str(error.value)


def assert_page(record):
    assert record.signal_mv.shape == (12, 5000)
    for part, rows in enumerate(PARTS):
        inside = np.arange(1250 * part, 1250 * part + 1250)
        np.testing.assert_allclose(
            record.signal_mv[rows, inside], SIGNAL_MV[rows, inside], atol=1e-6
        )
        assert np.isnan(np.delete(record.signal_mv[rows], inside, axis=1)).all()
    assert any("V1, V2, V3 5–7.5 s" in note for note in record.notes)


def split_dicom(dataset, offsets_ms=None, strip=False):
    """Turn a group of twelve leads into four of three, each of a quarter of the time."""
    whole = dataset.WaveformSequence[0]
    groups = []
    for part, rows in enumerate(PARTS):
        group = pydicom.dcmread(dataset.filename).WaveformSequence[0]
        group.ChannelDefinitionSequence = list(whole.ChannelDefinitionSequence[rows])
        samples = SIGNAL_UV[rows, 1250 * part : 1250 * part + 1250]
        group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = samples.shape
        group.WaveformData = samples.T.astype("<i2").tobytes()
        if offsets_ms:
            group.MultiplexGroupTimeOffset = offsets_ms[part]
        groups.append(group)
    if strip:
        group = pydicom.dcmread(dataset.filename).WaveformSequence[0]
        group.ChannelDefinitionSequence = [whole.ChannelDefinitionSequence[1]]
        group.NumberOfWaveformChannels = 1
        group.WaveformData = SIGNAL_UV[1].astype("<i2").tobytes()
        groups.append(group)
    dataset.WaveformSequence = groups


@pytest.mark.parametrize("offsets_ms", [None, (0, 2500, 5000, 7500)])
def test_dicom_groups_of_three_leads_become_parts(tmp_path, offsets_ms):
    record = read_record(edited_dicom(tmp_path, lambda d: split_dicom(d, offsets_ms)))
    assert_page(record)
    stated = "as the file states" if offsets_ms else "assumed one after the other"
    assert stated in record.notes[0]


def test_a_dicom_rhythm_strip_beside_the_parts_is_whole(tmp_path):
    record = read_record(edited_dicom(tmp_path, lambda d: split_dicom(d, strip=True)))
    np.testing.assert_allclose(record.signal_mv[1], SIGNAL_MV[1], atol=1e-6)
    assert np.isnan(record.signal_mv[0]).sum() == 3750


def test_scp_leads_that_start_at_other_samples_become_parts(tmp_path):
    quarters = np.vstack([SIGNAL_UV[r, 1250 * i : 1250 * i + 1250] for i, r in enumerate(PARTS)])
    firsts = tuple(1 + 1250 * (row // 3) for row in range(12))
    file = write(tmp_path, "scp", signal_uv=quarters, leads=LEADS, firsts=firsts, interval_us=2000)
    assert_page(read_record(file))


def test_aecg_sets_are_placed_at_their_times(tmp_path):
    file = write(tmp_path, "aecg")
    text = file.read_text("utf-8")
    time, sequences = re.search(
        r"<sequenceSet>(<component>.*?</component>)(.*)</sequenceSet>", text, re.S
    ).groups()
    leads = re.findall(r"<component><sequence>.*?</sequence></component>", sequences, re.S)
    sets = ""
    for part, rows in enumerate(PARTS):
        stamp = "1015" + ["00.000", "02.500", "05.000", "07.500"][part]
        shown = re.sub(r"101500(?=\")", stamp, time)
        cut = [
            re.sub(
                r"<digits>(.*?)<",
                lambda m, p=part: f"<digits>{' '.join(m[1].split()[1250 * p : 1250 * p + 1250])}<",
                lead,
            )
            for lead in leads[rows]
        ]
        sets += f"<component><sequenceSet>{shown}{''.join(cut)}</sequenceSet></component>"
    start, end = text.index("<component><sequenceSet>"), text.index("</sequenceSet></component>")
    file.write_text(text[:start] + sets + text[end + len("</sequenceSet></component>") :], "utf-8")
    record = read_record(file)
    assert_page(record)
    assert record.notes[0].endswith("(as the file states)")


def test_of_several_rhythms_in_a_muse_file_the_first_is_read_and_the_others_are_counted(tmp_path):
    record = read_record(write(tmp_path, "muse", blocks=("Median", "Rhythm", "Rhythm")))
    assert record.notes[0] == "not used: 1 other group(s) of leads"
    np.testing.assert_allclose(record.signal_mv[0], SIGNAL_MV[0], atol=1e-6)


MEDIAN_FILES = {
    "muse": ((), {"blocks": ("Median",)}),
    "cardiosoft": ([(r"<StripData>.*</StripData>", "")], {}),
    "aecg": ([('code="RHYTHM"', 'code="REPRESENTATIVE_BEAT"')], {}),
    "philips": (
        [(r"<parsedwaveforms.*</parsedwaveforms>", "<repbeats><repbeat leadname='I'/></repbeats>")],
        {},
    ),
    "mortara": ([(r"(<CHANNEL.*/>)", r"<TYPICAL_CYCLE>\1</TYPICAL_CYCLE>")], {}),
    "schiller": ([("ECG_RHYTHMS", "ECG_AVERAGES")], {}),
}


@pytest.mark.parametrize("kind", MEDIAN_FILES)
def test_xml_with_a_median_beat_alone_is_refused_as_such(tmp_path, kind):
    replacements, options = MEDIAN_FILES[kind]
    assert MEDIAN in refusal(edited(tmp_path, kind, *replacements, **options))


@pytest.mark.parametrize(
    ("label", "originality", "n_samples"),
    [("MEDIAN BEAT", "ORIGINAL", 5000), ("Representative", "DERIVED", 600), ("", "DERIVED", 600)],
)
def test_a_dicom_median_beat_is_known_by_label_or_as_a_short_derived_group(
    tmp_path, label, originality, n_samples
):
    def edit(dataset):
        group = dataset.WaveformSequence[0]
        group.MultiplexGroupLabel, group.WaveformOriginality = label, originality

    file = edited_dicom(tmp_path, edit, signal_uv=SIGNAL_UV[:, :n_samples])
    assert MEDIAN in refusal(file)


def test_derived_dicom_groups_of_few_leads_are_parts(tmp_path):
    def edit(dataset):
        split_dicom(dataset)
        for group in dataset.WaveformSequence:
            group.MultiplexGroupLabel, group.WaveformOriginality = "", "DERIVED"

    assert_page(read_record(edited_dicom(tmp_path, edit)))


def test_dicom_leads_are_known_by_their_mdc_names_too(tmp_path):
    def edit(dataset):
        for channel in dataset.WaveformSequence[0].ChannelDefinitionSequence:
            source = channel.ChannelSourceSequence[0]
            lead = source.CodeMeaning.removeprefix("Lead ")
            source.CodeValue, source.CodeMeaning = f"MDC_ECG_LEAD_{lead.upper()}", "a channel"

    record = read_record(edited_dicom(tmp_path, edit))
    np.testing.assert_allclose(record.signal_mv, SIGNAL_MV, atol=1e-6)


def test_dicom_leads_are_known_by_iec_labels_and_turned_upright(tmp_path):
    def edit(dataset):
        group = dataset.WaveformSequence[0]
        for row, channel in enumerate(group.ChannelDefinitionSequence):
            source = channel.ChannelSourceSequence[0]
            source.CodeValue, source.CodeMeaning = "x", "a channel"
            channel.ChannelLabel = f"C{row - 5}" if row > 5 else LEADS[row]
        group.ChannelDefinitionSequence[3].ChannelLabel = "-aVR"

    record = read_record(edited_dicom(tmp_path, edit))
    signs = np.where(np.arange(12) == 3, -1, 1)[:, None]
    np.testing.assert_allclose(record.signal_mv, SIGNAL_MV * signs, atol=1e-6)
    assert record.notes == ("stored inverted, turned upright: aVR",)


def test_a_derived_dicom_rhythm_is_a_rhythm(tmp_path):
    def edit(dataset):
        group = dataset.WaveformSequence[0]
        group.MultiplexGroupLabel, group.WaveformOriginality = "", "DERIVED"

    assert read_record(edited_dicom(tmp_path, edit)).duration_s == 10


def test_scp_with_a_reference_beat_alone_is_refused_as_such(tmp_path):
    file = write(tmp_path, "scp")
    data = bytearray(file.read_bytes())
    rhythm, beat = 22 + 6 * 10, 22 + 5 * 10  # pointers to sections 6 and 5
    data[beat + 2 : beat + 10] = data[rhythm + 2 : rhythm + 10]
    data[rhythm + 2 : rhythm + 10] = bytes(8)
    file.write_bytes(data)
    assert MEDIAN in refusal(file)


def test_mfer_with_a_dominant_beat_alone_is_refused_as_such(tmp_path):
    assert MEDIAN in refusal(write(tmp_path, "mfer", waveform_type=9))


def off_muse(tmp_path, *leads):
    return edited(
        tmp_path,
        "muse",
        *((f"(<LeadID>{lead}</LeadID>)", r"\1<LeadOff>TRUE</LeadOff>") for lead in leads),
    )


def off_dicom(tmp_path, *leads):
    def edit(dataset):
        for lead in leads:
            channel = dataset.WaveformSequence[0].ChannelDefinitionSequence[LEADS.index(lead)]
            channel.ChannelStatus = ["OK", "DISCONNECTED"]

    return edited_dicom(tmp_path, edit)


def off_philips(tmp_path, *leads):
    flags = "".join(
        f'<leadmeasurement leadname="{lead}"><leadqualitystates><inops>LeadOff</inops>'
        "</leadqualitystates></leadmeasurement>"
        for lead in leads
    )
    return edited(tmp_path, "philips", ("<waveforms>", f"{flags}<waveforms>"))


def off_ishne(tmp_path, *leads):
    signal_uv = SIGNAL_UV.copy()
    signal_uv[[LEADS.index(lead) for lead in leads]] = -32768
    return write(tmp_path, "ishne", signal_uv=signal_uv)


OFF = {"muse": off_muse, "dicom": off_dicom, "philips": off_philips, "ishne": off_ishne}


@pytest.mark.parametrize("kind", OFF)
def test_a_lead_whose_electrode_was_off_is_missing_with_a_note(tmp_path, kind):
    record = read_record(OFF[kind](tmp_path, "V1", "V5"))
    assert "V1, V5: electrode off, as the device states" in record.notes
    missing = np.isnan(record.signal_mv).all(axis=1)
    assert [lead for lead, off in zip(LEADS, missing, strict=True) if off] == ["V1", "V5"]
    assert not np.isnan(record.signal_mv[~missing]).any()


def test_leads_derived_from_one_that_was_off_are_missing_too(tmp_path):
    record = read_record(off_muse(tmp_path, "II"))
    missing = np.isnan(record.signal_mv).all(axis=1)
    assert [lead for lead, off in zip(LEADS, missing, strict=True) if off] == [
        *("II", "III", "aVR", "aVL", "aVF")
    ]


@pytest.mark.parametrize("kind", OFF)
def test_a_record_with_most_electrodes_off_is_refused(tmp_path, kind):
    file = OFF[kind](tmp_path, "V1", "V2", "V3", "V4", "V5")
    assert "states that the electrodes of V1, V2, V3, V4, V5 were off" in refusal(file)


def test_a_philips_lead_that_is_inoperative_for_another_reason_is_noted(tmp_path):
    flag = (
        '<leadmeasurement leadname="V2"><leadqualitystates><inops><inop kind="Noisy"/></inops>'
        "</leadqualitystates></leadmeasurement>"
    )
    record = read_record(edited(tmp_path, "philips", ("<waveforms>", f"{flag}<waveforms>")))
    assert record.notes == ("V2: inoperative, as the device states",)
    assert not np.isnan(record.signal_mv).any()


@pytest.mark.parametrize("status", ["QUESTIONABLE", "UNCALIBRATED", "TEST DATA"])
def test_a_doubt_that_a_dicom_channel_states_is_noted(tmp_path, status):
    def edit(dataset):
        dataset.WaveformSequence[0].ChannelDefinitionSequence[6].ChannelStatus = status

    record = read_record(edited_dicom(tmp_path, edit))
    assert record.notes == (f"V1: {status.lower()}, as the device states",)


@pytest.mark.parametrize(
    ("syntax", "little"),
    [
        (pydicom.uid.ExplicitVRBigEndian, False),
        (pydicom.uid.ImplicitVRLittleEndian, True),
        (pydicom.uid.DeflatedExplicitVRLittleEndian, True),
    ],
)
def test_dicom_is_read_in_every_transfer_syntax_of_waveforms(tmp_path, syntax, little):
    signal_uv = SIGNAL_UV.copy()
    signal_uv[6, 100:120] = 32767
    file = write_dicom(tmp_path / "syntax.dcm", signal_uv, padding=b"\xff\x7f")
    dataset = pydicom.dcmread(file)
    if not little:
        for group in dataset.WaveformSequence:
            group.WaveformData = np.frombuffer(group.WaveformData, "<i2").byteswap().tobytes()
            group.WaveformPaddingValue = b"\x7f\xff"
    dataset.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(
        file,
        dataset,
        implicit_vr=syntax.is_implicit_VR,
        little_endian=little,
        force_encoding=True,
    )
    record = read_record(file)
    assert np.isnan(record.signal_mv[6, 100:120]).all()
    expected_mv = np.where(signal_uv == 32767, np.nan, SIGNAL_MV)
    np.testing.assert_allclose(record.signal_mv, expected_mv, atol=1e-6)


def test_a_deflated_dicom_that_grows_without_limit_is_not_opened(tmp_path, monkeypatch):
    file = write_dicom(tmp_path / "bomb.dcm", SIGNAL_UV)
    dataset = pydicom.dcmread(file)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.add_new(0x7FE00010, "OW", bytes(2_000_000))
    dataset.save_as(file, enforce_file_format=True)
    monkeypatch.setattr(dicom, "_LARGEST_BYTES", 1_000_000)
    assert "inflates to more than 1 MB" in refusal(file)


def test_a_dicom_channel_sampled_later_is_moved_to_its_time(tmp_path):
    def edit(dataset):
        channels = dataset.WaveformSequence[0].ChannelDefinitionSequence
        channels[6].ChannelTimeSkew = "0.01"
        channels[7].ChannelSampleSkew = "-2"
        channels[8].ChannelTimeSkew = "0.0001"

    signal_mv = read_record(edited_dicom(tmp_path, edit)).signal_mv
    np.testing.assert_allclose(signal_mv[6, 5:], SIGNAL_MV[6, :-5], atol=1e-6)
    assert np.isnan(signal_mv[6, :5]).all()
    np.testing.assert_allclose(signal_mv[7, :-2], SIGNAL_MV[7, 2:], atol=1e-6)
    assert np.isnan(signal_mv[7, -2:]).all()
    np.testing.assert_allclose(signal_mv[8], SIGNAL_MV[8], atol=1e-6)


@pytest.mark.parametrize(
    ("band_hz", "notes"),
    [
        ((0.05, 150), ()),
        ((0.5, 150), ("high-pass of 0.5 Hz in the device: ST segments may be changed",)),
        ((0.05, 40), ("low-pass of 40 Hz in the device: small waves may be missing",)),
    ],
)
def test_filters_of_the_device_that_change_an_ecg_are_noted(tmp_path, band_hz, notes):
    def edit(dataset):
        channel = dataset.WaveformSequence[0].ChannelDefinitionSequence[3]
        channel.FilterLowFrequency, channel.FilterHighFrequency = band_hz

    assert read_record(edited_dicom(tmp_path, edit)).notes == notes


def test_a_dicom_channel_of_two_names_is_refused(tmp_path):
    def edit(dataset):
        channel = dataset.WaveformSequence[0].ChannelDefinitionSequence[6]
        channel.ChannelSourceSequence[0].CodeMeaning = "Lead V6"

    assert "is lead V1 by its code and V6 by its meaning" in refusal(edited_dicom(tmp_path, edit))


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_without_its_last_twentieth_is_refused(tmp_path, kind):
    file = write(tmp_path, kind)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * 19 // 20])
    assert refusal(file).startswith("Record x")


@pytest.mark.parametrize("n_bytes", [2, 3, 8, 24, 500])
def test_bytes_put_in_among_the_samples_of_a_dicom_are_noted(tmp_path, n_bytes):
    file = write(tmp_path, "dicom")
    content = file.read_bytes()
    middle = len(content) // 2
    file.write_bytes(content[:middle] + content[middle - n_bytes :])
    notes = read_record(file).notes
    assert notes == ("altered: elements do not end with the file, bytes may have been put in",)


def test_dicom_samples_that_no_declaration_covers_are_refused(tmp_path):
    def edit(dataset):
        dataset.WaveformSequence[0].NumberOfWaveformSamples = 4000

    assert "declares 96,000 bytes of samples and holds 120,000" in refusal(
        edited_dicom(tmp_path, edit)
    )


def test_mfer_without_its_end_mark_is_noted(tmp_path):
    file = write(tmp_path, "mfer")
    content = file.read_bytes()
    middle = len(content) // 2
    file.write_bytes(content[:middle] + content[middle + 2 :])
    assert read_record(file).notes[0] == "no end mark: bytes may be missing"


def test_scp_with_an_altered_rhythm_is_refused(tmp_path):
    file = write(tmp_path, "scp", packed=True)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert "the checksum of the rhythm of x.scp does not match" in refusal(file)


def test_an_ishne_header_that_was_altered_is_noted(tmp_path):
    file = write(tmp_path, "ishne")
    content = bytearray(file.read_bytes())
    struct.pack_into("<h", content, 206 + 2 * 6, 1002)  # the resolution of V1
    file.write_bytes(content)
    notes = read_record(file).notes
    assert notes[0] == "altered: checksum of the header (leads, scale, rate) differs"


@pytest.mark.parametrize(
    ("n_bytes", "outcome"), [(24, "altered: 5,001 samples a lead"), (10, None), (-24, None)]
)
def test_an_ishne_file_of_another_length_is_noted_or_refused(tmp_path, n_bytes, outcome):
    file = write(tmp_path, "ishne")
    content = file.read_bytes()
    file.write_bytes(content + bytes(n_bytes) if n_bytes > 0 else content[:n_bytes])
    if outcome:
        assert read_record(file).notes[0].startswith(outcome)
    else:
        assert "declares 5,000 samples a lead" in refusal(file)


@pytest.mark.parametrize("packed", [True, False])
def test_philips_leads_of_another_length_than_stated_are_refused(tmp_path, packed):
    file = edited(
        tmp_path,
        "philips",
        ('durationperchannel="10000"', 'durationperchannel="5000"'),
        packed=packed,
    )
    assert "declares 2500 samples a lead and holds 5,000" in refusal(file)


def test_packed_philips_leads_in_another_order_are_refused(tmp_path):
    file = edited(tmp_path, "philips", ('leadlabels="I II III', 'leadlabels="II I III'))
    assert "packed leads are not in the order" in refusal(file)


@pytest.mark.parametrize("kind", ["muse", "mortara"])
def test_leads_that_start_at_different_times_are_refused(tmp_path, kind):
    later = {
        "muse": ("<LeadID>V1", "<LeadTimeOffset>20</LeadTimeOffset><LeadID>V1"),
        "mortara": ('OFFSET="0"( [^>]*NAME="V1")', r'OFFSET="20"\1'),
    }
    assert "start at different times" in refusal(edited(tmp_path, kind, later[kind]))


def test_mfer_that_declares_a_billion_channels_is_refused_at_once(tmp_path):
    file = write(tmp_path, "mfer")
    content = file.read_bytes().replace(b"\x05\x01\x0c", b"\x05\x04\xff\xff\xff\x7f", 1)
    file.write_bytes(content)
    assert "declares more than 256 channels" in refusal(file)


def test_mfer_of_more_definitions_than_any_ecg_is_not_decoded(tmp_path):
    file = write(tmp_path, "mfer")
    content = file.read_bytes()
    notes = content.index(b"\x16")
    file.write_bytes(content[:notes] + b"\x16\0" * 60_000 + content[notes:])
    assert refusal(file).endswith("holds more MFER definitions than any ECG does.")


@pytest.mark.parametrize("kind", ["aecg", "muse", "philips", "cardiosoft", "mortara", "schiller"])
def test_deeply_nested_xml_is_refused(tmp_path, kind):
    file = edited(tmp_path, kind, (r"(</\w+>)$", "<a>" * 20_000 + "</a>" * 20_000 + r"\1"))
    assert refusal(file).endswith("nests XML elements deeper than any ECG does.")


@pytest.mark.parametrize("kind", WRITERS)
def test_each_format_says_what_it_took_rate_leads_and_unit_from(tmp_path, kind):
    assert set(read_record(write(tmp_path, kind)).evidence) == {"rate", "leads", "unit"}
