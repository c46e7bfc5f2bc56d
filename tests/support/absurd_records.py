"""Files that claim, or are, far more than any recording: 10^9 samples, sparse files of 24 GB.

Run by test_records_damaged.py in a process of its own, so that its use of memory shows::

    python tests/support/absurd_records.py FOLDER
"""

import json
import os
import struct
import sys
from pathlib import Path

import h5py
import numpy as np
from mutated_files import peak_mb

from ecgcore.errors import UnreadableRecord
from ecgcore.records.discover import find_records
from ecgcore.records.read import read_header, read_record
from ecgcore.records.reading_process import open_files_here
from ecgcore.records.record import LEADS

MANY = (*LEADS, *(f"X{i}" for i in range(1500)))
HEADERS = {  # name: format, samples claimed, leads
    "long": ("16", " 1000000000", LEADS),
    "no_length": ("16", "", LEADS),
    "many": ("16", " 2000000", MANY),
    "packed": ("212", " 1000000000", LEADS),
    "packed_no_length": ("212", "", LEADS),
}


def sparse(file: Path, start: bytes = b"") -> None:
    """Write a sparse file of 24 GB."""
    file.write_bytes(start)
    os.truncate(file, 24 * 10**9)


def write(folder: Path) -> None:
    """Write all these files."""
    for name, (code, samples, leads) in HEADERS.items():
        lines = [f"{name} {len(leads)} 500{samples}"]
        lines += [f"{name}.dat {code} 1000/mV 16 0 0 0 0 {lead}" for lead in leads]
        (folder / f"{name}.hea").write_text("\n".join(lines))
        sparse(folder / f"{name}.dat")
    sparse(folder / "table_500hz.csv", b"I,II\n1,2\n")
    (folder / "lines_500hz.csv").write_bytes(b"1,2,3,4,5,6,7,8\n" * 1_000_300)
    (folder / "line_500hz.csv").write_bytes(b"I" + b",1" * 2_100_000 + b"\n")
    sparse(folder / "v4.mat", struct.pack("<5i", 10, 12, 500_000_000, 0, 4) + b"val\0")
    for name in ("a.dcm", "a.scp", "a.edf", "a.h5", "a.zip", "a.xml"):
        sparse(folder / name)
    with h5py.File(folder / "huge.h5", "w") as file:
        file.create_dataset("ecg", (12, 10**9), "f4", chunks=(12, 10_000))
    with h5py.File(folder / "huge.hdf5", "w") as file:
        file.create_dataset("tracings", (2, 10**9, 12), "f4", chunks=(1, 10_000, 12))
        file["exam_id"] = np.array([1, 2])


def outcome(path: Path) -> str:
    """Return the outcome of reading a file: ``read`` or ``refused``."""
    try:
        read_header(path)
        record = read_record(path)
    except UnreadableRecord:
        return "refused"
    return f"read: {record.signal_mv.shape}"


def main(folder: Path) -> dict:
    """Return the outcome of each file, and the peak memory."""
    open_files_here()  # where their opening and their memory are seen
    write(folder)
    named = [p for p in folder.iterdir() if p.suffix != ".dat"]
    paths = sorted({*named, *find_records([folder])})
    return {"outcomes": {str(p): outcome(p) for p in paths}, "peak_mb": round(peak_mb())}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
