"""Network images as PNG files: dark on white for people, exactly invertible for the network.

A pixel's 8-bit value is 255 − 255 × ink, rounded; nothing but traces is drawn. The PNG's text
states the geometry, the record and a checksum of the pixels.
"""

import hashlib
import json
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, PngImagePlugin

from ecgcore.atomic import write_atomic
from ecgcore.errors import RequestError, UnreadableRecord
from ecgcore.imaging.geometry import Geometry, geometry_from_json
from ecgcore.version import RESEARCH_USE_ONLY, __version__

_KEY = "ecgcore"
_PAGE_KEY = "ecgcore-page"  # written by ecgcore.paper.render_mpl into the PNG of a paper page
_MAX_PX = 64_000_000
_COMPRESSION = 4  # half the time of zlib's default, 5 % larger


@dataclass(frozen=True)
class NetworkImage:
    """A network image with its geometry and origin.

    Attributes
    ----------
    image
        (3, H, W) float32, 0 (background) to 1 (ink); from a PNG file, rounded to 8 bits.
    geometry
        Layout and scale of the image.
    record
        Record id.
    fs_hz
        Sampling rate of the signal that was drawn.
    class_code
        The record's class, if it was saved with one.
    extra
        Further text from the writer (``convert``: checksum of the CSV file).

    Examples
    --------
    >>> image = ecgcore.network_image(ecgcore.examples()[0])
    >>> image.image.shape, image.geometry.layout
    ((3, 224, 224), 'stacked')
    """

    image: np.ndarray
    geometry: Geometry
    record: str
    fs_hz: float
    class_code: str | None = None
    extra: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"NetworkImage('{self.record}', {self.description})"

    @property
    def name(self) -> str:
        """Record id, under the name that a Record uses."""
        return self.record

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks that accompany an answer about this image."""
        return ("classified as drawn: an image that ecgcore wrote",)

    @property
    def description(self) -> str:
        """Layout, size and sampling rate in words."""
        return describe_image(self.geometry, self.fs_hz)

    def save(self, file: Path | str) -> None:
        """Write the image as a PNG file that ``read_png`` and ``ecgcore classify`` read back."""
        save_png(
            self.image,
            Path(file),
            self.geometry,
            self.record,
            self.fs_hz,
            self.class_code,
            self.extra,
        )


def describe_image(geometry: Geometry, fs_hz: float) -> str:
    """Return in words the properties in which an image and a network's input must agree."""
    rhythm = "" if geometry.layout == "stacked" else f" with rhythm {geometry.rhythm}"
    return (
        f"{geometry.layout}{rhythm}, {geometry.height}x{geometry.width} px, "
        f"{geometry.duration_s:g} s at {fs_hz:g} Hz, stroke version {geometry.stroke_version}"
    )


def save_png(
    image: ArrayLike,
    file: Path,
    geometry: Geometry,
    record: str,
    fs_hz: float,
    class_code: str | None = None,
    extra: dict[str, str] | None = None,
) -> None:
    """Write an image of ``draw`` as a PNG file, atomically.

    Parameters
    ----------
    image
        (3, H, W), 0 (background) to 1 (ink).
    geometry
        Geometry it was drawn with.
    record, fs_hz, class_code, extra
        Stored in the file's text; a record id, never a path or a person's name.
    """
    pixels = _to_pixels(image)
    metadata = {
        "layout": geometry.layout,
        "height": geometry.height,
        "width": geometry.width,
        "duration_s": geometry.duration_s,
        "rhythm": geometry.rhythm,
        "pen": geometry.stroke_version,
        "px_per_mv": geometry.px_per_mv,
        "px_per_s": geometry.px_per_s,
        "ink": "1 - value / 255",
        "record": record,
        "fs_hz": fs_hz,
        "class": class_code,
        "sha256": _checksum(pixels),
        "more": extra or {},
    }
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", f"12-lead ECG, record {record}".encode("latin-1", "replace"))
    text.add_text("Software", f"ecgcore {__version__}")
    text.add_text("Disclaimer", RESEARCH_USE_ONLY)
    text.add_text(_KEY, json.dumps(metadata))
    png = Image.fromarray(pixels, "RGB")
    write_atomic(
        file, lambda path: png.save(path, "PNG", pnginfo=text, compress_level=_COMPRESSION)
    )


def read_png(file: Path, content: bytes | None = None) -> NetworkImage:
    """Read a PNG file of ``save_png``.

    Parameters
    ----------
    content
        The file's bytes, if it is not on disk (uploads).

    Raises
    ------
    UnreadableRecord
        Not an image, not one that this program drew, or changed since.
    """
    try:
        source = file if content is None else BytesIO(content)
        with Image.open(source, formats=["PNG"]) as png:
            metadata = _check_metadata(file, png)
            pixels = np.asarray(png)
    except UnreadableRecord:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableRecord(
            f"{file.name} is not a complete PNG image; give a recording, or a PNG that "
            "'ecgcore convert' wrote."
        ) from error
    if pixels.dtype != np.uint8 or _checksum(pixels) != metadata["sha256"]:
        raise UnreadableRecord(
            f"{file.name} was changed after it was drawn; give the recording, or draw it again."
        )
    ink = 1 - pixels.transpose(2, 0, 1).astype(np.float32) / 255
    return NetworkImage(
        image=np.ascontiguousarray(ink),
        geometry=_geometry(metadata),
        record=metadata["record"],
        fs_hz=metadata["fs_hz"],
        class_code=metadata["class"],
        extra=metadata["more"],
    )


def _to_pixels(image: ArrayLike) -> np.ndarray:
    """Return (H, W, 3) uint8, 255 for no ink."""
    ink = np.rint(255 * np.asarray(image, dtype=np.float32)).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(255 - ink.transpose(1, 2, 0))


def _checksum(pixels: np.ndarray) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def _check_metadata(file: Path, png: Image.Image) -> dict[str, Any]:
    """Return the metadata of one of our images, before its pixels are decompressed."""
    if _PAGE_KEY in png.info:
        raise UnreadableRecord(
            f"{file.name} is an ECG page for people that 'ecgcore plot' drew; networks read the "
            "recording itself, or an image of 'ecgcore convert'."
        )
    text = png.info.get(_KEY)
    metadata = _parse_metadata(text) if isinstance(text, str) else None
    if metadata is None or png.mode != "RGB":
        raise UnreadableRecord(
            f"{file.name} is a picture of an ECG that this program did not draw: voltages cannot "
            "be read off a picture of unknown scale. Give the recording itself."
        )
    width, height = metadata["width"], metadata["height"]
    if png.size != (width, height) or width * height > _MAX_PX:
        raise UnreadableRecord(
            f"{file.name} was changed after it was drawn: it is {png.size[0]} × {png.size[1]} px "
            f"and says {width} × {height}."
        )
    return metadata


def _parse_metadata(text: str) -> dict[str, Any] | None:
    """Return the metadata in a PNG's text, None if it is not ours."""
    try:
        metadata = json.loads(text)
        _geometry(metadata)
    except (ValueError, TypeError, KeyError, RequestError):
        return None
    types: dict[str, Any] = {"record": str, "sha256": str, "fs_hz": (int, float), "more": dict}
    is_valid = all(isinstance(metadata.get(name), type_) for name, type_ in types.items())
    return metadata if is_valid and "class" in metadata else None


def _geometry(metadata: dict[str, Any]) -> Geometry:
    return geometry_from_json(metadata | {"size": (metadata["height"], metadata["width"])})
