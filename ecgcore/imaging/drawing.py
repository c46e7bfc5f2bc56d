"""Signals to network images, in batches, on the signal's device.

Ink is 1 on a ground of 0, in three channels; neighbouring rows stand in different channels. In
each column a lead inks what the pen reaches of its polyline (samples joined by straight lines),
from lowest to highest, averaged over the column, plus half the pen above and below; a pixel's value
is the exact share of its height that is inked. So peaks stay whole at any rate, steep strokes stay
unbroken, and the picture changes smoothly with the signal and as it moves in time.
"""

import math

import numpy as np
import torch
from torch import Tensor

from ecgcore.errors import RequestError
from ecgcore.imaging.beats import Beats, found_beats, median_beats
from ecgcore.imaging.column_extent import reach
from ecgcore.imaging.geometry import PEN, PENS, RANGE_MV, Geometry, Strip, geometry
from ecgcore.imaging.rasterize import Bands, Ink, inked
from ecgcore.records.record import LEADS

CHUNK = 32  # images drawn together on a CPU: more leave its cache, fewer cost more calls
SAMPLES_A_PX = 4  # of a median beat


def draw(
    signal_mv: Tensor,
    fs_hz: float,
    layout: str = "stacked",
    size: int | tuple[int, int] = 224,
    beats: Beats | None = None,
    duration_s: float = 10.0,
    rhythm: str = "II",
    pen: int = PEN,
) -> Tensor:
    """Return the pictures of a batch of signals.

    Parameters
    ----------
    signal_mv
        (B, 12, T) float, in mV, leads in the order of LEADS. NaN is missing and leaves no ink.
    fs_hz
        Sampling rate.
    layout
        One of LAYOUTS.
    size
        Side of a square picture, or (height, width), in pixels.
    beats
        B arrays of R peaks in seconds, for ``panels``; found here where they are not given, which
        takes longer than the drawing. A record without any leaves its panels empty.
    duration_s
        The seconds that are drawn. A shorter signal leaves its end empty.
    rhythm
        The lead of the rhythm strip of ``clinical`` and ``panels``.
    pen
        Version of the pen, see ``geometry.PENS``.

    Returns
    -------
    Tensor
        (B, 3, H, W), of the signal's type and device, 0 (ground) to 1 (ink). Differentiable with
        respect to the signal. Beyond ±5 mV a trace runs along its limit: see ``out_of_range``.

    Raises
    ------
    NotFound
        No such layout.
    RequestError
        Another shape, a signal longer than the picture, or beats of another number of records.
    """
    return draw_as(signal_mv, fs_hz, geometry(layout, size, duration_s, rhythm, pen), beats)


def draw_as(
    signal_mv: Tensor, fs_hz: float, measures: Geometry, beats: Beats | None = None
) -> Tensor:
    """Return the pictures of a batch of signals with given measures; see ``draw``."""
    beats = _checked(signal_mv, fs_hz, measures, beats)
    if signal_mv.requires_grad and torch.is_grad_enabled():
        top_px, bottom_px = _extents(signal_mv, fs_hz, measures, beats)
        return Ink.apply(top_px, bottom_px, measures)
    images = _paper(signal_mv, (len(signal_mv), 3, measures.height, measures.width))
    step = CHUNK if signal_mv.device.type == "cpu" else len(signal_mv) or 1
    for start in range(0, len(signal_mv), step):
        part = slice(start, start + step)
        extents = _extents(signal_mv[part], fs_hz, measures, beats[part] if beats else None)
        inked(*extents, measures, images[part].zero_())
    return images


def strip_ink(
    signal_mv: Tensor, fs_hz: float, measures: Geometry, beats: Beats | None = None
) -> Tensor:
    """Return each strip's own ink, (B, strips, H, W), 0 to 1, in the order of the geometry."""
    beats = _checked(signal_mv, fs_hz, measures, beats)
    bands = Bands.of(measures)
    coverage = bands.coverage(*_extents(signal_mv, fs_hz, measures, beats))
    shape = (len(signal_mv), len(measures.strips), measures.height, measures.width)
    ink = signal_mv.new_zeros(shape)
    for row, (strips, start) in enumerate(zip(measures.rows, bands.starts, strict=True)):
        for strip in strips:
            at = measures.strips.index(strip)
            part = coverage[:, row, :, strip.columns]
            ink[:, at, start : start + bands.rows, strip.columns] = part
    return ink


def lead_ink(
    signal_mv: Tensor,
    fs_hz: float,
    layout: str = "stacked",
    size: int | tuple[int, int] = 224,
    duration_s: float = 10.0,
    beats: Beats | None = None,
    rhythm: str = "II",
    pen: int = PEN,
) -> Tensor:
    """Return each lead's own ink, (B, 12, H, W), 0 to 1: which lead a pixel's ink belongs to."""
    measures = geometry(layout, size, duration_s, rhythm, pen)
    ink = strip_ink(signal_mv, fs_hz, measures, beats)
    leads = ink[:, : len(LEADS)].new_zeros(len(ink), len(LEADS), *ink.shape[2:])
    for strip, its_ink in zip(measures.strips, ink.unbind(1), strict=True):
        leads[:, strip.lead] = torch.maximum(leads[:, strip.lead], its_ink)
    return leads


