"""Calibration pulses: 1 mV in all leads at once, which some electrocardiographs write at the end.

A detector takes their edges for beats. Real beats differ from lead to lead; the pulse does not.
"""

import numpy as np

HEIGHT_MV, TOLERANCE_MV = 1.0, 0.1
"""IEC 60601-2-25 asks for a step of 1 mV to 5 %; electrocardiographs round their edges."""
_EDGE_S, _TOP_S = 0.02, 0.08


def pulse_edges(leads: np.ndarray, fs_hz: float) -> np.ndarray:
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
    has_height = np.abs(np.abs(step) - HEIGHT_MV).max(axis=0) <= TOLERANCE_MV
    candidates = has_height & (np.abs(np.sign(step).sum(axis=0)) == len(leads))
    edges = []
    for start in np.flatnonzero(candidates):
        end = start + edge
        plateau = (end, end + top) if step[0, start] > 0 else (start - top, start)
        if plateau[0] >= 0 and _is_constant(leads[:, slice(*plateau)]):
            edges.append(start + edge // 2)
    return np.array(edges, dtype=int)


def _is_constant(segment: np.ndarray) -> bool:
    return segment.shape[1] > 1 and bool((np.ptp(segment, axis=1) <= TOLERANCE_MV).all())
