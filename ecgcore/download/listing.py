"""Which files a data set has, with the sums its publisher states."""

import json
import re
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import quote

from ecgcore.download.sources import Source
from ecgcore.errors import EcgError

SUMS = "SHA256SUMS.txt"
_LENGTHS = {"sha256": 64, "md5": 32}
_LINE = re.compile(r"([0-9a-fA-F]{64})\s+\*?(\S.*)")


class Listed(NamedTuple):
    """A published file.

    ``path`` is relative to the data set's folder; ``size`` in bytes where the publisher tells it.
    """

    path: str
    url: str
    algorithm: str
    digest: str
    size: int | None


def listing_url(source: Source, base_url: str) -> str:
    """Return where a source tells its files."""
    return base_url + SUMS if source.listing == "sha256sums" else base_url.rstrip("/")


def listed(source: Source, base_url: str, content: bytes) -> list[Listed]:
    """Return the files that a source's listing names.

    Parameters
    ----------
    source
        The data set.
    base_url
        What the files' addresses begin with, ending in a slash.
    content
        What lies at ``listing_url``.

    Raises
    ------
    EcgError
        It is no such listing, or names a file outside the data set's folder.
    """
    read = _from_sums if source.listing == "sha256sums" else _from_zenodo
    found = read(base_url, content)
    if not found:
        raise EcgError(
            f"{listing_url(source, base_url)} names no file with a checksum; "
            "is the address that of the data set's folder?"
        )
    for file in found:
        _refuse_outside(file.path)
    return found


def _from_sums(base_url: str, content: bytes) -> list[Listed]:
    lines = content.decode("utf-8", "replace").splitlines()
    matches = [match for line in lines if (match := _LINE.fullmatch(line.strip()))]
    return [
        Listed(path, base_url + quote(path), "sha256", match[1].lower(), None)
        for match in matches
        if (path := match[2].strip().removeprefix("./")) != SUMS
    ]


def _from_zenodo(base_url: str, content: bytes) -> list[Listed]:
    try:
        entries = json.loads(content)["files"]
        return [_zenodo_file(base_url, entry) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _zenodo_file(base_url: str, entry: dict) -> Listed:
    name, (algorithm, digest) = entry["key"], entry["checksum"].split(":")
    if len(digest) != _LENGTHS[algorithm]:
        raise ValueError(digest)
    url = f"{base_url}files/{quote(name)}/content"
    return Listed(name, url, algorithm, digest.lower(), int(entry["size"]))


def _refuse_outside(path: str) -> None:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or ":" in path or "\0" in path:
        raise EcgError(
            f"The list of files names '{path}', which lies outside the data set's folder; nothing "
            "was downloaded. Use the publisher's own address, or a mirror you trust."
        )
