"""SVG of a page: in millimetres for the printer or whole pixels a millimetre for the screen."""

from html import escape
from itertools import groupby

import numpy as np

from ecgcore.paper.page import (
    GRID_WIDTH_MM,
    SEPARATOR_WIDTH_MM,
    TRACE_WIDTH_MM,
    Page,
    Text,
    grid_lines,
)
from ecgcore.paper.text import TEXT_MM

_FONT = "Inter, 'Source Sans 3', 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"


def as_svg(page: Page, px_per_mm: int | None) -> str:
    """Return a page as SVG.

    Parameters
    ----------
    px_per_mm
        Whole pixels a millimetre, for a screen; None gives width and height in mm, so that the
        page prints at its true size.
    """
    width, height = (
        f"{side:g}mm" if px_per_mm is None else f"{side * px_per_mm:g}"
        for side in (page.width_mm, page.height_mm)
    )
    theme = page.theme
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {page.width_mm:g} '
        f'{page.height_mm:g}" width="{width}" height="{height}" role="img" '
        f'font-family="{_FONT}" font-size="{TEXT_MM}" fill="{theme.text}">',
        f"<title>{escape(page.title)}</title><desc>{escape(page.description)}</desc>",
        f'<rect width="{page.width_mm:g}" height="{page.height_mm:g}" fill="{theme.background}"/>',
        _text_lines(page, above=True),
        f'<svg x="{page.left_mm:g}" y="{page.top_mm:g}" width="{page.grid_width_mm}" '
        f'height="{page.grid_height_mm}">',
        _grid(page),
        _bands(page),
        _lead_names(page),
        _traces(page),
        "</svg>",
        _text_lines(page, above=False),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def _text_lines(page: Page, above: bool) -> str:
    """Return the text above or below the grid, one element a line, so that lines copy whole."""
    texts = [text for text in page.texts if (text.y_mm < page.top_mm) == above]
    by_line = groupby(texts, key=lambda text: text.y_mm)
    return "".join(_text_line(list(line), page.theme.trace) for _, line in by_line)


def _text_line(texts: list[Text], bold_colour: str) -> str:
    bold = f' font-weight="600" fill="{bold_colour}"' if texts[0].bold else ""
    first, *others = texts
    spans = "".join(f'<tspan x="{t.x_mm:g}"> {escape(t.text)}</tspan>' for t in others)
    return f'<text x="{first.x_mm:g}" y="{first.y_mm:g}"{bold}>{escape(first.text)}{spans}</text>'


def _grid(page: Page) -> str:
    """Return the grid: 1 mm and 5 mm lines."""

    def path(coarse: bool) -> str:
        lines = grid_lines(page, coarse)
        return "".join(f"M{x} {y}h{r}" if r else f"M{x} {y}v{d}" for x, y, r, d in lines)

    return (
        f'<g fill="none" stroke-width="{GRID_WIDTH_MM}" shape-rendering="crispEdges">'
        f'<path stroke="{page.theme.fine}" d="{path(False)}"/>'
        f'<path stroke="{page.theme.coarse}" d="{path(True)}"/></g>'
    )


def _bands(page: Page) -> str:
    rectangles = "".join(
        f'<rect x="{b.left_mm:.2f}" y="{b.top_mm:g}" width="{b.width_mm:.2f}" '
        f'height="{b.height_mm:g}" fill="{b.colour}" fill-opacity="{b.opacity:.2f}"/>'
        for b in page.bands
    )
    return f"<g>{rectangles}</g>" if rectangles else ""


def _lead_names(page: Page) -> str:
    """Return the leads' names, on a halo of paper, behind the traces."""
    halo = f'stroke="{page.theme.background}" stroke-width="0.7" paint-order="stroke" '
    texts = "".join(
        f'<text x="{w.x_mm:g}" y="{w.y_mm:g}">{escape(w.text)}</text>' for w in page.lead_names
    )
    return (
        f'<g {halo}stroke-linejoin="round" font-weight="600" fill="{page.theme.trace}">{texts}</g>'
    )


def _traces(page: Page) -> str:
    """Return all lines, in hundredths of a millimetre, to keep the file small."""
    traces, separators = ("".join(map(path_data, x)) for x in (page.traces, page.separators))
    return (
        f'<g transform="scale(0.01)" fill="none" stroke="{page.theme.trace}" '
        'stroke-linejoin="round" stroke-linecap="round">'
        f'<path stroke-width="{100 * TRACE_WIDTH_MM:g}" d="{traces}"/>'
        f'<path stroke-width="{100 * SEPARATOR_WIDTH_MM:g}" d="{separators}"/></g>'
    )


def path_data(points: np.ndarray) -> str:
    """Return the ``d`` of an unbroken line through points (n, 2); a single point is a dot."""
    steps = np.diff(points, axis=0).ravel().tolist() or [0, 0]
    return f"M{points[0, 0]} {points[0, 1]}l" + " ".join(map(str, steps)).replace(" -", "-")
