"""A hundred files made to hold a machine, fill it, reach other files, or end the reader.

``write(folder)`` writes each into a folder of its own below ``folder`` and returns their paths. A
recording lies at ``folder/secret``, outside of every hostile file's folder: one whose signal a
reader returns has been followed to where it must not.
"""

import os
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
from recordings import limb_consistent_uv, write_wfdb
from scipy.io import savemat

from ecgcore.records.record import LEADS

SIGNAL_UV = limb_consistent_uv(5000)
SECRET_UV = limb_consistent_uv(3000)[:, ::-1]
Write = Callable[[Path, Path], None]
"""Takes a folder to write into and the folder of the secret recording."""


def write_secret(folder: Path) -> None:
    """Write the recording that no hostile file may reach, as WFDB, HDF5 and text."""
    folder.mkdir(parents=True)
    write_wfdb(folder, "secret", SECRET_UV)
    with h5py.File(folder / "secret.h5", "w") as file:
        file["ecg"], file["fs"] = (SECRET_UV / 1000).astype("<f4"), 500.0
        file["tracings"] = (SECRET_UV.T / 1000)[None].astype("<f4")
    (folder / "secret.raw").write_bytes((SECRET_UV / 1000).astype("<f4").tobytes())


def _hdf5() -> Iterator[tuple[str, Write]]:
    """Yield HDF5 files that lead out, grow, or are never at an end."""
    for name in ("ecg", "tracings", "val"):
        for kind in ("external", "soft", "virtual", "storage"):
            yield f"hdf5_{kind}_{name}", _leading_out(name, kind)
    for shape, chunks in (
        ((12, 900_000), (12, 900)),
        ((12, 1_900_000), (12, 1_900_000)),
        ((12, 10**7), (12, 10**5)),
    ):
        yield f"hdf5_zeros_{shape[1]}", _zeros("ecg", shape, chunks)
    for shape in ((40_000, 4096, 12), (300, 80_000, 12), (900_000, 64, 12)):
        yield f"hdf5_exams_{shape[0]}", _zeros("tracings", shape, (1, *shape[1:]))
    yield "hdf5_groups", _many_groups
    yield "hdf5_circle", _circle
    yield "hdf5_words", _many_words


def _leading_out(name: str, kind: str) -> Write:
    def write(folder: Path, secret: Path) -> None:
        with h5py.File(folder / "x_500hz.h5", "w") as file:
            if kind == "external":
                file[name] = h5py.ExternalLink(str(secret / "secret.h5"), "/ecg")
            elif kind == "soft":
                file["far"] = h5py.ExternalLink(str(secret / "secret.h5"), "/")
                file[name] = h5py.SoftLink("/far/ecg")
            elif kind == "virtual":
                layout = h5py.VirtualLayout((12, 3000), "<f4")
                source = h5py.VirtualSource(str(secret / "secret.h5"), "ecg", (12, 3000))
                layout[:] = source
                file.create_virtual_dataset(name, layout)
            else:
                outside = [(str(secret / "secret.raw"), 0, h5py.h5f.UNLIMITED)]
                file.create_dataset(name, (12, 3000), "<f4", external=outside)

    return write


def _zeros(name: str, shape: tuple[int, ...], chunks: tuple[int, ...]) -> Write:
    def write(folder: Path, secret: Path) -> None:
        packed = zlib.compress(bytes(4 * int(np.prod(chunks))), 9)
        with h5py.File(folder / "x_500hz.h5", "w") as file:
            data = file.create_dataset(name, shape, "<f4", chunks=chunks, compression=9)
            for first in range(0, min(shape[0], 2000 * chunks[0]), chunks[0]):
                for second in range(0, min(shape[1], 2000 * chunks[1]), chunks[1]):
                    offset = (first, second, 0)[: len(shape)]
                    data.id.write_direct_chunk(offset, packed)
            if name == "tracings":
                file["exam_id"] = np.arange(1, shape[0] + 1)

    return write


def _many_groups(folder: Path, secret: Path) -> None:
    with h5py.File(folder / "x.h5", "w", libver="latest") as file:
        for number in range(20_000):
            file.create_group(f"g{number}")


def _circle(folder: Path, secret: Path) -> None:
    with h5py.File(folder / "x.h5", "w") as file:
        group = file.create_group("a")
        for name in ("ecg", "tracings", "leads"):
            group[name] = group
            file[name] = group


