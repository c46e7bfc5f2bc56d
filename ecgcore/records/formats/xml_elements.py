"""Elements of an XML file, without namespaces, entities or references outside the file."""

import re
from pathlib import Path
from xml.etree.ElementTree import Element

import defusedxml.ElementTree
import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.parser_errors import read_bytes, refuse_parser_errors

LARGEST_BYTES = 16_000_000
"""Twelve leads of 2 minutes at 1000 Hz take 7 MB as text; the largest at hand takes 0.5."""
_MOST_MARKS = 100_000
_DEEPEST = 64


def xml_content(path: Path, format_name: str) -> bytes:
    """Return the bytes of an XML file that is not a bomb.

    Raises
    ------
    UnreadableRecord
        It is too large, declares entities, or holds more elements than any ECG.
    """
    content = read_bytes(path, format_name, LARGEST_BYTES)
    plain = content.replace(b"\0", b"") if b"\0" in content[:200] else content  # UTF-16
    if re.search(rb"<!ENTITY", plain, re.IGNORECASE):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} declares XML entities; files with them are not "
            "opened, for they can grow without limit or reach for other files."
        )
    if plain.count(b"<") > _MOST_MARKS or plain.count(b"=") > _MOST_MARKS:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} holds more XML elements than any ECG does."
        )
    return content


def xml_root(path: Path, format_name: str) -> Element:
    """Return the root element of an XML file, all tags without their namespace.

    Raises
    ------
    UnreadableRecord
        As ``xml_content``, or it is not well-formed, or nests deeper than any ECG.
    """
    content = xml_content(path, format_name)
    with refuse_parser_errors(path, format_name):
        root = defusedxml.ElementTree.fromstring(content)
    level, depth = [root], 0
    while level:
        if depth > _DEEPEST:
            raise UnreadableRecord(
                f"Record {path.stem}: {path.name} nests XML elements deeper than any ECG does."
            )
        for element in level:
            element.tag = element.tag.rpartition("}")[2]
        level, depth = [child for element in level for child in element], depth + 1
    return root


def texts(element: Element | None, *tags: str) -> list[str]:
    """Return the text of every element below with one of these tags, without empty ones."""
    if element is None:
        return []
    contents = (e.text for tag in tags for e in element.iter(tag))
    return [content.strip() for content in contents if content and content.strip()]


def text(element: Element | None, path: str) -> str:
    """Return the text at a path below an element, '' where there is none."""
    return (element.findtext(path) or "").strip() if element is not None else ""


def comma_separated(samples: str) -> np.ndarray:
    """Return the numbers of a list separated by commas or blanks, (T,) float64."""
    return np.array(samples.replace(",", " ").split(), dtype=np.float64)
