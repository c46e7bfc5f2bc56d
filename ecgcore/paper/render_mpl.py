"""The human page as PDF (vectors) and PNG, true to the millimetre, drawn by matplotlib's own
backends from the same shapes as the SVG. No screen, no system library, the font travels along."""

import struct
import zlib
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import Name, PdfFile, RendererPdf
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Outline
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, Transform
from matplotlib.typing import CapStyleType
from PIL import Image
from PIL.PngImagePlugin import PngInfo, putchunk

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.imaging.png import PAGE_KEY
from ecgcore.paper.page import GRID_MM, MARK_MM, THEMES, TRACE_MM, Page, Words, grid_lines
from ecgcore.paper.text import TEXT_MM
from ecgcore.version import __version__

_INCH_MM = 25.4
_POINT_MM = _INCH_MM / 72
_TO_SCALE = {"Type": Name("Catalog"), "ViewerPreferences": {"PrintScaling": Name("None")}}
"""A PDF's catalogue that asks viewers to print it as large as it is."""
_COMPRESSION = 1  # two thirds of the time of zlib's default, 10 % larger
_UP = 2  # PNG's filter that tells each row by the one above it: a grid repeats itself downwards
_FONT = "DejaVu Sans"  # comes with matplotlib: looks the same wherever it is drawn
_FONT_MM = 0.88 * TEXT_MM  # it is wider than the fonts of the SVG


def as_pdf(page: Page) -> bytes:
    """Return a page as a PDF of exactly its size, all lines vectors, its font embedded."""
    figure, out = _figure(page, 72), BytesIO()
    if page.theme == THEMES["light"]:
        figure.set_facecolor("white")  # paper has its own ground, and ink costs
    about: dict[str, Any] = {
        "Title": page.title,
        "Subject": RESEARCH_USE_ONLY,
        "Creator": f"ecgcore {__version__}",
        "Producer": "matplotlib",
        "CreationDate": None,  # the same record gives the same file
    }
    file = PdfFile(out, metadata=about)
    file.writeObject(file.rootObject, _TO_SCALE | {"Pages": file.pagesObject})
    width_in, height_in = figure.get_size_inches()
    file.newPage(width_in, height_in)
    renderer = RendererPdf(file, 72, height_in, width_in)
    figure.draw(renderer)
    renderer.finalize()
    file.finalize()
    file.close()
    return out.getvalue()


