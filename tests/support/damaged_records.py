"""WFDB, CSV, MATLAB, HDF5 and zip files, damaged in every mutation: each is read or refused.

Run by test_records_damaged.py in a process of its own, so that a crash, a hang, its use of memory
or access to other folders shows. By hand, for more of them::

    python tests/support/damaged_records.py 2000 [SEED]
"""

import json
import os
import random
import re
import struct
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
from mutated_files import absurd_number, claim, cut, drop, flip, mix, overwrite, peak_mb, repeat
from recordings import limb_consistent_uv, write_csv, write_wfdb
from scipy.io import savemat

from ecgcore.errors import EcgError
from ecgcore.records.discover import find_records
from ecgcore.records.read import read_header, read_record
from ecgcore.records.reading_process import open_files_here
from ecgcore.records.record import LEADS

SIGNAL_UV = limb_consistent_uv(600)
ODD_NUMBERS = (
    b"999999999999999999",
    b"9" * 5000,
    b"1e999",
    b"1/0",
    b"12 12",
    b"\xd9\xa3",
    b"0.0000001",
)
ODD_NAMES = (
    b"../../secret.dat",
    b"/etc/passwd",
    b"..\\secret.dat",
    b"~",
    b".",
    b"a b",
    b"\xe9.dat",
)
_folder: list[str] = []
_strayed: list[str] = []


def odd_number(content: bytearray, dice: random.Random) -> bytes:
    """Replace a number in a text by one that no format allows."""
    return _replaced(rb"-?\d+(?:\.\d+)?", dice.choice(ODD_NUMBERS), content, dice)


def odd_name(content: bytearray, dice: random.Random) -> bytes:
    """Replace a word or a file's name, sometimes by one that leads to another folder."""
    return _replaced(rb"[\w.-]+\.\w{3}|[A-Za-z]\w+", dice.choice(ODD_NAMES), content, dice)


def claim_at_end(content: bytearray, dice: random.Random) -> bytes:
    """Write an absurd count where zip files have theirs: near the end."""
    at = max(0, len(content) - dice.randint(8, 300))
    content[at : at + 4] = struct.pack("<I", dice.choice((0, 1, 10**9, 2**32 - 1)))
    return bytes(content)


def lines(content: bytearray, dice: random.Random) -> bytes:
    """Remove a line, repeat it, or reverse it."""
    rows = bytes(content).split(b"\n")
    at = dice.randrange(len(rows))
    rows[at : at + 1] = dice.choice(([], [rows[at]] * 3, [rows[at][::-1]], [b""] * 50))
    return b"\n".join(rows)


def _replaced(pattern: bytes, by: bytes, content: bytearray, dice: random.Random) -> bytes:
    text = bytes(content)
    matches = list(re.finditer(pattern, text[:20_000]))
    if not matches:
        return text
    match = dice.choice(matches[: dice.choice((5, len(matches)))])
    return text[: match.start()] + by + text[match.end() :]


BYTE_MUTATIONS = (cut, flip, flip, overwrite, claim, claim, claim_at_end, drop, repeat, mix)
TEXT_MUTATIONS = (
    cut,
    flip,
    drop,
    repeat,
    absurd_number,
    odd_number,
    odd_number,
    odd_name,
    odd_name,
    lines,
)


def wfdb(folder: Path) -> list[Path]:
    """Write a record in format 16."""
    header = write_wfdb(folder, "x", SIGNAL_UV, comments=("Dx: 426783006", "Age: 50"))
    return [header, header.with_suffix(".dat")]


def wfdb_mat(folder: Path) -> list[Path]:
    """Write a record as the challenges do."""
    header = write_wfdb(folder, "x", SIGNAL_UV, suffix=".mat", gain="1000.0(0)/mV")
    return [header, header.with_suffix(".mat")]


def wfdb_212(folder: Path) -> list[Path]:
    """Write a record in a signal format that the wfdb library reads."""
    lines = ["x 12 500 600", *(f"x.dat 212 200(0)/mV 11 0 0 0 0 {lead}" for lead in LEADS)]
    (folder / "x.hea").write_text("\n".join(lines) + "\n")
    (folder / "x.dat").write_bytes(np.random.default_rng(0).bytes(10_800))
    return [folder / "x.hea", folder / "x.dat"]


def segments(folder: Path) -> list[Path]:
    """Write a record of two segments."""
    (folder / "x.hea").write_text("x/2 12 500 1200\na 600\nb 600\n")
    files = [write_wfdb(folder, name, SIGNAL_UV) for name in ("a", "b")]
    return [folder / "x.hea", *files, files[0].with_suffix(".dat")]


def csv(folder: Path) -> list[Path]:
    """Write a CSV with its rate in its name."""
    return [write_csv(folder / "x_500hz.csv", SIGNAL_UV.T / 1000)]


def csv_time(folder: Path) -> list[Path]:
    """Write a CSV with a time column."""
    table = np.column_stack([np.arange(600) * 0.002, SIGNAL_UV.T])
    return [write_csv(folder / "x.csv", table, ";".join(("time_s", *LEADS)), ";")]


def mat_4(folder: Path) -> list[Path]:
    """Write a file of version 4."""
    savemat(folder / "x.mat", {"val": SIGNAL_UV, "fs": 500.0}, format="4")
    return [folder / "x.mat"]


