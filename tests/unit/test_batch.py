"""Batch classification: one row per record in complete parts, and no part made twice."""

import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from recordings import EXAMPLES, limb_consistent_uv, write_wfdb

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.store import Cohort
from ecgcore.errors import EcgError, RequestError
from ecgcore.inference import batch, batch_parts
from ecgcore.inference.classify import classify_paths
from ecgcore.inference.model import load_model
from ecgcore.workspace import Workspace

RUN = "alexnet_gap"


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(batch, "_MIN_PART_RECORDS", 2)


@pytest.fixture
def folder(tmp_path):
    """Five real records and one that cannot be read, whose file name is a person's."""
    files = sorted(EXAMPLES.rglob("*_lr.hea"))[:5]
    (tmp_path / "in").mkdir()
    for header in files:
        for file in (header, header.with_suffix(".dat")):
            shutil.copy(file, tmp_path / "in")
    unreadable = write_wfdb(tmp_path / "in", "Meyer_Anna", limb_consistent_uv(5000, 1))
    unreadable.with_suffix(".dat").unlink()
    return tmp_path / "in"


def classify(folder, to, workspace, run=RUN, **more):
    return batch.classify_files_to(to, [folder], run, workspace, workers=1, **more)


def written_at(to):
    """Return the time of writing of each part."""
    return {file.stem: file.stat().st_mtime_ns for file in (to / "parts").glob("*.parquet")}


def test_each_record_is_a_row_and_a_failed_one_has_a_reason(folder, tmp_path, examples_home):
    progress = []
    to = tmp_path / "out"
    answer = classify(
        folder, to, examples_home, on_progress=lambda *counts: progress.append(counts)
    )
    assert (answer["records"], answer["answered"], answer["refused"]) == (6, 5, 1)
    assert (answer["parts"], answer["kept"]) == (3, 0)
    assert progress == [(n, 6) for n in range(1, 7)]
    rows = pd.read_parquet(to / "parts")
    lines = list(classify_paths([folder], load_model(RUN, examples_home)))
    assert len(rows) == len(lines) == 6
    for row, line in zip(rows.to_dict("records"), lines, strict=True):
        if line["error"]:
            assert row["error"] == "…, which its header names, is missing"
            assert pd.isna(row["p_NSR"])
            continue
        assert (row["record"], row["top"], row["refer"]) == (
            line["record"],
            line["top"],
            line["refer"],
        )
        for code, p in line["probabilities"].items():
            assert row[f"p_{code}"] == pytest.approx(p, abs=1e-6)
            assert row[f"raw_{code}"] == pytest.approx(line["raw"][code], abs=1e-6)


def test_public_files_name_nobody(folder, tmp_path, examples_home):
    to = tmp_path / "out"
    classify(folder, to, examples_home)
    for file in (to / "classified.json", *(to / "parts").iterdir()):
        assert b"Meyer" not in file.read_bytes()
    assert "Meyer" not in pd.read_parquet(to / "parts").to_csv()
    private = pd.read_parquet(to / "private")
    assert private["path"].str.contains("Meyer_Anna").sum() == 1
    assert private["record"].tolist() == pd.read_parquet(to / "parts")["record"].tolist()
    assert {f.stat().st_mode & 0o777 for f in (to / "private").iterdir()} == {0o600}
    assert (to / "private").stat().st_mode & 0o777 == 0o700
    summary = json.loads((to / "classified.json").read_text())
    assert summary["notice"] == RESEARCH_USE_ONLY
    assert str(tmp_path) not in (to / "classified.json").read_text()


def test_only_what_changed_is_classified_again(folder, tmp_path, examples_home):
    to = tmp_path / "out"
    classify(folder, to, examples_home)
    first = written_at(to)
    assert classify(folder, to, examples_home)["kept"] == 3
    assert written_at(to) == first
    write_wfdb(folder, "Z0001", limb_consistent_uv(5000, 2))  # comes last
    answer = classify(folder, to, examples_home)
    assert (answer["records"], answer["parts"], answer["kept"]) == (7, 4, 3)
    os.utime(sorted(folder.glob("*.hea"))[0], (1, 1))
    assert classify(folder, to, examples_home)["kept"] == 3
    for file in folder.glob("[MZ]*"):
        file.unlink()
    answer = classify(folder, to, examples_home)
    assert (answer["records"], answer["parts"], answer["kept"]) == (5, 3, 2)
    assert set(written_at(to)) == {f.stem for f in (to / "private").iterdir()} == set(first)
    assert len(pd.read_parquet(to / "parts")) == 5
    kept = written_at(to)
    with pytest.raises(RequestError) as refused:
        classify(folder, to, examples_home, run="alexnet_m_se_gap")
    assert str(refused.value) == (
        f"{to} holds the answers of network {RUN}, and those of alexnet_m_se_gap would replace "
        "them; name another folder with --to."
    )
    assert written_at(to) == kept
    assert (to / "classified.json").exists()


