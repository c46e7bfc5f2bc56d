"""Blocks of a report, of the kinds that the template draws."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Section:
    """A heading with blocks below it, of the kinds that the page's template draws."""

    id: str
    title: str
    blocks: list[dict[str, Any]]


def text(words: str) -> dict[str, Any]:
    """Return a paragraph."""
    return {"kind": "text", "text": words}


def bullets(lines: Iterable[str]) -> dict[str, Any]:
    """Return a list."""
    return {"kind": "list", "lines": list(lines)}


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]], *, figures: bool = True
) -> dict[str, Any]:
    """Return a table; a row's first cell is its heading, ``figures`` are aligned to the right."""
    lines = list(rows)
    return {"kind": "table", "caption": caption, "head": head, "lines": lines, "figures": figures}


def figure(name: str, alt: str, caption: str) -> dict[str, Any]:
    """Return a figure of ``figures.FIGURES``."""
    return {"kind": "figure", "name": name, "alt": alt, "caption": caption}


def picture(svg: str, alt: str, caption: str) -> dict[str, Any]:
    """Return a drawing of its own, as SVG."""
    return {"kind": "picture", "svg": svg.encode(), "alt": alt, "caption": caption}


def pairs(lines: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return names and values."""
    return {"kind": "pairs", "lines": list(lines)}