def _many_words(folder: Path, secret: Path) -> None:
    with h5py.File(folder / "x_500hz.h5", "w") as file:
        file["ecg"] = (SIGNAL_UV / 1000).astype("<f4")
        file.create_dataset("leads", (3_000_000,), "S64", chunks=(100_000,), compression=9)


def _zips() -> Iterator[tuple[str, Write]]:
    """Yield zip files of many members, of bombs, of themselves, and with names that lead out."""
    for count in (10_000, 60_000):
        yield f"zip_members_{count}", _members(count, b"")
        yield f"zip_csv_{count}", _members(count // 10, b"I,II\n1,2\n")
    for count, size in ((1, 180), (1, 1900), (40, 9), (200, 9), (600, 3)):
        yield f"zip_bombs_{count}_{size}", _bombs(count, size * 1_000_000)
    for depth in (3, 4, 50):
        yield f"zip_nested_{depth}", _nested(depth)
    for width in (300, 1_900, 2_100):
        yield f"zip_wide_{width}", _wide(width)
    for at, name in enumerate(("../secret.dat", "/etc/passwd", "C:\\x.csv", "a/../../x.csv")):
        yield f"zip_out_{at}", _members(1, b"1,2\n", name)
    yield "zip_link", _zipped_link
    yield "zip_overlap", _overlapping
    yield "zip_hdf5", _zipped_hdf5


def _members(count: int, content: bytes, name: str = "{}.csv") -> Write:
    def write(folder: Path, secret: Path) -> None:
        with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(count):
                archive.writestr(name.format(number), content)

    return write


def _bombs(count: int, size: int) -> Write:
    def write(folder: Path, secret: Path) -> None:
        with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
            for number in range(count):
                with file.open(f"{number}.csv", "w") as member:
                    member.write(b"I,II,III\n")
                    for _ in range(size // 1_000_000):
                        member.write(b"1,2,3\n" * 166_667)

    return write


def _zip_of(name: str, content: bytes) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def _nested(depth: int) -> Write:
    def write(folder: Path, secret: Path) -> None:
        content = _zip_of("x.csv", b"I,II\n1,2\n")
        for _ in range(depth):
            content = _zip_of("x.zip", content)
        (folder / "x.zip").write_bytes(content)

    return write


def _wide(width: int) -> Write:
    def write(folder: Path, secret: Path) -> None:
        inner = _zip_of("x.csv", b"1,2,3\n" * 30_000)
        with zipfile.ZipFile(folder / "x.zip", "w") as archive:
            for number in range(width):
                archive.writestr(f"{number}.zip", inner)

    return write


def _zipped_link(folder: Path, secret: Path) -> None:
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        link = zipfile.ZipInfo("x.csv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, str(secret / "secret.hea"))


def _overlapping(folder: Path, secret: Path) -> None:
    """Write a zip whose members all share one member's packed bytes."""
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.csv", b"1,2,3\n" * 300_000)
        first = archive.infolist()[0]
        for number in range(1, 500):
            copy = zipfile.ZipInfo(f"{number}.csv")
            for key in ("CRC", "compress_size", "file_size", "header_offset", "compress_type"):
                setattr(copy, key, getattr(first, key))
            archive.filelist.append(copy)
            archive.NameToInfo[copy.filename] = copy


def _zipped_hdf5(folder: Path, secret: Path) -> None:
    _zeros("tracings", (300, 80_000, 12), (1, 80_000, 12))(folder, secret)
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "x_500hz.h5", "x.h5")
    (folder / "x_500hz.h5").unlink()


def _arrays() -> Iterator[tuple[str, Write]]:
    """Yield MATLAB, NumPy, Parquet, Feather and Excel files that claim or grow too much."""
    for size in (2_000_000, 30_000_000):
        yield f"mat_zeros_{size}", _mat_zeros(size)
        yield f"npz_zeros_{size}", _npz_zeros(size)
        yield f"parquet_zeros_{size}", _table_zeros(size, "parquet")
        yield f"feather_zeros_{size}", _table_zeros(size, "feather")
    for claimed in (10**6, 2**31 - 1):
        yield f"mat_claims_{claimed}", _mat_claims(claimed)
    yield (
        "mat_cells",
        lambda folder, secret: savemat(folder / "x.mat", {"val": _deep(200)}, do_compression=True),
    )
    for shape in ("(12, 999999999999)", "(" * 500, "(12, -5)", "(10**9,)*9", "()"):
        yield f"npy_{shape[:12]}", _npy_claims(shape)
    yield "npy_objects", _npy_objects
    yield "xlsx_cells", _workbook("<row>" + "<c><v>1</v></c>" * 200_000 + "</row>")
    yield "xlsx_rows", _workbook("<row><c><v>1</v></c></row>" * 1_500_000)
    yield "xlsx_far", _workbook('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')
    yield "xlsx_entities", _workbook("&b;")


def _deep(depth: int) -> object:
    cell: object = SIGNAL_UV
    for _ in range(depth):
        outer = np.empty(1, object)
        outer[0] = cell
        cell = outer
    return cell


def _mat_zeros(size: int) -> Write:
    content = {"val": np.zeros((12, 1), np.int8), "fs": 500.0}

    def write(folder: Path, secret: Path) -> None:
        zeros = {**content, "val": np.zeros((12, size // 12), np.int16)}
        savemat(folder / "x.mat", zeros, do_compression=True)

    return write


def _mat_claims(claimed: int) -> Write:
    def write(folder: Path, secret: Path) -> None:
        savemat(folder / "x.mat", {"val": SIGNAL_UV.astype(np.int16), "fs": 500.0})
        content = bytearray((folder / "x.mat").read_bytes())
        at = content.find(struct.pack("<ii", 12, SIGNAL_UV.shape[1]))
        content[at + 4 : at + 8] = struct.pack("<i", claimed)
        (folder / "x.mat").write_bytes(content)

    return write


def _npz_zeros(size: int) -> Write:
    def write(folder: Path, secret: Path) -> None:
        np.savez_compressed(folder / "x_500hz.npz", signal=np.zeros((12, size // 12), np.float32))

    return write


def _npy_claims(shape: str) -> Write:
    def write(folder: Path, secret: Path) -> None:
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
        header += b" " * (-len(header) % 64) + b"\n"
        start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header))
        (folder / "x_500hz.npy").write_bytes(start + header + bytes(4800))

    return write


def _npy_objects(folder: Path, secret: Path) -> None:
    np.save(folder / "x_500hz.npy", np.array([SIGNAL_UV, "x"], object), allow_pickle=True)


def _table_zeros(size: int, kind: str) -> Write:
    def write(folder: Path, secret: Path) -> None:
        column = pa.array(np.zeros(size // 12, np.float32))
        table = pa.table(dict.fromkeys(LEADS, column))
        if kind == "parquet":
            pq.write_table(table, folder / "x_500hz.parquet", compression="zstd")
        else:
            pa.feather.write_feather(table, folder / "x_500hz.feather", compression="zstd")

    return write


def _workbook(rows: str) -> Write:
    """Return the writer of a workbook of one sheet; ``&b;`` is an entity that grows."""
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-'
        'officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/s.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>'
    )
    book = (
        f'<workbook {space} xmlns:r="{relations}"><sheets>'
        '<sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>'
    )
    links = "http://schemas.openxmlformats.org/package/2006/relationships"
    inner = f'<Relationships xmlns="{links}"><Relationship Id="r1" Target='
    parts = {
        "[Content_Types].xml": types,
        "_rels/.rels": f'{inner}"xl/workbook.xml" Type="{relations}/officeDocument"/>'
        "</Relationships>",
        "xl/workbook.xml": book,
        "xl/_rels/workbook.xml.rels": f'{inner}"s.xml" Type="{relations}/worksheet"/>'
        "</Relationships>",
    }
    bomb = '<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "' + "&a;" * 5000 + '">]>'

    def write(folder: Path, secret: Path) -> None:
        sheet = f"<worksheet {space}><sheetData>{rows}</sheetData></worksheet>"
        with zipfile.ZipFile(folder / "x.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
            archive.writestr("xl/s.xml", bomb + sheet if "&b;" in rows else sheet)

    return write


def _texts() -> Iterator[tuple[str, Write]]:
    """Yield XML and CSV files that grow, nest, or reach out."""
    for root in ("AnnotatedECG", "RestingECG", "restingecgdata", "CardiologyXML"):
        for kind in ("bomb", "file", "deep", "many", "number"):
            yield f"xml_{kind}_{root}", _xml(root, kind)
    for name, text in {
        "csv_columns": "1," * 900_000 + "1\n",
        "csv_rows": "1\n" * 8_000_000,
        "csv_quotes": '"' * 2_000_000 + "\n",
        "csv_digits": "I,II,III\n" + "9" * 3_000_000 + ",1,2\n",
        "csv_comments": "# fs: 500\n" * 900_000,
        "csv_header": ",".join(LEADS) + ",a" * 500_000 + "\n" + "1," * 12 + "\n",
        "csv_spaces": " " * 20_000_000,
        "csv_nulls": "I,II\n" + "\0" * 5_000_000,
    }.items():
        yield name, _text("x_500hz.csv", text)


def _text(name: str, text: str) -> Write:
    def write(folder: Path, secret: Path) -> None:
        (folder / name).write_text(text)

    return write


def _xml(root: str, kind: str) -> Write:
    def write(folder: Path, secret: Path) -> None:
        prolog, body = "", ""
        if kind == "bomb":
            entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(12))
            prolog, body = f'<!DOCTYPE r [<!ENTITY e0 "aaaaaaaaaa">{entities}]>', "&e12;"
        elif kind == "file":
            target = (secret / "secret.hea").as_uri()
            prolog, body = f'<!DOCTYPE r [<!ENTITY e SYSTEM "{target}">]>', "&e;"
        elif kind == "deep":
            body = "<a>" * 200_000 + "</a>" * 200_000
        elif kind == "many":
            body = "<a b='c'/>" * 1_400_000
        else:
            body = "<digits>" + "1 " * 7_000_000 + "</digits>"
        text = f'<?xml version="1.0"?>{prolog}<{root} xmlns="urn:hl7-org:v3">{body}</{root}>'
        (folder / "x.xml").write_text(text)

    return write


def _headers() -> Iterator[tuple[str, Write]]:
    """Yield WFDB headers and other files that name, are, or wait for something else."""
    for at, name in enumerate(("/etc/passwd", "../../secret/secret.dat", "~/x.dat", "a\\..\\x")):
        yield f"wfdb_out_{at}", _wfdb_naming(name)
    yield "wfdb_segments", _text("x.hea", "x/100000 12 500 100000\n" + "x 1\n" * 100_000)
    yield "wfdb_itself", _text("x.hea", "x/2 12 500 1000\nx 500\nx 500\n")
    signals = "x.dat 16 200 16 0 0 0 0 I\n" * 99_999
    yield "wfdb_signals", _text("x.hea", "x 99999 500 10\n" + signals)
    yield "wfdb_frames", _text("x.hea", "x 1 500 10\nx.dat 16x99999999 200 16 0 0 0 0 I\n")
    yield "link_dat", _linked
    for suffix in ("csv", "h5", "hea", "zip"):
        yield f"pipe_{suffix}", _special(f"x.{suffix}", "pipe")
        yield f"socket_{suffix}", _special(f"x.{suffix}", "socket")
        yield f"device_{suffix}", _special(f"x.{suffix}", "device")


def _wfdb_naming(name: str) -> Write:
    def write(folder: Path, secret: Path) -> None:
        lines = ["x 12 500 3000", *(f"{name} 16 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS)]
        (folder / "x.hea").write_text("\n".join(lines) + "\n")

    return write


def _linked(folder: Path, secret: Path) -> None:
    write_wfdb(folder, "x", SECRET_UV)
    (folder / "x.dat").unlink()
    (folder / "x.dat").symlink_to(secret / "secret.dat")


def _special(name: str, kind: str) -> Write:
    def write(folder: Path, secret: Path) -> None:
        if kind == "pipe":
            os.mkfifo(folder / name)
        elif kind == "device":
            (folder / name).symlink_to("/dev/zero")
        else:
            here = Path.cwd()
            os.chdir(folder)  # a socket's path is short
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(name)
            os.chdir(here)

    return write


def kinds() -> dict[str, Write]:
    """Return the writer of each hostile file by its name."""
    return {
        name: write
        for family in (_hdf5, _zips, _arrays, _texts, _headers)
        for name, write in family()
    }


def write(folder: Path) -> dict[str, Path]:
    """Write the secret and all hostile files; return each one's folder by its name."""
    secret = folder / "secret"
    write_secret(secret)
    folders = {}
    for number, (name, write_file) in enumerate(kinds().items()):
        folders[name] = folder / f"{number:03d}"
        folders[name].mkdir()
        write_file(folders[name], secret)
    return folders
