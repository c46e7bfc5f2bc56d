"""The human page: an ECG on millimetre paper as SVG, true to scale, never autoscaled.

Millimetres are the SVG's own unit; each is a whole number of pixels on the screen.
"""

import textwrap
from html import escape
from typing import NamedTuple

import numpy as np

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.errors import NotFound, RequestError
from ecgcore.imaging.sheet import CALIBRATION_MM, Segment, Sheet, sheet
from ecgcore.imaging.strokes import relevance_bands, trace_path
from ecgcore.records.record import LEADS, Record

MARGIN_MM = 2.5
TEXT_MM = 2.6
_LINE_MM = 3.75
_CHARACTER_MM = 0.5 * TEXT_MM  # a cautious mean width
_FONT = "Inter, 'Source Sans 3', 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"


class Theme(NamedTuple):
    """Colours of the paper."""

    ground: str
    fine: str
    coarse: str
    trace: str
    text: str


THEMES = {
    "light": Theme("#FFFBFA", "#F6D5D2", "#EBAFA9", "#111827", "#4B5563"),
    "dark": Theme("#14161A", "#2A2326", "#43343A", "#E5E7EB", "#9CA3AF"),
}


def page_svg(
    record: Record,
    layout: str = "3x4",
    speed_mm_s: float = 25,
    gain_mm_mv: float = 10,
    relevance: np.ndarray | None = None,
    title: str | None = None,
    theme: str = "light",
    *,
    relevance_s: float = 10.0,
    start_s: float = 0.0,
    seconds: float | None = None,
    px_per_mm: int = 4,
) -> str:
    """Return a record on ECG paper.

    Parameters
    ----------
    layout
        ``3x4`` (four columns of three leads, which follow one another in time, above a rhythm
        strip of II) or ``12x1``.
    speed_mm_s, gain_mm_mv
        12.5, 25 or 50 mm/s; 5, 10 or 20 mm/mV.
    relevance
        (12, n) ≥ 0, drawn behind the traces, transparent at zero; above 1 it is scaled to 1.
    title
        Head line; by default the record's name.
    theme
        ``light`` or ``dark``.
    relevance_s
        Seconds from the record's start that ``relevance`` spans.
    start_s, seconds
        What to show; by default as much as 250 mm hold (10 s at 25 mm/s).
    px_per_mm
        Whole pixels a millimetre: 4 gives a 10 s page of 1,080 px.

    Raises
    ------
    NotFound, RequestError
        A layout, theme, speed, gain or stretch that there is not; relevance of another shape.
    """
    if theme not in THEMES:
        raise NotFound.among("theme", theme, THEMES)
    paper = sheet(record, layout, float(speed_mm_s), float(gain_mm_mv), start_s, seconds)
    colours = THEMES[theme]
    head = _head(record, paper, title)
    foot = _foot(record, paper)
    head_mm, foot_mm = (len(head) + 1) * _LINE_MM, len(foot) * _LINE_MM + 2.75
    width_mm = paper.width_mm + 2 * MARGIN_MM
    height_mm = head_mm + paper.height_mm + foot_mm
    behind = "" if relevance is None else _relevance(paper, _in_shares(relevance), relevance_s)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width_mm:g} {height_mm:g}" '
        f'width="{width_mm * px_per_mm:g}" height="{height_mm * px_per_mm:g}" role="img" '
        f'font-family="{_FONT}" font-size="{TEXT_MM}" fill="{colours.text}">',
        f"<title>{escape(head[0])}</title><desc>{escape(_told(record, paper, layout))}</desc>",
        f'<rect width="{width_mm:g}" height="{height_mm:g}" fill="{colours.ground}"/>',
        _lines(head, 1.25 * _LINE_MM, colours),
        f'<svg x="{MARGIN_MM}" y="{head_mm:g}" width="{paper.width_mm:g}" '
        f'height="{paper.height_mm:g}">',
        _millimetres(paper, colours),
        behind,
        _names(record, paper, colours),
        _traces(record, paper, colours),
        "</svg>",
        _lines(foot, head_mm + paper.height_mm + _LINE_MM, colours, heading=False),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def _head(record: Record, paper: Sheet, title: str | None) -> list[str]:
    """Return the title and what there is to know before reading: who, and what was done."""
    who = [title or f"Record {record.name}"]
    if record.age_years is not None:
        who.append("90 years or older" if record.age_years >= 90 else f"{record.age_years:g} years")
    if record.sex:
        who.append(record.sex)
    lines = [" · ".join(who)]
    notes = list(record.notes)
    if leaving := paper.leaving(record):
        notes.append(f"leaves the paper: {', '.join(leaving)}")
    return lines + _wrapped(" · ".join(notes), paper)


def _foot(record: Record, paper: Sheet) -> list[str]:
    """Return scale, rate, stretch, filter state and the disclaimer."""
    first, last = paper.segments[0].start_s, paper.segments[-1].end_s
    facts = [
        f"{paper.speed_mm_s:g} mm/s",
        f"{paper.gain_mm_mv:g} mm/mV",
        f"{record.fs_hz:g} Hz, no filter added",
        f"{first:g} to {last:g} s of {record.duration_s:g} s",
        RESEARCH_USE_ONLY,
    ]
    return _wrapped(" · ".join(facts), paper)


def _wrapped(text: str, paper: Sheet) -> list[str]:
    return textwrap.wrap(text, max(20, int(paper.width_mm / _CHARACTER_MM)))


def _told(record: Record, paper: Sheet, layout: str) -> str:
    """Return the page in words, for those who cannot see it."""
    form = "in four columns above a rhythm strip of II" if layout == "3x4" else "in twelve rows"
    silent = [lead for lead, row in zip(LEADS, record.signal_mv, strict=True) if _is_silent(row)]
    missing = f" Not recorded: {', '.join(silent)}." if silent else ""
    return f"Twelve-lead electrocardiogram {form}. {' '.join(_foot(record, paper))}{missing}"


