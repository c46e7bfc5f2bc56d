"""Zip files: read like folders, and refused where they would do harm."""

import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from recordings import DATA, limb_consistent_uv, real, write_csv, write_wfdb

from ecgcore.errors import UnreadableRecord
from ecgcore.records import archives
from ecgcore.records.discover import describe_files, find_records
from ecgcore.records.read import read_header, read_record
from ecgcore.records.record import Record
from ecgcore.records.uploads import read_uploads

SIGNAL_UV = limb_consistent_uv(1000)
PTB_XL = DATA / "ptb-xl"


@pytest.fixture
def zipped(tmp_path):
    """Return a zip of a WFDB pair, a CSV, a licence and residue of packing."""
    write_wfdb(tmp_path / "in", "A0001", SIGNAL_UV, suffix=".mat", comments=("Dx: 426783006",))
    write_csv(tmp_path / "in" / "x_500hz.csv", SIGNAL_UV.T / 1000)
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((tmp_path / "in").iterdir()):
            archive.write(file, f"some where/{file.name}")
        archive.writestr("LICENSE.txt", "Creative Commons")
        archive.writestr("__MACOSX/some where/._A0001.hea", "x")
        archive.writestr("some where/.DS_Store", "x")
    return path


def refusal(path) -> str:
    with pytest.raises(UnreadableRecord) as caught:
        read_record(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def pack(path: Path, **files: bytes | str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_a_zip_gives_its_records_by_paths_through_it(zipped):
    inside = [zipped / "some where" / "A0001.hea", zipped / "some where" / "x_500hz.csv"]
    assert list(find_records([zipped])) == inside
    assert list(find_records([zipped.parent]))[:2] == inside
    assert list(find_records([zipped / "some where"])) == inside
    assert list(find_records(inside)) == inside
    assert list(find_records([zipped / "some where" / "A0001.mat"])) == inside[:1]
    assert list(find_records([str(zipped.parent / "*.zip")])) == inside


def test_a_record_in_a_zip_is_the_record_outside(zipped):
    for name in ("A0001.hea", "x_500hz.csv"):
        outside = read_record(zipped.parent / "in" / name)
        inside = read_record(zipped / "some where" / name)
        np.testing.assert_array_equal(inside.signal_mv, outside.signal_mv)
        assert (inside.name, inside.statements) == (outside.name, outside.statements)
        assert read_header(zipped / "some where" / name) == read_header(zipped.parent / "in" / name)


def test_zips_in_zips_are_opened_and_not_without_end(zipped, tmp_path):
    inner = zipped.read_bytes()
    outer = pack(tmp_path / "outer.zip", **{"a/inner.zip": inner})
    records = list(find_records([outer]))
    assert records[0] == outer / "a" / "inner.zip" / "some where" / "A0001.hea"
    assert read_record(records[0]).name == "A0001"
    for depth in range(4):
        inner = pack(tmp_path / f"{depth}.zip", **{"inner.zip": inner}).read_bytes()
    [deep] = find_records([tmp_path / "3.zip"])
    assert "3 deep" in refusal(deep)


def test_ptb_xl_s_table_is_found_inside_a_zip(tmp_path):
    path = tmp_path / "ptb-xl.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in (*PTB_XL.glob("*.csv"), *PTB_XL.glob("records100/00000/00004_lr.*")):
            archive.write(file, f"ptb-xl/{file.relative_to(PTB_XL)}")
    [record] = find_records([path])
    inside = read_record(record)
    outside = read_record(PTB_XL / "records100" / "00000" / "00004_lr.hea")
    assert inside.statements == outside.statements != ()
    assert (inside.patient, inside.fold) == (outside.patient, outside.fold)


def test_nothing_of_a_zip_stays_on_disk(zipped, tmp_path, monkeypatch):
    temp_folder = tmp_path / "temp"
    temp_folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temp_folder))
    read_record(zipped / "some where" / "A0001.hea")
    assert [p for p in temp_folder.rglob("*") if p.is_file()] == []
    assert {p.stat().st_mode & 0o777 for p in temp_folder.iterdir()} == {0o700}
    archives.close_archives()
    assert list(temp_folder.iterdir()) == []


