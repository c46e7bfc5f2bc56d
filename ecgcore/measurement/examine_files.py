"""Examination of ECG files: format, reader, evidence, notes and quality, or the refusal.

What ``ecgcore doctor`` prints, with a line for a bug report that holds no name: neither the file's,
nor any text of it.
"""

import platform
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.measurement.measurements import measure
from ecgcore.measurement.quality_gate import REFUSED, gate
from ecgcore.records import file_format
from ecgcore.records.container_paths import as_local_file
from ecgcore.records.discover import find_records
from ecgcore.records.read import DEFAULT_READ_OPTIONS, ReadOptions, read_record
from ecgcore.records.record import LEADS, Record
from ecgcore.version import __version__

EVIDENCE = ("rate", "leads", "unit")
"""Decisions of a reader that ``Record.evidence`` explains."""
LIBRARIES = ("numpy", "scipy", "wfdb", "pydicom", "h5py", "pandas", "pyarrow", "sleepecg")
"""Libraries that reading and measuring rest on."""
_NAMES = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”|\d{6,}")
"""Quoted text and long numbers: a patient's name or number may be among them."""
_HIDDEN, _SHORT_NAME = "…", 3
"""A name of fewer letters identifies nobody, and stands in many words."""


def examine_files(
    paths: Iterable[Path], options: ReadOptions = DEFAULT_READ_OPTIONS
) -> Iterator[dict[str, Any]]:
    """Yield one answer for each record in files, folders and globs, in stable order.

    Returns
    -------
    iterator of dict
        ``path``, ``record``; ``format`` by content and ``reader``, the module that reads it (None:
        none does); ``leads`` with a signal, ``samples``, ``fs_hz``, ``duration_s``; ``evidence``
        for rate, leads and unit; ``notes`` of reading and measuring; ``gate``, ``reasons`` and
        ``quality``; ``versions``; ``report``, the line for a bug report; ``error``: the refusal, or
        None.
    """
    versions = library_versions()
    for path in find_records(paths):
        answer = _examine(path, options)
        yield answer | {"versions": versions, "report": bug_report(answer, versions)}


def library_versions() -> dict[str, str]:
    """Return the versions of this package, Python, the system and the libraries it reads with."""
    versions = {
        "ecgcore": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def bug_report(answer: dict[str, Any], versions: dict[str, str]) -> str:
    """Return an answer as one line without names: no path, no record, no quoted text.

    Parameters
    ----------
    answer
        As ``examine_files`` yields it.
    versions
        As ``library_versions`` returns them.
    """
    system = f"ecgcore {versions['ecgcore']}, Python {versions['python']}, {versions['system']}"
    if answer["error"]:
        findings = f"refused: {answer['error']}"
    else:
        evidence = "; ".join(f"{key} from {text}" for key, text in answer["evidence"].items())
        codes = ", ".join(flag.split(":")[0] for flag in answer["quality"]) or "no flag"
        findings = (
            f"{len(answer['leads'])} leads x {answer['duration_s']:g} s at {answer['fs_hz']:g} Hz; "
            f"{evidence or 'no evidence stated'}; gate {answer['gate']} ({codes}); "
            f"notes: {'; '.join(answer['notes']) or 'none'}"
        )
    words = f"{answer['format']} file, {_without_names(findings, answer)}"
    return f"{system}: {' '.join(words.split())}"


def _examine(path: Path, options: ReadOptions) -> dict[str, Any]:
    format_name = _format(path)
    answer = {"path": str(path), "format": format_name, "reader": _reader(format_name)}
    try:
        record = read_record(path, **options._asdict())
    except UnreadableRecord as error:
        return answer | {"record": path.stem, **_nothing(), "error": str(error)}
    return answer | {"record": record.name, **_findings(record), "error": None}


def _findings(record: Record) -> dict[str, Any]:
    result = gate(record)
    has_signal = np.isfinite(record.signal_mv).any(axis=1)
    return {
        "leads": [lead for lead, is_known in zip(LEADS, has_signal, strict=True) if is_known],
        "samples": record.signal_mv.shape[1],
        "fs_hz": record.fs_hz,
        "duration_s": round(record.duration_s, 3),
        "evidence": {key: record.evidence[key] for key in EVIDENCE if key in record.evidence},
        "notes": [*record.notes, *measure(record).notes],
        "gate": result.verdict,
        "reasons": list(result.reasons),
        "quality": [str(flag) for flag in result.flags],
    }


def _nothing() -> dict[str, Any]:
    """Return the findings of a record that is refused."""
    none = dict.fromkeys(("samples", "fs_hz", "duration_s"))
    lists: dict[str, Any] = {key: [] for key in ("leads", "notes", "reasons", "quality")}
    return {**none, **lists, "evidence": {}, "gate": REFUSED}


def _format(path: Path) -> str:
    """Return a file's format by its content; ``missing`` where it cannot be opened."""
    try:
        with as_local_file(path) as (file, _):
            is_header = file.suffix.lower() == ".hea"
            return "wfdb" if is_header else file_format.detect_format(file)
    except UnreadableRecord:
        return "missing"


def _reader(format_name: str) -> str | None:
    """Return the module of ``ecgcore.records.formats`` that reads a format, None if none does."""
    readers = {**file_format.VENDOR_READERS, **file_format.ARRAY_READERS, "wfdb": "wfdb:read_wfdb"}
    return readers[format_name].split(":")[0] if format_name in readers else None


def _without_names(text: str, answer: dict[str, Any]) -> str:
    """Return a text without the names of record, file and folders, quotes and long numbers."""
    path = Path(answer["path"])
    own = {answer["path"], path.name, path.stem, str(answer["record"])}
    folders = {part for folder in path.parts[:-1] for part in (folder, Path(folder).stem)}
    for name in sorted(own, key=len, reverse=True):
        if len(name) > _SHORT_NAME:
            text = text.replace(name, _HIDDEN)
    for name in own | folders:
        if len(name) >= _SHORT_NAME:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", _HIDDEN, text)
    return _NAMES.sub(_HIDDEN, text)
