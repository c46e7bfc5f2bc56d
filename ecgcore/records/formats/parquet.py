"""Reading Parquet and Feather files of one recording: the same tables as in CSV."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats import frames
from ecgcore.records.formats.tabular import read_table
from ecgcore.records.record import Record

_LARGEST_BYTES = 400_000_000
"""Of a file's numbers, unpacked."""
_LARGEST_FILE_BYTES = 100_000_000


def read_parquet(
    path: Path, *, source_fs_hz: float | None = None, assume_order: bool = False
) -> Record:
    """Read a Parquet or Feather file.

    Parameters
    ----------
    path
        One column a lead, or a row for each lead and sample.
    source_fs_hz
        Hz, for a file that does not state it.
    assume_order
        Take twelve unnamed columns for the standard leads in order.

    Raises
    ------
    UnreadableRecord
        One line: the finding, the accepted values, the next step.
    """
    table = frames.table_of_frame(path, _read(path, whole=True).to_pandas())
    return read_table(path, table, source_fs_hz=source_fs_hz, assume_order=assume_order)


def looks_like_recording(path: Path) -> bool:
    """Return whether a file's columns are those of a recording; a damaged one counts as one."""
    try:
        return frames.looks_like_recording(_read(path, whole=False).to_pandas())
    except UnreadableRecord:
        return True  # the reader reports the reason


def _read(path: Path, *, whole: bool) -> Any:
    """Return a pyarrow.Table of the file, or of its first rows; its index is a column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.stat().st_size > _LARGEST_FILE_BYTES:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is larger than any file of one ECG. Cut out the part "
            "that is meant."
        )
    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
        table = _read_parquet(pa, pq, path, whole) if is_parquet else _read_feather(pa, path, whole)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is a damaged Parquet or Feather file; fetch it again."
        ) from error
    if any(pa.types.is_nested(field.type) for field in table.schema):
        raise UnreadableRecord(
            f"Record {path.stem}: the cells of {path.name} hold lists; one column a lead and one "
            "row a sample are needed."
        )
    return table.replace_schema_metadata(None)  # pandas would take a column for the index


def _read_parquet(pa: Any, pq: Any, path: Path, whole: bool) -> Any:
    with pq.ParquetFile(path) as file:
        size = 65_536 if whole else 50
        batches = file.iter_batches(batch_size=size)
        return _within_budget(pa, path, file.schema_arrow, batches if whole else islice(batches, 1))


def _read_feather(pa: Any, path: Path, whole: bool) -> Any:
    with pa.ipc.open_file(path) as file:
        n_batches = file.num_record_batches if whole else min(file.num_record_batches, 1)
        batches = (file.get_batch(i) for i in range(n_batches))
        return _within_budget(pa, path, file.schema, batches)


def _within_budget(pa: Any, path: Path, schema: Any, batches: Iterable[Any]) -> Any:
    """Return batches as one pyarrow.Table; refuse them as soon as they are too large."""
    accepted, n_bytes = [], 0
    for batch in batches:
        n_bytes += batch.nbytes
        if n_bytes > _LARGEST_BYTES:
            raise UnreadableRecord(
                f"Record {path.stem}: {path.name} is larger than any ECG that is read whole. Cut "
                "out the part that is meant."
            )
        accepted.append(batch)
    return pa.Table.from_batches(accepted, schema)
