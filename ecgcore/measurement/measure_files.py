"""Measurements of ECG files: one result a record, or the reason why it could not be read."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ecgcore.errors import UnreadableRecord
from ecgcore.measurement.measurements import MEASUREMENT_STATUS, Measurements, measure
from ecgcore.records.discover import find_records
from ecgcore.records.read import DEFAULT_READ_OPTIONS, ReadOptions, read_record


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
    for path in find_records(paths):
        yield {"path": str(path), **_measure_file(path, options)}


def _measure_file(path: Path, options: ReadOptions) -> dict[str, Any]:
    """Return the measurements and, in ``machine``, the electrocardiograph's own."""
    try:
        record = read_record(path, **options._asdict())
    except UnreadableRecord as error:
        empty = Measurements().as_json()
        return {"record": path.stem, **empty, "machine": {}, "notes": [], "error": str(error)}
    measurements = measure(record)
    return {
        "record": record.name,
        **measurements.as_json(),
        "machine": record.machine,
        "notes": [MEASUREMENT_STATUS, *record.notes, *measurements.notes],
        "error": None,
    }
