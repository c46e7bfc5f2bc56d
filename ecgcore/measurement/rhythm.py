"""Rhythm: rate, irregularity and premature beats from R peaks; intervals across a gap do not count.

R peaks are the subject of rpeaks.py.
"""

from collections.abc import Sequence

import numpy as np

from ecgcore.measurement.gaps import Gap, rr_intervals_s

EARLY, LATE = 0.85, 1.3
"""Limits of a premature beat (see ``premature_beats``); of PTB-XL's records in sinus rhythm 90 % of
those with a stated ectopic beat have one, and 7 % of the others."""


def rate_bpm(peaks_s: np.ndarray, gaps: Sequence[Gap] = ()) -> float | None:
    """Return the mean ventricular rate per minute, or None without any interval."""
    runs = [run for run in _runs(peaks_s, gaps) if len(run) > 1]
    if not runs:
        return None
    return float(60 * sum(len(run) - 1 for run in runs) / sum(run[-1] - run[0] for run in runs))


def rr_irregularity(peaks_s: np.ndarray, gaps: Sequence[Gap] = ()) -> float | None:
    """Return the root mean square of successive RR differences over the mean RR.

    About 0.02–0.05 in sinus rhythm, above 0.1 in ectopy and fibrillation; None from fewer than
    three intervals (RMSSD: Task Force 1996, DOI 10.1161/01.CIR.93.5.1043).
    """
    rr_s = rr_intervals_s(peaks_s, gaps)
    change_s = _known(np.diff(rr_s))
    if len(change_s) < 2:
        return None
    return float(np.sqrt(np.mean(change_s**2)) / np.mean(_known(rr_s)))


def median_rr_s(peaks_s: np.ndarray, gaps: Sequence[Gap] = ()) -> float | None:
    """Return the median RR interval in s, or None without any interval."""
    rr_s = _known(rr_intervals_s(peaks_s, gaps))
    return float(np.median(rr_s)) if len(rr_s) else None


def rr_change(peaks_s: np.ndarray, gaps: Sequence[Gap] = ()) -> float:
    """Return the median change from one RR interval to the next, as a share of the median RR.

    Unlike ``rr_irregularity`` it stays small with a few premature beats, and is about 0.2 in
    fibrillation; 0 without two successive intervals.
    """
    rr_s = rr_intervals_s(peaks_s, gaps)
    change_s = np.abs(_known(np.diff(rr_s)))
    return float(np.median(change_s) / np.median(_known(rr_s))) if len(change_s) else 0.0


def premature_beats(
    peaks_s: np.ndarray, gaps: Sequence[Gap] = (), early: float = EARLY, late: float = LATE
) -> np.ndarray:
    """Return (B,) bool: the beats that come early and are followed by a pause.

    Parameters
    ----------
    peaks_s
        (B,) seconds.
    gaps
        Gaps of the record.
    early
        A beat is early if the interval before it is less than this share of the usual one, the
        median of up to nine around it.
    late
        The interval after it must be this many times the one before it (before a gap and at the
        record's end, the usual one must be).
    """
    rr_s = rr_intervals_s(peaks_s, gaps)
    is_premature = np.zeros(len(peaks_s), dtype=bool)
    if len(_known(rr_s)) < 3:
        return is_premature
    usual = _median_around(rr_s, 4)
    after = np.append(rr_s[1:], np.nan)
    after = np.where(np.isnan(after), usual, after)
    is_premature[1:] = (rr_s < early * usual) & (after > late * rr_s)
    return is_premature


def _median_around(rr_s: np.ndarray, n: int) -> np.ndarray:
    """Return (n,) the median of the known intervals up to ``n`` before and after each, or NaN."""
    padded = np.pad(rr_s, n, constant_values=np.nan)
    ordered = np.sort(np.lib.stride_tricks.sliding_window_view(padded, 2 * n + 1), axis=1)
    n_known = np.count_nonzero(~np.isnan(ordered), axis=1)  # these stand first
    rows = np.arange(len(ordered))
    return (ordered[rows, (n_known - 1) // 2] + ordered[rows, n_known // 2]) / 2


def _runs(peaks_s: np.ndarray, gaps: Sequence[Gap]) -> list[np.ndarray]:
    """Return the R peaks between gaps."""
    across = np.isnan(rr_intervals_s(peaks_s, gaps))
    return np.split(peaks_s, np.flatnonzero(across) + 1)


def _known(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]
