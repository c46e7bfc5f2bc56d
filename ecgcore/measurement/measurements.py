"""All measurements of a record: automatic, unconfirmed, for research and never for a diagnosis."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ecgcore.measurement.delineation import Fiducials, delineate
from ecgcore.measurement.gaps import (
    Gap,
    describe_gaps,
    describe_too_short,
    find_gaps,
    mark_flat_leads,
    recorded_s,
)
from ecgcore.measurement.median_beat import MedianBeat, median_beat
from ecgcore.measurement.quality_thresholds import describe_impossible_voltage, is_slow
from ecgcore.measurement.rhythm import (
    median_rr_s,
    premature_beats,
    rate_bpm,
    rr_change,
    rr_irregularity,
)
from ecgcore.measurement.rpeaks import is_too_short, r_peaks_of_marked
from ecgcore.measurement.waves import WAVE_FIELDS, LeadWaves, lead_waves
from ecgcore.records.record import LEADS, Record

MEASUREMENT_STATUS = "automatic, unconfirmed"
"""Stated with every measurement shown to people."""
MEASURE_VERSION = 5
"""Increased when a measurement or quality flag changes: the next ingest measures cohorts anew."""
MAX_MEASURED_S = 300.0
_NUMERIC_FIELDS = (
    "rate_bpm",
    "rr_irregularity",
    "premature_beats",
    "aberrant_beats",
    "beats_averaged",
    "p_ms",
    "pr_ms",
    "qrs_ms",
    "qt_ms",
    "qtc_bazett_ms",
    "qtc_fridericia_ms",
    "axis_deg",
    "sokolow_lyon_mv",
    "cornell_mv",
)
MEASURE_SCHEMA = pa.schema(
    [
        *[(name, pa.float32()) for name in _NUMERIC_FIELDS],
        ("p_wave", pa.bool_()),
        *[(f"{lead}_{name}", pa.float32()) for lead in LEADS for name in WAVE_FIELDS],
        ("r_peaks_s", pa.list_(pa.float32())),
    ]
)
"""The columns of ``Measurements.as_row``: ``qrs_ms``, ``V1_r_mv`` … and ``r_peaks_s``."""


@dataclass(frozen=True)
class Measurements:
    """Measurements of one record; None where a value cannot be measured.

    Attributes
    ----------
    r_peaks_s
        Times of all ventricular beats, seconds from the first sample.
    rate_bpm
        Mean ventricular rate.
    rr_irregularity
        Root mean square of successive RR differences over the mean RR.
    premature_beats, aberrant_beats
        Beats that come early and are followed by a pause, and beats of another shape than the
        dominant one; a ventricular premature beat is both.
    beats_averaged
        Beats that the median beat was computed from.
    p_wave
        Whether a P wave precedes the QRS complexes; None without a median beat.
    p_ms, pr_ms, qrs_ms, qt_ms
        Over all leads together: earliest onset to latest offset.
    qtc_bazett_ms, qtc_fridericia_ms
        QT / RR^(1/2) (Bazett 1920) and QT / RR^(1/3) (Fridericia 1920), RR the mean in seconds.
    axis_deg
        Of the QRS complex in the frontal plane, −180 to 180, from net areas; of its first 80 ms
        where it is wide, mostly positive in V1, and ends so.
    sokolow_lyon_mv
        S in V1 plus the larger R of V5 and V6 (Sokolow & Lyon 1949).
    cornell_mv
        R in aVL plus S in V3 (Casale et al. 1985).
    leads
        The waves of each lead.
    notes
        What limits the measurements: gaps, too short a recording, impossible voltages. Cohorts do
        not store them; the quality flags say the same.

    Examples
    --------
    >>> measurements = ecgcore.measure(ecgcore.examples()[0])
    >>> measurements
    Measurements(rate 56 /min, PR 164 ms, QRS 96 ms, QT 428 ms, axis 64°)
    >>> measurements.as_json()["rate_bpm"] == round(measurements.rate_bpm, 3)
    True
    """

    r_peaks_s: tuple[float, ...] = ()
    rate_bpm: float | None = None
    rr_irregularity: float | None = None
    premature_beats: float | None = None
    aberrant_beats: float | None = None
    beats_averaged: float | None = None
    p_wave: bool | None = None
    p_ms: float | None = None
    pr_ms: float | None = None
    qrs_ms: float | None = None
    qt_ms: float | None = None
    qtc_bazett_ms: float | None = None
    qtc_fridericia_ms: float | None = None
    axis_deg: float | None = None
    sokolow_lyon_mv: float | None = None
    cornell_mv: float | None = None
    leads: dict[str, LeadWaves] = field(default_factory=lambda: {k: LeadWaves() for k in LEADS})
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        main = (
            ("rate", self.rate_bpm, " /min"),
            ("PR", self.pr_ms, " ms"),
            ("QRS", self.qrs_ms, " ms"),
            ("QT", self.qt_ms, " ms"),
            ("axis", self.axis_deg, "°"),
        )
        texts = [f"{name} {v:.0f}{unit}" for name, v, unit in main if v is not None]
        return f"Measurements({', '.join(texts) or 'nothing could be measured'})"

    def as_json(self) -> dict[str, Any]:
        """Return the answer of ``ecgcore measure --json``, without path and error."""
        numbers = {name: _rounded(getattr(self, name)) for name in _NUMERIC_FIELDS}
        by_lead = {
            name: {lead: _rounded(getattr(self.leads[lead], name), 4) for lead in LEADS}
            for name in ("st_j_mv", "st_j60_mv")
        }
        return {
            **numbers,
            "p_wave": self.p_wave,
            "r_peaks_s": [round(peak_s, 4) for peak_s in self.r_peaks_s],
            **by_lead,
            "leads": {
                lead: {k: _rounded(v, 4) for k, v in asdict(self.leads[lead]).items()}
                for lead in LEADS
            },
            "notes": list(self.notes),
        }

    def as_row(self) -> dict[str, Any]:
        """Return one row of MEASURE_SCHEMA."""
        row: dict[str, Any] = {name: getattr(self, name) for name in _NUMERIC_FIELDS}
        row["p_wave"] = self.p_wave
        for lead in LEADS:
            for name in WAVE_FIELDS:
                row[f"{lead}_{name}"] = getattr(self.leads[lead], name)
        return row | {"r_peaks_s": list(self.r_peaks_s)}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "Measurements":
        """Return the measurements of a row of a table, in which null is NaN or None."""
        waves = {
            lead: LeadWaves(**{name: _or_none(row[f"{lead}_{name}"]) for name in WAVE_FIELDS})
            for lead in LEADS
        }
        numbers: dict[str, Any] = {name: _or_none(row[name]) for name in _NUMERIC_FIELDS}
        p_wave = row["p_wave"]
        peaks = row["r_peaks_s"]
        return cls(
            r_peaks_s=() if peaks is None else tuple(float(peak_s) for peak_s in peaks),
            p_wave=None if p_wave is None or p_wave != p_wave else bool(p_wave),
            leads=waves,
            **numbers,
        )


def measure(record: Record) -> Measurements:
    """Measure a record: rate and rhythm from its R peaks, the rest on the median beat.

    Takes about 10 ms for 10 s and never fails: a value that cannot be measured is None. Only the
    first five minutes of a longer recording are measured.
    """
    fs_hz = record.fs_hz
    if reason := describe_impossible_voltage(record.signal_mv[:, : round(MAX_MEASURED_S * fs_hz)]):
        return Measurements(notes=(reason,))
    marked_mv, gaps = find_gaps(record, MAX_MEASURED_S)
    signal_mv = mark_flat_leads(_without_missing_end(marked_mv), fs_hz)
    peaks_s = r_peaks_of_marked(signal_mv, fs_hz)
    rhythm = _rhythm(peaks_s, gaps)
    if is_too_short(signal_mv, fs_hz, peaks_s):
        reason = describe_too_short(recorded_s(signal_mv, fs_hz))
        return Measurements(r_peaks_s=rhythm["r_peaks_s"], notes=(reason,))
    rhythm["notes"] = (describe_gaps(gaps),) if gaps else ()
    if is_slow(fs_hz):
        reason = f"sampled at {fs_hz:g} Hz: only the rhythm is measured, waves are smoothed"
        rhythm["notes"] += (reason,)
        return Measurements(**rhythm)
    beat = median_beat(signal_mv, fs_hz, peaks_s, gaps)
    rhythm["notes"] += _describe_leads(signal_mv)
    if beat is None:
        return Measurements(**rhythm)
    fiducials = delineate(beat, median_rr_s(peaks_s, gaps), rr_change(peaks_s, gaps))
    leads = dict(zip(LEADS, lead_waves(beat, fiducials), strict=True))
    return Measurements(
        **rhythm,
        **_intervals(fiducials, beat.fs_hz, rhythm["rate_bpm"]),
        aberrant_beats=float(beat.aberrant.sum()),
        beats_averaged=float(beat.dominant.sum()),
        axis_deg=_axis_deg(beat, fiducials),
        sokolow_lyon_mv=_sokolow_lyon_mv(leads),
        cornell_mv=_cornell_mv(leads),
        leads=leads,
    )


def _without_missing_end(signal_mv: np.ndarray) -> np.ndarray:
    """Return the signal up to its last sample in any lead: short records are filled to a length."""
    is_known = np.isfinite(signal_mv).any(axis=0)
    if not len(is_known) or is_known[-1] or not is_known.any():
        return signal_mv
    return signal_mv[:, : len(is_known) - is_known[::-1].argmax()]


def _describe_leads(signal_mv: np.ndarray) -> tuple[str, ...]:
    """Return a note if leads were recorded one after the other."""
    share = np.isfinite(signal_mv).mean(axis=1)
    is_partial = (share > 0) & (share <= 0.5)
    if not is_partial.any():
        return ()
    if is_partial.all():
        return ("each lead is recorded for half of the time or less: only the rhythm is measured",)
    leads = ", ".join(lead for lead, partial in zip(LEADS, is_partial, strict=True) if partial)
    return (f"few beats in {leads}: recorded for half of the time or less",)


def _rhythm(peaks_s: np.ndarray, gaps: tuple[Gap, ...]) -> dict[str, Any]:
    n_premature = float(premature_beats(peaks_s, gaps).sum())
    return {
        "r_peaks_s": tuple(float(peak_s) for peak_s in peaks_s),
        "rate_bpm": rate_bpm(peaks_s, gaps),
        "rr_irregularity": rr_irregularity(peaks_s, gaps),
        "premature_beats": n_premature if len(peaks_s) > 3 else None,
    }


def _intervals(fiducials: Fiducials, fs_hz: float, rate: float | None) -> dict[str, Any]:
    qt_ms = _ms(fiducials.qrs_onset, fiducials.t_offset, fs_hz)
    rr_s = 60 / rate if rate else None
    return {
        "p_wave": fiducials.p_onset is not None if fiducials.qrs_onset is not None else None,
        "p_ms": _ms(fiducials.p_onset, fiducials.p_offset, fs_hz),
        "pr_ms": _ms(fiducials.p_onset, fiducials.qrs_onset, fs_hz),
        "qrs_ms": _ms(fiducials.qrs_onset, fiducials.qrs_offset, fs_hz),
        "qt_ms": qt_ms,
        "qtc_bazett_ms": qt_ms / rr_s ** (1 / 2) if qt_ms and rr_s else None,
        "qtc_fridericia_ms": qt_ms / rr_s ** (1 / 3) if qt_ms and rr_s else None,
    }


def _ms(start: float | None, stop: float | None, fs_hz: float) -> float | None:
    return None if start is None or stop is None else 1000 * (stop - start) / fs_hz


_WIDE_S, _FIRST_PART_S, _LAST_PART_S = 0.12, 0.08, 0.04
"""From 120 ms a QRS complex may be one of right bundle branch block; its axis is that of the first
80 ms (Surawicz et al. 2009, doi:10.1161/CIRCULATIONAHA.108.191095)."""
_DIRECTIONS_DEG = np.array([0.0, 60.0, 120.0, -150.0, -30.0, 90.0])
_SCALES = np.array([1, 1, 1, 3**0.5 / 2, 3**0.5 / 2, 3**0.5 / 2])


def _axis_deg(beat: MedianBeat, fiducials: Fiducials) -> float | None:
    """Return the direction of the net areas of the limb leads' QRS complexes."""
    if fiducials.qrs_onset is None or fiducials.qrs_offset is None:
        return None
    on, off = round(fiducials.qrs_onset), round(fiducials.qrs_offset)
    if _ends_rightwards(beat, on, off):
        off = on + round(_FIRST_PART_S * beat.fs_hz)
    limb = beat.signal_mv[:6, on : off + 1]
    known = ~np.isnan(limb).any(axis=1)
    if known.sum() < 2:
        return None
    area = (limb - beat.signal_mv[:6, max(0, on - 8) : on + 1].mean(axis=1, keepdims=True)).sum(1)
    directions = np.deg2rad(_DIRECTIONS_DEG)
    plane = np.stack([np.cos(directions), np.sin(directions)], axis=1) * _SCALES[:, None]
    x, y = np.linalg.lstsq(plane[known], area[known], rcond=None)[0]
    return float(np.rad2deg(np.arctan2(y, x))) if np.hypot(x, y) > 0 else None


