"""Is a recording fit to be read? Flags in words; thresholds with their sources in quality.csv.

Nothing is refused and nothing repaired here: a flag says what to look at. Of a long record its
first minute is judged. Slow and fast waves are measured on one spectrum, so that a record gets the
same flags at 100, 500 and 1000 Hz; only mains hum needs 150 Hz or more.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ecgcore.measure import lead_reversal
from ecgcore.measure.clipping import is_cut_off, plateaus
from ecgcore.measure.quality_features import RATE_HZ, View
from ecgcore.measure.quality_thresholds import thresholds
from ecgcore.measure.rpeaks import INDEPENDENT
from ecgcore.records.record import LEADS, Record

_MAINS_HZ = (50.0, 60.0)
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Flag:
    """One doubt about a recording: a code of the table, the leads concerned, and words."""

    code: str
    leads: tuple[str, ...]
    words: str

    def __str__(self) -> str:
        return f"{self.code}: {self.words}"


def quality(record: Record) -> tuple[Flag, ...]:
    """Return what is doubtful about a recording, most serious first; empty where nothing is.

    Codes: missing, flat, range, clipped, calibration, gain, einthoven, goldberger, reversal,
    mains, noise, baseline.
    """
    if record.signal_mv.shape[1] < 2:
        return (Flag("missing", LEADS, "there are no samples"),)
    return tuple(_flags(View(record)))


def _flags(view: View) -> Iterator[Flag]:
    yield from _missing(view)
    yield from _flat(view)
    yield from _range(view)
    yield from _clipped(view)
    odd = [*_gain(view), *_einthoven(view), *_goldberger(view)]
    yield from odd
    if not odd:  # else the limb leads can't be compared with the chest leads
        yield from _reversal(view)
    yield from _mains(view)
    yield from _noise(view)
    yield from _baseline(view)


def _missing(view: View) -> Iterator[Flag]:
    which = view.missing > thresholds()["missing"]
    if which.any():
        share = view.missing[which].max()
        yield _flag("missing", which, f"{share:.0%} of the samples of {{leads}} are missing")


def _flat(view: View) -> Iterator[Flag]:
    which = view.flat >= thresholds()["flat_share"]
    if (whole := view.flat == 1).any():
        yield _flag("flat", whole, "no signal in {leads}")
    if (partly := which & ~whole).any():
        share = view.flat[partly].max()
        yield _flag("flat", partly, f"no signal in {{leads}} for up to {share:.0%} of the time")


def _range(view: View) -> Iterator[Flag]:
    far = np.maximum(view.high, -view.low)
    which = far > (limit := thresholds()["range"])
    if which.any():
        words = f"{{leads}} up to {far.max():.1f} mV from its level; ±{limit:g} mV are usual"
        yield _flag("range", which, words)


def _clipped(view: View) -> Iterator[Flag]:
    cut_off, pulse = np.zeros(len(LEADS), bool), np.zeros(len(LEADS), bool)
    for sign, end in ((1, view.high), (-1, -view.low)):
        for lead in np.flatnonzero((end >= thresholds()["clipped_mv"]) & view.usable):
            found = plateaus(sign * view.signal_mv[lead], end[lead], view.fs_hz)
            pulse[lead] |= any(plateau.is_calibration for plateau in found)
            cut_off[lead] |= is_cut_off(found)
    if cut_off.any():
        yield _flag("clipped", cut_off, "{leads} cut off at the largest value, as by saturation")
    if pulse.any():
        yield _flag("calibration", pulse, "a calibration pulse of 1 mV stands in {leads}")


def _gain(view: View) -> Iterator[Flag]:
    every, spans = np.ones(len(LEADS), bool), view.high - view.low
    if not view.usable.any():
        if 0 < spans.max() < thresholds()["gain_low"]:
            words = f"no lead spans more than {1000 * spans.max():.2g} µV: gain or unit wrong?"
            yield _flag("gain", every, words)
        return
    if view.usable.all() and np.ptp(spans) <= thresholds()["gain_equal"] * spans.max():
        words = f"each lead spans the same {spans.max():.2f} mV: leads were scaled one by one"
        yield _flag("gain", every, words)
    for part, words in ((slice(0, 6), "limb"), (slice(6, 12), "chest")):
        swing, limit = _swing(view, part), thresholds()[f"gain_{words}"]
        if swing > limit:
            high = f"beats of {swing:.1f} mV (median of {words} leads), above {limit:g}"
            yield _flag("gain", every, f"{high}: gain or unit wrong?")
            return
    swing, limit = _swing(view, slice(0, 12)), thresholds()["gain_low"]
    if swing < limit:
        low = f"beats of {swing:.2f} mV (median of leads), below {limit:g}"
        yield _flag("gain", every, f"{low}: gain or unit wrong?")


def _swing(view: View, part: slice) -> float:
    usable = view.usable[part]
    return float(np.median(view.swing_mv[part][usable])) if usable.any() else 0.0


def _einthoven(view: View) -> Iterator[Flag]:
    if not view.usable[:3].all():
        return
    one, two, three = _limb_leads(view)[:3]
    off = _exceeded(two - one - three)
    if off > thresholds()["einthoven"]:
        which = np.isin(LEADS, ["I", "II", "III"])
        words = f"II is not I + III (off by {off:.2f} mV): leads exchanged, or of different gain?"
        yield _flag("einthoven", which, words)


def _goldberger(view: View) -> Iterator[Flag]:
    if not view.usable[:3].all():
        return
    one, two, three, *augmented = _limb_leads(view)
    expected = (-(one + two) / 2, (one - three) / 2, (two + three) / 2)
    off = np.zeros(len(LEADS))
    for i, (lead, from_limbs) in enumerate(zip(augmented, expected, strict=True), start=3):
        off[i] = _exceeded(lead - from_limbs) if view.usable[i] else 0.0
    which = off > thresholds()["goldberger"]
    if which.any():
        words = f"{{leads}} not as follows from I, II and III (off by {off.max():.2f} mV)"
        yield _flag("goldberger", which, words)


def _limb_leads(view: View) -> np.ndarray:
    """Return (6, n) mV as recorded, where all six are there."""
    return (view.signal_mv[:6] + view.level_mv[:6, None])[:, view.limbs_there]


def _reversal(view: View) -> Iterator[Flag]:
    if not view.usable[:3].all():
        yield from _on_the_leg(view)
        return
    leads = list(INDEPENDENT)
    if view.usable[leads].sum() < len(leads) - 1:
        return
    moving_mv = view.spectrum.band(5, 20, RATE_HZ)[leads]
    beat_mv = lead_reversal.median_beat(view.beats_mv[leads], moving_mv)
    if beat_mv is None:
        return
    limits = thresholds()["reversal_ra_la"], thresholds()["reversal_ra_ll"]
    found = zip(lead_reversal.suspicions(beat_mv), limits, strict=True)
    likely = max((s for s, limit in found if s.gain > limit), key=lambda s: s.gain, default=None)
    if likely:
        words = f"electrodes of {likely.electrodes} exchanged? V1–V6 fit the limb leads better so"
        yield _flag("reversal", np.arange(len(LEADS)) < 6, words)
    else:
        yield from _on_the_leg(view)


def _on_the_leg(view: View) -> Iterator[Flag]:
    """Between the legs there is next to no voltage (Haisty et al. 1993)."""
    small = view.swing_mv < thresholds()["reversal_leg"]
    for lead, arm, others in ((1, "right", [0, 2]), (2, "left", [0, 1])):
        if small[lead] and not small[others].any() and view.missing[lead] < 0.5:
            words = (
                f"{LEADS[lead]} is next to flat: electrodes of {arm} arm and right leg exchanged?"
            )
            yield _flag("reversal", np.arange(len(LEADS)) < 6, words)


def _mains(view: View) -> Iterator[Flag]:
    for line_hz in _MAINS_HZ:
        if view.fs_hz <= 2.5 * line_hz:
            continue
        hum_mv = view.spectrum.hum_mv(line_hz)
        which = hum_mv > thresholds()["mains"]
        if which.any():
            yield _flag("mains", which, f"{line_hz:g} Hz of {hum_mv.max():.2f} mV in {{leads}}")


def _noise(view: View) -> Iterator[Flag]:
    fast_mv = np.abs(view.spectrum.band(20, 45, RATE_HZ))
    middle = fast_mv.shape[1] // 2
    size_mv = np.partition(fast_mv, middle, axis=1)[:, middle] * _MAD_TO_SIGMA
    which = size_mv > thresholds()["noise"]
    if which.any():
        yield _flag("noise", which, f"fast noise of {size_mv.max():.2f} mV in {{leads}}")


def _baseline(view: View) -> Iterator[Flag]:
    drift_mv = np.ptp(view.spectrum.band(0, 0.5, 10.0), axis=1)
    which = drift_mv > thresholds()["baseline"]
    if which.any():
        yield _flag("baseline", which, f"baseline of {{leads}} wanders by {drift_mv.max():.1f} mV")


def _flag(code: str, which: np.ndarray, words: str) -> Flag:
    leads = tuple(lead for lead, chosen in zip(LEADS, which, strict=True) if chosen)
    named = "all leads" if len(leads) == len(LEADS) else ", ".join(leads)
    return Flag(code, leads, words.replace("{leads}", named))


def _exceeded(difference_mv: np.ndarray) -> float:
    """Return what a difference exceeds for 3 % of the time, in mV."""
    if not len(difference_mv):
        return 0.0
    size, place = np.abs(difference_mv), int(0.97 * (len(difference_mv) - 1))
    return float(np.partition(size, place)[place])