def out_of_range(signal_mv: Tensor) -> Tensor:
    """Return which leads exceed ±5 mV somewhere, (..., 12) bool for a (..., 12, T) signal."""
    return (signal_mv.abs() > RANGE_MV).any(dim=-1)


def _paper(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return an unfilled tensor of the type and device of ``like``.

    On a CPU its memory comes from NumPy, which asks Linux for large pages: above 32 MB torch's
    own takes longer to be first touched than the whole drawing.
    """
    if like.device.type != "cpu" or 0 in shape:
        return like.new_empty(shape)
    memory = np.empty(math.prod(shape) * like.element_size(), np.uint8)
    return torch.from_numpy(memory).view(like.dtype).view(shape)


def _checked(
    signal_mv: Tensor, fs_hz: float, measures: Geometry, beats: Beats | None
) -> Beats | None:
    """Refuse what cannot be drawn, in one line; return the beats, found where they are needed."""
    if signal_mv.ndim != 3 or signal_mv.shape[1] != len(LEADS) or not signal_mv.shape[2]:
        raise RequestError(
            f"A batch of signals has shape (B, 12, T), not {tuple(signal_mv.shape)}: "
            "twelve leads in the order I … V6."
        )
    if signal_mv.shape[2] > round(measures.duration_s * fs_hz) + 1:
        long_s = signal_mv.shape[2] / fs_hz
        raise RequestError(
            f"A signal of {long_s:g} s does not fit a picture of {measures.duration_s:g} s: "
            f"cut a window, or draw with duration_s={long_s:g}."
        )
    if not measures.shows_beats:
        return None
    if beats is not None and len(beats) != len(signal_mv):
        raise RequestError(
            f"There are R peaks of {len(beats)} records and {len(signal_mv)} signals: give one "
            "array a record, or none to have them found."
        )
    return found_beats(signal_mv, fs_hz) if beats is None else beats


def _extents(
    signal_mv: Tensor, fs_hz: float, measures: Geometry, beats: Beats | None
) -> tuple[Tensor, Tensor]:
    """Return where ink begins and ends in each column of each row, in px below its zero line.

    Two tensors (B, rows, W), top and bottom; equal where there is none.
    """
    by_lead = sorted(measures.strips[: len(LEADS)], key=lambda strip: strip.lead)
    if beats is None:
        leads = _reached(signal_mv, fs_hz, by_lead, measures)
    else:
        leads = _reached(*_beat(signal_mv, fs_hz, by_lead[0], beats), by_lead, measures)
    if len(measures.rows) == len(LEADS):
        return leads
    rhythm = measures.strips[-1]
    below = _reached(signal_mv[:, rhythm.lead, None], fs_hz, [rhythm], measures)
    tops, bottoms = (_in_rows(*pair, measures) for pair in zip(leads, below, strict=True))
    return tops, bottoms


def _beat(signal_mv: Tensor, fs_hz: float, strip: Strip, beats: Beats) -> tuple[Tensor, float]:
    """Return the median beats that a strip of ``panels`` shows, (B, 12, n), and their rate."""
    steps = strip.width_px * SAMPLES_A_PX
    step_s = 1 / (strip.px_per_s * SAMPLES_A_PX)
    found = median_beats(signal_mv, fs_hz, beats, strip.start_s, step_s, steps + 1)
    return found, 1 / step_s


def _reached(
    traces_mv: Tensor, fs_hz: float, strips: list[Strip], measures: Geometry
) -> tuple[Tensor, Tensor]:
    """Return top and bottom (B, L, columns) in px of traces (B, L, T), each on its own strip."""
    starts_s = tuple(0.0 if strip.around_r else strip.start_s for strip in strips)
    low_mv, high_mv, empty = reach(
        traces_mv,
        fs_hz,
        starts_s if len(set(starts_s)) > 1 else starts_s[:1],
        strips[0].px_per_s,
        strips[0].width_px,
        PENS[measures.pen],
    )
    half_pen_px = measures.pen_px / 2
    top_px = high_mv * -measures.px_per_mv - half_pen_px
    bottom_px = low_mv * -measures.px_per_mv + half_pen_px
    if empty is not None:
        top_px, bottom_px = top_px.masked_fill(empty, 0.0), bottom_px.masked_fill(empty, 0.0)
    return top_px, bottom_px


def _in_rows(by_lead: Tensor, rhythm: Tensor, measures: Geometry) -> Tensor:
    """Return (B, rows, W) of (B, 12, columns) and the rhythm strip's (B, 1, W)."""
    rows = []
    for strips in measures.rows[:-1]:
        row = torch.cat([by_lead[:, strip.lead] for strip in strips], dim=-1)
        rows.append(torch.nn.functional.pad(row, (0, measures.width - row.shape[-1])))
    return torch.stack([*rows, rhythm[:, 0]], dim=1)