def test_an_interrupted_classification_resumes(folder, tmp_path, examples_home, monkeypatch):
    to = tmp_path / "out"

    def stop(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classify(folder, to, examples_home, on_progress=stop)
    assert sorted(written_at(to)) == ["00000", "00001"]
    assert not (to / "classified.json").exists()
    (to / "parts" / ".00002.parquet.0a1b2c3d.4711").write_bytes(b"PAR1")  # a killed writer's
    assert classify(folder, to, examples_home)["kept"] == 2
    assert not list((to / "parts").glob(".*"))


def test_a_cohort_gives_what_its_files_give(folder, tmp_path):
    workspace = Workspace(tmp_path / "home")
    ingest(folder, "few", workspace, workers=1, measure=False)
    cohort = Cohort.open("few", workspace)
    answer = batch.classify_cohort_to(tmp_path / "c", cohort, RUN, workspace, workers=1)
    assert (answer["records"], answer["parts"]) == (5, len(cohort.meta["shards"]))
    rows = pd.read_parquet(tmp_path / "c" / "parts")
    assert rows["record"].tolist() == cohort.index["record"].tolist()
    classify(folder, tmp_path / "f", workspace)
    of_files = pd.read_parquet(tmp_path / "f" / "parts").set_index("record")
    numbers = [column for column in rows if column.startswith(("p_", "raw_"))]
    rows = rows.set_index("record")[numbers]
    np.testing.assert_allclose(rows, of_files.loc[rows.index, numbers], atol=1e-6)
    again = batch.classify_cohort_to(tmp_path / "c", cohort, RUN, workspace, workers=1)
    assert again["kept"] == again["parts"]


def test_a_network_that_differs_between_machines_is_refused(folder, tmp_path, examples_home):
    request = batch_parts.BatchRequest(tmp_path / "out", RUN, examples_home, "0" * 64)
    part = batch_parts.FilesPart(
        "00000", (str(sorted(folder.glob("*.hea"))[0]),), batch.DEFAULT_READ_OPTIONS
    )
    with pytest.raises(EcgError, match=f"Run {RUN} is not the same on all machines"):
        batch_parts.classify_part(request, part, lambda is_refused: None)


def test_wrong_requests_are_one_line(folder, tmp_path, examples_home, run):
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match=r"file is a file; name a folder to write the parts"):
        classify(folder, tmp_path / "file", examples_home)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="No ECG record was found there"):
        classify(tmp_path / "empty", tmp_path / "out", examples_home)
    workspace = ("--home", examples_home.path)
    for arguments, message in (
        ((), "Give either PATHS or --cohort NAME."),
        (("x.hea", "--cohort", "examples"), "Give either PATHS or --cohort NAME."),
        (("--cohort", "examples"), "--cohort NAME needs --to FOLDER, where the rows are written."),
        (
            ("x.hea", "--executor", "ray"),
            "--executor needs --to FOLDER: lines come from this machine.",
        ),
        (("x.hea", "--to", tmp_path / "o", "--executor", "spark"), "Work cannot run on 'spark'"),
    ):
        code, out, err = run("classify", *arguments, *workspace)
        assert (code, out) == (2, "")
        assert message in err


def test_the_command_reports_the_counts(folder, tmp_path, examples_home, run):
    command = ("classify", folder, "--run", RUN, "--to", tmp_path / "out", "--workers", 1)
    code, out, _ = run(*command, "--home", examples_home.path, "--json")
    answer = json.loads(out)
    assert (code, answer["records"], answer["refused"]) == (0, 6, 1)
    assert sum(answer["top"].values()) == answer["answered"] == 5
    code, out, err = run(*command, "--home", examples_home.path)
    assert "6 records in 3 parts of" in out
    assert "(3 existed): 5 answered, 1 refused" in out
    assert RESEARCH_USE_ONLY in err
    unreadable = ("classify", folder / "Meyer_Anna.hea", "--run", RUN, "--to", tmp_path / "lost")
    assert run(*unreadable, "--home", examples_home.path)[0] == 2
