"""When the ventricles beat: R peaks found in each lead alone, and kept where leads agree.

Knows nothing of waves inside a beat (delineation.py).
"""

from functools import lru_cache

import numpy as np

from ecgcore.measure.calibration_pulses import edges

MATCH_S = 0.06
"""Detections of two leads this near are one beat; the detector's refractory time is 200 ms."""
AGREEING = 0.5
"""Share of the usable leads that must see a beat."""
FAINT_AGREEING = 0.25
"""Share that is enough where the leads move as much as at most other beats."""
_FAINT_ENERGY = 0.4
_SMALLEST_ENERGY = 0.15
"""Of the larger beats; P and T waves in a pause, or where the record begins, reach less."""
_MISSED_ENERGY, _ALONE_S = 0.6, 0.3
"""What no lead voted for is a beat if it moves this much, and is this far from the others."""
_SHORTEST_RR_S = 0.2
_SEARCH_HZ = 200.0
EARLY, LATE = 0.85, 1.3
"""What makes a beat premature; on PTB-XL's records with sinus rhythm 90 % of those with a stated
ectopic beat have one, and 7 % of the others."""
INDEPENDENT = (0, 1, 6, 7, 8, 9, 10, 11)
"""I, II, V1–V6: the other limb leads are sums of these and would only vote twice."""
_SMALLEST_SPAN_MV = 0.02


def r_peaks(signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return the times of all ventricular beats, in seconds from the first sample, ascending.

    Each independent lead is searched by sleepecg's Pan–Tompkins detector (Pan & Tompkins 1985,
    DOI 10.1109/TBME.1985.325532; Brunner & Hofer 2023, DOI 10.21105/joss.05411). A beat is kept
    where half of the leads agree, or a quarter and the leads together move as much as at the sure
    ones; its time is where they are farthest from rest. Premature and aberrant beats count, the
    edges of a calibration pulse do not.

    Parameters
    ----------
    signal_mv
        (leads, T) in mV; flat leads and gaps (NaN) are passed over.
    fs_hz
        Sampling rate, 50 Hz or more.

    Returns
    -------
    np.ndarray
        (B,) float64 seconds; empty where no beat is found.
    """
    step = max(1, int(fs_hz // _SEARCH_HZ))
    fs_hz = fs_hz / step
    leads = _usable(signal_mv, step)  # (n, T')
    if not len(leads) or leads.shape[1] < fs_hz:
        return np.zeros(0)
    energy = _energy(leads, fs_hz)  # (T',)
    at = _agreed([_in_lead(lead, fs_hz) for lead in leads], energy, fs_hz)
    at = _without_pulses(at, leads, fs_hz)
    middle = (step - 1) / 2 / step  # of the samples that were averaged into one
    return (_apart(at, energy, fs_hz) + middle) / fs_hz


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


def usual_rr_s(peaks_s: np.ndarray) -> float | None:
    """Return the median RR interval in s, or None from fewer than two beats."""
    return float(np.median(np.diff(peaks_s))) if len(peaks_s) > 1 else None


def rr_change(peaks_s: np.ndarray) -> float:
    """Return the median change from one RR interval to the next, as a share of the median RR.

    Unlike ``rr_irregularity`` it is small where few beats are premature, and about 0.2 in
    fibrillation; 0 from fewer than three beats.
    """
    rr_s = np.diff(peaks_s)
    return float(np.median(np.abs(np.diff(rr_s))) / np.median(rr_s)) if len(rr_s) > 1 else 0.0


def premature_beats(peaks_s: np.ndarray, early: float = EARLY, late: float = LATE) -> np.ndarray:
    """Return which beats come early and are followed by a pause: (B,) bool.

    Parameters
    ----------
    peaks_s
        (B,) seconds.
    early
        A beat is early when the interval before it is less than this share of the usual one: the
        median of the up to nine around it.
    late
        The interval after it must be this many times the one before it (at the record's end: the
        usual one must).
    """
    rr_s = np.diff(peaks_s)
    found = np.zeros(len(peaks_s), dtype=bool)
    if len(rr_s) < 3:
        return found
    usual = np.array([np.median(rr_s[max(0, i - 4) : i + 5]) for i in range(len(rr_s))])
    after = np.append(rr_s[1:], usual[-1])
    found[1:] = (rr_s < early * usual) & (after > late * rr_s)
    return found


def _usable(signal_mv: np.ndarray, step: int) -> np.ndarray:
    """Return (n, T / step) float64: the independent leads that hold a signal, gaps bridged.

    ``step`` samples are averaged into one.
    """
    rows = signal_mv[list(INDEPENDENT)] if len(signal_mv) == 12 else signal_mv
    whole = rows.shape[1] // step * step
    rows = rows[:, :whole].reshape(len(rows), -1, step).mean(axis=2, dtype=np.float64)
    there = np.isfinite(rows)
    kept = []
    for lead, ok in zip(rows, there, strict=True):
        if ok.mean() < 0.5 or np.ptp(lead[ok]) < _SMALLEST_SPAN_MV:
            continue
        if not ok.all():
            at = np.arange(len(lead))
            lead[~ok] = np.interp(at[~ok], at[ok], lead[ok])
        kept.append(lead)
    return np.array(kept)


def _energy(leads: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return (T,) root mean square over leads of what lies in 5–30 Hz, but the two largest.

    These are left out at each moment since a loose electrode moves more than any beat does, and
    that of the right arm moves I and II.
    """
    from scipy.signal import sosfiltfilt

    power = np.sort(sosfiltfilt(_band_pass(fs_hz), leads, axis=1) ** 2, axis=0)
    return np.sqrt(power[: max(len(power) - 2, 1)].mean(axis=0))