def as_png(page: Page, px_per_mm: int) -> bytes:
    """Return a page as PNG, whose resolution is said in the file, so that it prints to scale."""
    canvas, out = FigureCanvasAgg(_figure(page, px_per_mm * _INCH_MM)), BytesIO()
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())  # (H, W, 4)
    text = PngInfo()
    text.add_text("Title", page.title.encode("latin-1", "replace"))
    text.add_text("Software", f"ecgcore {__version__}")
    text.add_text("Disclaimer", RESEARCH_USE_ONLY)
    text.add_text(PAGE_KEY, f"{px_per_mm} px/mm")
    height, width, _ = pixels.shape
    out.write(b"\x89PNG\r\n\x1a\n")
    putchunk(out, b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    putchunk(out, b"pHYs", struct.pack(">IIB", 1000 * px_per_mm, 1000 * px_per_mm, 1))
    for name, content, _ in text.chunks:
        putchunk(out, name, content)
    putchunk(out, b"IDAT", zlib.compress(_rows(pixels), _COMPRESSION))
    putchunk(out, b"IEND")
    return out.getvalue()


def _rows(pixels: np.ndarray) -> bytes:
    """Return (H, 3 W + 1) bytes as PNG compresses them, of RGBA pixels (H, W, 4) without a gap.

    Pillow tries each of PNG's filters on every row, which takes longer than all the drawing.
    """
    colours = np.asarray(Image.fromarray(pixels).convert("RGB")).reshape(len(pixels), -1)
    rows = np.empty((len(pixels), 1 + colours.shape[1]), np.uint8)
    rows[:, 0] = _UP
    rows[0, 1:] = colours[0]
    np.subtract(colours[1:], colours[:-1], out=rows[1:, 1:])
    return rows.tobytes()


def _figure(page: Page, dpi: float) -> Figure:
    """Return a figure without axes that holds the page, in millimetres from its upper left."""
    figure = Figure(
        (page.width_mm / _INCH_MM, page.height_mm / _INCH_MM), dpi, facecolor=page.theme.ground
    )
    upright = Affine2D().scale(1, -1).translate(0, page.height_mm).scale(1 / _INCH_MM)
    on_page = upright + figure.dpi_scale_trans
    on_grid = Affine2D().translate(page.left_mm, page.top_mm) + on_page
    edge = Rectangle((0, 0), page.grid_width_mm, page.grid_height_mm, transform=on_grid)
    behind = [_grid(page, False, on_grid), _grid(page, True, on_grid), *_bands(page, on_grid)]
    for artist in (*behind, *_names(page, on_grid), *_lines(page, on_grid)):
        figure.add_artist(artist)
        artist.set_clip_path(edge)
    for word in page.words:
        colour = page.theme.trace if word.strong else page.theme.text
        figure.add_artist(_text(word, colour, on_page))
    return figure


def _grid(page: Page, coarse: bool, on_grid: Transform) -> PathPatch:
    """Return the lines of the grid: each fifth, or those between."""
    lines = [np.array([[x, y], [x + r, y + d]]) for x, y, r, d in grid_lines(page, coarse)]
    colour = page.theme.coarse if coarse else page.theme.fine
    return _strokes(lines, colour, GRID_MM, on_grid, "butt")


def _bands(page: Page, on_grid: Transform) -> list[Rectangle]:
    """Return relevance behind the traces."""
    return [
        Rectangle(
            (b.left_mm, b.top_mm), b.width_mm, b.height_mm, facecolor=b.colour, alpha=b.cover,
            linewidth=0, transform=on_grid, zorder=2,
        )
        for b in page.bands
    ]  # fmt: skip


def _names(page: Page, on_grid: Transform) -> list[Text]:
    """Return the leads' names, behind the traces."""
    return [_text(word, page.theme.trace, on_grid) for word in page.names]


def _lines(page: Page, on_grid: Transform) -> list[PathPatch]:
    """Return the traces with their calibration pulses, and the marks between leads."""
    fine = Affine2D().scale(0.01) + on_grid
    both = ((page.traces, TRACE_MM), (page.marks, MARK_MM))
    return [_strokes(lines, page.theme.trace, mm, fine, "round") for lines, mm in both if lines]


def _strokes(
    lines: Sequence[np.ndarray],
    colour: str,
    width_mm: float,
    transform: Transform,
    cap: CapStyleType,
) -> PathPatch:
    """Return unbroken lines, each (n, 2), as one shape; a lone point is a dot."""
    lines = [line if len(line) > 1 else line.repeat(2, axis=0) for line in lines]
    codes = [np.full(len(line), Outline.LINETO, Outline.code_type) for line in lines]
    for code in codes:
        code[0] = Outline.MOVETO
    outline = Outline(np.concatenate(lines).astype(float), np.concatenate(codes))
    outline.should_simplify = False  # every peak that was kept stays where it is
    return PathPatch(
        outline, fill=False, edgecolor=colour, linewidth=width_mm / _POINT_MM, capstyle=cap,
        joinstyle="round", transform=transform, zorder=3 if cap == "round" else 1,
        snap=cap == "butt",
    )  # fmt: skip


def _text(word: Words, colour: str, transform: Transform) -> Text:
    """Return words at their place, as they are: no mark-up in them means anything."""
    return Text(
        word.x_mm, word.y_mm, word.text, color=colour, family=_FONT,
        size=_FONT_MM / _POINT_MM, weight="bold" if word.strong else "normal",
        verticalalignment="baseline", parse_math=False, transform=transform, zorder=2.5,
    )  # fmt: skip
