"""Reading Parquet and Feather files of one recording: the same tables as in CSV."""

from pathlib import Path
from typing import Any

from ecgcore.errors import UnreadableRecord
from ecgcore.records.formats import frames
from ecgcore.records.formats.tabular import read_table
from ecgcore.records.record import Record

_LARGEST_BYTES = 400_000_000
"""Of a file's numbers, unpacked."""


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

    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
        table = _read_parquet(pq, path, whole) if is_parquet else _read_feather(pa, path, whole)
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


def _read_parquet(pq: Any, path: Path, whole: bool) -> Any:
    with pq.ParquetFile(path) as file:
        cells = file.metadata.num_rows * file.metadata.num_columns
        if whole:
            groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
            _refuse_large(path, cells, sum(group.total_byte_size for group in groups))
            return file.read()
        return next(file.iter_batches(batch_size=50)) if cells else file.schema_arrow.empty_table()


def _read_feather(pa: Any, path: Path, whole: bool) -> Any:
    with pa.ipc.open_file(path) as file:
        if not file.num_record_batches:
            return file.schema.empty_table()
        first = file.get_batch(0)
        _refuse_large(path, 0, first.nbytes * file.num_record_batches)
        return file.read_all() if whole else first.slice(0, 50)


def _refuse_large(path: Path, cells: int, n_bytes: int) -> None:
    if cells > frames.MOST_CELLS or n_bytes > _LARGEST_BYTES:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is larger than any ECG that is read whole. Cut out "
            "the part that is meant."
        )
