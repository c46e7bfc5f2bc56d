"""Drawing: signals to network images, in batches, on the signal's device.

Ink is 1 on a background of 0, in three channels; neighbouring rows use different channels. In each
column a lead inks the extent of its polyline (samples joined by straight lines) within the stroke
width, averaged over the column, plus half the pen thickness above and below; a pixel's value is the
exact share of its height that is inked. Peaks therefore keep their height at any sampling rate,
steep strokes stay unbroken, and the image changes smoothly with the signal and its shift in time.
"""

import math

import numpy as np
import torch
from torch import Tensor

from ecgcore.errors import RequestError
from ecgcore.imaging.beats import Beats, detect_beats, median_beats
from ecgcore.imaging.column_extent import column_extents
from ecgcore.imaging.geometry import (
    RANGE_MV,
    STROKE_VERSION,
    STROKES,
    Geometry,
    Strip,
    make_geometry,
)
from ecgcore.imaging.rasterize import Rasterize, RowBands, rasterize
from ecgcore.records.record import LEADS

CHUNK = 32  # images drawn together on a CPU: more exceed its cache, fewer cost more calls
SAMPLES_A_PX = 4  # of a median beat


def draw(
    signal_mv: Tensor,
    fs_hz: float,
    layout: str = "stacked",
    size: int | tuple[int, int] = 224,
    beats: Beats | None = None,
    duration_s: float = 10.0,
    rhythm: str = "II",
    stroke_version: int = STROKE_VERSION,
) -> Tensor:
    """Return the images of a batch of signals.

    Parameters
    ----------
    signal_mv
        (B, 12, T) float, in mV, leads in the order of LEADS. NaN is missing and leaves no ink.
    fs_hz
        Sampling rate.
    layout
        One of LAYOUTS.
    size
        Side of a square image, or (height, width), in pixels.
    beats
        B arrays of R peaks in seconds, for ``panels``; detected here by default, which takes longer
        than the drawing. A record without R peaks leaves its panels empty.
    duration_s
        Seconds that are drawn. A shorter signal leaves its end empty.
    rhythm
        Lead of the rhythm strip of ``clinical`` and ``panels``.
    stroke_version
        One of ``geometry.STROKES``.

    Returns
    -------
    Tensor
        (B, 3, H, W), of the signal's type and device, 0 (background) to 1 (ink). Differentiable
        with respect to the signal. Beyond ±5 mV a trace runs along its limit: see ``out_of_range``.

    Raises
    ------
    NotFound
        Unknown layout, lead or stroke version.
    RequestError
        Another shape, a signal longer than the image, or beats of another number of records.
    """
    geometry = make_geometry(layout, size, duration_s, rhythm, stroke_version)
    return draw_with_geometry(signal_mv, fs_hz, geometry, beats)


def draw_with_geometry(
    signal_mv: Tensor, fs_hz: float, geometry: Geometry, beats: Beats | None = None
) -> Tensor:
    """Return the images of a batch of signals in a given geometry; see ``draw``."""
    beats = _check_batch(signal_mv, fs_hz, geometry, beats)
    if signal_mv.requires_grad and torch.is_grad_enabled():
        top_px, bottom_px = _row_extents(signal_mv, fs_hz, geometry, beats)
        return Rasterize.apply(top_px, bottom_px, geometry)
    images = _allocate(signal_mv, (len(signal_mv), 3, geometry.height, geometry.width))
    step = CHUNK if signal_mv.device.type == "cpu" else len(signal_mv) or 1
    for start in range(0, len(signal_mv), step):
        chunk = slice(start, start + step)
        extents = _row_extents(signal_mv[chunk], fs_hz, geometry, beats[chunk] if beats else None)
        rasterize(*extents, geometry, images[chunk].zero_())
    return images


def strip_ink(
    signal_mv: Tensor, fs_hz: float, geometry: Geometry, beats: Beats | None = None
) -> Tensor:
    """Return each strip's own ink, (B, strips, H, W), 0 to 1, in the order of the geometry."""
    beats = _check_batch(signal_mv, fs_hz, geometry, beats)
    bands = RowBands.of(geometry)
    coverage = bands.coverage(*_row_extents(signal_mv, fs_hz, geometry, beats))
    shape = (len(signal_mv), len(geometry.strips), geometry.height, geometry.width)
    ink = signal_mv.new_zeros(shape)
    for row, (strips, start) in enumerate(zip(geometry.rows, bands.starts, strict=True)):
        for strip in strips:
            index = geometry.strips.index(strip)
            strip_coverage = coverage[:, row, :, strip.columns]
            ink[:, index, start : start + bands.rows, strip.columns] = strip_coverage
    return ink


def lead_ink(
    signal_mv: Tensor,
    fs_hz: float,
    layout: str = "stacked",
    size: int | tuple[int, int] = 224,
    duration_s: float = 10.0,
    beats: Beats | None = None,
    rhythm: str = "II",
    stroke_version: int = STROKE_VERSION,
) -> Tensor:
    """Return each lead's own ink, (B, 12, H, W), 0 to 1: the lead that a pixel belongs to."""
    geometry = make_geometry(layout, size, duration_s, rhythm, stroke_version)
    ink = strip_ink(signal_mv, fs_hz, geometry, beats)
    leads = ink[:, : len(LEADS)].new_zeros(len(ink), len(LEADS), *ink.shape[2:])
    for strip, its_ink in zip(geometry.strips, ink.unbind(1), strict=True):
        leads[:, strip.lead] = torch.maximum(leads[:, strip.lead], its_ink)
    return leads