def _ends_rightwards(beat: MedianBeat, on: int, off: int) -> bool:
    """Tell whether a wide QRS complex is mostly positive in V1, and ends so.

    So it does in right bundle branch block: the right ventricle follows late, and the axis of the
    heart is that of the first part. Of PTB-XL's complete blocks 203 of 215 right ones do and none
    of 214 left ones, which may end above the baseline, but are negative.
    """
    v1, last = beat.signal_mv[LEADS.index("V1")], round(_LAST_PART_S * beat.fs_hz)
    if off - on < _WIDE_S * beat.fs_hz or np.isnan(v1[on : off + 1]).any():
        return False
    qrs = v1[on : off + 1] - v1[on]
    return bool(qrs[-last - 1 :].mean() > 0 and qrs.sum() > 0)


def _sokolow_lyon_mv(leads: dict[str, LeadWaves]) -> float | None:
    s, r5, r6 = leads["V1"].s_mv, leads["V5"].tallest_r_mv, leads["V6"].tallest_r_mv
    return None if s is None or r5 is None or r6 is None else max(r5, r6) - s


def _cornell_mv(leads: dict[str, LeadWaves]) -> float | None:
    r, s = leads["aVL"].tallest_r_mv, leads["V3"].s_mv
    return None if r is None or s is None else r - s


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(float(value), digits)


def _or_none(value: Any) -> float | None:
    return None if value is None or value != value else float(value)
