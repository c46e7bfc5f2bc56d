"""The elements of an XML file: without namespaces, entities or anything outside the file."""

import re
from pathlib import Path
from xml.etree.ElementTree import Element

import defusedxml.ElementTree
import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.parser_errors import file_bytes, refusing

LARGEST_BYTES = 16_000_000
"""Twelve leads of 2 minutes at 1000 Hz take 7 MB as text; the largest at hand takes 0.5."""
_MOST_MARKS = 100_000


def xml_content(path: Path, form: str) -> bytes:
    """Return the bytes of an XML file that is not a bomb.

    Raises
    ------
    UnreadableRecord
        It is too large, declares entities, or holds more elements than any ECG.
    """
    text = file_bytes(path, form, LARGEST_BYTES)
    plain = text.replace(b"\0", b"") if b"\0" in text[:200] else text  # UTF-16
    if re.search(rb"<!ENTITY", plain, re.IGNORECASE):
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} declares XML entities; files with them are not "
            "opened, for they can grow without limit or reach for other files."
        )
    if plain.count(b"<") > _MOST_MARKS or plain.count(b"=") > _MOST_MARKS:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} holds more XML elements than any ECG does."
        )
    return text


def xml_root(path: Path, form: str) -> Element:
    """Return the root element of an XML file, all tags without their namespace.

    Raises
    ------
    UnreadableRecord
        As ``xml_content``, or it is not well-formed.
    """
    text = xml_content(path, form)
    with refusing(path, form):
        root = defusedxml.ElementTree.fromstring(text)
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
    return root


def texts(element: Element | None, *names: str) -> list[str]:
    """Return the text of every element below with one of these names, without empty ones."""
    if element is None:
        return []
    found = (e.text for name in names for e in element.iter(name))
    return [text.strip() for text in found if text and text.strip()]


def text(element: Element | None, where: str) -> str:
    """Return the text at a path below an element, '' where there is none."""
    return (element.findtext(where) or "").strip() if element is not None else ""


def comma_separated(samples: str) -> np.ndarray:
    """Return the numbers of a list that commas or blanks separate, (T,) float64."""
    return np.array(samples.replace(",", " ").split(), dtype=np.float64)
