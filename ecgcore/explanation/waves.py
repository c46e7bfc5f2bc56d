"""Positions of the P, QRS, ST and T of each beat in a record, for relevance by wave."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ecgcore.measurement.delineation import Fiducials, delineate
from ecgcore.measurement.gaps import mark_gaps
from ecgcore.measurement.median_beat import MedianBeat, median_beat
from ecgcore.measurement.rhythm import median_rr_s, premature_beats, rr_change
from ecgcore.measurement.rpeaks import r_peaks

WAVES = ("P", "QRS", "ST", "T")
REST = len(WAVES)
"""Label of samples that belong to no wave."""
ST_S = 0.08
"""ST is defined as 80 ms from J, the point at which exercise tests read the segment (J80; AHA 2013,
doi:10.1161/CIR.0b013e31829b5b44). T starts there, since its onset cannot be marked."""
ST_SHARE = 0.4
"""ST takes at most this share of the time from J to the end of T."""
AFTER_R = 0.6
"""A beat ends at this share of the RR interval, after T and before the next P."""


@dataclass(frozen=True)
class Waves:
    """Waves of a record.

    Attributes
    ----------
    label
        (T,) index in WAVES of each sample, REST between them.
    edges
        Beats as pairs of samples, first and one past the last, in order of ``peaks_s``.
    peaks_s
        R peaks in seconds.
    early
        (B,) bool: premature, or of another than the dominant shape.
    shortest_ms
        Length of the shortest kind of wave in the median beat; None without waves.
    """

    label: np.ndarray
    edges: tuple[tuple[int, int], ...]
    peaks_s: np.ndarray
    early: np.ndarray
    shortest_ms: float | None

    def masks(self) -> np.ndarray:
        """Return (4, T) bool: the samples of each kind of wave."""
        return self.label == np.arange(len(WAVES))[:, None]

    def time_shares(self) -> dict[str, float]:
        """Return the share of the record's time that each kind of wave takes."""
        return {wave: float(m.mean()) for wave, m in zip(WAVES, self.masks(), strict=True)}


def locate_waves(signal_mv: np.ndarray, fs_hz: float) -> Waves:
    """Return the positions of the waves of a record.

    Beats of the dominant shape share the fiducial points of the median beat; others have their own.

    Parameters
    ----------
    signal_mv
        (12, T) in mV, NaN where missing.
    """
    signal_mv, gaps = mark_gaps(signal_mv, fs_hz)
    peaks_s = r_peaks(signal_mv, fs_hz)
    samples = signal_mv.shape[1]
    label = np.full(samples, REST)
    beat = median_beat(signal_mv, fs_hz, peaks_s, gaps)
    if beat is None:
        return Waves(label, (), peaks_s, np.zeros(len(peaks_s), bool), None)
    rhythm = median_rr_s(peaks_s, gaps), rr_change(peaks_s, gaps)
    dominant = _wave_spans_s(beat, delineate(beat, *rhythm))
    for peak_s, aberrant in zip(peaks_s, beat.aberrant, strict=True):
        spans = (aberrant and _beat_spans_s(signal_mv, fs_hz, peak_s)) or dominant
        for wave, (start_s, stop_s) in spans.items():  # QRS last: it overwrites others
            first, last = (round((peak_s + at) * fs_hz) for at in (start_s, stop_s))
            label[max(0, first) : max(0, last)] = WAVES.index(wave)
    lengths = [1000 * (stop - start) for start, stop in dominant.values()]
    early = premature_beats(peaks_s, gaps) | beat.aberrant
    edges = _edges(peaks_s, samples, fs_hz)
    return Waves(label, edges, peaks_s, early, min(lengths, default=None))


def _beat_spans_s(signal_mv: np.ndarray, fs_hz: float, peak_s: float) -> dict | None:
    """Return the waves of a single aberrant beat, without P: it comes early."""
    beat = median_beat(signal_mv, fs_hz, np.array([peak_s]))
    spans = _wave_spans_s(beat, delineate(beat)) if beat else {}
    spans.pop("P", None)
    return spans or None


def _wave_spans_s(beat: MedianBeat, fiducials: Fiducials) -> dict[str, tuple[float, float]]:
    """Return each wave's onset and end in seconds from the R peak, QRS last."""

    def after_r(sample: float | None) -> float:
        return float("nan") if sample is None else (sample - beat.r_sample) / beat.fs_hz

    j_s, end_s = after_r(fiducials.qrs_offset), after_r(fiducials.t_offset)
    t_s = j_s + min(ST_S, ST_SHARE * (end_s - j_s))
    spans = {
        "P": (after_r(fiducials.p_onset), after_r(fiducials.p_offset)),
        "T": (t_s, end_s),
        "ST": (j_s, t_s),
        "QRS": (after_r(fiducials.qrs_onset), j_s),
    }
    return {wave: span for wave, span in spans.items() if np.isfinite(span).all()}


def _edges(peaks_s: np.ndarray, samples: int, fs_hz: float) -> tuple[tuple[int, int], ...]:
    """Return the first sample of each beat and one past its last.

    The first and last beat extend by the median interval.
    """
    rr_s = median_rr_s(peaks_s) or 1.0
    ends = [a + AFTER_R * (b - a) for a, b in pairwise(peaks_s)]
    ends = [peaks_s[0] - (1 - AFTER_R) * rr_s, *ends, peaks_s[-1] + AFTER_R * rr_s]
    at = np.clip(np.round(np.array(ends) * fs_hz), 0, samples).astype(int)
    return tuple((int(a), int(b)) for a, b in pairwise(at))
