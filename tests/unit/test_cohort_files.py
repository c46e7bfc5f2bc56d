"""Every file of an ingested folder is listed with its role or the reason for its rejection."""

import contextlib
import json
import os
import sys
import zipfile

import pytest
from recordings import limb_consistent_uv, real, write_csv, write_wfdb

from ecgcore import cli

KINDS = (
    *("record", "refused: ", "companion of ", "table", "licence or readme", "hidden file"),
    *("container of records", "other: no recording", "annotations without their recording"),
)


@pytest.fixture
def ingest(monkeypatch, capsys, tmp_path):
    """Return a function that ingests a folder into a home of its own and returns the answer."""

    def ingest(folder):
        arguments = [
            "ingest",
            folder,
            "--cohort",
            "x",
            "--home",
            tmp_path / "home",
            "--workers",
            "1",
        ]
        arguments += ["--no-measure", "--list-files", "--json"]
        monkeypatch.setattr(sys, "argv", ["ecgcore", *map(str, arguments)])
        with contextlib.suppress(SystemExit):
            cli.main()
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return ingest


def test_ingest_lists_every_file_and_what_became_of_it(ingest, tmp_path):
    folder = tmp_path / "in"
    first = write_wfdb(folder, "A0001", limb_consistent_uv(5000), suffix=".mat")
    write_csv(folder / "copy_500hz.csv", limb_consistent_uv(5000).T / 1000)
    (folder / "scan.pdf").write_bytes(b"%PDF-1.7")
    (folder / "RECORDS").write_text("A0001\n")
    (folder / "meta.csv").write_text("id,age\n1,50\n")
    (folder / "A0001.atr").write_bytes(b"\0\0")
    (folder / ".seen").touch()
    with zipfile.ZipFile(folder / "more.zip", "w") as packed:
        for file in (first, first.with_suffix(".mat")):
            packed.write(file, f"inner/{file.name}")
        packed.writestr("inner/notes.json", "{}")
    answer = ingest(folder)
    roles = {os.path.relpath(row["path"], folder): row["what"] for row in answer["files"]}
    one = answer["duplicates"][0]["of"]
    assert roles == {
        ".seen": "hidden file",
        "A0001.atr": "companion of A0001.hea",
        "A0001.hea": "record",
        "A0001.mat": "companion of A0001.hea",
        "RECORDS": "licence or readme",
        "copy_500hz.csv": f"record: duplicate of {one}",
        "meta.csv": "table",
        "more.zip": "container of records",
        "more.zip/inner/A0001.hea": f"record: duplicate of {one}",
        "more.zip/inner/A0001.mat": "companion of A0001.hea",
        "more.zip/inner/notes.json": "other: no recording",
        "scan.pdf": "refused: Record scan: scan.pdf is a document (PDF or Office) and holds no "
        "signal. Give the recording.",
    }
    assert answer["found"] == sum(w.startswith(("record", "refused")) for w in roles.values())


@pytest.mark.data
@pytest.mark.parametrize("name", ["formats", "chapman-figshare", "code-15", "sph", "ptb-xl-csv"])
def test_every_real_file_is_told(ingest, name):
    folder = real(name)
    answer = ingest(folder)
    roles = {row["path"]: row["what"] for row in answer["files"]}
    on_disk = {os.path.join(here, file) for here, _, files in os.walk(folder) for file in files}
    assert on_disk <= set(roles)
    assert [what for what in roles.values() if not what.startswith(KINDS)] == []
    assert answer["found"] == sum(w.startswith(("record", "refused")) for w in roles.values())
