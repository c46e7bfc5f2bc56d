"""Listing of a data set: its files with the checksums that the publisher states."""

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


class PublishedFile(NamedTuple):
    """A published file.

    ``path`` is relative to the data set's folder; ``size`` in bytes where the publisher states it.
    """

    path: str
    url: str
    algorithm: str
    digest: str
    size: int | None


def listing_url(source: Source, base_url: str) -> str:
    """Return the address of a source's listing."""
    return base_url + SUMS if source.listing == "sha256sums" else base_url.rstrip("/")


def parse_listing(source: Source, base_url: str, content: bytes) -> list[PublishedFile]:
    """Return the files in a source's listing.

    Parameters
    ----------
    source
        The data set.
    base_url
        Beginning of the files' addresses, ending in a slash.
    content
        Content of ``listing_url``.

    Raises
    ------
    EcgError
        Not such a listing, or it names a file outside the data set's folder.
    """
    parse = _from_sums if source.listing == "sha256sums" else _from_zenodo
    files = parse(base_url, content)
    if not files:
        raise EcgError(
            f"{listing_url(source, base_url)} names no file with a checksum; "
            "is the address that of the data set's folder?"
        )
    for file in files:
        _refuse_outside(file.path)
    return files


def _from_sums(base_url: str, content: bytes) -> list[PublishedFile]:
    lines = content.decode("utf-8", "replace").splitlines()
    matches = [match for line in lines if (match := _LINE.fullmatch(line.strip()))]
    return [
        PublishedFile(path, base_url + quote(path), "sha256", match[1].lower(), None)
        for match in matches
        if (path := match[2].strip().removeprefix("./")) != SUMS
    ]


def _from_zenodo(base_url: str, content: bytes) -> list[PublishedFile]:
    try:
        entries = json.loads(content)["files"]
        return [_zenodo_file(base_url, entry) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _zenodo_file(base_url: str, entry: dict) -> PublishedFile:
    name, (algorithm, digest) = entry["key"], entry["checksum"].split(":")
    if len(digest) != _LENGTHS[algorithm]:
        raise ValueError(digest)
    url = f"{base_url}files/{quote(name)}/content"
    return PublishedFile(name, url, algorithm, digest.lower(), int(entry["size"]))


def _refuse_outside(path: str) -> None:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or ":" in path or "\0" in path:
        raise EcgError(
            f"The list of files names '{path}', which lies outside the data set's folder; nothing "
            "was downloaded. Use the publisher's own address, or a mirror you trust."
        )
