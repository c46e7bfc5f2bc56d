"""Ingest jobs: a folder is read in a background process, watched, cancelled and resumed."""

import json
import shutil
import time
from pathlib import Path

import pytest

from ecgcore.background import is_alive, process_stamp
from ecgcore.cohort import ingest_job
from ecgcore.cohort.ingest_job import IngestJob, IngestRequest
from ecgcore.cohort.store import Cohort
from ecgcore.errors import EcgError, RequestError
from ecgcore.workspace import Workspace

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "ptb-xl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of three ECGs and a broken one, all with a patient's name."""
    folder_path = tmp_path / "Petra_Muster"
    folder_path.mkdir()
    shutil.copy(EXAMPLES / "ptbxl_database.csv", folder_path)
    for header in sorted((EXAMPLES / "records100").rglob("*.hea"))[:3]:
        for file in (header, header.with_suffix(".dat")):
            shutil.copy(file, folder_path)
    (folder_path / "Muster_Petra.hea").write_text("Muster_Petra 12 100 1000\nnonsense\n")
    return folder_path


def stored(workspace: Workspace) -> str:
    """Return all that an import keeps on disk, but for its private request."""
    files = (workspace.path / "imports").rglob("*")
    kept = [f for f in files if f.is_file() and f.name != "request.json"]
    return "\n".join(file.read_text() for file in kept)


def test_an_import_reports_read_and_rejected_files_by_record_id(folder, tmp_path):
    workspace, statuses = Workspace(tmp_path / "home"), []
    result = ingest_job.run(
        IngestRequest(str(folder), "c", measure=False), workspace, statuses.append
    )
    status = IngestJob(workspace.path / "imports" / "c").status
    assert (result.read, len(result.rejected)) == (3, 1)
    assert (status["state"], status["read"], status["refused"]) == ("done", 3, 1)
    assert statuses[-1]["done"] == statuses[-1]["found"] == 4
    assert statuses[-1]["refused"] == 1
    (refused,) = status["rejected"]
    assert refused["record"] == result.rejected[0].record
    assert refused["reason"]
    assert "Muster" not in stored(workspace)
    assert "Petra" not in stored(workspace)


def test_an_import_runs_in_a_process_of_its_own_to_the_same_cohort(folder, tmp_path):
    workspace = Workspace(tmp_path / "home")
    job = ingest_job.start(IngestRequest(str(folder), "c", measure=False), workspace)
    assert job.status["state"] == "running"
    with pytest.raises(RequestError, match="is being read into already"):
        ingest_job.start(IngestRequest(str(folder), "c"), workspace)
    assert wait(job)["state"] == "done"
    assert len(Cohort.open("c", workspace)) == 3
    while is_alive(job.status):  # it removes its request last
        time.sleep(0.05)
    assert not (job.folder / "request.json").exists()
    job.dismiss(workspace)
    assert ingest_job.list_jobs(workspace) == []
    assert len(Cohort.open("c", workspace)) == 3


def test_a_cancelled_import_resumes_where_it_stopped(tmp_path):
    workspace = Workspace(tmp_path / "home")
    job = ingest_job.start(IngestRequest(str(EXAMPLES), "c", workers=1), workspace)
    while job.status["done"] < 5:
        assert job.status["state"] == "running"
        time.sleep(0.1)
    job.cancel()
    assert wait(job)["state"] == "cancelled"
    assert not (workspace.cohorts / "c" / "cohort.json").exists()
    assert (job.folder / "request.json").stat().st_mode & 0o777 == 0o600
    assert job.can_resume
    (journal,) = (workspace.cohorts / "c" / "private").glob(".*.jsonl")  # what goes on from there
    assert len(journal.read_text().splitlines()) > 5
    job.resume(workspace)
    assert wait(job)["state"] == "done"
    assert job.status["read"] == 160


def test_a_dismissed_import_leaves_nothing(tmp_path):
    workspace = Workspace(tmp_path / "home")
    job = IngestJob(workspace.path / "imports" / "c")
    job.write_started(IngestRequest("x", "c"), **process_stamp())
    (workspace.cohorts / "c" / "shards" / ".00000").mkdir(parents=True)
    with pytest.raises(RequestError, match="cancel it first"):
        job.dismiss(workspace)
    job.update_status(pid_started=1.0)
    assert job.status["state"] == "crashed"
    job.dismiss(workspace)
    assert not (workspace.cohorts / "c").exists()
    assert not job.folder.exists()


def test_what_cannot_be_imported_is_one_line_without_the_path(tmp_path):
    workspace, empty = Workspace(tmp_path / "home"), tmp_path / "Petra_Muster"
    empty.mkdir()
    with pytest.raises(EcgError, match="No ECG was found"):
        ingest_job.run(IngestRequest(str(empty), "c"), workspace)
    assert not (workspace.path / "imports").exists()  # nobody waits for it: nothing is written
    status = wait(ingest_job.start(IngestRequest(str(empty), "c"), workspace))
    assert status["state"] == "failed"
    assert status["message"].startswith("No ECG was found in the folder: ")
    assert "Petra" not in stored(workspace)
    with pytest.raises(RequestError, match=r"A cohort cannot be called '\.\./x'"):
        ingest_job.start(IngestRequest(str(empty), "../x"), workspace)


def test_nothing_readable_is_a_failure_that_lists_its_reasons(folder, tmp_path):
    for file in folder.glob("*_lr.*"):
        file.unlink()
    workspace = Workspace(tmp_path / "home")
    ingest_job.run(IngestRequest(str(folder), "c"), workspace)
    status = IngestJob(workspace.path / "imports" / "c").status
    assert status["state"] == "failed"
    assert len(status["rejected"]) == 1


def test_the_command_writes_the_same_status(folder, tmp_path, run):
    workspace = Workspace(tmp_path / "home")
    code, out, _ = run("ingest", folder, "--cohort", "c", "--no-measure", "--home", workspace.path)
    assert code == 0
    assert "4 found = 3 read + 1 rejected" in out
    assert json.loads((workspace.path / "imports" / "c" / "status.json").read_text())["read"] == 3


def test_a_command_line_says_all_that_was_asked_for(tmp_path):
    request = IngestRequest("-in", "c", 500, 5, True, False, 250.0, True, 2.5, 1)
    command = request.command(Workspace(tmp_path))[3:]
    assert command[:6] == ["ingest", "--cohort", "c", "--home", str(tmp_path), "--store-fs-hz"]
    assert command[6:] == [
        "500",
        "--duration-s",
        "5",
        "--source-fs-hz",
        "250",
        "--start-s",
        "2.5",
        "--workers",
        "1",
        "--upsample",
        "--assume-order",
        "--no-measure",
        "--",
        "-in",
    ]


def wait(job: IngestJob) -> dict:
    """Return where an import stands when it has ended."""
    until = time.monotonic() + 600
    while job.status["state"] == "running":
        assert time.monotonic() < until
        time.sleep(0.1)
    return job.status
