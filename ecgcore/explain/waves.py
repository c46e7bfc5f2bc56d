"""Where the P, QRS, ST and T of each beat lie in a record, for asking what a map says of them."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ecgcore.measure.delineation import Marks, delineate
from ecgcore.measure.median_beat import MedianBeat, median_beat
from ecgcore.measure.rpeaks import premature_beats, r_peaks, rr_change, usual_rr_s

WAVES = ("P", "QRS", "ST", "T")
REST = len(WAVES)
"""The label of time that belongs to no wave."""
ST_S = 0.08
"""ST is taken to last 80 ms from J: where the segment is read in exercise tests (J80; AHA 2013,
doi:10.1161/CIR.0b013e31829b5b44). T goes on from there: where it begins cannot be marked."""
ST_SHARE = 0.4
"""At most this share of the time from J to the end of T is ST."""
AFTER_R = 0.6
"""A beat ends at this share of the way to the next R peak: T is over, P has not begun."""


@dataclass(frozen=True)
class Waves:
    """The waves of a record.

    Attributes
    ----------
    label
        (T,) index in WAVES of each sample, REST between them.
    edges
        The beats as pairs of samples, first and one past the last, in order of ``peaks_s``.
    peaks_s
        R peaks in seconds.
    early
        (B,) bool: premature, or of another shape than most.
    shortest_ms
        Median length of each kind of wave, of the kind that is shortest; None without waves.
    """

    label: np.ndarray
    edges: tuple[tuple[int, int], ...]
    peaks_s: np.ndarray
    early: np.ndarray
    shortest_ms: float | None

    def masks(self) -> np.ndarray:
        """Return (4, T) bool: the samples of each kind of wave."""
        return self.label == np.arange(len(WAVES))[:, None]

    def time(self) -> dict[str, float]:
        """Return the share of the record's time that each kind of wave takes: its chance."""
        return {wave: float(m.mean()) for wave, m in zip(WAVES, self.masks(), strict=True)}


def waves(signal_mv: np.ndarray, fs_hz: float) -> Waves:
    """Return where the waves of a record lie.

    Beats of the usual shape share the marks of the median beat; each other one has its own.

    Parameters
    ----------
    signal_mv
        (12, T) in mV, NaN where missing.
    """
    peaks_s = r_peaks(signal_mv, fs_hz)
    samples = signal_mv.shape[1]
    label = np.full(samples, REST)
    beat = median_beat(signal_mv, fs_hz, peaks_s)
    if beat is None:
        return Waves(label, (), peaks_s, np.zeros(len(peaks_s), bool), None)
    usual = _spans_s(beat, delineate(beat, usual_rr_s(peaks_s), rr_change(peaks_s)))
    for peak_s, aberrant in zip(peaks_s, beat.aberrant, strict=True):
        spans = (aberrant and _own_spans_s(signal_mv, fs_hz, peak_s)) or usual
        for wave, (start_s, stop_s) in spans.items():  # QRS last: nothing hides it
            first, last = (round((peak_s + at) * fs_hz) for at in (start_s, stop_s))
            label[max(0, first) : max(0, last)] = WAVES.index(wave)
    lengths = [1000 * (stop - start) for start, stop in usual.values()]
    early = premature_beats(peaks_s) | beat.aberrant
    edges = _edges(peaks_s, samples, fs_hz)
    return Waves(label, edges, peaks_s, early, min(lengths, default=None))


def _own_spans_s(signal_mv: np.ndarray, fs_hz: float, peak_s: float) -> dict | None:
    """Return the waves of one beat by itself, which has no P wave: it comes before its time."""
    beat = median_beat(signal_mv, fs_hz, np.array([peak_s]))
    found = _spans_s(beat, delineate(beat)) if beat else {}
    found.pop("P", None)
    return found or None


def _spans_s(beat: MedianBeat, marks: Marks) -> dict[str, tuple[float, float]]:
    """Return each wave's beginning and end in seconds from the R peak, QRS last."""

    def after_r(mark: float | None) -> float:
        return float("nan") if mark is None else (mark - beat.r_at) / beat.fs_hz

    j_s, end_s = after_r(marks.qrs_offset), after_r(marks.t_offset)
    t_s = j_s + min(ST_S, ST_SHARE * (end_s - j_s))
    spans = {
        "P": (after_r(marks.p_onset), after_r(marks.p_offset)),
        "T": (t_s, end_s),
        "ST": (j_s, t_s),
        "QRS": (after_r(marks.qrs_onset), j_s),
    }
    return {wave: span for wave, span in spans.items() if np.isfinite(span).all()}


def _edges(peaks_s: np.ndarray, samples: int, fs_hz: float) -> tuple[tuple[int, int], ...]:
    """Return where each beat begins and ends, in samples; the first and last reach as far as one
    interval allows."""
    usual = usual_rr_s(peaks_s) or 1.0
    ends = [a + AFTER_R * (b - a) for a, b in pairwise(peaks_s)]
    ends = [peaks_s[0] - (1 - AFTER_R) * usual, *ends, peaks_s[-1] + AFTER_R * usual]
    at = np.clip(np.round(np.array(ends) * fs_hz), 0, samples).astype(int)
    return tuple((int(a), int(b)) for a, b in pairwise(at))
