"""Measure: one answer a record, or the reason why there is none."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ecgcore.errors import UnreadableRecord
from ecgcore.measure.measurements import STANDING, Measurements, measure
from ecgcore.records.discover import find_records
from ecgcore.records.read import AS_STATED, ReadOptions, read_record


def measure_paths(paths: Iterable[Path], how: ReadOptions = AS_STATED) -> Iterator[dict[str, Any]]:
    """Yield one answer for each record in files, folders and globs, in stable order, as they come.

    An unreadable record is an answer with ``error``, in which nothing is measured.

    Parameters
    ----------
    paths
        As ``find_records`` takes them.
    how
        What is said of files that leave it open, and where to begin in long recordings.
    """
    for path in find_records(paths):
        yield {"path": str(path), **_answer(path, how)}


def _answer(path: Path, how: ReadOptions) -> dict[str, Any]:
    """Return what was measured, and beside it what the electrocardiograph itself had measured."""
    try:
        record = read_record(path, **how._asdict())
    except UnreadableRecord as error:
        nothing = Measurements().as_json()
        return {"record": path.stem, **nothing, "machine": {}, "notes": [], "error": str(error)}
    return {
        "record": record.name,
        **measure(record).as_json(),
        "machine": record.machine,
        "notes": [STANDING, *record.notes],
        "error": None,
    }