def test_a_zip_is_opened_once_for_all_its_records(zipped, monkeypatch):
    opened = []

    def open_counted(*arguments):
        opened.append(arguments)
        return open_zip(*arguments)

    open_zip = zipfile.ZipFile
    monkeypatch.setattr("zipfile.ZipFile", open_counted)
    archives.close_archives()
    for path in [*find_records([zipped]), *find_records([zipped])]:
        read_record(path)
    assert len(opened) == 1


def test_a_changed_zip_is_opened_anew(zipped, tmp_path):
    assert read_record(zipped / "some where" / "A0001.hea").statements
    pack(zipped, **{"some where/A0001.hea": "A0001 12 500 1000\n"})
    os.utime(zipped, ns=(1, 1))
    assert "declares 12 signals and describes 0" in refusal(zipped / "some where" / "A0001.hea")


@pytest.mark.parametrize(
    "name", ["../../evil.hea", "/etc/evil.hea", "..\\evil.hea", "C:\\evil.hea", "a/../../evil.hea"]
)
def test_a_zip_whose_names_lead_out_of_it_is_refused_whole(zipped, tmp_path, name):
    with zipfile.ZipFile(zipped, "a") as archive:
        archive.writestr(name, "x 12 500 5000\n")
    assert list(find_records([zipped])) == [zipped]
    assert "whose name leads out of it" in refusal(zipped)
    assert "whose name leads out of it" in refusal(zipped / "some where" / "A0001.hea")
    assert not list(tmp_path.parent.rglob("evil.hea"))


def test_a_zip_bomb_is_refused_by_its_growth(tmp_path):
    bomb = pack(tmp_path / "x.zip", **{"x.hea": b"\0" * 50_000_000})
    assert "would grow" in refusal(bomb)
    inner = pack(tmp_path / "y.zip", **{"x.zip": bomb.read_bytes()})
    [nested] = find_records([inner])
    assert "would grow" in refusal(nested)


def test_many_small_bombs_and_zips_without_number_are_refused_as_one(tmp_path, monkeypatch):
    zeros = b"0" * 1_000_000
    bombs = pack(tmp_path / "bombs.zip", **{f"{i}.csv": zeros for i in range(20)})
    assert list(find_records([bombs])) == [bombs]
    assert "would grow" in refusal(bombs)
    monkeypatch.setattr(archives, "MOST_ZIPS_INSIDE", 10)
    inner = pack(tmp_path / "inner.zip", **{"a.csv": "1,2\n"}).read_bytes()
    middle = pack(tmp_path / "middle.zip", **{f"{i}.bin": inner for i in range(4)}).read_bytes()
    wide = pack(tmp_path / "wide.zip", **{f"{i}.bin": middle for i in range(4)})
    assert list(find_records([wide])) == [wide]
    assert "wide.zip is not opened: it holds more than 10 zip files" in refusal(wide)
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    many = pack(tmp_path / "many.zip", **{f"{i}.csv": "1,2\n" for i in range(4)})
    assert "it holds more than 3 files" in refusal(many)


def test_members_that_share_their_packed_bytes_are_refused(tmp_path):
    path = pack(tmp_path / "x.zip", **{f"{i}.csv": f"{i}" * 40 for i in range(3)})
    content = bytearray(path.read_bytes())
    entry = -1
    while (entry := content.find(b"PK\x01\x02", entry + 1)) >= 0:  # each claims all bytes
        content[entry + 20 : entry + 24] = struct.pack("<I", 200)
    path.write_bytes(bytes(content))
    assert "share the same packed bytes" in refusal(path)


