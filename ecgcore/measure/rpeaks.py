"""When the ventricles beat: R peaks found in each lead alone, and kept where leads agree.

Knows nothing of waves inside a beat (delineation.py).
"""

import numpy as np

MATCH_S = 0.12
"""Detections of two leads this near are one beat; the refractory time is about 200 ms."""
AGREEING = 0.5
"""Share of the usable leads that must see a beat."""
FAINT_AGREEING = 0.25
"""Share that is enough where the beat moves the leads as much as the sure ones do."""
_FAINT_ENERGY = 0.4
_SHORTEST_RR_S = 0.2
_INDEPENDENT = (0, 1, 6, 7, 8, 9, 10, 11)
"""I, II, V1–V6: the other limb leads are sums of these and would only vote twice."""


def r_peaks(signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return the times of all ventricular beats, in seconds from the first sample, ascending.

    Each independent lead is searched by sleepecg's Pan–Tompkins detector (Pan & Tompkins 1985,
    DOI 10.1109/TBME.1985.325532; Brunner & Hofer 2023, DOI 10.21105/joss.05411). A beat is kept
    where half of the leads agree, or a quarter and the leads together move as much as at the sure
    ones; its time is where they are farthest from rest. Premature and aberrant beats count.

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
    leads = _usable(signal_mv)
    if not len(leads) or signal_mv.shape[1] < fs_hz:
        return np.zeros(0)
    moving = np.stack([_band_passed(lead, fs_hz) for lead in leads])
    energy = np.sqrt(np.mean(moving**2, axis=0))  # (T,)
    found = [_in_lead(lead, fs_hz) for lead in leads]
    at = _agreed(found, energy, fs_hz)
    return _at_largest(at, energy, fs_hz) / fs_hz


def rr_intervals_s(peaks_s: np.ndarray) -> np.ndarray:
    """Return (B − 1,) RR intervals in s."""
    return np.diff(np.asarray(peaks_s, dtype=float))


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
    rr_s = rr_intervals_s(peaks_s)
    if len(rr_s) < 3:
        return None
    return float(np.sqrt(np.mean(np.diff(rr_s) ** 2)) / np.mean(rr_s))


def premature_beats(peaks_s: np.ndarray, early: float = 0.85) -> np.ndarray:
    """Return which beats come early: (B,) bool.

    A beat is early when the interval before it is less than ``early`` of the usual one (median of
    the up to eight around it) and the one after it is longer than it by as much.

    Parameters
    ----------
    peaks_s
        (B,) seconds.
    early
        Share of the usual interval.
    """
    rr_s = rr_intervals_s(peaks_s)
    found = np.zeros(len(peaks_s), dtype=bool)
    if len(rr_s) < 3:
        return found
    for i, rr in enumerate(rr_s):
        usual = np.median(rr_s[max(0, i - 4) : i + 5])
        follows = rr_s[i + 1] if i + 1 < len(rr_s) else usual
        found[i + 1] = rr < early * usual and follows > rr / early
    return found


def _usable(signal_mv: np.ndarray) -> np.ndarray:
    """Return (n, T) float64: independent leads that hold a signal, gaps bridged."""
    rows = signal_mv[list(_INDEPENDENT)] if len(signal_mv) == 12 else signal_mv
    kept = []
    for lead in rows:
        there = np.isfinite(lead)
        if there.mean() < 0.5 or np.ptp(lead[there]) < 0.01:
            continue
        filled = lead.astype(np.float64)
        if not there.all():
            at = np.arange(len(lead))
            filled[~there] = np.interp(at[~there], at[there], filled[there])
        kept.append(filled)
    return np.array(kept)


def _band_passed(lead: np.ndarray, fs_hz: float) -> np.ndarray:
    from scipy.signal import butter, sosfiltfilt

    high_hz = min(30.0, 0.45 * fs_hz)
    return sosfiltfilt(butter(2, (5, high_hz), "bandpass", fs=fs_hz, output="sos"), lead)


def _in_lead(lead: np.ndarray, fs_hz: float) -> np.ndarray:
    from sleepecg import detect_heartbeats

    return detect_heartbeats(lead, fs_hz)


def _agreed(found: list[np.ndarray], energy: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return the samples at which enough leads see a beat."""
    n_leads = len(found)
    every = np.sort(np.concatenate(found))
    if not len(every):
        return every
    groups = np.split(every, np.flatnonzero(np.diff(every) > MATCH_S / 2 * fs_hz) + 1)
    votes = np.array([len(group) for group in groups]) / n_leads
    at = np.array([int(np.median(group)) for group in groups])
    half = round(MATCH_S / 2 * fs_hz)
    size = np.array([energy[max(0, i - half) : i + half + 1].max() for i in at])
    sure = votes >= AGREEING
    if not sure.any():
        return at[:0]
    kept = sure | ((votes >= FAINT_AGREEING) & (size >= _FAINT_ENERGY * np.median(size[sure])))
    return at[kept]


def _at_largest(at: np.ndarray, energy: np.ndarray, fs_hz: float) -> np.ndarray:
    """Move each beat to the largest deflection near it; of two too near keep the larger."""
    half = round(MATCH_S / 2 * fs_hz)
    moved: list[int] = []
    for i in at:
        low = max(0, i - half)
        best = low + int(np.argmax(energy[low : i + half + 1]))
        if moved and best - moved[-1] < _SHORTEST_RR_S * fs_hz:
            if energy[best] > energy[moved[-1]]:
                moved[-1] = best
        else:
            moved.append(best)
    return np.array(moved, dtype=float)
