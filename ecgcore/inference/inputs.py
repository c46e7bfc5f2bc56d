"""Inputs of a classifier: records, which are drawn if it reads images, and saved network images."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from ecgcore.atomic import sha256_file
from ecgcore.errors import RequestError, UnreadableRecord, require_type
from ecgcore.imaging.png import NetworkImage, read_png
from ecgcore.records import file_format
from ecgcore.records.container_paths import as_local_file
from ecgcore.records.read import DEFAULT_READ_OPTIONS, RATES_HZ, ReadOptions, read_record
from ecgcore.records.record import LEADS, Record
from ecgcore.records.uploads import read_uploads


class ImageReader(Protocol):
    """Network that refuses images drawn differently from its training images."""

    def check_image(self, image: NetworkImage) -> None:
        """Refuse an image that was drawn differently from the training images."""


MAX_SPAN_MV = 1000.0
"""Largest difference between two samples of an array; an ECG in µV or digital units exceeds it."""
ClassifierInput = Record | NetworkImage
ModelInput = ClassifierInput | str | Path | np.ndarray
"""A record, a network image, a file, or an array in mV."""


def read_input(
    path: Path, classifier: ImageReader, options: ReadOptions = DEFAULT_READ_OPTIONS
) -> ClassifierInput:
    """Read a record, or an image of ``ecgcore convert`` that matches a classifier's input.

    An image that does not match is replaced by the CSV file that it was drawn from, if that is
    unchanged next to it.

    Parameters
    ----------
    path
        As ``read_record`` takes it.
    classifier
        The classifier that the input is for.
    options
        Assumptions about files that leave their rate or leads open; images leave nothing open.

    Raises
    ------
    UnreadableRecord
        Neither a record nor an image, or an image drawn differently from the training images.
    """
    if path.suffix.lower() == ".png":
        with as_local_file(path) as (file, member):
            if not member and file_format.detect_format(file) == "own_picture":
                return _matching_input(path, read_png(file), classifier)
    return read_record(path, **options._asdict())


def read_uploaded_inputs(
    files: Mapping[str, bytes],
    *,
    max_records: int,
    max_duration_s: float,
    options: ReadOptions = DEFAULT_READ_OPTIONS,
) -> list[tuple[str, ClassifierInput | UnreadableRecord]]:
    """Read uploaded recordings and images of ``ecgcore convert``; errors stand for what failed.

    Inputs are named ``ECG 1``, ``ECG 2`` … in order: a name in a file may be a person's.

    Parameters
    ----------
    files
        Content by file name.
    max_records
        Number of records to read; one further line reports all that are left out.
    max_duration_s
        Seconds to keep of each record.
    options
        Assumptions about files that leave their rate or leads open.

    Returns
    -------
    list
        (file name, input or error) pairs.
    """
    images = {name: content for name, content in files.items() if _is_image(name, content)}
    recordings = {name: content for name, content in files.items() if name not in images}
    uploads: list[tuple[str, ClassifierInput | UnreadableRecord]] = [
        (Path(name).name, _read_image(name, content)) for name, content in images.items()
    ]
    uploads += read_uploads(
        recordings,
        source_fs_hz=options.source_fs_hz,
        assume_order=options.assume_order,
        max_records=max_records,
        max_duration_s=max_duration_s,
    )
    return [(name, _numbered(upload, n)) for n, (name, upload) in enumerate(uploads, start=1)]


def to_inputs(
    x: ModelInput | Sequence[ModelInput], classifier: ImageReader, fs_hz: float | None = None
) -> list[ClassifierInput]:
    """Return one input per record of ``x``; see :meth:`Classifier.predict_proba` for its forms.

    Raises
    ------
    RequestError
        An array of another shape or type, or without a valid ``fs_hz``.
    UnreadableRecord
        A file that is no 12-lead ECG.
    """
    if isinstance(x, np.ndarray) and x.ndim == 3:
        return [_from_array(signal_mv, fs_hz, row) for row, signal_mv in enumerate(x)]
    items = [x] if isinstance(x, (Record, NetworkImage, str, Path, np.ndarray)) else x
    if not isinstance(items, Iterable):
        raise RequestError(
            f"{type(x).__name__} is no ECG; a record, a file path, an array in mV, or a list of "
            "them is accepted."
        )
    require_type("fs_hz", fs_hz, (int, float, np.number, type(None)), "a number in Hz")
    return list(_to_inputs(items, classifier, fs_hz))


def _to_inputs(
    items: Sequence[ModelInput], classifier: ImageReader, fs_hz: float | None
) -> Iterator[ClassifierInput]:
    for row, item in enumerate(items):
        if isinstance(item, (Record, NetworkImage)):
            yield item
        elif isinstance(item, (str, Path)):
            yield read_input(Path(item), classifier, ReadOptions(source_fs_hz=fs_hz))
        elif isinstance(item, np.ndarray):
            yield _from_array(item, fs_hz, row)
        else:
            raise RequestError(
                f"Item {row} is of type {type(item).__name__}; records, file paths and NumPy "
                "arrays in mV are accepted."
            )


def _from_array(signal_mv: np.ndarray, fs_hz: float | None, row: int) -> Record:
    """Return a (12, T) array in mV as a record."""
    if signal_mv.ndim != 2 or signal_mv.shape[0] != len(LEADS) or not signal_mv.shape[1]:
        raise RequestError(
            f"An array of shape {signal_mv.shape} is no 12-lead ECG; (12, T) or (B, 12, T) in mV "
            f"is accepted, leads in the order {', '.join(LEADS)}."
        )
    if not np.issubdtype(signal_mv.dtype, np.floating):
        raise RequestError(
            f"An array of type {signal_mv.dtype} is not in mV; convert the digital values to "
            "floating-point mV first."
        )
    if fs_hz is None or not RATES_HZ[0] <= fs_hz <= RATES_HZ[1]:
        stated = "no sampling rate" if fs_hz is None else f"{fs_hz:g} Hz"
        raise RequestError(
            f"An array came with {stated}; give fs_hz from {RATES_HZ[0]} to {RATES_HZ[1]:,} Hz."
        )
    _require_signal(signal_mv, fs_hz, row)
    return Record(signal_mv.astype(np.float32), fs_hz, f"array {row}")


def _require_signal(signal_mv: np.ndarray, fs_hz: float, row: int) -> None:
    """Refuse an array that holds no ECG: a network would answer it all the same."""
    known = signal_mv[np.isfinite(signal_mv)]
    if np.isinf(signal_mv).any():
        reason = "holds infinite values; NaN is accepted where nothing was recorded"
    elif not known.size or known.min() == known.max():
        reason = "is flat or empty: no lead ever changes its value"
    elif known.max() - known.min() > MAX_SPAN_MV:
        reason = (
            f"spans {known.max() - known.min():,.0f} mV; up to {MAX_SPAN_MV:g} mV is accepted, so "
            "check the unit"
        )
    elif signal_mv.shape[1] < fs_hz:
        reason = f"lasts {signal_mv.shape[1] / fs_hz:.2f} s; 1 s or more is accepted"
    else:
        return
    raise RequestError(f"Array {row} {reason}.")


def _is_image(name: str, content: bytes) -> bool:
    head = content[: file_format.HEAD_BYTES]
    return file_format.format_from_head(head, name) == "own_picture"


def _read_image(name: str, content: bytes) -> NetworkImage | UnreadableRecord:
    try:
        return read_png(Path(Path(name).name), content)
    except UnreadableRecord as error:
        return error


def _numbered(
    upload: ClassifierInput | UnreadableRecord, n: int
) -> ClassifierInput | UnreadableRecord:
    if isinstance(upload, Record):
        return replace(upload, name=f"ECG {n}", patient=None)
    return replace(upload, record=f"ECG {n}") if isinstance(upload, NetworkImage) else upload


def _matching_input(path: Path, image: NetworkImage, classifier: ImageReader) -> ClassifierInput:
    """Return an image that matches the classifier, else the record that it was drawn from."""
    try:
        classifier.check_image(image)
    except UnreadableRecord:
        csv = path.with_suffix(".csv")
        if not csv.is_file() or sha256_file(csv) != image.extra.get("csv_sha256"):
            raise
        record = read_record(csv)
        note = "read from the CSV file that the image was drawn from: the run's images differ"
        return replace(record, name=image.name, notes=(*record.notes, note))
    return image
