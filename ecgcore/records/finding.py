"""Which files are recordings: each record's own file once, in a stable order.

Companions (``.dat``, ``.mat``, ``.atr``, LUDB's ``.i`` … ``.v6``, segments, RECORDS), tables and
licences give none.
"""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ecgcore.errors import UnreadableRecord
from ecgcore.records.csv_text import SUFFIXES as CSV_SUFFIXES
from ecgcore.records.csv_text import is_table, looks_like_recording
from ecgcore.records.wfdb_header import parse_header

SIGNAL_SUFFIXES = frozenset({".dat", ".mat"})
_PAPERS = ("license", "licence", "readme", "records", "annotators", "sha256sums", "changelog")


def find_records(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield each record's own file once (for WFDB its ``.hea``), as reached from the path given.

    Parameters
    ----------
    paths
        Files, folders (searched with all below them) or glob patterns. A signal or annotation
        file stands for the header beside it. What does not exist is yielded as it is, so that
        whoever reads it can say so.
    """
    seen: set[Path] = set()
    for path in paths:
        for found in _below(Path(path)):
            if found not in seen:
                seen.add(found)
                yield found


def _below(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from _in_folder(path)
    elif path.exists() or not glob.has_magic(str(path)):
        yield from _of_file(path)
    else:
        for match in sorted(glob.glob(str(path), recursive=True)):
            yield from (found for found in _below(Path(match)) if not _is_other_csv(found))


def _in_folder(folder: Path) -> Iterator[Path]:
    visited: set[str] = set()  # a link may lead in a circle
    for here, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if os.path.realpath(here) in visited:
            folders.clear()
            continue
        visited.add(os.path.realpath(here))
        shown = sorted(name for name in names if not name.startswith("."))
        yield from _records_among(Path(here), shown)


def _records_among(folder: Path, names: list[str]) -> Iterator[Path]:
    """Yield the recordings of one folder: headers but segments, CSV, signals without header."""
    headers = [name for name in names if name.lower().endswith(".hea")]
    segments, signals = _parts_of_others([folder / name for name in headers])
    stems = {name[:-4] for name in headers}
    for name in names:
        stem, suffix = os.path.splitext(name)
        if (
            (suffix.lower() == ".hea" and stem not in segments)
            or (suffix.lower() in CSV_SUFFIXES and looks_like_recording(folder / name))
            or (suffix.lower() in SIGNAL_SUFFIXES and stem not in stems and name not in signals)
        ):
            yield folder / name


def _parts_of_others(headers: list[Path]) -> tuple[set[str], set[str]]:
    """Return the segments and the signal files of other names that these headers speak of."""
    segments: set[str] = set()
    signals: set[str] = set()
    for path in headers:
        try:
            header = parse_header(path, path.read_text(encoding="latin-1"))
        except (OSError, UnreadableRecord):
            continue  # yielded all the same; the reader says what is wrong with it
        segments.update(header.segments)
        signals.update(header.signal_files)
    return segments, signals


def _is_other_csv(path: Path) -> bool:
    return path.suffix.lower() in CSV_SUFFIXES and not looks_like_recording(path)


def _of_file(path: Path) -> Iterator[Path]:
    """Yield the record a named file belongs to, unless it is a table, a licence or the like."""
    suffix = path.suffix.lower()
    if suffix != ".hea" and path.with_suffix(".hea").is_file():
        yield path.with_suffix(".hea")
    elif path.name.lower().startswith(_PAPERS) and suffix in {"", ".txt", ".md", ".html"}:
        return
    elif suffix not in CSV_SUFFIXES or not path.is_file() or not is_table(path):
        yield path
