"""Gaps: stretches within a recording in which no lead has a signal, missing or flat.

A beat may have fallen into a gap, so no interval across one is counted. Files mark a gap as missing
(NaN in ``Record.signal_mv``), or write a constant in all leads; both are treated alike here.
"""

from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ecgcore.measurement.calibration_pulses import pulse_edges
from ecgcore.measurement.quality_thresholds import thresholds
from ecgcore.records.record import Record

SHORTEST_GAP_S = 0.2
"""A shorter stretch cannot hide a beat. No record of PTB-XL or LUDB rests this long in all leads:
there is always a lead with noise or a slope above 5 µV."""
FLAT_LEADS_S = 0.5
"""Half of the leads or more that are flat this long at once have no signal: their electrodes are
off. No record of PTB-XL or LUDB has it."""
_SHORTEST_ISLAND_S = 1.0
"""Simulated beats stand on a line without noise, flat between any two of them: there the signal
between flat stretches is one beat, shorter than this."""
_NEAR_PULSE_S = 0.04


class Gap(NamedTuple):
    """A gap, in seconds from the first sample."""

    start_s: float
    stop_s: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.stop_s - self.start_s


class MarkedSignal(NamedTuple):
    """A signal (leads, T) in mV with NaN in its gaps, and the gaps in order of time."""

    signal_mv: np.ndarray
    gaps: tuple[Gap, ...]


_marked: WeakKeyDictionary[Record, dict[int, MarkedSignal]] = WeakKeyDictionary()
"""Signals of the records in memory, by their length in samples: each is searched once."""


def find_gaps(record: Record, longest_s: float = np.inf) -> MarkedSignal:
    """Return the gaps of a record's first ``longest_s`` seconds, marked (see ``mark_gaps``).

    Quality, measurements and networks ask for the same record in turn; it is searched once.
    """
    length = record.signal_mv.shape[1]
    n_samples = min(length, round(longest_s * record.fs_hz)) if longest_s < np.inf else length
    known = _marked.setdefault(record, {})
    if n_samples not in known:
        known[n_samples] = mark_gaps(record.signal_mv[:, :n_samples], record.fs_hz)
    return known[n_samples]


def mark_gaps(signal_mv: np.ndarray, fs_hz: float) -> MarkedSignal:
    """Return the signal with NaN in its gaps, and the gaps in order of time.

    Missing samples before the first and after the last signal are no gaps: no interval crosses
    them. A signal without gaps is returned as it is.

    Parameters
    ----------
    signal_mv
        (leads, T) in mV, NaN where missing.
    fs_hz
        Hz.
    """
    runs = _quiet_runs(signal_mv, fs_hz)
    if not len(runs):
        return MarkedSignal(signal_mv, ())
    marked_mv = signal_mv.copy()
    for start, stop in runs:
        marked_mv[:, start:stop] = np.nan
    gaps = tuple(Gap(float(start / fs_hz), float(stop / fs_hz)) for start, stop in runs)
    return MarkedSignal(marked_mv, gaps)


