"""Train page while a training is running: its content comes from the run's folder."""

import json
import shutil

import pandas as pd
import pytest
from reading import labels, words

from ecgcore.runs.config import TrainConfig
from ecgcore.runs.queue import enqueue
from ecgcore.runs.run import Run
from ecgcore.training.prepare import prepare
from ecgcore.workspace import Workspace

EPOCH = {
    "epoch": 1,
    "train_loss": 2.31,
    "val_loss": 2.2,
    "val_macro_auc": 0.61,
    "best": True,
    "seconds": 1.5,
}


@pytest.fixture
def running(own_copy: Workspace) -> Run:
    """Return a run that appears to be in its second of three epochs; its process is this one."""
    run = prepare(TrainConfig("examples", model="alexnet_gap", level="60", epochs=3), own_copy)
    enqueue(run, own_copy, ["cpu"])
    run.update_status(state="running", epoch=1, eta_s=42, message="Training.")
    (run.folder / "history.jsonl").write_text(json.dumps(EPOCH) + "\n")
    return run


def test_a_running_training_shows_its_progress_and_the_time_left(open_page, running):
    app = open_page("train")
    assert "Training now" in words(app)
    assert (
        "**alexnet_gap** · running · epoch 1 of 3 · 42 s left" in app.get("progress")[0].proto.text
    )


def test_cancel_requests_the_run_to_stop(open_page, running: Run):
    app = open_page("train")
    app.button(key=f"train_cancel_{running.id}").click().run()
    assert running.cancel_requested
    assert not app.exception


def test_a_crashed_run_says_so_and_cannot_be_cancelled(open_page, running: Run):
    running.update_status(pid_started=1.0)
    app = open_page("train")
    assert "Last trained" in words(app)
    assert "ecgcore runs resume" in app.get("progress")[0].proto.text
    assert "Cancel" not in labels(app)


def test_crashed_runs_resume_at_a_click(open_page, own_copy: Workspace, running: Run, monkeypatch):
    app = open_page("train")
    assert not any(label.startswith("Resume") for label in labels(app))
    running.update_status(pid_started=1.0)
    app = open_page("train")
    resumed = []
    monkeypatch.setattr(
        "ecgcore.training.run_jobs.resume", lambda run, workspace: resumed.append(run)
    )
    app.button(key="train_resume").click().run()
    assert not app.exception
    assert resumed == [running]


def test_a_training_that_cannot_start_is_one_line_and_writes_nothing(
    open_page, own_copy: Workspace
):
    app = open_page("train")
    shutil.rmtree(own_copy.cohorts / "examples" / "shards")
    app.button(key="train_start").click().run()
    assert not app.exception
    assert ["ingest its folder again" in line.value for line in app.error] == [True]
    assert not own_copy.runs.exists()


def test_an_unknown_cohort_leaves_the_choice_to_the_visitor(open_page, own_copy: Workspace):
    app = open_page("train", cohort="no such cohort", train_level="7")
    assert app.selectbox(key="cohort").value == "examples"
    assert app.segmented_control(key="train_level").value == "204"


def test_a_cohort_of_several_sources_offers_to_leave_one_out(open_page, own_copy: Workspace):
    folder = own_copy.cohorts / "examples"
    meta = json.loads((folder / "cohort.json").read_text())
    (shard, *_) = meta["shards"]
    file = folder / "shards" / shard / "index.parquet"
    index = pd.read_parquet(file)
    other = index["patient"].isin(index["patient"].iloc[:40].tolist())
    index.assign(source=index["source"].mask(other, "georgia")).to_parquet(file, index=False)
    meta["sources"] = {"ptb-xl": 120, "georgia": int(other.sum())}
    (folder / "cohort.json").write_text(json.dumps(meta))
    app = open_page("train", train_level="all")
    split = app.selectbox(key="train_split")
    assert split.options == ["patient", "folds", "source:ptb-xl", "source:georgia"]
    split.select("source:georgia").run()
    assert not app.exception
    assert "Test: source georgia, " in words(app)


def test_a_training_that_waits_without_a_process_yet_is_shown(open_page, own_copy):
    config = TrainConfig("examples", "resnet1d", "30", epochs=1, depth=4, width=4, device="cpu")
    run = prepare(config, own_copy)
    app = open_page("train", cohort="examples", train_shown=run.id)
    assert not app.exception
