"""Draw an ECG on millimetre paper, true to scale, never autoscaled.

``make_page`` lays a record out in millimetres; a page becomes SVG, PNG or PDF. On a screen a
millimetre is a whole number of pixels, on paper it is a millimetre.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.atomic import write_atomic
from ecgcore.errors import NotFound, RequestError
from ecgcore.measurement.gaps import find_gaps
from ecgcore.paper.display_filter import apply_filter
from ecgcore.paper.layout import PageLayout, make_page_layout
from ecgcore.paper.page import (
    LINE_MM,
    MARGIN_MM,
    THEMES,
    Page,
    place_lead_names,
    place_relevance,
    place_separators,
    place_text,
    place_traces,
)
from ecgcore.paper.render_svg import as_svg
from ecgcore.paper.text import describe_page, footer_lines, header_lines
from ecgcore.records.record import LEADS, Record

PAPER_SIZES_MM = {"a4": (297.0, 210.0), "letter": (279.4, 215.9)}
"""Width and height, landscape."""
PAPER_SIZES = ("fit", *PAPER_SIZES_MM)
FORMATS = (".svg", ".png", ".pdf")
PNG_PX_PER_MM = 8
"""About 203 dpi, at which a trace of 0.35 mm is nearly three pixels thick."""
_PRINT_MARGIN_MM = 5.0  # that printers leave blank
_BOTTOM_MARGIN_MM = 2.75


def plot(
    record: Record,
    path: Path | str | None = None,
    layout: str = "3x4",
    *,
    paper_size: str | None = None,
    **options: Any,
) -> Page:
    """Plot a record on ECG paper, true to scale, and write it to a file.

    Parameters
    ----------
    record
        A 12-lead record, in mV.
    path
        File to write, by suffix: ``.svg`` (vectors, in mm), ``.png`` (8 px/mm, with its resolution)
        or ``.pdf`` (vectors). By default no file is written.
    layout
        ``3x4`` (four columns of three leads, above a rhythm strip), ``6x2`` or ``12x1``.
    paper_size
        ``fit`` (as large as the ECG), ``a4`` or ``letter``; by default A4 for a PDF that fits it,
        else ``fit``.
    options
        Speed, gain, filter, relevance and others; see ``make_page``.

    Returns
    -------
    Page
        The page, which Jupyter shows as SVG.

    Raises
    ------
    NotFound, RequestError
        Another suffix, or options that ``make_page`` refuses.
    NotWritten
        The file cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgcore.records.record import Record
    >>> flat = Record(np.zeros((12, 5000), np.float32), fs_hz=500, name="flat")
    >>> page = plot(flat, layout="12x1", gain_mm_mv=5)
    >>> page.width_mm
    270.0
    """
    suffix = ".svg" if path is None else Path(path).suffix
    page = _page_for_format(record, suffix, paper_size, layout=layout, **options)
    if path is not None:
        content = _render(page, suffix)
        write_atomic(Path(path), lambda temporary: temporary.write_bytes(content))
    return page


def make_page(
    record: Record,
    layout: str = "3x4",
    speed_mm_s: float = 25,
    gain_mm_mv: float = 10,
    relevance: np.ndarray | None = None,
    title: str | None = None,
    theme: str = "light",
    *,
    lead_order: str = "standard",
    rhythm_leads: Sequence[str] | None = None,
    start_s: float = 0.0,
    duration_s: float | None = None,
    recording_offset_s: float = 0.0,
    display_filter: str = "none",
    measurements: Mapping[str, Any] | None = None,
    paper_size: str = "fit",
    relevance_duration_s: float = 10.0,
) -> Page:
    """Lay a record out on ECG paper.

    Parameters
    ----------
    layout
        ``3x4`` (four columns of three leads, consecutive in time), ``6x2`` (two columns of six) or
        ``12x1``.
    speed_mm_s, gain_mm_mv
        12.5, 25 or 50 mm/s; 5, 10 or 20 mm/mV.
    relevance
        (12, n) ≥ 0, drawn behind the traces, transparent at zero; above 1 it is scaled to 1.
    title
        Headline; by default the record's name.
    theme
        ``light`` or ``dark``.
    lead_order
        ``standard`` or ``cabrera`` (aVL, I, −aVR, II, aVF, III).
    rhythm_leads
        Up to three leads at full length below the others; by default II below ``3x4``.
    start_s, duration_s
        Window of the record; by default as much as 250 mm hold (10 s at 25 mm/s).
    recording_offset_s
        Seconds of the recording before the record's first sample, added to the times on the page.
    display_filter
        One of ``display_filter.FILTERS``; applied to the traces only.
    measurements
        Measurements by the names of ``ecgcore measure --json``; None shows none. They are printed
        above the electrocardiograph's own, if the record has them, both as unconfirmed.
    paper_size
        ``fit`` (as large as the ECG), ``a4`` or ``letter`` (landscape, centred).
    relevance_duration_s
        Seconds from the record's start that ``relevance`` spans.

    Raises
    ------
    NotFound, RequestError
        Unknown layout, lead, theme, speed, gain, filter or paper size; a window outside the record;
        relevance of another shape; more than the paper holds.
    """
    if theme not in THEMES:
        raise NotFound.among("theme", theme, THEMES)
    if paper_size not in PAPER_SIZES:
        raise NotFound.among("paper size", paper_size, PAPER_SIZES)
    marked = replace(record, signal_mv=find_gaps(record).signal_mv)  # a flat gap is no line
    filtered = apply_filter(marked, display_filter)

    def lay_out(max_height_mm: float | None) -> PageLayout:
        return make_page_layout(
            filtered,
            layout,
            float(speed_mm_s),
            float(gain_mm_mv),
            start_s,
            duration_s,
            lead_order,
            rhythm_leads,
            max_height_mm,
        )

    grid = lay_out(None)
    header = header_lines(filtered, grid, title, measurements)
    footer = footer_lines(filtered, grid, display_filter, recording_offset_s)
    if paper_size != "fit":
        outside_mm = _content_height_mm(0, len(header), len(footer)) + 2 * _PRINT_MARGIN_MM
        grid = lay_out(PAPER_SIZES_MM[paper_size][1] - outside_mm)
        header = header_lines(filtered, grid, title, measurements)
    content_mm = _content_height_mm(grid.height_mm, len(header), len(footer))
    width_mm, height_mm = _page_size_mm(paper_size, grid, content_mm)
    left_mm, top_mm = (width_mm - grid.width_mm) / 2, (height_mm - content_mm) / 2
    grid_top_mm = top_mm + (len(header) + 1) * LINE_MM
    texts = place_text(header, left_mm, top_mm + 1.25 * LINE_MM)
    texts += place_text(footer, left_mm, grid_top_mm + grid.height_mm + LINE_MM)
    traces = place_traces(filtered, grid)
    bands = []
    if relevance is not None:
        bands = place_relevance(grid, _normalize_relevance(relevance), relevance_duration_s)
    return Page(
        title=header[0].text,
        description=describe_page(filtered, grid, layout, header, footer),
        theme=THEMES[theme],
        width_mm=width_mm,
        height_mm=height_mm,
        left_mm=left_mm,
        top_mm=grid_top_mm,
        grid_width_mm=int(grid.width_mm),
        grid_height_mm=int(grid.height_mm),
        texts=tuple(texts),
        lead_names=tuple(place_lead_names(filtered, grid, traces)),
        bands=tuple(bands),
        traces=tuple(traces),
        separators=tuple(place_separators(grid)),
    )


def page_svg(
    record: Record, layout: str = "3x4", *, px_per_mm: int | None = 4, **options: Any
) -> str:
    """Return a record on ECG paper as SVG.

    Parameters
    ----------
    px_per_mm
        Whole pixels a millimetre: 4 gives a 10 s page of 1,080 px. None: millimetres, for print.
    layout, options
        As in ``make_page``.
    """
    return as_svg(make_page(record, layout, **options), px_per_mm)


def page_bytes(
    record: Record, file_format: str, *, paper_size: str | None = None, **options: Any
) -> bytes:
    """Return a record on ECG paper as the content of a file.

    Parameters
    ----------
    file_format
        ``.svg`` (in mm), ``.png`` (8 px/mm, with its resolution) or ``.pdf`` (vectors).
    paper_size, options
        As in ``plot``.

    Raises
    ------
    RequestError
        Another format, or options that ``make_page`` refuses.
    """
    page = _page_for_format(record, file_format, paper_size, **options)
    return _render(page, file_format)


def _page_for_format(
    record: Record, file_format: str, paper_size: str | None, **options: Any
) -> Page:
    """Return the page; a PDF is on A4 by default if the ECG fits it."""
    if file_format.lower() not in FORMATS:
        raise RequestError(f"A page is written as {', '.join(FORMATS)}, not as '{file_format}'.")
    if file_format.lower() == ".pdf" and paper_size is None:
        try:
            return make_page(record, paper_size="a4", **options)
        except RequestError:
            pass
    return make_page(record, paper_size=paper_size or "fit", **options)


def _render(page: Page, file_format: str) -> bytes:
    if file_format.lower() == ".svg":
        return as_svg(page, None).encode()
    from ecgcore.paper import render_mpl  # imports matplotlib

    is_pdf = file_format.lower() == ".pdf"
    return render_mpl.as_pdf(page) if is_pdf else render_mpl.as_png(page, PNG_PX_PER_MM)


def _content_height_mm(grid_mm: float, header_lines: int, footer_lines: int) -> float:
    """Return the height of a grid with its lines of text above and below."""
    return (header_lines + 1) * LINE_MM + grid_mm + footer_lines * LINE_MM + _BOTTOM_MARGIN_MM


def _page_size_mm(paper_size: str, grid: PageLayout, content_mm: float) -> tuple[float, float]:
    """Return width and height of the page; raise RequestError if the ECG is larger."""
    if paper_size == "fit":
        return grid.width_mm + 2 * MARGIN_MM, content_mm
    width_mm, height_mm = PAPER_SIZES_MM[paper_size]
    available_mm = width_mm - 2 * _PRINT_MARGIN_MM, height_mm - 2 * _PRINT_MARGIN_MM
    if grid.width_mm > available_mm[0] or content_mm > available_mm[1]:
        raise RequestError(
            f"This ECG needs {grid.width_mm:g} × {content_mm:g} mm; {paper_size} in landscape "
            f"holds {available_mm[0]:g} × {available_mm[1]:g} mm. Show fewer seconds, take a lower "
            "gain or speed, or the paper size 'fit'."
        )
    return width_mm, height_mm


def _normalize_relevance(relevance: np.ndarray) -> np.ndarray:
    """Return relevance in 0..1."""
    if relevance.ndim != 2 or len(relevance) != len(LEADS) or not relevance.shape[1]:
        raise RequestError(
            f"Relevance for a page has shape (12, n), not {relevance.shape}: one row a lead."
        )
    known = np.nan_to_num(relevance)
    return known / max(1.0, float(known.max()))
