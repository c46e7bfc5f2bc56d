"""Quality flags: each is raised with its message where it is due, and none on sound records."""

from dataclasses import replace

import numpy as np
import pytest
from recordings import DATA, EXAMPLES, real

from ecgcore.measurement.lead_reversal import CORRECTIONS, limb_lead_maps
from ecgcore.measurement.quality import Flag, quality
from ecgcore.measurement.quality_thresholds import thresholds
from ecgcore.records.discover import find_records
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS, Record
from ecgcore.records.resample import resample_record


@pytest.fixture(scope="module")
def sound() -> Record:
    """Return PTB-XL record 1 at 500 Hz, which has no flag."""
    return read_record(DATA / "ptb-xl/records500/00000/00001_hr.hea")


@pytest.fixture(scope="module")
def examples() -> list[Record]:
    """Return the example records, 100 Hz."""
    return [read_record(path) for path in find_records([EXAMPLES])]


def changed(record: Record, **leads) -> Record:
    """Return the record with some leads replaced by a function of themselves."""
    signal = record.signal_mv.copy()
    for lead, change in leads.items():
        signal[LEADS.index(lead)] = change(signal[LEADS.index(lead)])
    return replace(record, signal_mv=signal)


def codes(record: Record) -> list[str]:
    """Return the codes of a record's flags."""
    return [flag.code for flag in quality(record)]


def exchanged(record: Record, electrodes: str) -> Record:
    """Return the record as it would be with two limb electrodes exchanged."""
    one, two, three = CORRECTIONS[electrodes] @ record.signal_mv[:3]
    limbs = [one, two, three, -(one + two) / 2, (one - three) / 2, (two + three) / 2]
    signal = np.concatenate([np.stack(limbs), record.signal_mv[6:]]).astype(np.float32)
    return replace(record, signal_mv=signal)


def test_a_sound_record_has_no_flag_at_any_rate(sound):
    for fs_hz in (100, 250, 500, 1000):
        assert quality(resample_record(sound, fs_hz, 10)) == ()


def test_a_flag_reads_as_code_and_message():
    assert str(Flag("flat", ("V1",), "no signal in V1")) == "flat: no signal in V1"


def test_flat_leads_are_named(sound):
    flags = quality(changed(sound, V1=np.zeros_like, V3=lambda v: v * 0 + 0.3))
    assert flags == (Flag("flat", ("V1", "V3"), "no signal in V1, V3"),)


def test_a_lead_that_is_flat_for_a_while_is_named_with_the_share(sound):
    def loose(lead):
        return np.concatenate([lead[:3000], np.zeros(2000, np.float32)])

    assert [str(f) for f in quality(changed(sound, V6=loose))] == [
        "flat: no signal in V6 for up to 40% of the time"
    ]


def test_missing_samples_are_flagged_with_their_share(sound):
    filled = resample_record(replace(sound, signal_mv=sound.signal_mv[:, :4000]), 500, 10)
    assert [str(f) for f in quality(filled)] == [
        "missing: 20% of the samples of all leads are missing"
    ]


def test_infinite_samples_count_as_missing(sound):
    signal = sound.signal_mv.copy()
    signal[2, :1000] = np.inf
    assert codes(replace(sound, signal_mv=signal)) == ["missing"]


def test_a_record_of_nothing_but_gaps_is_missing_and_nothing_else(sound):
    assert codes(replace(sound, signal_mv=np.full((12, 5000), np.nan, np.float32))) == ["missing"]


@pytest.mark.parametrize("n_samples", [0, 1, 2, 40, 700])
def test_a_record_of_any_length_is_assessed(sound, n_samples):
    assert "reversal" not in codes(replace(sound, signal_mv=sound.signal_mv[:, :n_samples]))


def test_voltages_beyond_5_mv_are_out_of_range(sound):
    def spike(lead):
        return np.where(np.arange(len(lead)) == 1234, -7.2, lead).astype(np.float32)

    flag = next(f for f in quality(changed(sound, V2=spike)) if f.code == "range")
    assert flag.leads == ("V2",)
    assert "7.2 mV" in flag.message or "7.1 mV" in flag.message


def test_saturation_is_clipping_and_a_rounded_wave_is_not(sound):
    saturated = changed(sound, V4=lambda v: np.clip(v * 5, -1.5, 1.5))
    rounded = replace(sound, signal_mv=np.round(sound.signal_mv * 50) / 50)
    assert [f.leads for f in quality(saturated) if f.code == "clipped"] == [("V4",)]
    assert "clipped" not in codes(rounded)


def test_a_calibration_pulse_is_called_that(sound):
    signal = sound.signal_mv.copy()
    signal[:, 4700:] = 0
    signal[:, 4750:4850] = 1
    flags = [str(f) for f in quality(replace(sound, signal_mv=signal)) if f.code != "range"]
    assert flags[0].startswith("calibration: a calibration pulse of 1 mV stands in ")
    assert "clipped" not in codes(replace(sound, signal_mv=signal))


@pytest.mark.parametrize("gain", [8, 10, 1000, 0.1, 0.001])
def test_a_wrong_gain_is_suspected(sound, gain):
    assert "gain" in codes(replace(sound, signal_mv=sound.signal_mv * np.float32(gain)))


