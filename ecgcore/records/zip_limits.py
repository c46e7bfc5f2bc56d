"""Limits of zip files before they are opened: the list of their files, and one recording's parts.

What whole archives may hold is counted in ``archives``.
"""

import os
import zipfile
from pathlib import Path
from typing import BinaryIO

from ecgcore.errors import UnreadableRecord

LARGEST_DIRECTORY_BYTES = 100_000_000
"""Size of a zip's list of files: about a million names."""
LARGEST_RECORDING_BYTES, MOST_PARTS = 400_000_000, 2000
"""Of a file that is a zip itself (a workbook, an ``.npz`` file), unpacked; ten seconds of twelve
leads have 3 MB as a workbook."""


def part_sizes(path: Path) -> dict[str, int]:
    """Return the unpacked bytes of each part of one recording's file (``.xlsx``, ``.npz``).

    Raises
    ------
    UnreadableRecord
        It would unpack to more than any one ECG.
    zipfile.BadZipFile
        It is damaged.
    """
    refuse_large_directory(path, path)
    with zipfile.ZipFile(path) as parts:
        members = parts.infolist()
    unpacked_bytes = sum(info.file_size for info in members)
    if unpacked_bytes > LARGEST_RECORDING_BYTES or len(members) > MOST_PARTS:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} would unpack to {unpacked_bytes / 1e6:,.0f} MB in "
            f"{len(members):,} parts, more than any ECG; it is not opened."
        )
    return {info.filename: info.file_size for info in members}


def refuse_large_directory(path: Path, content: Path | BinaryIO) -> None:
    """Refuse a zip whose end claims a list of files too long for memory."""
    if isinstance(content, Path):
        with content.open("rb") as file:
            return refuse_large_directory(path, file)
    size_bytes = content.seek(0, os.SEEK_END)
    content.seek(max(0, size_bytes - 66_000))
    tail = content.read()
    end = tail.rfind(b"PK\x05\x06")
    zip64_end = tail.rfind(b"PK\x06\x06", 0, max(end, 0))
    claimed_bytes = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0
    if zip64_end >= 0:
        claimed_bytes = int.from_bytes(tail[zip64_end + 40 : zip64_end + 48], "little")
    if min(claimed_bytes, size_bytes) > LARGEST_DIRECTORY_BYTES:
        raise UnreadableRecord(
            f"{path.name} lists more files than are read from one zip; unpack it and point at the "
            "folder."
        )
    return None
