"""Network images as PNG files: dark on white for people, exactly invertible for the network.

A pixel's 8-bit value is 255 − 255 × ink, rounded; nothing but traces is drawn. What the picture
shows, how it was drawn and a checksum of its pixels stand in the PNG's text.
"""

import hashlib
import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, PngImagePlugin

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.atomic import write_atomic
from ecgcore.errors import RequestError, UnreadableRecord
from ecgcore.imaging.geometry import Geometry, geometry_of
from ecgcore.version import __version__

_KEY = "ecgcore"
PAGE_KEY = "ecgcore-page"
"""Stands in the text of a PNG that was drawn for people."""
_LARGEST_PX = 64_000_000
_COMPRESSION = 4  # half the time of zlib's default, 5 % larger


@dataclass(frozen=True)
class NetworkImage:
    """A network image and what it says of itself.

    Attributes
    ----------
    image
        (3, H, W) float32, 0 (ground) to 1 (ink), as ``draw`` made it but for 8-bit rounding.
    record
        The record's id.
    fs_hz
        Rate of the signal that was drawn.
    class_code
        The record's class, None where it was saved without one.
    more
        What else the writer noted (``convert``: checksums of signal and CSV).
    """

    image: np.ndarray
    geometry: Geometry
    record: str
    fs_hz: float
    class_code: str | None
    more: dict[str, str]

    @property
    def name(self) -> str:
        """The record's id, as a record has it."""
        return self.record

    @property
    def notes(self) -> tuple[str, ...]:
        """What an answer says beside it."""
        return ("classified as drawn: a picture of this program",)

    @property
    def drawn_as(self) -> str:
        """How it was drawn, in the words of ``ecgcore convert``."""
        return form(self.geometry, self.fs_hz)


def form(measures: Geometry, fs_hz: float) -> str:
    """Return in words how a picture is drawn: what a network's input must agree in."""
    rhythm = "" if measures.layout == "stacked" else f" with rhythm {measures.rhythm}"
    return (
        f"{measures.layout}{rhythm}, {measures.height}x{measures.width} px, "
        f"{measures.duration_s:g} s at {fs_hz:g} Hz, pen {measures.pen}"
    )


def save_png(
    image: ArrayLike,
    file: Path,
    measures: Geometry,
    record: str,
    fs_hz: float,
    class_code: str | None = None,
    more: dict[str, str] | None = None,
) -> None:
    """Write an image of ``draw`` as a PNG file, whole.

    Parameters
    ----------
    image
        (3, H, W), 0 (ground) to 1 (ink).
    measures
        The geometry it was drawn with.
    record, fs_hz, class_code, more
        Told in the file's text; a record id, never a path or a name.
    """
    pixels = _pixels(image)
    told = {
        "layout": measures.layout,
        "height": measures.height,
        "width": measures.width,
        "duration_s": measures.duration_s,
        "rhythm": measures.rhythm,
        "pen": measures.pen,
        "px_per_mv": measures.px_per_mv,
        "px_per_s": measures.px_per_s,
        "ink": "1 - value / 255",
        "record": record,
        "fs_hz": fs_hz,
        "class": class_code,
        "sha256": _checksum(pixels),
        "more": more or {},
    }
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", f"12-lead ECG, record {record}".encode("latin-1", "replace"))
    text.add_text("Software", f"ecgcore {__version__}")
    text.add_text("Disclaimer", RESEARCH_USE_ONLY)
    text.add_text(_KEY, json.dumps(told))
    picture = Image.fromarray(pixels, "RGB")
    write_atomic(
        file,
        lambda path: picture.save(path, "PNG", pnginfo=text, compress_level=_COMPRESSION),
    )


def read_png(file: Path, content: bytes | None = None) -> NetworkImage:
    """Read a PNG file of ``save_png``.

    Parameters
    ----------
    content
        What is in it, where it does not lie on disk (uploads).

    Raises
    ------
    UnreadableRecord
        It is no picture, not one that this program drew, or no longer as it was drawn.
    """
    try:
        opened = file if content is None else BytesIO(content)
        with Image.open(opened, formats=["PNG"]) as picture:
            told = _told(file, picture)
            pixels = np.asarray(picture)
    except UnreadableRecord:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableRecord(
            f"{file.name} is not a whole PNG picture; give a recording, or a PNG that "
            "'ecgcore convert' wrote."
        ) from error
    if pixels.dtype != np.uint8 or _checksum(pixels) != told["sha256"]:
        raise UnreadableRecord(
            f"{file.name} was changed after it was drawn; give the recording, or draw it again."
        )
    ink = 1 - pixels.transpose(2, 0, 1).astype(np.float32) / 255
    return NetworkImage(
        image=np.ascontiguousarray(ink),
        geometry=_geometry(told),
        record=told["record"],
        fs_hz=told["fs_hz"],
        class_code=told["class"],
        more=told["more"],
    )


def _pixels(image: ArrayLike) -> np.ndarray:
    """Return (H, W, 3) uint8, 255 for no ink."""
    ink = np.rint(255 * np.asarray(image, dtype=np.float32)).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(255 - ink.transpose(1, 2, 0))


def _checksum(pixels: np.ndarray) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def _told(file: Path, picture: Image.Image) -> dict[str, Any]:
    """Return what a picture of ours says of itself, before its pixels are unpacked."""
    if PAGE_KEY in picture.info:
        raise UnreadableRecord(
            f"{file.name} is an ECG page for people that 'ecgcore page' drew; networks read the "
            "recording itself, or a picture of 'ecgcore convert'."
        )
    text = picture.info.get(_KEY)
    told = _parsed(text) if isinstance(text, str) else None
    if told is None or picture.mode != "RGB":
        raise UnreadableRecord(
            f"{file.name} is a picture of an ECG that this program did not draw: voltages cannot "
            "be read off a picture of unknown scale. Give the recording itself."
        )
    if picture.size != (told["width"], told["height"]) or told["width"] * told["height"] > (
        _LARGEST_PX
    ):
        raise UnreadableRecord(
            f"{file.name} was changed after it was drawn: it is {picture.size[0]} × "
            f"{picture.size[1]} px and says {told['width']} × {told['height']}."
        )
    return told


def _parsed(text: str) -> dict[str, Any] | None:
    """Return the facts in a picture's text, None where it is not ours."""
    try:
        told = json.loads(text)
        _geometry(told)
    except (ValueError, TypeError, KeyError, RequestError):
        return None
    fields: dict[str, Any] = {"record": str, "sha256": str, "fs_hz": (int, float), "more": dict}
    known = all(isinstance(told.get(name), kind) for name, kind in fields.items())
    return told if known and "class" in told else None


def _geometry(told: dict[str, Any]) -> Geometry:
    """Return the geometry that a picture was drawn with."""
    return geometry_of(told | {"size": (told["height"], told["width"])})
