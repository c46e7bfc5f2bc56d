"""R peaks: beats detected in each lead alone and accepted where the leads agree.

The waves within a beat are the subject of delineation.py.
"""

from functools import lru_cache

import numpy as np

from ecgcore.measurement.calibration_pulses import pulse_edges
from ecgcore.measurement.gaps import SHORTEST_GAP_S, mark_flat_leads, mark_gaps, recorded_s
from ecgcore.measurement.quality_thresholds import thresholds
from ecgcore.records.resample import bridge_gaps, resample_signal

MATCH_S = 0.06
"""Detections in two leads this close are one beat; the detector's refractory time is 200 ms."""
AGREEING = 0.5
"""Share of the leads recorded at the time in which a beat must be detected."""
FAINT_AGREEING = 0.25
"""Share that suffices where the energy is at least _FAINT_ENERGY of a typical beat's."""
_FAINT_ENERGY = 0.4
FEW_LEADS = 0.5
"""Share of the leads below which half of those recorded may take a T wave for a beat: its energy
must be that of a faint beat."""
_SMALLEST_ENERGY = 0.15
"""Share of the larger beats' energy; P and T waves, in a pause or at the start, have less."""
_MISSED_ENERGY, _ALONE_S = 0.6, 0.3
"""A beat that no lead detected has this share of a typical energy, this far from the others."""
_SHORTEST_RR_S = 0.2
_SEARCH_HZ, _SLOWEST_HZ = 200.0, 100.0
"""Rate that beats are searched at, about; and the rate below which a signal is resampled for it."""
_LEARNING_S = 2.5
"""The detector learns its thresholds from the first 2 s: a shorter stretch is mirrored."""
INDEPENDENT_LEADS = (0, 1, 6, 7, 8, 9, 10, 11)
"""I, II, V1–V6: the other limb leads are sums of these and would vote twice."""
_SMALLEST_SPAN_MV = 0.02


