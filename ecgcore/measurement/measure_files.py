"""Measurements of ECG files: one result a record, or the reason why it could not be read."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ecgcore.errors import UnreadableRecord
from ecgcore.measurement.measurements import MEASUREMENT_STATUS, Measurements, measure
from ecgcore.records.discover import FoundFile, find_records, refusals
from ecgcore.records.read import DEFAULT_READ_OPTIONS, ReadOptions, read_record
from ecgcore.records.unexpected_errors import refuse_unexpected_errors


def measure_files(
    paths: Iterable[Path], options: ReadOptions = DEFAULT_READ_OPTIONS
) -> Iterator[dict[str, Any]]:
    """Yield one result for each record in files, folders and globs, in stable order.

    The result of an unreadable record has an ``error`` and empty measurements.

    Parameters
    ----------
    paths
        As ``find_records`` accepts them.
    options
        Assumptions for files that leave something open, and the start within long recordings.
    """
    refused: list[FoundFile] = []
    for path in find_records(paths, refused.append):
        yield {"path": str(path), **_measure_file(path, options)}
    for path, error in refusals(refused):
        yield {"path": str(path), **_error_answer(path, error)}


def _error_answer(path: Path, error: UnreadableRecord) -> dict[str, Any]:
    empty = Measurements().as_json()
    return {"record": path.stem, **empty, "machine": {}, "notes": [], "error": str(error)}


def _measure_file(path: Path, options: ReadOptions) -> dict[str, Any]:
    """Return the measurements and, in ``machine``, the electrocardiograph's own."""
    try:
        with refuse_unexpected_errors(path.stem):
            record = read_record(path, **options._asdict())
            measurements = measure(record)
    except UnreadableRecord as error:
        return _error_answer(path, error)
    return {
        "record": record.name,
        **measurements.as_json(),
        "machine": record.machine,
        "notes": [MEASUREMENT_STATUS, *record.notes, *measurements.notes],
        "error": None,
    }