def mark_flat_leads(signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return the signal with NaN in leads that are flat together while others go on.

    They cannot agree on a beat then. Parameters as of ``mark_gaps``.
    """
    filled_mv = np.where(np.isfinite(signal_mv), signal_mv, 0)
    window = max(2, round(FLAT_LEADS_S * fs_hz))
    if not _may_be_quiet(filled_mv, window // 2, 0.5):
        return signal_mv
    is_flat = np.stack([_quiet(lead_mv[None], window) for lead_mv in filled_mv])
    has_signal = np.count_nonzero(is_flat, axis=1) < is_flat.shape[1]
    are_many = np.count_nonzero(is_flat[has_signal], axis=0) >= max(1, has_signal.sum() / 2)
    if _lies_between_beats(_runs(are_many), signal_mv.shape[1], fs_hz):
        return signal_mv
    return np.where(is_flat & are_many & has_signal[:, None], np.nan, signal_mv)


def describe_gaps(gaps: Sequence[Gap]) -> str:
    """Return in words the total length of gaps and where they begin."""
    total_s = sum(gap.duration_s for gap in gaps)
    starts = ", ".join(f"{gap.start_s:.1f}" for gap in gaps[:3])
    more = f" and {len(gaps) - 3} more" if len(gaps) > 3 else ""
    return f"{total_s:.1f} s missing (from {starts} s{more}): intervals across it are not counted"


def recorded_s(signal_mv: np.ndarray, fs_hz: float) -> float:
    """Return the time in s in which at least one lead was recorded."""
    return float(np.isfinite(signal_mv).any(axis=0).sum() / fs_hz)


def describe_too_short(recorded_s: float) -> str:
    """Return in words why a recording is neither measured nor classified."""
    return (
        f"{recorded_s:.1f} s recorded, with fewer than two beats: too short to measure or classify"
    )


def rr_intervals_s(peaks_s: np.ndarray, gaps: Sequence[Gap] = ()) -> np.ndarray:
    """Return (B − 1,) intervals from each R peak to the next in s, NaN across a gap."""
    rr_s = np.diff(peaks_s)
    for gap in gaps:
        rr_s[(peaks_s[:-1] < gap.stop_s) & (peaks_s[1:] > gap.start_s)] = np.nan
    return rr_s


def _quiet_runs(signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return (gaps, 2) samples: first, and one past the last."""
    known = np.isfinite(signal_mv)
    window = max(2, round(SHORTEST_GAP_S * fs_hz))
    filled_mv = signal_mv if known.all() else np.where(known, signal_mv, 0)
    if not _may_be_quiet(filled_mv, window // 2):
        return np.zeros((0, 2), int)
    last = len(known[0]) - known.any(axis=0)[::-1].argmax()  # short records are filled to a length
    runs = _runs(_quiet(filled_mv, window))
    missing = np.array([not known[:, start:stop].any() for start, stop in runs], dtype=bool)
    flat = _without_pulses(runs[~missing], filled_mv, fs_hz)
    if _lies_between_beats(flat, last, fs_hz):
        flat = flat[:0]
    runs = np.concatenate([runs[missing], flat])
    return _within(runs[np.argsort(runs[:, 0])], known.any(axis=0))


def _may_be_quiet(signal_mv: np.ndarray, block: int, share: float = 1.0) -> bool:
    """Return quickly whether any block of samples is flat in that share of the leads."""
    stop = signal_mv.shape[1] // block * block
    blocks = signal_mv[:, :stop].reshape(len(signal_mv), -1, block)
    is_flat = blocks.max(axis=2) - blocks.min(axis=2) <= _flat_mv()
    return bool((is_flat.mean(axis=0) >= share).any())


def _flat_mv() -> float:
    return thresholds()["flat_mv"]


def _quiet(signal_mv: np.ndarray, window: int) -> np.ndarray:
    """Return (T,) bool: samples in a window in which every lead is flat."""
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    n_samples = signal_mv.shape[1]
    span_mv = np.zeros(n_samples)
    for lead_mv in signal_mv:
        high, low = maximum_filter1d(lead_mv, window), minimum_filter1d(lead_mv, window)
        np.maximum(span_mv, high - low, out=span_mv)
    first = window // 2  # the filters' window begins that many samples before each sample
    starts = np.flatnonzero(span_mv[first : first + n_samples - window + 1] <= _flat_mv())
    change = np.zeros(n_samples + 1, int)
    change[starts] += 1
    change[starts + window] -= 1
    return change[:-1].cumsum() > 0


def _runs(is_quiet: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.diff(is_quiet, prepend=False, append=False)).reshape(-1, 2)


def _without_pulses(runs: np.ndarray, signal_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return the runs that are neither the top of a calibration pulse nor the rest beside it."""
    edges = pulse_edges(signal_mv, fs_hz) if len(runs) else runs
    if not len(edges):
        return runs
    nearest = np.abs(runs[:, :, None] - edges).min(axis=(1, 2))
    return runs[nearest > _NEAR_PULSE_S * fs_hz]


def _lies_between_beats(runs: np.ndarray, n_samples: int, fs_hz: float) -> bool:
    """Return whether flat runs are the line between simulated beats."""
    islands = np.diff(np.concatenate([[0], runs.ravel(), [n_samples]]))[::2]
    return len(runs) > 1 and bool(np.median(islands[islands > 0]) < _SHORTEST_ISLAND_S * fs_hz)


def _within(runs: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """Return the runs between the first and the last signal."""
    if not len(runs):
        return runs
    signal = is_known.copy()
    for start, stop in runs:
        signal[start:stop] = False
    first, last = signal.argmax(), len(signal) - signal[::-1].argmax()
    return runs[(runs[:, 0] > first) & (runs[:, 1] < last)]
