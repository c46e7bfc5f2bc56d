"""The human page: an ECG on millimetre paper, true to scale, never autoscaled.

``page`` lays it out; it becomes SVG here, and PNG or PDF through ``prints``. Millimetres are the
page's own unit: on a screen each is a whole number of pixels, on paper it is a millimetre.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.atomic import write_atomic
from ecgcore.errors import NotFound, RequestError
from ecgcore.paper.display_filter import filtered
from ecgcore.paper.layout import Sheet, sheet
from ecgcore.paper.page import (
    LINE_MM,
    MARGIN_MM,
    THEMES,
    Page,
    bands_of,
    marks_of,
    names_of,
    traces_of,
    words_of,
)
from ecgcore.paper.render_svg import as_svg
from ecgcore.paper.text import foot, head, in_words
from ecgcore.records.record import LEADS, Record

PAPERS_MM = {"a4": (297.0, 210.0), "letter": (279.4, 215.9)}
"""Width and height, landscape."""
PAPERS = ("fit", *PAPERS_MM)
FORMATS = (".svg", ".png", ".pdf")
PNG_PX_PER_MM = 8
"""About 203 dpi; a record's own trace of 0.35 mm is then nearly three pixels thick."""
_PRINT_MARGIN_MM = 5.0  # what printers leave blank
_FOOT_MM = 2.75


def page(
    record: Record,
    layout: str = "3x4",
    speed_mm_s: float = 25,
    gain_mm_mv: float = 10,
    relevance: np.ndarray | None = None,
    title: str | None = None,
    theme: str = "light",
    *,
    order: str = "standard",
    rhythm: Sequence[str] | None = None,
    start_s: float = 0.0,
    seconds: float | None = None,
    since_s: float = 0.0,
    band: str = "none",
    measured: Mapping[str, Any] | None = None,
    paper: str = "fit",
    relevance_s: float = 10.0,
) -> Page:
    """Lay a record out on ECG paper.

    Parameters
    ----------
    layout
        ``3x4`` (four columns of three leads, which follow one another in time), ``6x2`` (two
        columns of six) or ``12x1``.
    speed_mm_s, gain_mm_mv
        12.5, 25 or 50 mm/s; 5, 10 or 20 mm/mV.
    relevance
        (12, n) ≥ 0, drawn behind the traces, transparent at zero; above 1 it is scaled to 1.
    title
        Head line; by default the record's name.
    theme
        ``light`` or ``dark``.
    order
        ``standard`` or ``cabrera`` (aVL, I, −aVR, II, aVF, III).
    rhythm
        Up to three leads at full length below the others; by default II below ``3x4``.
    start_s, seconds
        What to show; by default as much as 250 mm hold (10 s at 25 mm/s).
    since_s
        Seconds of the recording before the record's first sample: the page tells time from there.
    band
        One of ``display_filter.FILTERS``: what the traces are shown through.
    measured
        Measurements by the names of ``ecgcore measure --json``; None shows none. They stand beside
        the electrocardiograph's own where the record has them, all as unconfirmed.
    paper
        ``fit`` (as large as the ECG), ``a4`` or ``letter`` (landscape, centred).
    relevance_s
        Seconds from the record's start that ``relevance`` spans.

    Raises
    ------
    NotFound, RequestError
        A layout, lead, theme, speed, gain, filter, paper or stretch that there is not; relevance
        of another shape; more than the paper holds.
    """
    if theme not in THEMES:
        raise NotFound.among("theme", theme, THEMES)
    if paper not in PAPERS:
        raise NotFound.among("paper", paper, PAPERS)
    shown = filtered(record, band)

    def laid(room_mm: float | None) -> Sheet:
        return sheet(
            shown, layout, float(speed_mm_s), float(gain_mm_mv), start_s, seconds, order, rhythm,
            room_mm,
        )  # fmt: skip

    grid = laid(None)
    above, below = head(shown, grid, title, measured), foot(shown, grid, band, since_s)
    if paper != "fit":
        outside_mm = _height_mm(0, len(above), len(below)) + 2 * _PRINT_MARGIN_MM
        grid = laid(PAPERS_MM[paper][1] - outside_mm)
        above = head(shown, grid, title, measured)
    content_mm = _height_mm(grid.height_mm, len(above), len(below))
    width_mm, height_mm = _size(paper, grid, content_mm)
    left_mm, top_mm = (width_mm - grid.width_mm) / 2, (height_mm - content_mm) / 2
    grid_mm = top_mm + (len(above) + 1) * LINE_MM
    words = words_of(above, left_mm, top_mm + 1.25 * LINE_MM)
    words += words_of(below, left_mm, grid_mm + grid.height_mm + LINE_MM)
    traces = traces_of(shown, grid)
    bands = [] if relevance is None else bands_of(grid, _in_shares(relevance), relevance_s)
    return Page(
        title=above[0].text,
        told=in_words(shown, grid, layout, above, below),
        theme=THEMES[theme],
        width_mm=width_mm,
        height_mm=height_mm,
        left_mm=left_mm,
        top_mm=grid_mm,
        grid_width_mm=int(grid.width_mm),
        grid_height_mm=int(grid.height_mm),
        words=tuple(words),
        names=tuple(names_of(shown, grid, traces)),
        bands=tuple(bands),
        traces=tuple(traces),
        marks=tuple(marks_of(grid)),
    )