def _lines(lines: list[str], first_mm: float, colours: Theme, heading: bool = True) -> str:
    """Return lines of text, the first stronger where it is a heading."""
    strong = f' font-weight="600" fill="{colours.trace}"'
    return "".join(
        f'<text x="{MARGIN_MM}" y="{first_mm + i * _LINE_MM:g}"'
        f"{strong if heading and i == 0 else ''}>{escape(line)}</text>"
        for i, line in enumerate(lines)
    )


def _millimetres(paper: Sheet, colours: Theme) -> str:
    """Return the grid: 1 mm and 5 mm lines."""
    width, height = int(paper.width_mm), int(paper.height_mm)

    def grid(step: int, keep_fifths: bool) -> str:
        down = (f"M{x} 0v{height}" for x in range(0, width + 1, step) if keep_fifths or x % 5)
        across = (f"M0 {y}h{width}" for y in range(0, height + 1, step) if keep_fifths or y % 5)
        return "".join([*down, *across])

    return (
        '<g fill="none" stroke-width="0.25" shape-rendering="crispEdges">'
        f'<path stroke="{colours.fine}" d="{grid(1, False)}"/>'
        f'<path stroke="{colours.coarse}" d="{grid(5, True)}"/></g>'
    )


def _relevance(paper: Sheet, relevance: np.ndarray, relevance_s: float) -> str:
    """Return the bands behind all stretches."""
    return (
        "<g>" + "".join(_bands(paper, s, relevance, relevance_s) for s in paper.segments) + "</g>"
    )


def _bands(paper: Sheet, segment: Segment, relevance: np.ndarray, relevance_s: float) -> str:
    """Return the bands behind one stretch, sampled each half millimetre."""
    length_mm = (segment.end_s - segment.start_s) * paper.speed_mm_s
    count = max(1, round(length_mm / 0.5))
    step_mm = length_mm / count
    times_s = segment.start_s + (np.arange(count) + 0.5) * step_mm / paper.speed_mm_s
    columns = np.floor(times_s / relevance_s * relevance.shape[1]).astype(int)
    inside = columns < relevance.shape[1]
    row = relevance[segment.lead]
    shares = np.where(inside, row[np.minimum(columns, len(row) - 1)], 0.0)
    height_mm = 0.8 * paper.pitch_mm
    top_mm = paper.baseline_mm(segment.row) - height_mm / 2
    return relevance_bands(shares, step_mm, segment.left_mm, top_mm, height_mm)


def _in_shares(relevance: np.ndarray) -> np.ndarray:
    """Return relevance in 0..1."""
    if relevance.ndim != 2 or len(relevance) != len(LEADS) or not relevance.shape[1]:
        raise RequestError(
            f"Relevance for a page has shape (12, n), not {relevance.shape}: one row a lead."
        )
    known = np.nan_to_num(relevance)
    return known / max(1.0, float(known.max()))


def _traces(record: Record, paper: Sheet, colours: Theme) -> str:
    """Return calibration pulses, traces and the marks where one lead follows another."""
    paths = [_calibration(paper, row) for row in range(paper.rows)]
    marks = []
    for segment in paper.segments:
        first = int(np.ceil(segment.start_s * record.fs_hz - 1e-9))
        signal_mv = record.signal_mv[segment.lead, first : _last(segment, record) + 1]
        times_s = (first + np.arange(len(signal_mv))) / record.fs_hz - segment.start_s
        baseline_mm = paper.baseline_mm(segment.row)
        paths.append(
            trace_path(
                signal_mv,
                times_s,
                paper.speed_mm_s,
                paper.gain_mm_mv,
                segment.left_mm,
                baseline_mm,
            )
        )
        if segment.left_mm > CALIBRATION_MM:
            x = 100 * segment.left_mm
            marks.append(f"M{x:.0f} {100 * baseline_mm - 600:.0f}v250m0 700v250")
    return (
        f'<g transform="scale(0.01)" fill="none" stroke="{colours.trace}" '
        'stroke-linejoin="round" stroke-linecap="round">'
        f'<path stroke-width="35" d="{"".join(paths)}"/>'
        f'<path stroke-width="20" d="{"".join(marks)}"/></g>'
    )


def _last(segment: Segment, record: Record) -> int:
    """Return the last sample of a stretch."""
    return int(np.floor(segment.end_s * record.fs_hz + 1e-9))


def _calibration(paper: Sheet, row: int) -> str:
    """Return the pulse of 1 mV, 5 mm wide, before a row."""
    rise = round(100 * paper.gain_mm_mv)
    return f"M150 {100 * paper.baseline_mm(row):.0f}h100v-{rise}h500v{rise}h100"


def _names(record: Record, paper: Sheet, colours: Theme) -> str:
    """Return the leads' names, on a halo of paper, behind the traces."""
    halo = f'stroke="{colours.ground}" stroke-width="0.7" paint-order="stroke" '
    texts = []
    for segment in paper.segments:
        y_mm = paper.baseline_mm(segment.row) - min(9.0, 0.36 * paper.pitch_mm)
        name = LEADS[segment.lead]
        if _is_silent(record.signal_mv[segment.lead]):
            name += " not recorded"
        texts.append(f'<text x="{segment.left_mm + 1:g}" y="{y_mm:g}">{name}</text>')
    return (
        f'<g {halo}stroke-linejoin="round" font-weight="600" fill="{colours.trace}">'
        f"{''.join(texts)}</g>"
    )


def _is_silent(row_mv: np.ndarray) -> bool:
    """Return whether nothing was recorded."""
    return not bool(np.isfinite(row_mv).any())
