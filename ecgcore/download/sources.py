"""Data sets that can be downloaded, with their addresses: sources.csv.

``listing`` is the format in which a source publishes its files and checksums: ``sha256sums``
(PhysioNet's ``SHA256SUMS.txt``) or ``zenodo`` (the JSON of a Zenodo record, MD5 sums and sizes).
"""

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ecgcore.errors import NotFound

_TABLE = Path(__file__).with_name("sources.csv")


class Source(NamedTuple):
    """A published data set; ``bytes`` is the approximate size of its ``files`` on disk, or None."""

    name: str
    title: str
    version: str
    base_url: str
    listing: str
    files: int
    bytes: int | None
    licence: str
    doi: str


@cache
def sources() -> dict[str, Source]:
    """Return the sources by name."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return {row["name"]: _source(row) for row in csv.DictReader(file)}


def find_source(name: str) -> Source:
    """Return the source of that name."""
    if name not in sources():
        raise NotFound.among("data set to download", name, sources())
    return sources()[name]


def _source(row: dict[str, str]) -> Source:
    text = {key: row[key] for key in Source._fields if key not in ("files", "bytes")}
    return Source(
        **text, files=int(row["files"]), bytes=int(row["bytes"]) if row["bytes"] else None
    )