def r_peaks(signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return the times of all ventricular beats, in seconds from the first sample, ascending.

    Each independent lead is searched by sleepecg's Pan–Tompkins detector (Pan & Tompkins 1985,
    DOI 10.1109/TBME.1985.325532; Brunner & Hofer 2023, DOI 10.21105/joss.05411). A beat is
    accepted where half of the leads agree, or a quarter of them with an energy like that of the
    certain beats; its time is that of the largest energy. Premature and aberrant beats count, the
    edges of a calibration pulse do not.

    Parameters
    ----------
    signal_mv
        (leads, T) in mV; flat leads are ignored, and each lead where it is missing (NaN).
    fs_hz
        Sampling rate, 50 Hz or more.

    Returns
    -------
    np.ndarray
        (B,) float64 seconds; empty without any beat, and from less than 1 s.
    """
    marked_mv = mark_gaps(signal_mv, fs_hz).signal_mv
    return r_peaks_of_marked(mark_flat_leads(marked_mv, fs_hz), fs_hz)


def r_peaks_of_marked(signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return ``r_peaks`` of a signal whose gaps and flat leads are marked as missing."""
    if signal_mv.shape[1] < fs_hz:
        return np.zeros(0)
    if fs_hz < _SLOWEST_HZ:
        signal_mv, fs_hz = resample_signal(signal_mv, fs_hz, _SEARCH_HZ), _SEARCH_HZ
    step = max(1, int(fs_hz // _SEARCH_HZ))
    fs_hz = fs_hz / step
    leads, known = _usable_leads(signal_mv, fs_hz, step)  # (n, T')
    if not len(leads) or leads.shape[1] < fs_hz:
        return np.zeros(0)
    energy = _energy(leads, known, fs_hz)  # (T',)
    detections = [_detect_in_lead(*pair, fs_hz) for pair in zip(leads, known, strict=True)]
    peaks = _vote(detections, known.sum(axis=0), energy, fs_hz)
    peaks = _without_pulses(peaks, leads, fs_hz)
    middle = (step - 1) / 2 / step  # of the samples that were averaged into one
    return (_separate(peaks, energy, fs_hz) + middle) / fs_hz


def is_too_short(signal_mv: np.ndarray, fs_hz: float, peaks_s: np.ndarray | None = None) -> bool:
    """Return whether so little was recorded that there are not even two beats in it.

    A longer recording with one beat or none is not too short: its heart may pause.

    Parameters
    ----------
    signal_mv
        (leads, T) in mV, NaN where missing.
    fs_hz
        Hz.
    peaks_s
        R peaks in seconds; detected, if it matters, where not given.
    """
    if recorded_s(signal_mv, fs_hz) >= thresholds()["too_short"]:
        return False
    return len(r_peaks(signal_mv, fs_hz) if peaks_s is None else peaks_s) < 2


def _usable_leads(signal_mv: np.ndarray, fs_hz: float, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, T / step) float64, the voting leads with gaps interpolated, and where recorded.

    A lead with less than a second of signal is left out. ``step`` samples are averaged into one.
    """
    rows = _voting_leads(signal_mv)
    stop = rows.shape[1] // step * step
    rows = rows[:, :stop].reshape(len(rows), -1, step).mean(axis=2, dtype=np.float64)
    recorded = np.isfinite(rows)
    is_usable = [
        known.sum() >= fs_hz and np.ptp(lead[known]) >= _SMALLEST_SPAN_MV
        for lead, known in zip(rows, recorded, strict=True)
    ]
    bridged, _ = bridge_gaps(np.where(recorded, rows, np.nan)[is_usable])
    return bridged, _without_short_gaps(recorded[is_usable], round(SHORTEST_GAP_S * fs_hz))


def _voting_leads(signal_mv: np.ndarray) -> np.ndarray:
    """Return the independent leads; all leads if at some time only the others are recorded.

    So it is where leads were recorded one group after the other (aVR, aVL, aVF from 2.5 s on).
    """
    if len(signal_mv) != 12:
        return signal_mv
    independent = signal_mv[list(INDEPENDENT_LEADS)]
    is_silent = ~np.isfinite(independent).any(axis=0)
    has_others = np.isfinite(signal_mv[:, is_silent]).any()
    return signal_mv if has_others else independent


def _without_short_gaps(known: np.ndarray, shortest: int) -> np.ndarray:
    """Return (n, T) bool with gaps of fewer than ``shortest`` samples closed."""
    closed = known.copy()
    for lead in closed if not known.all() else ():
        for start, stop in _stretches(~lead):
            lead[start:stop] = stop - start < shortest
    return closed


def _stretches(is_set: np.ndarray) -> np.ndarray:
    """Return (n, 2) first sample, and one past the last, of each stretch that is set."""
    return np.flatnonzero(np.diff(is_set, prepend=False, append=False)).reshape(-1, 2)


def _energy(leads: np.ndarray, known: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return (T,) root mean square over leads of the 5–30 Hz band, without the two largest.

    Each lead counts where it is known (n, T); 0 where none is.

    These are left out at each sample because a loose electrode gives larger changes than any beat,
    and that of the right arm affects I and II.
    """
    from scipy.signal import sosfiltfilt

    power = sosfiltfilt(_band_pass(fs_hz), leads, axis=1) ** 2
    if known.all():
        power = np.sort(power, axis=0)
        return np.sqrt(power[: max(len(power) - 2, 1)].mean(axis=0))
    power = np.sort(np.where(known, power / _size(power, known), np.inf), axis=0)
    n_known = known.sum(axis=0)
    n_counted = n_known - n_known // 4  # (T,)
    is_counted = np.arange(len(power))[:, None] < n_counted
    return np.sqrt(np.where(is_counted, power, 0).sum(axis=0) / np.maximum(n_counted, 1))


def _size(power: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return (n, 1) the power of each lead's QRS complexes: leads take turns where some miss."""
    sizes = [np.percentile(lead[is_known], 98) for lead, is_known in zip(power, known, strict=True)]
    return np.array(sizes)[:, None]


@lru_cache(maxsize=16)
def _band_pass(fs_hz: float) -> np.ndarray:
    from scipy.signal import butter

    return butter(2, (5, min(30.0, 0.45 * fs_hz)), "bandpass", fs=fs_hz, output="sos")


def _detect_in_lead(lead: np.ndarray, known: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return the samples of beats in a lead, each known stretch of it searched alone."""
    if known.all():
        return _detect_in_stretch(lead, fs_hz)
    samples = [
        start + _detect_in_stretch(lead[start:stop], fs_hz)
        for start, stop in _stretches(known)
        if stop - start >= SHORTEST_GAP_S * fs_hz
    ]
    return np.concatenate(samples) if samples else np.zeros(0, int)


def _detect_in_stretch(lead: np.ndarray, fs_hz: float) -> np.ndarray:
    from sleepecg import detect_heartbeats

    if (n := len(lead)) >= _LEARNING_S * fs_hz:
        return detect_heartbeats(lead, fs_hz)
    margin = round(_LEARNING_S * fs_hz)
    samples = detect_heartbeats(np.pad(lead, margin, mode="reflect"), fs_hz) - margin
    return samples[(samples >= 0) & (samples < n)]


def _vote(
    detections: list[np.ndarray], n_known: np.ndarray, energy: np.ndarray, fs_hz: float
) -> np.ndarray:
    """Return the samples of largest energy near which enough leads have a detection.

    ``n_known`` (T,) is the number of leads recorded at each sample.
    """
    merged = np.sort(np.concatenate(detections))
    if not len(merged):
        return merged
    groups = np.split(merged, np.flatnonzero(np.diff(merged) > MATCH_S * fs_hz) + 1)
    peaks = np.array([_largest(energy, group, fs_hz) for group in groups])
    votes = np.array([len(group) for group in groups]) / np.maximum(n_known[peaks], 1)
    certain = votes >= AGREEING
    if not certain.any():
        return peaks[:0]
    has_few = n_known[peaks] < FEW_LEADS * len(detections)
    smallest = np.where(has_few, _FAINT_ENERGY, _SMALLEST_ENERGY)
    certain &= energy[peaks] > smallest * np.percentile(energy[peaks[certain]], 75)
    usual = float(np.median(energy[peaks[certain]]))
    faint = (votes >= FAINT_AGREEING) & (energy[peaks] >= _FAINT_ENERGY * usual)
    accepted = peaks[certain | faint]
    return np.union1d(accepted, _missed(accepted, energy, usual, fs_hz))


def _without_pulses(peaks: np.ndarray, leads: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return the beats that are not edges of a calibration pulse."""
    edges = pulse_edges(leads, fs_hz)
    if not len(edges):
        return peaks
    return peaks[np.abs(peaks[:, None] - edges).min(axis=1) > MATCH_S * fs_hz]


def _missed(accepted: np.ndarray, energy: np.ndarray, usual: float, fs_hz: float) -> np.ndarray:
    """Return samples far from all beats at which the energy is that of a beat.

    The detector sometimes takes a P wave for the first beat, and is blind for 200 ms after it.
    """
    from scipy.signal import find_peaks

    distance = round(_ALONE_S * fs_hz)
    peaks, _ = find_peaks(energy, height=_MISSED_ENERGY * usual, distance=distance)
    is_far = np.abs(peaks[:, None] - accepted).min(axis=1) > distance
    return peaks[is_far & (energy[peaks] < usual / _MISSED_ENERGY)]


def _largest(energy: np.ndarray, group: np.ndarray, fs_hz: float) -> int:
    """Return the sample of largest energy near detections; in some leads these may be P or T."""
    half = round(MATCH_S * fs_hz)
    low = max(0, group[0] - half)
    return low + int(np.argmax(energy[low : group[-1] + half + 1]))


def _separate(peaks: np.ndarray, energy: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return beats between samples; of two that are too close, the one of larger energy."""
    separate: list[int] = []
    for i in peaks:
        if not separate or i - separate[-1] >= _SHORTEST_RR_S * fs_hz:
            separate.append(int(i))
        elif energy[i] > energy[separate[-1]]:
            separate[-1] = int(i)
    return np.array([_vertex(energy, i) for i in separate], dtype=float)


def _vertex(energy: np.ndarray, i: int) -> float:
    """Return the vertex of the parabola through a sample and its neighbours."""
    if not 0 < i < len(energy) - 1:
        return float(i)
    left, top, right = energy[i - 1 : i + 2]
    bend = left - 2 * top + right
    return i + (0.5 * (left - right) / bend if top > max(left, right) else 0.0)
