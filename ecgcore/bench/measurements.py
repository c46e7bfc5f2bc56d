"""Error of the measurements against a cardiologist's annotations of LUDB (doi:10.13026/eegm-h675).

LUDB annotates P, QRS and T manually in every lead. A record's reference: each beat's onset is the
10th percentile of its onsets over the leads, its end the 90th percentile of its ends; intervals are
the median over beats. Beside it stands the reference of the outermost marks (earliest onset, latest
end), which a single lead's mark decides. A missing value counts as an infinite error where the
reference has one.
"""

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ecgcore.errors import RequestError
from ecgcore.measurement.measurements import Measurements, measure
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS

INTERVALS = ("qrs_ms", "pr_ms", "qt_ms")
RATE_WITHIN_BPM = 2.0
INNER, OUTERMOST = (10, 90), (0, 100)
"""Percentiles over the leads that are a beat's onset and end."""
_SYMBOLS = {"p": "p", "N": "qrs", "t": "t"}
_SAME_BEAT_S = 0.12
_MIN_LEADS = 6


class Reference(NamedTuple):
    """Annotated beats and intervals of a record; NaN where it has no such wave.

    ``intervals_ms`` are between percentiles over the leads, ``outermost_ms`` between the outermost.
    """

    beats_s: np.ndarray
    intervals_ms: dict[str, float]
    outermost_ms: dict[str, float]


def bench_measurements(folder: Path) -> dict[str, Any]:
    """Measure all records of a folder in LUDB's layout and compare with its annotations.

    Parameters
    ----------
    folder
        Holds ``data/1.hea`` … with annotation files ``1.i`` … ``1.v6``, or those themselves.

    Returns
    -------
    dict
        ``records``; ``intervals`` (name → ``n``, ``missing``, ``median_ms`` and
        ``percentile_90_ms`` of the absolute error, ``bias_ms``, ``r``); ``outermost`` (the same
        against the outermost marks); ``halves`` (the same for every other record, as a check
        against tuning on one half);
        ``rate_within_2_bpm`` over the annotated beats; ``without_p`` and
        ``p_found_where_none``; ``ms_per_record`` of processor time.

    Raises
    ------
    RequestError
        The folder holds no annotated record.
    """
    headers = sorted(folder.rglob("*.hea"), key=lambda path: (len(path.stem), path.stem))
    headers = [path for path in headers if path.with_suffix(f".{LEADS[0].lower()}").exists()]
    if not headers:
        raise RequestError(
            f"No record with marks in {folder}; LUDB's layout is needed: data/1.hea with 1.i … "
            "1.v6 beside it. Get it: ecgcore download ludb."
        )
    measure(read_record(headers[0]))  # imports and filter designs happen once
    rows, spent_s = [], 0.0
    for header in headers:
        record, reference = read_record(header), reference_of(header)
        started = time.process_time()
        measured = measure(record)
        spent_s += time.process_time() - started
        rows.append(_compare(measured, reference))
    return _summary(rows) | {"ms_per_record": round(1000 * spent_s / len(rows), 1)}


def reference_of(header: Path) -> Reference:
    """Return a record's reference from its twelve annotation files."""
    import wfdb

    fs_hz = wfdb.rdheader(str(header.with_suffix(""))).fs
    leads = [_marks(header, lead, fs_hz) for lead in LEADS]
    peaks_s = np.sort(np.concatenate([waves["qrs"][:, 1] for waves in leads]))
    groups = np.split(peaks_s, np.flatnonzero(np.diff(peaks_s) > _SAME_BEAT_S) + 1)
    beats_s = np.array([np.median(group) for group in groups if len(group) >= _MIN_LEADS])
    inner, outermost = (_intervals(leads, beats_s, ends) for ends in (INNER, OUTERMOST))
    return Reference(beats_s, inner, outermost)


def _intervals(
    leads: list[dict[str, np.ndarray]], beats_s: np.ndarray, percentiles: tuple[int, int]
) -> dict[str, float]:
    """Return the median intervals in ms, between these percentiles of onsets and of ends."""
    marks = np.array([_beat_marks(leads, beats_s, i, percentiles) for i in range(len(beats_s))])
    p_on, q_on, q_off, t_off = 1000 * marks.T
    spans = {"qrs_ms": q_off - q_on, "pr_ms": q_on - p_on, "qt_ms": t_off - q_on}
    return {name: _median(span) for name, span in spans.items()}


def _marks(header: Path, lead: str, fs_hz: float) -> dict[str, np.ndarray]:
    """Return (n, 3) onset, peak and end in s by wave; NaN where a mark is missing."""
    import wfdb

    annotations = wfdb.rdann(str(header.with_suffix("")), lead.lower())
    at = np.concatenate([[np.nan], annotations.sample / fs_hz, [np.nan]])
    symbols = ["", *annotations.symbol, ""]
    waves: dict[str, list[tuple[float, float, float]]] = {"p": [], "qrs": [], "t": []}
    for i, symbol in enumerate(symbols):
        if symbol in _SYMBOLS:
            onset = at[i - 1] if symbols[i - 1] == "(" else np.nan
            end = at[i + 1] if symbols[i + 1] == ")" else np.nan
            waves[_SYMBOLS[symbol]].append((onset, at[i], end))
    return {wave: np.array(rows, dtype=float).reshape(-1, 3) for wave, rows in waves.items()}


