"""Traces as unbroken lines and relevance as shaded bands, whatever the file format."""

from typing import NamedTuple

import numpy as np

MIN_STEP_MM = 0.25
"""Samples are thinned if more than four fall into such a step (a pixel of a 4 px/mm page)."""

_AMBER, _DARK_RED = np.array([245, 158, 11]), np.array([127, 29, 29])
_SHADES = 24
_MAX_OPACITY = 0.6  # keeps the trace readable


class Band(NamedTuple):
    """A rectangle of one shade; lengths in mm."""

    left_mm: float
    top_mm: float
    width_mm: float
    height_mm: float
    colour: str
    opacity: float


def trace_lines(
    signal_mv: np.ndarray,
    times_s: np.ndarray,
    speed_mm_s: float,
    gain_mm_mv: float,
    left_mm: float,
    baseline_mm: float,
) -> list[np.ndarray]:
    """Return a trace as unbroken lines, each (n, 2) whole 0.01 mm; broken at missing samples.

    Parameters
    ----------
    signal_mv, times_s
        (T,) voltages, NaN where missing, and their times from the left edge.
    left_mm, baseline_mm
        Position of the left edge and of 0 mV.
    """
    times_s, signal_mv = thin(times_s, signal_mv, MIN_STEP_MM / speed_mm_s)
    present = np.isfinite(signal_mv)
    x = np.rint(100 * (left_mm + times_s * speed_mm_s))
    y = np.rint(100 * (baseline_mm - np.where(present, signal_mv, 0) * gain_mm_mv))
    points = np.stack([x, y], axis=1).astype(np.int64)
    bounds = np.flatnonzero(np.diff(present, prepend=False, append=False)).reshape(-1, 2)
    return [points[start:end] for start, end in bounds]


def thin(
    times_s: np.ndarray, signal_mv: np.ndarray, step_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first, lowest, highest and last sample of each step, in order of time.

    At one step a pixel, the line through these looks like the line through all (M4; Jugel et al.
    2014, doi:10.14778/2732951.2732953). Steps with missing samples are kept unchanged.
    """
    if len(times_s) < 3 or (step := int(step_s / (times_s[1] - times_s[0]) + 1e-6)) <= 4:
        return times_s, signal_mv
    lacking = -len(times_s) % step
    blocks = np.pad(signal_mv, (0, lacking), constant_values=np.nan).reshape(-1, step)
    selected = np.isnan(blocks).any(axis=1, keepdims=True).repeat(step, axis=1)
    selected[:, [0, -1]] = True
    row = np.arange(len(blocks))
    selected[row, blocks.argmin(axis=1)] = selected[row, blocks.argmax(axis=1)] = True
    at = np.flatnonzero(selected.ravel()[: len(times_s)])
    return times_s[at], signal_mv[at]


def relevance_bands(
    relevance: np.ndarray, step_mm: float, left_mm: float, top_mm: float, height_mm: float
) -> list[Band]:
    """Return one rectangle for each run of equal shade; none where relevance is zero.

    Parameters
    ----------
    relevance
        (n,) in 0..1, each value ``step_mm`` wide from ``left_mm`` on.
    """
    shades = np.rint(np.nan_to_num(relevance).clip(0, 1) * _SHADES).astype(int)
    starts = np.flatnonzero(np.diff(shades, prepend=-1))
    ends = np.append(starts[1:], len(shades))
    return [
        Band(
            left_mm + start * step_mm,
            top_mm,
            (end - start) * step_mm,
            height_mm,
            *_fill(shades[start]),
        )
        for start, end in zip(starts, ends, strict=True)
        if shades[start] > 0
    ]


def _fill(shade: int) -> tuple[str, float]:
    """Return colour and opacity of a shade: amber to dark red, the weaker the more transparent."""
    strength = shade / _SHADES
    red, green, blue = np.rint(_AMBER * (1 - strength) + _DARK_RED * strength).astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}", _MAX_OPACITY * min(1.0, 2 * strength)
