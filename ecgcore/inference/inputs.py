"""What a network is shown: a record, which is then drawn, or a picture drawn of one before."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ecgcore.atomic import sha256_file
from ecgcore.errors import UnreadableRecord
from ecgcore.imaging.png import NetworkImage, read_png
from ecgcore.records import file_format
from ecgcore.records.archives import on_disk
from ecgcore.records.read import AS_STATED, ReadOptions, read_record, read_upload
from ecgcore.records.record import Record

if TYPE_CHECKING:
    from ecgcore.inference.model import Classifier

ClassifierInput = Record | NetworkImage


def read_sight(
    path: Path, classifier: "Classifier", how: ReadOptions = AS_STATED
) -> ClassifierInput:
    """Read a record, or a picture of ``ecgcore convert`` that fits a classifier's input.

    A picture that does not fit stands for the CSV that it was drawn from, where that still lies
    beside it.

    Parameters
    ----------
    path
        As ``read_record`` takes it.
    how
        What is said of files that leave it open; a picture leaves nothing open.

    Raises
    ------
    UnreadableRecord
        Neither of them, or a picture drawn in another way than the classifier was trained on.
    """
    if path.suffix.lower() == ".png":
        with on_disk(path) as (file, member):
            if not member and file_format.kind(file) == "own_picture":
                return _fitting(path, read_png(file), classifier)
    return read_record(path, **how._asdict())


def read_uploaded(
    files: Mapping[str, bytes], *, most: int, longest_s: float, how: ReadOptions = AS_STATED
) -> list[tuple[str, ClassifierInput | UnreadableRecord]]:
    """Read uploaded files: recordings, and pictures of ``ecgcore convert``; with what came of each.

    What is read is called ``ECG 1``, ``ECG 2`` … in order: a name in a file may be a person's.

    Parameters
    ----------
    files
        Content by name.
    most
        Records that are read; of more the first.
    longest_s
        Seconds that are kept of each.
    """
    pictures = {name: content for name, content in files.items() if _is_picture(name, content)}
    others = {name: content for name, content in files.items() if name not in pictures}
    found: list[tuple[str, ClassifierInput | UnreadableRecord]] = [
        (Path(name).name, _picture_or_why(name, content)) for name, content in pictures.items()
    ]
    found += read_upload(
        others, fs_hz=how.fs_hz, assume_order=how.assume_order, most=most, longest_s=longest_s
    )
    return [(name, _numbered(sight, n)) for n, (name, sight) in enumerate(found, start=1)]


def _is_picture(name: str, content: bytes) -> bool:
    return file_format.kind_of(content[: file_format.HEAD_BYTES], name) == "own_picture"


def _picture_or_why(name: str, content: bytes) -> NetworkImage | UnreadableRecord:
    try:
        return read_png(Path(Path(name).name), content)
    except UnreadableRecord as error:
        return error


def _numbered(
    sight: ClassifierInput | UnreadableRecord, n: int
) -> ClassifierInput | UnreadableRecord:
    if isinstance(sight, Record):
        return replace(sight, name=f"ECG {n}", patient=None)
    return replace(sight, record=f"ECG {n}") if isinstance(sight, NetworkImage) else sight


def _fitting(path: Path, picture: NetworkImage, classifier: "Classifier") -> ClassifierInput:
    """Return a picture if it fits, else the record that it was drawn from, or say why neither."""
    try:
        return classifier.fitting(picture)
    except UnreadableRecord:
        csv = path.with_suffix(".csv")
        if not csv.is_file() or sha256_file(csv) != picture.more.get("csv_sha256"):
            raise
        record = read_record(csv)
        said = "read from the CSV that the picture was drawn from: the run draws it otherwise"
        return replace(record, name=picture.name, notes=(*record.notes, said))
