"""R peaks: beats detected in each lead alone and accepted where the leads agree.

The waves within a beat are the subject of delineation.py.
"""

from functools import lru_cache

import numpy as np

from ecgcore.measurement.calibration_pulses import pulse_edges
from ecgcore.records.resample import bridge_gaps

MATCH_S = 0.06
"""Detections in two leads this close are one beat; the detector's refractory time is 200 ms."""
AGREEING = 0.5
"""Share of the usable leads in which a beat must be detected."""
FAINT_AGREEING = 0.25
"""Share that suffices where the energy is at least _FAINT_ENERGY of a typical beat's."""
_FAINT_ENERGY = 0.4
_SMALLEST_ENERGY = 0.15
"""Share of the larger beats' energy; P and T waves, in a pause or at the start, have less."""
_MISSED_ENERGY, _ALONE_S = 0.6, 0.3
"""A beat that no lead detected has this share of a typical energy, this far from the others."""
_SHORTEST_RR_S = 0.2
_SEARCH_HZ = 200.0
EARLY, LATE = 0.85, 1.3
"""Limits of a premature beat (see ``premature_beats``); of PTB-XL's records in sinus rhythm 90 % of
those with a stated ectopic beat have one, and 7 % of the others."""
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
        (leads, T) in mV; flat leads and gaps (NaN) are ignored.
    fs_hz
        Sampling rate, 50 Hz or more.

    Returns
    -------
    np.ndarray
        (B,) float64 seconds; empty without any beat.
    """
    step = max(1, int(fs_hz // _SEARCH_HZ))
    fs_hz = fs_hz / step
    leads = _usable_leads(signal_mv, step)  # (n, T')
    if not len(leads) or leads.shape[1] < fs_hz:
        return np.zeros(0)
    energy = _energy(leads, fs_hz)  # (T',)
    peaks = _vote([_detect_in_lead(lead, fs_hz) for lead in leads], energy, fs_hz)
    peaks = _without_pulses(peaks, leads, fs_hz)
    middle = (step - 1) / 2 / step  # of the samples that were averaged into one
    return (_separate(peaks, energy, fs_hz) + middle) / fs_hz


def rate_bpm(peaks_s: np.ndarray) -> float | None:
    """Return the mean ventricular rate per minute, or None from fewer than two beats."""
    if len(peaks_s) < 2:
        return None
    return float(60 * (len(peaks_s) - 1) / (peaks_s[-1] - peaks_s[0]))


def rr_irregularity(peaks_s: np.ndarray) -> float | None:
    """Return the root mean square of successive RR differences over the mean RR.

    About 0.02–0.05 in sinus rhythm, above 0.1 in ectopy and fibrillation; None from fewer than
    three intervals (RMSSD: Task Force 1996, DOI 10.1161/01.CIR.93.5.1043).
    """
    rr_s = np.diff(peaks_s)
    if len(rr_s) < 3:
        return None
    return float(np.sqrt(np.mean(np.diff(rr_s) ** 2)) / np.mean(rr_s))


def median_rr_s(peaks_s: np.ndarray) -> float | None:
    """Return the median RR interval in s, or None from fewer than two beats."""
    return float(np.median(np.diff(peaks_s))) if len(peaks_s) > 1 else None


def rr_change(peaks_s: np.ndarray) -> float:
    """Return the median change from one RR interval to the next, as a share of the median RR.

    Unlike ``rr_irregularity`` it stays small with a few premature beats, and is about 0.2 in
    fibrillation; 0 from fewer than three beats.
    """
    rr_s = np.diff(peaks_s)
    return float(np.median(np.abs(np.diff(rr_s))) / np.median(rr_s)) if len(rr_s) > 1 else 0.0


def premature_beats(peaks_s: np.ndarray, early: float = EARLY, late: float = LATE) -> np.ndarray:
    """Return (B,) bool: the beats that come early and are followed by a pause.

    Parameters
    ----------
    peaks_s
        (B,) seconds.
    early
        A beat is early if the interval before it is less than this share of the usual one, the
        median of up to nine around it.
    late
        The interval after it must be this many times the one before it (at the record's end, the
        usual one must be).
    """
    rr_s = np.diff(peaks_s)
    is_premature = np.zeros(len(peaks_s), dtype=bool)
    if len(rr_s) < 3:
        return is_premature
    usual = np.array([np.median(rr_s[max(0, i - 4) : i + 5]) for i in range(len(rr_s))])
    after = np.append(rr_s[1:], usual[-1])
    is_premature[1:] = (rr_s < early * usual) & (after > late * rr_s)
    return is_premature


def _usable_leads(signal_mv: np.ndarray, step: int) -> np.ndarray:
    """Return (n, T / step) float64: the independent leads with a signal, gaps interpolated.

    ``step`` samples are averaged into one.
    """
    rows = signal_mv[list(INDEPENDENT_LEADS)] if len(signal_mv) == 12 else signal_mv
    stop = rows.shape[1] // step * step
    rows = rows[:, :stop].reshape(len(rows), -1, step).mean(axis=2, dtype=np.float64)
    usable = []
    for lead, known in zip(rows, np.isfinite(rows), strict=True):
        if known.mean() < 0.5 or np.ptp(lead[known]) < _SMALLEST_SPAN_MV:
            continue
        usable.append(np.where(known, lead, np.nan))
    return bridge_gaps(np.array(usable))[0] if usable else np.array(usable)


def _energy(leads: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return (T,) root mean square over leads of the 5–30 Hz band, without the two largest.

    These are left out at each sample because a loose electrode gives larger changes than any beat,
    and that of the right arm affects I and II.
    """
    from scipy.signal import sosfiltfilt

    power = np.sort(sosfiltfilt(_band_pass(fs_hz), leads, axis=1) ** 2, axis=0)
    return np.sqrt(power[: max(len(power) - 2, 1)].mean(axis=0))


@lru_cache(maxsize=16)
def _band_pass(fs_hz: float) -> np.ndarray:
    from scipy.signal import butter

    return butter(2, (5, min(30.0, 0.45 * fs_hz)), "bandpass", fs=fs_hz, output="sos")


def _detect_in_lead(lead: np.ndarray, fs_hz: float) -> np.ndarray:
    from sleepecg import detect_heartbeats

    return detect_heartbeats(lead, fs_hz)


def _vote(detections: list[np.ndarray], energy: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return the samples of largest energy near which enough leads have a detection."""
    merged = np.sort(np.concatenate(detections))
    if not len(merged):
        return merged
    groups = np.split(merged, np.flatnonzero(np.diff(merged) > MATCH_S * fs_hz) + 1)
    peaks = np.array([_largest(energy, group, fs_hz) for group in groups])
    votes = np.array([len(group) for group in groups]) / len(detections)
    certain = votes >= AGREEING
    if not certain.any():
        return peaks[:0]
    certain &= energy[peaks] > _SMALLEST_ENERGY * np.percentile(energy[peaks[certain]], 75)
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