def out_of_range(signal_mv: Tensor) -> Tensor:
    """Return the leads that exceed ±5 mV somewhere, (..., 12) bool for a (..., 12, T) signal."""
    return (signal_mv.abs() > RANGE_MV).any(dim=-1)


def _allocate(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return an uninitialised tensor of the type and device of ``like``.

    On a CPU its memory comes from NumPy, which asks Linux for large pages: above 32 MB the first
    touch of torch's own memory takes longer than the whole drawing.
    """
    if like.device.type != "cpu" or 0 in shape:
        return like.new_empty(shape)
    memory = np.empty(math.prod(shape) * like.element_size(), np.uint8)
    return torch.from_numpy(memory).view(like.dtype).view(shape)


def _check_batch(
    signal_mv: Tensor, fs_hz: float, geometry: Geometry, beats: Beats | None
) -> Beats | None:
    """Raise RequestError for what cannot be drawn; return the beats, detected if needed."""
    if signal_mv.ndim != 3 or signal_mv.shape[1] != len(LEADS) or not signal_mv.shape[2]:
        raise RequestError(
            f"A batch of signals has shape (B, 12, T), not {tuple(signal_mv.shape)}: "
            "twelve leads in the order I … V6."
        )
    if signal_mv.shape[2] > round(geometry.duration_s * fs_hz) + 1:
        signal_s = signal_mv.shape[2] / fs_hz
        raise RequestError(
            f"A signal of {signal_s:g} s does not fit an image of {geometry.duration_s:g} s: "
            f"cut a window, or draw with duration_s={signal_s:g}."
        )
    if not geometry.shows_beats:
        return None
    if beats is not None and len(beats) != len(signal_mv):
        raise RequestError(
            f"There are R peaks of {len(beats)} records and {len(signal_mv)} signals: give one "
            "array a record, or none to have them detected."
        )
    return detect_beats(signal_mv, fs_hz) if beats is None else beats


def _row_extents(
    signal_mv: Tensor, fs_hz: float, geometry: Geometry, beats: Beats | None
) -> tuple[Tensor, Tensor]:
    """Return the top and bottom of the ink in each column of each row, in px below its zero line.

    Two tensors (B, rows, W); equal where there is no ink.
    """
    by_lead = sorted(geometry.strips[: len(LEADS)], key=lambda strip: strip.lead)
    if beats is None:
        leads = _strip_extents(signal_mv, fs_hz, by_lead, geometry)
    else:
        beats_mv, beats_hz = _median_beats(signal_mv, fs_hz, by_lead[0], beats)
        leads = _strip_extents(beats_mv, beats_hz, by_lead, geometry)
    if len(geometry.rows) == len(LEADS):
        return leads
    rhythm = geometry.strips[-1]
    below = _strip_extents(signal_mv[:, rhythm.lead, None], fs_hz, [rhythm], geometry)
    tops, bottoms = (_arrange_in_rows(*pair, geometry) for pair in zip(leads, below, strict=True))
    return tops, bottoms


def _median_beats(
    signal_mv: Tensor, fs_hz: float, strip: Strip, beats: Beats
) -> tuple[Tensor, float]:
    """Return the median beats that a strip of ``panels`` shows, (B, 12, n), and their rate."""
    steps = strip.width_px * SAMPLES_A_PX
    step_s = 1 / (strip.px_per_s * SAMPLES_A_PX)
    beats_mv = median_beats(signal_mv, fs_hz, beats, strip.start_s, step_s, steps + 1)
    return beats_mv, 1 / step_s


def _strip_extents(
    traces_mv: Tensor, fs_hz: float, strips: list[Strip], geometry: Geometry
) -> tuple[Tensor, Tensor]:
    """Return top and bottom (B, L, columns) in px of traces (B, L, T), each on its own strip."""
    starts_s = tuple(0.0 if strip.around_r else strip.start_s for strip in strips)
    low_mv, high_mv, empty = column_extents(
        traces_mv,
        fs_hz,
        starts_s if len(set(starts_s)) > 1 else starts_s[:1],
        strips[0].px_per_s,
        strips[0].width_px,
        STROKES[geometry.stroke_version],
    )
    half_pen_px = geometry.pen_px / 2
    top_px = high_mv * -geometry.px_per_mv - half_pen_px
    bottom_px = low_mv * -geometry.px_per_mv + half_pen_px
    if empty is not None:
        top_px, bottom_px = top_px.masked_fill(empty, 0.0), bottom_px.masked_fill(empty, 0.0)
    return top_px, bottom_px


def _arrange_in_rows(by_lead: Tensor, rhythm: Tensor, geometry: Geometry) -> Tensor:
    """Return (B, rows, W) of (B, 12, columns) and the rhythm strip's (B, 1, W)."""
    rows = []
    for strips in geometry.rows[:-1]:
        row = torch.cat([by_lead[:, strip.lead] for strip in strips], dim=-1)
        rows.append(torch.nn.functional.pad(row, (0, geometry.width - row.shape[-1])))
    return torch.stack([*rows, rhythm[:, 0]], dim=1)