def _beat_marks(
    leads: list[dict[str, np.ndarray]], beats_s: np.ndarray, i: int, percentiles: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Return P onset, QRS onset, QRS end and T end of a beat over the leads, in s."""
    r, (first, last) = beats_s[i], percentiles
    before = max(beats_s[i - 1] + 0.04 if i else -np.inf, r - 0.5)
    after = min(beats_s[i + 1] - 0.04 if i + 1 < len(beats_s) else np.inf, r + 0.8)
    p = _of_beat(leads, "p", before, r - 0.02, last=True)
    qrs = _of_beat(leads, "qrs", r - _SAME_BEAT_S, r + _SAME_BEAT_S)
    t = _of_beat(leads, "t", r + 0.04, after)
    return (
        _percentile(p[:, 0], first),
        _percentile(qrs[:, 0], first),
        _percentile(qrs[:, 2], last),
        _percentile(t[:, 2], last),
    )


def _of_beat(
    leads: list[dict[str, np.ndarray]], wave: str, low_s: float, high_s: float, last: bool = False
) -> np.ndarray:
    """Return (n, 3): of each lead the first (or last) wave that peaks between two times."""
    rows = []
    for marks in leads:
        peaks = marks[wave][:, 1]
        inside = np.flatnonzero((peaks > low_s) & (peaks < high_s))
        if len(inside):
            rows.append(marks[wave][inside[-1 if last else 0]])
    return np.array(rows, dtype=float).reshape(-1, 3)


def _percentile(values: np.ndarray, percentile: float) -> float:
    values = values[~np.isnan(values)]
    return float(np.percentile(values, percentile)) if len(values) else float("nan")


def _median(values: np.ndarray) -> float:
    return _percentile(values, 50)


def _compare(measured: Measurements, reference: Reference) -> dict[str, Any]:
    ours = {name: getattr(measured, name) for name in INTERVALS}
    return {
        "ours": {k: float("nan") if v is None else v for k, v in ours.items()},
        "theirs": reference.intervals_ms,
        "outermost": reference.outermost_ms,
        "rate_off_bpm": _rate_off_bpm(np.array(measured.r_peaks_s), reference.beats_s),
    }


def _rate_off_bpm(ours_s: np.ndarray, theirs_s: np.ndarray) -> float:
    """Return the difference of the rates over the annotated beats."""
    inside = (ours_s > theirs_s[0] - _SAME_BEAT_S) & (ours_s < theirs_s[-1] + _SAME_BEAT_S)
    if inside.sum() < 2:
        return float("inf")
    rates = [60 * (len(at) - 1) / (at[-1] - at[0]) for at in (ours_s[inside], theirs_s)]
    return abs(rates[0] - rates[1])


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    off = np.array([row["rate_off_bpm"] for row in rows])
    without_p = [row for row in rows if np.isnan(row["theirs"]["pr_ms"])]
    p_found = sum(not np.isnan(row["ours"]["pr_ms"]) for row in without_p)
    return {
        "records": len(rows),
        "intervals": _errors(rows),
        "outermost": _errors(rows, "outermost"),
        "halves": [_errors(rows[start::2]) for start in (0, 1)],
        "rate_within_2_bpm": round(float(np.mean(off <= RATE_WITHIN_BPM)), 4),
        "without_p": len(without_p),
        "p_found_where_none": p_found,
    }


def _errors(
    rows: list[dict[str, Any]], reference: str = "theirs"
) -> dict[str, dict[str, float | int | None]]:
    errors: dict[str, dict[str, float | int | None]] = {}
    for name in INTERVALS:
        ours, theirs = (np.array([row[who][name] for row in rows]) for who in ("ours", reference))
        ours, theirs = ours[~np.isnan(theirs)], theirs[~np.isnan(theirs)]
        known = ~np.isnan(ours)
        error = np.where(known, np.abs(ours - theirs), np.inf)
        errors[name] = {
            "n": len(theirs),
            "missing": int((~known).sum()),
            "median_ms": _at_most(error, 50),
            "percentile_90_ms": _at_most(error, 90),
            "bias_ms": _finite(_median((ours - theirs)[known])),
            "r": _correlation(ours[known], theirs[known]),
        }
    return errors


def _at_most(error: np.ndarray, percentile: float) -> float | None:
    """Return the error that this percentage of records does not exceed, None if infinite."""
    return _finite(np.percentile(error, percentile, method="higher")) if len(error) else None


def _correlation(ours: np.ndarray, theirs: np.ndarray) -> float | None:
    if len(ours) < 3 or not np.ptp(ours) or not np.ptp(theirs):
        return None
    return _finite(np.corrcoef(ours, theirs)[0, 1], 3)


def _finite(value: float, digits: int = 1) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None
