"""Trackers receive each epoch of a training once, and cannot disturb it."""

import json
import socket

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ecgcore import RESEARCH_USE_ONLY, __version__
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.run import Cancelled, Run
from ecgcore.training import mlflow_tracker, tracking
from ecgcore.training.prepare import prepare
from ecgcore.training.tracking import URI, track
from ecgcore.training.trainer import train_run

SMALL = TrainConfig(
    cohort="examples", model="alexnet_gap", level="60", target_mode="multilabel", size=67,
    epochs=2, optimizer="adamw", device="cpu",
)  # fmt: skip


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    """Restore the environment afterwards, and disable MLflow unless a test enables it.

    A busy machine imports MLflow for longer than a training waits for it.
    """
    monkeypatch.setattr(tracking, "WAIT_S", 300.0)
    for name, value in mlflow_tracker.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(URI, raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)


@pytest.fixture
def run_so_far(examples_home):
    """Return a prepared run whose first two of two epochs are on disk, as if just trained."""
    run = prepare(SMALL, examples_home)
    run.update_status(state="running", steps=8)
    rows = [
        {"epoch": n, "train_loss": 1 / n, "val_loss": 2 / n, "val_macro_auc": None, "best": True}
        | {"seconds": 1.0}
        for n in (1, 2)
    ]
    (run.folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run


def pretend(run: Run, epochs: int = 2) -> None:
    """Report epochs to the trackers of a run as a training does, without training."""
    with track(run) as trackers:
        progress = trackers.with_callback(None)
        for _ in range(epochs):
            progress(run, {"row": None})
            progress(run, {"row": {}})


def events(run: Run) -> EventAccumulator:
    return EventAccumulator(str(run.folder / "tensorboard")).Reload()


def only_run(uri: str):
    """Return (client, the only run) of an MLflow store."""
    from mlflow.tracking import MlflowClient  # after telemetry is disabled

    client = MlflowClient(uri)
    (experiment,) = [one for one in client.search_experiments() if one.name == "examples"]
    (tracked_run,) = client.search_runs([experiment.experiment_id])
    return client, tracked_run


def by_epoch(client, run_id: str, name: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in client.get_metric_history(run_id, name)]


def test_both_trackers_receive_each_epoch_once_even_if_the_training_was_interrupted(
    examples_home, tmp_path, monkeypatch
):
    monkeypatch.setenv(URI, (tmp_path / "store").as_uri())
    run = prepare(SMALL, examples_home)
    train_run(run, examples_home, lambda run, progress: run.cancel() if progress["row"] else None)
    assert run.status["state"] == "cancelled"
    client, interrupted = only_run(str(tmp_path / "store"))
    assert interrupted.info.status == "KILLED"
    assert [step for step, _ in by_epoch(client, interrupted.info.run_id, "train_loss")] == [1]

    train_run(run, examples_home)
    assert run.status["state"] == "done"
    client, finished = only_run(str(tmp_path / "store"))
    assert (finished.info.run_id, finished.info.status) == (interrupted.info.run_id, "FINISHED")
    assert finished.info.run_name == run.id
    tags = {k: v for k, v in finished.data.tags.items() if k.startswith("ecgcore.")}
    expected_tags = {"run": run.id, "version": __version__, "note": RESEARCH_USE_ONLY}
    assert tags == {f"ecgcore.{name}": value for name, value in expected_tags.items()}
    accumulator, history = events(run), run.history
    for name, tag in (("train_loss", "train/loss"), ("val_loss", "val/loss"),
                      ("val_macro_auc", "val/macro_auc"), ("val_macro_f1", "val/macro_f1"),
                      ("val_accuracy", "val/accuracy")):  # fmt: skip
        expected = list(zip(history["epoch"], history[name], strict=True))
        assert by_epoch(client, finished.info.run_id, name) == expected
        logged = [(event.step, event.value) for event in accumulator.Scalars(tag)]
        assert logged == [(step, pytest.approx(value)) for step, value in expected]
    rates = [value for _, value in by_epoch(client, finished.info.run_id, "learning_rate")]
    assert len(rates) == 2
    assert rates[0] > rates[1] > 0
    score, best = run.evaluation["macro_auc"]["value"], run.status["best_epoch"]
    assert by_epoch(client, finished.info.run_id, "test_macro_auc") == [(best, score)]
    assert [(e.step, e.value) for e in accumulator.Scalars("test/macro_auc")] == [
        (best, pytest.approx(score))
    ]


def test_settings_are_logged_and_no_path(run_so_far, examples_home, tmp_path, monkeypatch):
    monkeypatch.setenv(URI, str(tmp_path / "store"))
    pretend(run_so_far)
    _, finished = only_run(str(tmp_path / "store"))
    settings = run_so_far.meta["config"]
    assert finished.data.params.items() >= {k: str(v) for k, v in settings.items() if v}.items()
    text = events(run_so_far).Tensors("run")[0].tensor_proto.string_val[0].decode()
    assert RESEARCH_USE_ONLY in text
    assert f"| learning_rate | {settings['learning_rate']} |" in text
    for logged in (str(finished.data.params), str(finished.data.tags), text):
        assert str(examples_home.path) not in logged


def test_a_parent_is_logged_by_its_id_even_if_it_was_named_by_a_path(small_pair):
    meta = small_pair[1].meta

    class Child:
        meta = small_pair[1].meta | {
            "config": small_pair[1].meta["config"] | {"pretrained": "/home/someone/runs/a"},
            "init": {"run": "a", "weights": "0"},
        }

    assert tracking.tracked_settings(Child)["pretrained"] == "a"
    assert "init" not in meta


def test_a_dead_server_costs_one_line_and_no_password_is_in_it(run_so_far, monkeypatch):
    monkeypatch.setenv(URI, "http://someone:secret@127.0.0.1:9")
    pretend(run_so_far)
    (line,) = run_so_far.log.splitlines()
    assert line.startswith("MLflow could not follow this training (")
    assert "Connection refused" in line
    assert line.endswith("The training continues; history.jsonl has every epoch.")
    assert "secret" not in line
    assert [event.step for event in events(run_so_far).Scalars("train/loss")] == [1, 2]


def test_a_server_that_never_answers_delays_nothing(run_so_far, monkeypatch):
    monkeypatch.setattr(tracking, "WAIT_S", 0.1)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv(URI, f"http://127.0.0.1:{silent.getsockname()[1]}")
        pretend(run_so_far, epochs=200)
    (line,) = run_so_far.log.splitlines()
    assert line.startswith("MLflow could not follow this training (no answer within")


def test_without_mlflow_one_line_says_how_to_install_it(run_so_far, monkeypatch):
    monkeypatch.setenv(URI, "http://127.0.0.1:9")
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    pretend(run_so_far)
    assert run_so_far.log == (
        "MLFLOW_TRACKING_URI is set, but MLflow is not installed: pip install mlflow-skinny.\n"
    )
    assert not (run_so_far.folder / "tensorboard").exists()


class FlakyTracker:
    """A tracker that fails once, with an unforeseen error."""

    name = "FlakyTracker"
    epochs: tuple = ()
    outcomes: tuple = ()
    failed = False

    def __init__(self, run):
        pass

    def begin(self, settings):
        pass

    def log_epochs(self, rows):
        if not FlakyTracker.failed:
            FlakyTracker.failed = True
            raise ZeroDivisionError("a slip")
        FlakyTracker.epochs = tuple(row["epoch"] for row in rows)

    def finish(self, outcome, scores, epoch):
        FlakyTracker.outcomes += ((outcome, scores, epoch),)


def test_epochs_that_a_tracker_missed_are_sent_when_it_answers_again(run_so_far, monkeypatch):
    monkeypatch.setattr(tracking, "enabled_trackers", lambda run: [FlakyTracker])
    pretend(run_so_far, epochs=1)
    assert "FlakyTracker could not follow this training (a slip)" in run_so_far.log
    pretend(run_so_far)
    assert FlakyTracker.epochs == (1, 2)
    for error in (Cancelled, KeyboardInterrupt, ValueError):
        with pytest.raises(error), track(run_so_far):
            raise error
    assert [outcome for outcome, _, _ in FlakyTracker.outcomes[-3:]] == [
        "KILLED",
        "KILLED",
        "FAILED",
    ]
    assert FlakyTracker.outcomes[-1] == ("FAILED", {}, 2)


def test_a_tracker_that_cannot_write_ends_nothing(run_so_far):
    (run_so_far.folder / "tensorboard").write_text("in the way")
    pretend(run_so_far)
    (line,) = run_so_far.log.splitlines()
    assert line.startswith("TensorBoard could not follow this training (")