def page_svg(record: Record, layout: str = "3x4", *, px_per_mm: int | None = 4, **how: Any) -> str:
    """Return a record on ECG paper as SVG.

    Parameters
    ----------
    px_per_mm
        Whole pixels a millimetre: 4 gives a 10 s page of 1,080 px. None: millimetres, for print.
    layout, how
        As in ``page``.
    """
    return as_svg(page(record, layout, **how), px_per_mm)


def page_bytes(record: Record, form: str, *, paper: str | None = None, **how: Any) -> bytes:
    """Return a record on ECG paper as a file's content.

    Parameters
    ----------
    form
        ``.svg`` (in mm), ``.png`` (8 px/mm, said in the file) or ``.pdf`` (vectors).
    paper
        As in ``page``; by default A4 for a PDF that fits it, else as large as the ECG.
    how
        As in ``page``.

    Raises
    ------
    RequestError
        Another form, or what ``page`` refuses.
    """
    if form.lower() not in FORMATS:
        raise RequestError(f"A page is written as {', '.join(FORMATS)}, not as '{form}'.")
    laid = _printable(record, how) if form.lower() == ".pdf" and paper is None else None
    laid = laid or page(record, paper=paper or "fit", **how)
    if form.lower() == ".svg":
        return as_svg(laid, None).encode()
    from ecgcore.paper import render_mpl  # matplotlib

    return (
        render_mpl.as_pdf(laid)
        if form.lower() == ".pdf"
        else render_mpl.as_png(laid, PNG_PX_PER_MM)
    )


def write_page(record: Record, file: Path, *, paper: str | None = None, **how: Any) -> None:
    """Write a record on ECG paper, whole, in the form that the file's suffix says."""
    content = page_bytes(record, file.suffix, paper=paper, **how)
    write_atomic(file, lambda path: path.write_bytes(content))


def _printable(record: Record, how: Mapping[str, Any]) -> Page | None:
    """Return the page on A4, None where it does not fit."""
    try:
        return page(record, paper="a4", **how)
    except RequestError:
        return None


def _height_mm(grid_mm: float, above: int, below: int) -> float:
    """Return the height of a grid with so many lines of text above and below it."""
    return (above + 1) * LINE_MM + grid_mm + below * LINE_MM + _FOOT_MM


def _size(paper: str, grid: Sheet, content_mm: float) -> tuple[float, float]:
    """Return width and height of the paper, or say that the ECG is larger."""
    if paper == "fit":
        return grid.width_mm + 2 * MARGIN_MM, content_mm
    width_mm, height_mm = PAPERS_MM[paper]
    room_mm = width_mm - 2 * _PRINT_MARGIN_MM, height_mm - 2 * _PRINT_MARGIN_MM
    if grid.width_mm > room_mm[0] or content_mm > room_mm[1]:
        raise RequestError(
            f"This ECG needs {grid.width_mm:g} × {content_mm:g} mm; {paper} in landscape holds "
            f"{room_mm[0]:g} × {room_mm[1]:g} mm. Show fewer seconds, take a lower gain or speed, "
            "or the paper 'fit'."
        )
    return width_mm, height_mm


def _in_shares(relevance: np.ndarray) -> np.ndarray:
    """Return relevance in 0..1."""
    if relevance.ndim != 2 or len(relevance) != len(LEADS) or not relevance.shape[1]:
        raise RequestError(
            f"Relevance for a page has shape (12, n), not {relevance.shape}: one row a lead."
        )
    known = np.nan_to_num(relevance)
    return known / max(1.0, float(known.max()))
