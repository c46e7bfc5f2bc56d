"""Recordings in every format, with a name in every field that may identify someone."""

import zipfile
from pathlib import Path

import h5py
import numpy as np
from recordings import limb_consistent_uv, write_csv, write_wfdb
from scipy.io import savemat
from vendor_files import WRITERS
from vendor_person import PERSON

from ecgcore.records.record import LEADS

COMMENTS = (
    "Age: 62",
    "Sex: Female",
    "Dx: 426783006",
    f"Name: {PERSON.family}, {PERSON.given}",
    f"Patient ID: {PERSON.number}",
    f"Patient: {PERSON.family}",
    f"Physician: {PERSON.doctor} at {PERSON.hospital}",
    f"{PERSON.given} {PERSON.family}, born 14-03-1937",
)


WORDS = (
    *(trace for trace in PERSON.traces if not trace.isdigit()),
    *(
        "77190042",
        "19370314",
        "1937-03-14",
        "14-03-1937",
        "03-14-1937",
        "02-jun-1999",
        "1999-06-02",
    ),
)
"""Words to search for afterwards, in lower case; a bare year may be part of any number."""


def traces(content: str | bytes) -> list[str]:
    """Return the WORDS in a text, or in a file's content in any plain encoding."""
    if isinstance(content, bytes):
        content = f"{content.decode('latin-1')} {content.decode('utf-16-le', 'replace')}"
    return [word for word in WORDS if word in content.lower()]


def plant(folder: Path, stem: str) -> list[Path]:
    """Write a recording in each format, called ``stem`` and a number, and return their files."""
    folder.mkdir(parents=True)
    files = [
        write(folder / f"{stem}{i}{suffix}", _signal_uv(i))
        for i, (suffix, write) in enumerate(WRITERS.values())
    ]
    files.append(write_wfdb(folder, f"{stem}50", _signal_uv(50), comments=COMMENTS))
    files.append(_csv(folder / f"{stem}51.csv", _signal_uv(51)))
    files.append(_mat(folder / f"{stem}52.mat", _signal_uv(52)))
    files.append(_hdf5(folder / f"{stem}53.h5", _signal_uv(53)))
    return [*files, _zip(folder, stem)]


def _signal_uv(seed: int) -> np.ndarray:
    return limb_consistent_uv(5000, seed) // 8


def _csv(file: Path, signal_uv: np.ndarray) -> Path:
    head = [f"# {PERSON.given} {PERSON.family}, {PERSON.number}", "# fs_hz=500, unit=mV"]
    head += [f"# Dr. {PERSON.doctor}, {PERSON.hospital}, 02.06.1999"]
    columns = ",".join((*LEADS, PERSON.family))
    table = np.column_stack([signal_uv.T / 1000, np.zeros(signal_uv.shape[1])])
    return write_csv(file, table, "\n".join([*head, columns]))


def _mat(file: Path, signal_uv: np.ndarray) -> Path:
    identifying = {"name": PERSON.family, "id": PERSON.number, "doctor": PERSON.doctor}
    savemat(
        file, {"val": signal_uv / 1000, "fs": 500.0, "unit": "mV", "sex": "female", **identifying}
    )
    return file


def _hdf5(file: Path, signal_uv: np.ndarray) -> Path:
    with h5py.File(file, "w") as hdf5:
        hdf5["ecg"], hdf5["fs"] = (signal_uv / 1000).astype("<f2"), 500.0
        hdf5["name"] = f"{PERSON.given} {PERSON.family}"
        hdf5.attrs["patient"] = hdf5["ecg"].attrs["patient"] = PERSON.number
        hdf5.attrs["comment"] = f"{PERSON.doctor}, {PERSON.hospital}, born 1937"
    return file


def _zip(folder: Path, stem: str) -> Path:
    inside = write_wfdb(folder / "packed", f"{stem}54", _signal_uv(54), comments=COMMENTS)
    packed = folder / f"{stem}55.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.comment = f"{PERSON.given} {PERSON.family}".encode()
        for file in sorted(inside.parent.iterdir()):
            archive.write(file, f"{stem}/{file.name}")
            file.unlink()
    inside.parent.rmdir()
    return packed
