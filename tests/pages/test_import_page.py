"""Importing a folder of the server: chosen below the roots, watched, cancelled, resumed."""

from pathlib import Path

import pytest
from reading import labels, links, words

from ecgcore.background import process_stamp
from ecgcore.cohort import ingest_job
from ecgcore.cohort.allowed_folders import VARIABLE
from ecgcore.cohort.ingest_job import IngestJob, IngestRequest
from ecgcore.workspace import Workspace


@pytest.fixture
def root(tmp_path: Path, monkeypatch) -> Path:
    """Return the one root that may be imported from."""
    folder = tmp_path / "archive"
    (folder / "ward").mkdir(parents=True)
    monkeypatch.setenv(VARIABLE, str(folder))
    return folder


@pytest.fixture
def running(workspace: Workspace) -> IngestJob:
    """Return an import that appears to be running; its process is this one."""
    job = IngestJob(workspace.path / "imports" / "ward-7")
    job.write_started(IngestRequest("/in/Petra", "ward-7"), **process_stamp())
    job.update_status(found=45_000, done=900, refused=3, rate=60.0, eta_s=735.0)
    return job


def open_form(open_page):
    app = open_page("overview")
    app.session_state["overview_import"] = True
    return app.run()


def test_a_folder_below_a_root_is_imported_with_the_options_chosen(
    open_page, workspace, root, monkeypatch
):
    started = []
    monkeypatch.setattr(ingest_job, "start", lambda request, workspace: started.append(request))
    app = open_form(open_page)
    assert app.selectbox(key="import_root").options == ["archive"]
    assert app.selectbox(key="import_below").options == [".", "ward"]
    assert app.button(key="import_start").disabled
    app.selectbox(key="import_below").select("ward")
    app.selectbox(key="import_rate").select("500 Hz")
    app.checkbox(key="import_measure").uncheck()
    app.text_input(key="import_cohort").set_value("ward-7").run()
    app.button(key="import_start").click().run()
    assert not app.exception
    folder = str((root / "ward").resolve())
    assert started == [IngestRequest(folder, "ward-7", store_fs_hz=500, measure=False)]


def test_an_invalid_cohort_name_is_one_line_and_starts_nothing(open_page, workspace, root):
    app = open_form(open_page)
    app.text_input(key="import_cohort").set_value("../x").run()
    app.button(key="import_start").click().run()
    assert "A cohort cannot be called '../x'" in app.error[0].value
    assert not (workspace.path / "imports").exists()


def test_without_a_root_nothing_can_be_imported(open_page, workspace, monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    assert f"set {VARIABLE}" in words(open_form(open_page))


@pytest.mark.parametrize("page", ["overview", "browse"])
def test_a_running_import_shows_its_progress_and_the_time_left(open_page, running, page):
    app = open_page(page)
    assert app.get("progress")[0].proto.text == (
        "**Import of ward-7** · running · 900 of 45,000, 3 refused, 60 a second · 12 min left"
    )
    assert "Cancel" in labels(app)
    assert "Petra" not in words(app)


def test_cancel_stops_the_process_and_the_import_can_be_resumed(open_page, running, monkeypatch):
    ended, started = [], []
    monkeypatch.setattr("psutil.Process.terminate", lambda process: ended.append(process.pid))
    monkeypatch.setattr(ingest_job, "start", lambda request, workspace: started.append(request))
    app = open_page("overview")
    app.button(key="import_cancel_ward-7").click().run()
    assert ended == [running.status["pid"]]
    running.update_status(pid_started=1.0)  # it is gone
    app = open_page("overview")
    assert "cancelled" in app.get("progress")[0].proto.text
    app.button(key="import_resume_ward-7").click().run()
    assert started == [IngestRequest("/in/Petra", "ward-7")]
    assert not app.exception


def test_refused_files_are_listed_when_an_import_is_done(open_page, running, workspace):
    running.update_status(
        state="done",
        found=4,
        read=3,
        refused=1,
        duplicates=0,
        seconds=2.0,
        rejected=[{"record": "r0123", "reason": "the signal file is missing"}],
    )
    app = open_page("overview")
    assert "4 found = 3 records, 1 refused" in words(app)
    assert app.dataframe[-1].value["record"].tolist() == ["r0123"]
    assert {"Browse the cohort", "Train both"} <= set(links(app))
    app.button(key="import_dismiss_ward-7").click().run()
    assert not running.folder.exists()
