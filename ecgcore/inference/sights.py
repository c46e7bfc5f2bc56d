"""What a network is shown: a record, which is then drawn, or a picture drawn of one before."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ecgcore.errors import UnreadableRecord
from ecgcore.imaging.png import Picture, read_png
from ecgcore.records import sniffing
from ecgcore.records.containers import on_disk
from ecgcore.records.reading import AS_STATED, Reading, read_record
from ecgcore.records.record import Record

if TYPE_CHECKING:
    from ecgcore.inference.classifier import Classifier

Sight = Record | Picture


def read_sight(path: Path, classifier: "Classifier", how: Reading = AS_STATED) -> Sight:
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
            if not member and sniffing.kind(file) == "own_picture":
                return _fitting(path, read_png(file), classifier)
    return read_record(path, **how._asdict())


def _fitting(path: Path, picture: Picture, classifier: "Classifier") -> Sight:
    """Return a picture if it fits, else the record that it was drawn from, or say why neither."""
    try:
        return classifier.fitting(picture)
    except UnreadableRecord:
        csv = path.with_suffix(".csv")
        if not csv.is_file() or _checksum(csv) != picture.more.get("csv_sha256"):
            raise
        record = read_record(csv)
        said = "read from the CSV that the picture was drawn from: the run draws it otherwise"
        return replace(record, name=picture.name, notes=(*record.notes, said))


def _checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
