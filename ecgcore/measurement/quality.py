"""Signal quality: flags in plain words; thresholds with their sources in quality.csv.

Nothing is refused or repaired here: a flag says what to look at. Only the first minute of a long
record is assessed. Slow and fast waves are measured on one spectrum, so that a record gets the same
flags at 100, 500 and 1000 Hz; only mains hum needs 150 Hz or more.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ecgcore.measurement.clipping import find_plateaus, is_clipped
from ecgcore.measurement.gaps import describe_gaps, describe_too_short
from ecgcore.measurement.lead_reversal import reversal_gains
from ecgcore.measurement.median_beat import COARSE_HZ, coarse_median_beat
from ecgcore.measurement.quality_features import MAX_JUDGED_S, QualityFeatures
from ecgcore.measurement.quality_thresholds import (
    describe_impossible_voltage,
    is_slow,
    thresholds,
)
from ecgcore.measurement.rpeaks import INDEPENDENT_LEADS
from ecgcore.records.record import LEADS, Record

TOO_SHORT = "too_short"
_MAINS_HZ = (50.0, 60.0)
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Flag:
    """One doubt about a recording: its code in the table, the leads concerned, and a message."""

    code: str
    leads: tuple[str, ...]
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def quality(record: Record) -> tuple[Flag, ...]:
    """Return the quality flags of a recording, most serious first; empty where nothing is doubtful.

    Codes: too_short, altered, missing, gap, short, slow, flat, range, clipped, calibration, gain,
    einthoven, goldberger, reversal, mains, noise, baseline.
    """
    if flag := find_unjudgeable(record):
        return (flag,)
    return tuple(quality_flags(QualityFeatures(record)))


def find_unjudgeable(record: Record) -> Flag | None:
    """Return the flag of a recording of which nothing else can be judged."""
    if record.signal_mv.shape[1] < 2:
        return Flag("missing", LEADS, "there are no samples")
    judged_mv = record.signal_mv[:, : round(MAX_JUDGED_S * record.fs_hz)]
    reason = describe_impossible_voltage(judged_mv)
    return Flag("gain", LEADS, reason) if reason else None


def quality_flags(features: QualityFeatures) -> Iterator[Flag]:
    """Yield the quality flags of a recording whose features are computed, most serious first."""
    yield from _too_short(features)
    yield from (Flag("altered", LEADS, reason) for reason in features.alterations)
    yield from _missing(features)
    yield from _gap(features)
    yield from _short(features)
    yield from _slow(features)
    yield from _flat(features)
    yield from _range(features)
    yield from _clipped(features)
    voltage_flags = [*_gain(features), *_einthoven(features), *_goldberger(features)]
    yield from voltage_flags
    if not voltage_flags:  # else the limb leads cannot be compared with the chest leads
        yield from _reversal(features)
    yield from _mains(features)
    yield from _noise(features)
    yield from _baseline(features)


def _too_short(features: QualityFeatures) -> Iterator[Flag]:
    if features.recorded_s and not features.has_two_beats:
        yield Flag(TOO_SHORT, LEADS, describe_too_short(features.recorded_s))


def _missing(features: QualityFeatures) -> Iterator[Flag]:
    """Flag samples missing in some leads, or at an end; gaps in all leads have their own flag."""
    missing = features.missing - features.gap_share
    which = missing > thresholds()["missing"]
    if which.any():
        share = missing[which].max()
        yield _flag("missing", which, f"{share:.0%} of the samples of {{leads}} are missing")


def _gap(features: QualityFeatures) -> Iterator[Flag]:
    if features.gaps:
        yield Flag("gap", LEADS, describe_gaps(features.gaps))


def _short(features: QualityFeatures) -> Iterator[Flag]:
    if features.has_two_beats and 0 < features.recorded_s < (limit := thresholds()["short"]):
        message = (
            f"{features.recorded_s:.1f} s recorded; below {limit:g} s answers are less certain"
        )
        yield Flag("short", LEADS, message)


def _slow(features: QualityFeatures) -> Iterator[Flag]:
    if is_slow(features.fs_hz):
        yield Flag("slow", LEADS, f"sampled at {features.fs_hz:g} Hz: QRS complexes are smoothed")


def _flat(features: QualityFeatures) -> Iterator[Flag]:
    which = features.flat >= thresholds()["flat_share"]
    if (always := features.flat == 1).any():
        yield _flag("flat", always, "no signal in {leads}")
    if (partly := which & ~always).any():
        share = features.flat[partly].max()
        yield _flag("flat", partly, f"no signal in {{leads}} for up to {share:.0%} of the time")


def _range(features: QualityFeatures) -> Iterator[Flag]:
    distance_mv = np.maximum(features.high, -features.low)
    which = distance_mv > (limit := thresholds()["range"])
    if which.any():
        largest_mv = distance_mv.max()
        message = f"{{leads}} up to {largest_mv:.1f} mV from its level; ±{limit:g} mV are usual"
        yield _flag("range", which, message)


def _clipped(features: QualityFeatures) -> Iterator[Flag]:
    clipped, pulse = np.zeros(len(LEADS), bool), np.zeros(len(LEADS), bool)
    for sign, end in ((1, features.high), (-1, -features.low)):
        for lead in np.flatnonzero((end >= thresholds()["clipped_mv"]) & features.usable):
            plateaus = find_plateaus(sign * features.signal_mv[lead], end[lead], features.fs_hz)
            pulse[lead] |= any(plateau.is_calibration for plateau in plateaus)
            clipped[lead] |= is_clipped(plateaus)
    if clipped.any():
        yield _flag("clipped", clipped, "{leads} cut off at the largest value, as by saturation")
    if pulse.any():
        yield _flag("calibration", pulse, "a calibration pulse of 1 mV stands in {leads}")


def _gain(features: QualityFeatures) -> Iterator[Flag]:
    all_leads, spans = np.ones(len(LEADS), bool), features.high - features.low
    if not features.usable.any():
        if 0 < spans.max() < thresholds()["gain_low"]:
            message = f"no lead spans more than {1000 * spans.max():.2g} µV: gain or unit wrong?"
            yield _flag("gain", all_leads, message)
        return
    if features.usable.all() and np.ptp(spans) <= thresholds()["gain_equal"] * spans.max():
        message = f"each lead spans the same {spans.max():.2f} mV: leads were scaled one by one"
        yield _flag("gain", all_leads, message)
    for group, name in ((slice(0, 6), "limb"), (slice(6, 12), "chest")):
        swing, limit = _median_swing_mv(features, group), thresholds()[f"gain_{name}"]
        if swing > limit:
            high = f"beats of {swing:.1f} mV (median of {name} leads), above {limit:g}"
            yield _flag("gain", all_leads, f"{high}: gain or unit wrong?")
            return
    swing, limit = _median_swing_mv(features, slice(0, 12)), thresholds()["gain_low"]
    if swing < limit:
        low = f"beats of {swing:.2f} mV (median of leads), below {limit:g}"
        yield _flag("gain", all_leads, f"{low}: gain or unit wrong?")


def _median_swing_mv(features: QualityFeatures, leads: slice) -> float:
    usable = features.usable[leads]
    return float(np.median(features.swing_mv[leads][usable])) if usable.any() else 0.0


def _einthoven(features: QualityFeatures) -> Iterator[Flag]:
    if not features.usable[:3].all():
        return
    one, two, three = _limb_leads(features)[:3]
    error_mv = _exceeded_mv(two - one - three)
    if error_mv > thresholds()["einthoven"]:
        which = np.isin(LEADS, ["I", "II", "III"])
        message = f"II is not I + III (off by {error_mv:.2f} mV)"
        yield _flag("einthoven", which, f"{message}: leads exchanged, or of different gain?")


def _goldberger(features: QualityFeatures) -> Iterator[Flag]:
    if not features.usable[:3].all():
        return
    one, two, three, *augmented = _limb_leads(features)
    expected = (-(one + two) / 2, (one - three) / 2, (two + three) / 2)
    error_mv = np.zeros(len(LEADS))
    for i, (lead, derived) in enumerate(zip(augmented, expected, strict=True), start=3):
        error_mv[i] = _exceeded_mv(lead - derived) if features.usable[i] else 0.0
    which = error_mv > thresholds()["goldberger"]
    if which.any():
        message = f"{{leads}} not as follows from I, II and III (off by {error_mv.max():.2f} mV)"
        yield _flag("goldberger", which, message)


def _limb_leads(features: QualityFeatures) -> np.ndarray:
    """Return (6, n) mV as recorded, at the samples that all six limb leads have."""
    return (features.signal_mv[:6] + features.level_mv[:6, None])[:, features.limb_leads_present]


def _reversal(features: QualityFeatures) -> Iterator[Flag]:
    if not features.usable[:3].all():
        yield from _right_leg_reversal(features)
        return
    leads = list(INDEPENDENT_LEADS)
    if features.usable[leads].sum() < len(leads) - 1:
        return
    band_mv = features.spectrum.band(5, 20, COARSE_HZ)[leads]
    beat_mv = coarse_median_beat(features.beats_mv[leads], band_mv)
    if beat_mv is None:
        return
    limits = thresholds()["reversal_ra_la"], thresholds()["reversal_ra_ll"]
    gains = zip(reversal_gains(beat_mv), limits, strict=True)
    likely = max((r for r, limit in gains if r.gain > limit), key=lambda r: r.gain, default=None)
    if likely:
        message = f"electrodes of {likely.electrodes} exchanged? V1–V6 fit the limb leads better so"
        yield _flag("reversal", np.arange(len(LEADS)) < 6, message)
    else:
        yield from _right_leg_reversal(features)


def _right_leg_reversal(features: QualityFeatures) -> Iterator[Flag]:
    """Flag an arm's electrode on the right leg: the legs differ by almost no voltage.

    After Haisty et al. 1993 (Am J Cardiol 71:1490-1495).
    """
    small = features.swing_mv < thresholds()["reversal_leg"]
    for lead, arm, others in ((1, "right", [0, 2]), (2, "left", [0, 1])):
        if small[lead] and not small[others].any() and features.missing[lead] < 0.5:
            message = (
                f"{LEADS[lead]} is next to flat: electrodes of {arm} arm and right leg exchanged?"
            )
            yield _flag("reversal", np.arange(len(LEADS)) < 6, message)


def _mains(features: QualityFeatures) -> Iterator[Flag]:
    for line_hz in _MAINS_HZ:
        if features.fs_hz <= 2.5 * line_hz:
            continue
        mains_amplitude_mv = features.spectrum.mains_amplitude_mv(line_hz)
        which = mains_amplitude_mv > thresholds()["mains"]
        if which.any():
            yield _flag(
                "mains", which, f"{line_hz:g} Hz of {mains_amplitude_mv.max():.2f} mV in {{leads}}"
            )


def _noise(features: QualityFeatures) -> Iterator[Flag]:
    fast_mv = np.abs(features.spectrum.band(20, 45, COARSE_HZ))
    middle = fast_mv.shape[1] // 2
    size_mv = np.partition(fast_mv, middle, axis=1)[:, middle] * _MAD_TO_SIGMA
    which = size_mv > thresholds()["noise"]
    if which.any():
        yield _flag("noise", which, f"fast noise of {size_mv.max():.2f} mV in {{leads}}")


def _baseline(features: QualityFeatures) -> Iterator[Flag]:
    wander_mv = np.ptp(features.spectrum.band(0, 0.5, 10.0), axis=1)
    which = wander_mv > thresholds()["baseline"]
    if which.any():
        yield _flag("baseline", which, f"baseline of {{leads}} wanders by {wander_mv.max():.1f} mV")


def _flag(code: str, which: np.ndarray, message: str) -> Flag:
    leads = tuple(lead for lead, is_flagged in zip(LEADS, which, strict=True) if is_flagged)
    names = "all leads" if len(leads) == len(LEADS) else ", ".join(leads)
    return Flag(code, leads, message.replace("{leads}", names))


def _exceeded_mv(difference_mv: np.ndarray) -> float:
    """Return the absolute difference in mV that is exceeded for 3 % of the time."""
    if not len(difference_mv):
        return 0.0
    rank = int(0.97 * (len(difference_mv) - 1))
    return float(np.partition(np.abs(difference_mv), rank)[rank])