def mat_5(folder: Path) -> list[Path]:
    """Write a struct in a compressed file of version 5."""
    struct_of = {"sex": "Male", "age": 50, "data": SIGNAL_UV / 1000}
    savemat(folder / "x.mat", {"ECG": struct_of}, do_compression=True)
    return [folder / "x.mat"]


def mat_73(folder: Path) -> list[Path]:
    """Write a file of version 7.3."""
    with h5py.File(folder / "x.mat", "w", userblock_size=512) as file:
        file["val"], file["fs"] = SIGNAL_UV.T, np.array([[500.0]])
    with (folder / "x.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")
    return [folder / "x.mat"]


def hdf5_sph(folder: Path) -> list[Path]:
    """Write a file in the write of SPH."""
    with h5py.File(folder / "x.h5", "w") as file:
        file["ecg"], file["fs"] = (SIGNAL_UV / 1000).astype("<f2"), 500.0
    return [folder / "x.h5"]


def hdf5_code(folder: Path) -> list[Path]:
    """Write a file in the write of CODE."""
    with h5py.File(folder / "x.hdf5", "w") as file:
        file["exam_id"], file["fs"] = np.array([1, 2]), 400.0
        file.create_dataset("tracings", data=np.stack([SIGNAL_UV.T / 1000] * 2), compression=1)
    return [folder / "x.hdf5"]


def zipped(folder: Path) -> list[Path]:
    """Write a zip of a WFDB record in a zip."""
    inside = wfdb(folder)
    with zipfile.ZipFile(folder / "y.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in inside:
            archive.write(file, f"a/{file.name}")
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        archive.write(folder / "y.zip", "y.zip")
        for file in inside:
            archive.write(file, file.name)
    for file in (*inside, folder / "y.zip"):
        file.unlink()
    return [folder / "x.zip"]


WRITERS = (wfdb, wfdb_mat, wfdb_212, segments, csv, csv_time, mat_4, mat_5, mat_73)
WRITERS += (hdf5_sph, hdf5_code, zipped)


def _watch(event: str, arguments: tuple) -> None:
    """Record every file opened outside the current folder and private temporary folders."""
    if event != "open" or not _folder or not isinstance(arguments[0], str | bytes):
        return
    path = os.path.realpath(os.fsdecode(arguments[0]))
    own = (_folder[0], sys.prefix, sys.base_prefix, str(Path(__file__).parents[2]))
    if path == tempfile.gettempdir():  # a file without a name is created there
        return
    if not path.startswith((*own, "/proc", "/sys", "/dev")) and "/ecgcore-" not in path:
        _strayed.append(path)


def outcomes(folder: Path) -> Counter[str]:
    """Return how many records of a folder are read and refused; other errors pass through."""
    counts: Counter[str] = Counter()
    for path in find_records([folder]):
        read_header(path)
        try:
            record = read_record(path)
        except EcgError as error:
            if not str(error).strip() or "\n" in str(error) or len(str(error)) > 600:
                raise ValueError(f"not one short line: {error}") from error
            counts["refused"] += 1
            continue
        if record.signal_mv.shape[0] != 12 or not np.isfinite(record.signal_mv).any():
            raise ValueError(f"a record of nothing: {record.signal_mv.shape}")
        counts["read"] += 1
    return counts


def main(count: int, seed: int) -> dict:
    """Damage ``count`` files; return how many were read and refused, peak memory, longest time."""
    dice = random.Random(seed)
    counts: Counter[str] = Counter()
    longest_s, slowest = 0.0, ""
    open_files_here()  # where their opening and their memory are seen
    sys.addaudithook(_watch)
    with tempfile.TemporaryDirectory() as temp_folder:
        (Path(temp_folder) / "secret.dat").write_bytes(SIGNAL_UV.T.tobytes())
        written = {}
        for write in WRITERS:
            (folder := Path(temp_folder, "in", write.__name__)).mkdir(parents=True)
            written[write.__name__] = write(folder)
            if not outcomes(folder)["read"]:
                raise ValueError(f"{write.__name__} is not read when undamaged")
        for i in range(count):
            name = WRITERS[i % len(WRITERS)].__name__
            file = dice.choice(written[name])
            intact = file.read_bytes()
            mutations = [
                dice.choice(BYTE_MUTATIONS if b"\0" in intact[:2000] else TEXT_MUTATIONS)
                for _ in range(2)
            ]
            content = intact
            for mutation in mutations[: dice.randint(1, 2)]:
                content = mutation(bytearray(content or b"\0"), dice)
            file.write_bytes(content)
            start_s = time.perf_counter()
            _folder[:] = [str(file.parent)]
            try:
                counts += outcomes(file.parent) or Counter(nothing=1)
            except Exception as error:
                case = f"{name} {file.name} {i} after {[m.__name__ for m in mutations]}"
                raise RuntimeError(f"{case}: {type(error).__name__}: {error}") from error
            _folder.clear()
            if time.perf_counter() - start_s > longest_s:
                longest_s, slowest = time.perf_counter() - start_s, f"{name} {i}"
            file.write_bytes(intact)
    cost = {"peak_mb": round(peak_mb()), "longest_s": round(longest_s, 2), "slowest": slowest}
    return {**counts, **cost, "strayed": sorted(set(_strayed))}


if __name__ == "__main__":
    count, seed = sys.argv[1:] + ["200", "0"][len(sys.argv) - 1 :]
    print(json.dumps(main(int(count), int(seed))))
