"""HDF5 files opened so that they reach no other file, and grow no larger than memory allows.

A file may link to another one, or keep its numbers there (external links and storage, virtual
datasets, symbolic links through them): such parts are refused, not followed.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.parser_errors import LIBRARY_ERRORS

LARGEST_BYTES = 200_000_000
"""Of numbers that are read at once, as stored and as float64."""
_LARGEST_UNCHECKED_BYTES = 250_000
"""Of a compressed chunk; deflate expands 1032 times at most."""
_DEFLATE, _MOST_CHUNKS = 1, 100_000


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Yield an h5py.File; any error of the library becomes one line.

    Raises
    ------
    UnreadableRecord
        It is damaged, or a part of it would reach another file.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except LIBRARY_ERRORS as error:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is a damaged HDF5 file; fetch it again."
        ) from error


def members(path: Path, group: Any) -> dict[str, Any]:
    """Return the datasets and groups of a group by name.

    Raises
    ------
    UnreadableRecord
        One is a link, or keeps its numbers elsewhere.
    """
    import h5py

    datasets = {}
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _leads_out(path)
        datasets[name] = group[name]
        if isinstance(datasets[name], h5py.Dataset):
            _refuse_other_files(path, datasets[name])
    return datasets


def values(path: Path, dataset: Any, row: int | None = None) -> np.ndarray:
    """Return a dataset's values, or those of one row.

    Raises
    ------
    UnreadableRecord
        They are too large to be one ECG, or its numbers lie in another file.
    """
    _refuse_other_files(path, dataset)
    shape = dataset.shape[1:] if row is not None else dataset.shape
    n_values = int(np.prod(shape, dtype=object)) if shape else 1
    if n_values * max(dataset.dtype.itemsize, 8) > LARGEST_BYTES:
        raise _too_large(path)
    if dataset.chunks:
        _refuse_large_chunks(path, dataset, row)
    return np.asarray(dataset[() if row is None else row])


def attributes(item: Any) -> dict[str, Any]:
    """Return a file's, group's or dataset's attributes of at most 64 kB each."""
    small = {}
    for name in item.attrs:
        if item.attrs.get_id(name).get_storage_size() < 1 << 16:
            value = item.attrs[name]
            small[name] = value if isinstance(value, (str, bytes)) else np.asarray(value)
    return small


def _refuse_other_files(path: Path, dataset: Any) -> None:
    if dataset.is_virtual or dataset.id.get_create_plist().get_external_count():
        raise _leads_out(path)


def _refuse_large_chunks(path: Path, dataset: Any, row: int | None) -> None:
    """Refuse chunks that would unpack to more than they declare, or than is read at once."""
    chunk_bytes = int(np.prod(dataset.chunks, dtype=object)) * dataset.dtype.itemsize
    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    starts = [range(0, n, step) for n, step in zip(dataset.shape, dataset.chunks, strict=True)]
    if row is not None:
        starts[0] = range(row - row % dataset.chunks[0], row + 1, dataset.chunks[0])
    n_chunks = int(np.prod([len(start) for start in starts], dtype=object))
    if chunk_bytes > LARGEST_BYTES or filters.count(_DEFLATE) > 1 or n_chunks > _MOST_CHUNKS:
        raise _too_large(path)
    for offset in product(*starts) if _DEFLATE in filters else ():
        if (dataset.id.get_chunk_info_by_coord(offset).size or 0) > _LARGEST_UNCHECKED_BYTES:
            _, packed = dataset.id.read_direct_chunk(offset)
            if len(zlib.decompressobj().decompress(packed, chunk_bytes + 1)) > chunk_bytes:
                raise _too_large(path)


def _leads_out(path: Path) -> UnreadableRecord:
    return UnreadableRecord(
        f"Record {path.stem}: {path.name} links to another file or keeps its numbers there, which "
        "is not followed. Store them in the file itself."
    )


def _too_large(path: Path) -> UnreadableRecord:
    return UnreadableRecord(
        f"Record {path.stem}: {path.name} would unpack to more than one ECG can hold "
        f"({LARGEST_BYTES // 10**6} MB); it is not read."
    )
