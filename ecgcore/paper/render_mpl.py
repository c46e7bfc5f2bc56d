"""PDF (vectors) and PNG of a page, true to the millimetre, drawn by matplotlib's backends.

From the same shapes as the SVG; needs no display and no system library, and embeds its font.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import Name, PdfFile, RendererPdf
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as MplPath
from matplotlib.text import Text as MplText
from matplotlib.transforms import Affine2D, Transform
from matplotlib.typing import CapStyleType
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ecgcore.paper.page import (
    GRID_WIDTH_MM,
    SEPARATOR_WIDTH_MM,
    THEMES,
    TRACE_WIDTH_MM,
    Page,
    Text,
    grid_lines,
)
from ecgcore.paper.text import TEXT_MM
from ecgcore.version import RESEARCH_USE_ONLY, __version__

_INCH_MM = 25.4
_POINT_MM = _INCH_MM / 72
_PNG_KEY = "ecgcore-page"  # readers of network images recognise a page by it
_UNSCALED = {"Type": Name("Catalog"), "ViewerPreferences": {"PrintScaling": Name("None")}}
"""PDF catalogue that asks viewers to print at true size."""
_COMPRESSION = 1  # 10 % larger than zlib's default, in half the time
_FONT = "DejaVu Sans"  # comes with matplotlib, so that the page looks the same everywhere
_FONT_MM = 0.88 * TEXT_MM  # it is wider than the fonts of the SVG


def as_pdf(page: Page) -> bytes:
    """Return a page as a PDF of exactly its size, all lines vectors, its font embedded."""
    figure, out = _figure(page, 72), BytesIO()
    if page.theme == THEMES["light"]:
        figure.set_facecolor("white")  # paper has its own colour, and ink costs
    metadata: dict[str, Any] = {
        "Title": page.title,
        "Subject": RESEARCH_USE_ONLY,
        "Creator": f"ecgcore {__version__}",
        "Producer": "matplotlib",
        "CreationDate": None,  # the same record gives the same file
    }
    # PdfFile and not savefig, which cannot write viewer preferences: without them many viewers
    # shrink the page to the printer's margins, and a printed millimetre is shorter.
    file = PdfFile(out, metadata=metadata)
    file.writeObject(file.rootObject, _UNSCALED | {"Pages": file.pagesObject})
    width_in, height_in = figure.get_size_inches()
    file.newPage(width_in, height_in)
    renderer = RendererPdf(file, 72, height_in, width_in)
    figure.draw(renderer)
    renderer.finalize()
    file.finalize()
    file.close()
    return out.getvalue()


def as_png(page: Page, px_per_mm: int) -> bytes:
    """Return a page as PNG that states its resolution, so that it prints to scale."""
    dpi = px_per_mm * _INCH_MM
    canvas, out = FigureCanvasAgg(_figure(page, dpi)), BytesIO()
    canvas.draw()
    text = PngInfo()
    text.add_text("Title", page.title.encode("latin-1", "replace"))
    text.add_text("Software", f"ecgcore {__version__}")
    text.add_text("Disclaimer", RESEARCH_USE_ONLY)
    text.add_text(_PNG_KEY, f"{px_per_mm} px/mm")
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    image.save(out, "PNG", dpi=(dpi, dpi), pnginfo=text, compress_level=_COMPRESSION)
    return out.getvalue()


def _figure(page: Page, dpi: float) -> Figure:
    """Return a figure without axes that holds the page, in millimetres from its upper left."""
    figure = Figure(
        (page.width_mm / _INCH_MM, page.height_mm / _INCH_MM), dpi, facecolor=page.theme.background
    )
    downwards = Affine2D().scale(1, -1).translate(0, page.height_mm).scale(1 / _INCH_MM)
    on_page = downwards + figure.dpi_scale_trans
    on_grid = Affine2D().translate(page.left_mm, page.top_mm) + on_page
    edge = Rectangle((0, 0), page.grid_width_mm, page.grid_height_mm, transform=on_grid)
    behind = [_grid(page, False, on_grid), _grid(page, True, on_grid), *_bands(page, on_grid)]
    for artist in (*behind, *_lead_names(page, on_grid), *_lines(page, on_grid)):
        figure.add_artist(artist)
        artist.set_clip_path(edge)
    for text in page.texts:
        colour = page.theme.trace if text.bold else page.theme.text
        figure.add_artist(_text(text, colour, on_page))
    return figure


def _grid(page: Page, coarse: bool, on_grid: Transform) -> PathPatch:
    """Return the lines of the grid: each fifth, or the others."""
    lines = [np.array([[x, y], [x + r, y + d]]) for x, y, r, d in grid_lines(page, coarse)]
    colour = page.theme.coarse if coarse else page.theme.fine
    return _strokes(lines, colour, GRID_WIDTH_MM, on_grid, "butt")


def _bands(page: Page, on_grid: Transform) -> list[Rectangle]:
    """Return relevance behind the traces."""
    return [
        Rectangle(
            (band.left_mm, band.top_mm),
            band.width_mm,
            band.height_mm,
            facecolor=band.colour,
            alpha=band.opacity,
            linewidth=0,
            transform=on_grid,
            zorder=2,
        )
        for band in page.bands
    ]


def _lead_names(page: Page, on_grid: Transform) -> list[MplText]:
    """Return the leads' names, behind the traces."""
    return [_text(name, page.theme.trace, on_grid) for name in page.lead_names]


def _lines(page: Page, on_grid: Transform) -> list[PathPatch]:
    """Return the traces with their calibration pulses, and the separators between leads."""
    fine = Affine2D().scale(0.01) + on_grid
    both = ((page.traces, TRACE_WIDTH_MM), (page.separators, SEPARATOR_WIDTH_MM))
    return [_strokes(lines, page.theme.trace, mm, fine, "round") for lines, mm in both if lines]


def _strokes(
    lines: Sequence[np.ndarray],
    colour: str,
    width_mm: float,
    transform: Transform,
    cap: CapStyleType,
) -> PathPatch:
    """Return unbroken lines, each (n, 2), as one shape; a single point is a dot."""
    lines = [line if len(line) > 1 else line.repeat(2, axis=0) for line in lines]
    codes = [np.full(len(line), MplPath.LINETO, MplPath.code_type) for line in lines]
    for code in codes:
        code[0] = MplPath.MOVETO
    path = MplPath(np.concatenate(lines).astype(float), np.concatenate(codes))
    path.should_simplify = False  # no peak may move
    return PathPatch(
        path,
        fill=False,
        edgecolor=colour,
        linewidth=width_mm / _POINT_MM,
        capstyle=cap,
        joinstyle="round",
        transform=transform,
        zorder=3 if cap == "round" else 1,
        snap=cap == "butt",
    )


def _text(text: Text, colour: str, transform: Transform) -> MplText:
    """Return a text at its position, literally: mathematical markup is not interpreted."""
    return MplText(
        text.x_mm,
        text.y_mm,
        text.text,
        color=colour,
        family=_FONT,
        size=_FONT_MM / _POINT_MM,
        weight="bold" if text.bold else "normal",
        verticalalignment="baseline",
        parse_math=False,
        transform=transform,
        zorder=2.5,
    )
