"""Calibration pulses: 1 mV in all leads at once, which some electrocardiographs write at the end.

Their edges look like beats to a detector. No beat looks like them: the hearts' leads differ.
"""

import numpy as np

HEIGHT_MV, TOLERANCE_MV = 1.0, 0.1
"""IEC 60601-2-25 asks for a step of 1 mV to 5 %; electrocardiographs round their edges."""
_EDGE_S, _TOP_S = 0.02, 0.08


def edges(leads: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return the samples at which a calibration pulse rises or falls in all leads.

    Parameters
    ----------
    leads
        (leads, T) in mV, without gaps.
    fs_hz
        Hz.
    """
    edge, top = max(1, round(_EDGE_S * fs_hz)), round(_TOP_S * fs_hz)
    step = leads[:, edge:] - leads[:, :-edge]  # (leads, T - edge)
    size = np.abs(np.abs(step) - HEIGHT_MV).max(axis=0) <= TOLERANCE_MV
    together = size & (np.abs(np.sign(step).sum(axis=0)) == len(leads))
    kept = []
    for at in np.flatnonzero(together):
        after, before = at + edge, at
        high = (after, after + top) if step[0, at] > 0 else (before - top, before)
        if high[0] >= 0 and _rests(leads[:, slice(*high)]):
            kept.append(at + edge // 2)
    return np.array(kept, dtype=int)


def _rests(part: np.ndarray) -> bool:
    return part.shape[1] > 1 and bool((np.ptp(part, axis=1) <= TOLERANCE_MV).all())