@lru_cache(maxsize=16)
def _band_pass(fs_hz: float) -> np.ndarray:
    from scipy.signal import butter

    return butter(2, (5, min(30.0, 0.45 * fs_hz)), "bandpass", fs=fs_hz, output="sos")


def _in_lead(lead: np.ndarray, fs_hz: float) -> np.ndarray:
    from sleepecg import detect_heartbeats

    return detect_heartbeats(lead, fs_hz)


def _agreed(found: list[np.ndarray], energy: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return the samples at which enough leads see a beat: where all together move most."""
    every = np.sort(np.concatenate(found))
    if not len(every):
        return every
    groups = np.split(every, np.flatnonzero(np.diff(every) > MATCH_S * fs_hz) + 1)
    at = np.array([_largest(energy, group, fs_hz) for group in groups])
    votes = np.array([len(group) for group in groups]) / len(found)
    sure = votes >= AGREEING
    if not sure.any():
        return at[:0]
    sure &= energy[at] > _SMALLEST_ENERGY * np.percentile(energy[at[sure]], 75)
    usual = float(np.median(energy[at[sure]]))
    kept = at[sure | ((votes >= FAINT_AGREEING) & (energy[at] >= _FAINT_ENERGY * usual))]
    return np.union1d(kept, _missed(kept, energy, usual, fs_hz))


def _without_pulses(at: np.ndarray, leads: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return the beats that are no edge of a calibration pulse."""
    pulses = edges(leads, fs_hz)
    if not len(pulses):
        return at
    return at[np.abs(at[:, None] - pulses).min(axis=1) > MATCH_S * fs_hz]


def _missed(kept: np.ndarray, energy: np.ndarray, usual: float, fs_hz: float) -> np.ndarray:
    """Return where, far from all beats, the leads move as they do at a beat.

    The detector takes a P wave for the first beat at times, and is blind for 200 ms after it.
    """
    from scipy.signal import find_peaks

    apart = round(_ALONE_S * fs_hz)
    peaks, _ = find_peaks(energy, height=_MISSED_ENERGY * usual, distance=apart)
    far = np.abs(peaks[:, None] - kept).min(axis=1) > apart
    return peaks[far & (energy[peaks] < usual / _MISSED_ENERGY)]


def _largest(energy: np.ndarray, group: np.ndarray, fs_hz: float) -> int:
    """Return where the energy is largest near detections; some leads may have seen P or T."""
    half = round(MATCH_S * fs_hz)
    low = max(0, group[0] - half)
    return low + int(np.argmax(energy[low : group[-1] + half + 1]))


def _apart(at: np.ndarray, energy: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return the beats, of two too near the larger, between samples."""
    kept: list[int] = []
    for i in at:
        if not kept or i - kept[-1] >= _SHORTEST_RR_S * fs_hz:
            kept.append(int(i))
        elif energy[i] > energy[kept[-1]]:
            kept[-1] = int(i)
    return np.array([_vertex(energy, i) for i in kept], dtype=float)


def _vertex(energy: np.ndarray, i: int) -> float:
    """Return the top of the parabola through a sample and its neighbours."""
    if not 0 < i < len(energy) - 1:
        return float(i)
    left, top, right = energy[i - 1 : i + 2]
    bend = left - 2 * top + right
    return i + (0.5 * (left - right) / bend if top > max(left, right) else 0.0)