def test_leads_scaled_one_by_one_are_a_wrong_gain_and_break_einthovens_law(sound):
    spans = np.ptp(sound.signal_mv, axis=1, keepdims=True)
    flags = quality(replace(sound, signal_mv=sound.signal_mv / spans))
    assert str(flags[0]) == ("gain: each lead spans the same 1.00 mV: leads were scaled one by one")
    assert [f.code for f in flags] == ["gain", "einthoven", "goldberger"]


def test_leads_under_a_wrong_name_break_einthovens_law(sound):
    signal = sound.signal_mv[[1, 0, *range(2, 12)]]
    flags = quality(replace(sound, signal_mv=signal))
    assert flags[0].code == "einthoven"
    assert flags[0].leads == ("I", "II", "III")


def test_an_upside_down_avr_breaks_goldbergers_law(sound):
    flags = quality(changed(sound, aVR=np.negative))
    assert [(f.code, f.leads) for f in flags] == [("goldberger", ("aVR",))]


def test_rounding_and_gaps_break_neither_law(sound):
    signal = np.round(sound.signal_mv / 0.0105) * 0.0105
    signal[:, 1000:1400] = np.nan
    signal[4, 2000:2100] = np.nan
    assert set(codes(replace(sound, signal_mv=signal.astype(np.float32)))) == {"gap"}


@pytest.mark.parametrize("line_hz", [50, 60])
def test_mains_hum_is_flagged_from_1_mm_on_paper(sound, line_hz):
    hum = np.sin(2 * np.pi * line_hz * np.arange(5000) / 500).astype(np.float32)
    loud = quality(changed(sound, V5=lambda v: v + 0.08 * hum))
    assert [str(f) for f in loud] == [f"mains: {line_hz} Hz of 0.08 mV in V5"]
    assert quality(changed(sound, V5=lambda v: v + 0.02 * hum)) == ()


def test_muscle_noise_is_flagged(sound):
    noise = np.random.default_rng(0).normal(0, 0.5, 5000).astype(np.float32)
    assert codes(changed(sound, V2=lambda v: v + noise)) == ["noise"]


def test_a_wandering_baseline_is_flagged_in_mv(sound):
    wander = np.sin(2 * np.pi * 0.3 * np.arange(5000) / 500).astype(np.float32)
    flags = quality(changed(sound, V3=lambda v: v + 1.1 * wander))
    assert [(f.code, f.leads) for f in flags] == [("baseline", ("V3",))]
    assert codes(changed(sound, V3=lambda v: v + 0.3 * wander)) == []


@pytest.mark.parametrize("electrodes", list(CORRECTIONS))
def test_exchanged_electrodes_are_suspected_by_name(sound, electrodes):
    flag = quality(exchanged(sound, electrodes))[0]
    assert flag.code == "reversal"
    assert flag.leads == LEADS[:6]
    assert electrodes in flag.message


@pytest.mark.parametrize("electrodes", list(CORRECTIONS))
def test_exchanges_are_detected_in_19_of_20_records_of_all_classes(examples, electrodes):
    detected = [electrodes in str(quality(exchanged(record, electrodes))) for record in examples]
    assert len(examples) > 100
    assert np.mean(detected) > 0.95


def test_exchanges_are_suspected_in_few_records_as_they_are(examples):
    assert np.mean(["reversal" in codes(record) for record in examples]) < 0.02


@pytest.mark.parametrize(("lead", "arm"), [("II", "right"), ("III", "left")])
def test_an_arm_electrode_on_the_right_leg_leaves_a_lead_next_to_flat(sound, lead, arm):
    one, two, three = sound.signal_mv[:3]
    noise = np.random.default_rng(0).normal(0, 0.01, 5000)
    if arm == "right":
        one, two, three = -three, noise, three + noise
    else:
        one, two, three = two, two + noise, noise
    limbs = [one, two, three, -(one + two) / 2, (one - three) / 2, (two + three) / 2]
    signal = np.concatenate([np.stack(limbs), sound.signal_mv[6:]]).astype(np.float32)
    flags = quality(replace(sound, signal_mv=signal))
    assert [str(f) for f in flags if f.code == "reversal"] == [
        f"reversal: {lead} is next to flat: electrodes of {arm} arm and right leg exchanged?"
    ]


def test_every_threshold_and_map_is_a_number():
    assert all(np.isfinite(list(thresholds().values())))
    assert {wave: table.shape for wave, table in limb_lead_maps().items()} == {
        "P": (6, 2),
        "QRS": (6, 2),
        "T": (6, 2),
    }


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "name", "code"),
    [
        ("ptb-xl/records100", "12722_lr", "flat"),
        ("ecg-arrhythmia", "JS11438", "flat"),
        ("ecg-arrhythmia", "JS45551", "flat"),
        ("code-15/wfdb", "1111554", "gain"),
        ("formats/wfdb/derived", "nogain_named", "gain"),
    ],
)
def test_the_known_traps_are_flagged(folder, name, code):
    path = next(real(folder).rglob(f"{name}.hea"))
    assert code in codes(read_record(path))


@pytest.mark.data
def test_ludb_is_sound_at_its_raw_units_and_not_at_its_published_gain():
    laws = {"einthoven", "goldberger"}
    broken = []
    for path in sorted(real("ludb").rglob("*.hea"))[:20]:
        record = read_record(path)
        assert (laws | {"gain"}).isdisjoint(codes(record))
        scaled = record.signal_mv / np.ptp(record.signal_mv, axis=1, keepdims=True)
        raised = set(codes(replace(record, signal_mv=scaled)))
        assert "gain" in raised
        broken.append(bool(raised & laws))
    assert np.mean(broken) > 0.7