def test_a_zip_that_lies_of_sizes_is_refused(zipped):
    content = bytearray(zipped.read_bytes())
    at = content.find(b"PK\x01\x02")  # the first member's entry; its unpacked size
    content[at + 24 : at + 28] = struct.pack("<I", 100)
    zipped.write_bytes(bytes(content))
    assert "is damaged inside x.zip" in refusal(zipped / "some where" / "A0001.hea")


def test_an_encrypted_or_cut_off_zip_is_refused_by_its_reason(zipped, tmp_path):
    intact = zipped.read_bytes()
    locked = bytearray(intact)
    locked[intact.find(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(bytes(locked))
    assert "is encrypted" in refusal(tmp_path / "locked.zip")
    (tmp_path / "cut.zip").write_bytes(intact[:-100])
    assert "cut.zip is a damaged zip file" in refusal(tmp_path / "cut.zip")
    assert "cut.zip is a damaged zip file" in refusal(tmp_path / "cut.zip" / "a.hea")


def test_a_zip_of_one_record_is_that_record_and_others_must_name_one(zipped, tmp_path):
    assert "holds several records; name one of them: x.zip/some where/A0001.hea" in refusal(zipped)
    csv = (tmp_path / "in" / "x_500hz.csv").read_bytes()
    assert read_record(pack(tmp_path / "one.zip", **{"x_500hz.csv": csv})).name == "x_500hz"
    empty = pack(tmp_path / "none.zip", **{"readme.md": "Nothing here."})
    assert list(find_records([empty])) == [empty]
    assert refusal(empty) == "none.zip holds no ECG that is read."


def test_a_missing_member_is_named(zipped):
    assert refusal(zipped / "b.hea") == "There is no file b.hea in x.zip."
    csv = zipped.parent / "in" / "x_500hz.csv"
    assert "is a file, not a folder" in refusal(csv / "b.hea")
    assert list(find_records([zipped / "b.hea"])) == [zipped / "b.hea"]


def test_an_uploaded_zip_gives_its_records(zipped):
    results = read_uploads({"x.zip": zipped.read_bytes(), "note.txt": b"Dear colleague"})
    assert [name for name, _ in results] == ["A0001.hea", "x_500hz.csv", "note.txt"]
    assert [isinstance(record, Record) for _, record in results] == [True, True, False]


def test_every_file_of_a_zip_has_a_role(zipped):
    files = describe_files(zipped.parent)
    assert {str(path.relative_to(zipped.parent)): role for path, role in files} == {
        "in/A0001.hea": "record",
        "in/A0001.mat": "companion of A0001.hea",
        "in/x_500hz.csv": "record",
        "x.zip": "container of records",
        "x.zip/LICENSE.txt": "licence or readme",
        "x.zip/some where/A0001.hea": "record",
        "x.zip/some where/A0001.mat": "companion of A0001.hea",
        "x.zip/some where/x_500hz.csv": "record",
    }


@pytest.mark.data
def test_the_real_zips_give_what_they_hold():
    folder = real("formats") / "zip"
    records = {str(path.relative_to(folder)) for path in find_records([folder])}
    assert {path for path in records if "wfdb" in path} == {
        "wfdb_pair_in_folder.zip/batch/rec/E07500.hea",
        "nested.zip/inner/wfdb_pair_in_folder.zip/batch/rec/E07500.hea",
    }
    same = read_record(real("formats") / "wfdb" / "cinc2021" / "E07500.hea")
    for path in records:
        if path.endswith("E07500.hea"):
            np.testing.assert_array_equal(read_record(folder / path).signal_mv, same.signal_mv)
    assert "traversal_name.zip" in records


def test_a_zip_without_end_is_not_searched_for_long():
    content = io.BytesIO(b"PK\x03\x04" + b"\0" * 1_000_000)
    with pytest.raises(UnreadableRecord, match="damaged zip"):
        archives.Archive(Path("x.zip"), content)
