"""Trackers hear what a training found, each epoch once, and cannot disturb it."""

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
    """Leave the environment as it was, and MLflow out where a test does not ask for it."""
    for name, value in mlflow_tracker.SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(URI, raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)


@pytest.fixture
def run_so_far(examples_home):
    """Return a prepared run whose first two of two epochs are on disk, as if just trained."""
    run = prepare(SMALL, examples_home)
    run.report(state="running", steps=8)
    rows = [
        {"epoch": n, "train_loss": 1 / n, "val_loss": 2 / n, "val_macro_auc": None, "best": True}
        for n in (1, 2)
    ]
    (run.folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run


def pretend(run: Run, epochs: int = 2) -> None:
    """Tell the trackers of a run as a training does that takes no time."""
    with track(run) as trackers:
        progress = trackers.beside(None)
        for _ in range(epochs):
            progress(run, {"row": None})
            progress(run, {"row": {}})


def events(run: Run) -> EventAccumulator:
    return EventAccumulator(str(run.folder / "tensorboard")).Reload()


def only_run(uri: str):
    """Return (client, the only run) of a store of MLflow."""
    from mlflow.tracking import MlflowClient  # once it is told to send nothing to its makers

    client = MlflowClient(uri)
    (experiment,) = [one for one in client.search_experiments() if one.name == "examples"]
    (found,) = client.search_runs([experiment.experiment_id])
    return client, found


def by_epoch(client, run_id: str, name: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in client.get_metric_history(run_id, name)]


def test_both_trackers_hear_each_epoch_once_though_the_training_was_cut_off(
    examples_home, tmp_path, monkeypatch
):
    monkeypatch.setenv(URI, (tmp_path / "store").as_uri())
    run = prepare(SMALL, examples_home)
    train_run(run, examples_home, lambda run, now: run.cancel() if now["row"] else None)
    assert run.status["state"] == "cancelled"
    client, kept = only_run(str(tmp_path / "store"))
    assert kept.info.status == "KILLED"
    assert [step for step, _ in by_epoch(client, kept.info.run_id, "train_loss")] == [1]

    train_run(run, examples_home)
    assert run.status["state"] == "done"
    client, found = only_run(str(tmp_path / "store"))
    assert (found.info.run_id, found.info.status) == (kept.info.run_id, "FINISHED")
    assert found.info.run_name == run.id
    tags = {k: v for k, v in found.data.tags.items() if k.startswith("ecgcore.")}
    said = {"run": run.id, "version": __version__, "note": RESEARCH_USE_ONLY}
    assert tags == {f"ecgcore.{name}": value for name, value in said.items()}
    told, history = events(run), run.history
    for name, tag in (("train_loss", "train/loss"), ("val_loss", "val/loss"),
                      ("val_macro_auc", "val/macro_auc"), ("val_macro_f1", "val/macro_f1"),
                      ("val_accuracy", "val/accuracy")):  # fmt: skip
        expected = list(zip(history["epoch"], history[name], strict=True))
        assert by_epoch(client, found.info.run_id, name) == expected
        seen = [(event.step, event.value) for event in told.Scalars(tag)]
        assert seen == [(step, pytest.approx(value)) for step, value in expected]
    rates = [value for _, value in by_epoch(client, found.info.run_id, "learning_rate")]
    assert len(rates) == 2
    assert rates[0] > rates[1] > 0
    score, best = run.evaluation["macro_auc"]["value"], run.status["best_epoch"]
    assert by_epoch(client, found.info.run_id, "test_macro_auc") == [(best, score)]
    assert [(e.step, e.value) for e in told.Scalars("test/macro_auc")] == [
        (best, pytest.approx(score))
    ]


def test_what_was_asked_is_told_and_no_path(run_so_far, examples_home, tmp_path, monkeypatch):
    monkeypatch.setenv(URI, str(tmp_path / "store"))
    pretend(run_so_far)
    _, found = only_run(str(tmp_path / "store"))
    asked = run_so_far.meta["config"]
    assert found.data.params.items() >= {k: str(v) for k, v in asked.items() if v}.items()
    text = events(run_so_far).Tensors("run")[0].tensor_proto.string_val[0].decode()
    assert RESEARCH_USE_ONLY in text
    assert f"| learning_rate | {asked['learning_rate']} |" in text
    for told in (str(found.data.params), str(found.data.tags), text):
        assert str(examples_home.path) not in told


def test_a_parent_is_told_by_its_id_though_it_was_named_by_a_path(small_pair):
    meta = small_pair[1].meta

    class Child:
        meta = small_pair[1].meta | {
            "config": small_pair[1].meta["config"] | {"pretrained": "/home/someone/runs/a"},
            "init": {"run": "a", "weights": "0"},
        }

    assert tracking.settings(Child)["pretrained"] == "a"
    assert "init" not in meta


def test_a_dead_server_costs_one_line_and_no_password_is_in_it(run_so_far, monkeypatch):
    monkeypatch.setenv(URI, "http://someone:secret@127.0.0.1:9")
    pretend(run_so_far)
    (line,) = run_so_far.log.splitlines()
    assert line.startswith("MLflow was not told of this training (")
    assert "Connection refused" in line
    assert line.endswith("The training goes on; history.jsonl has every epoch.")
    assert "secret" not in line
    assert [event.step for event in events(run_so_far).Scalars("train/loss")] == [1, 2]


def test_a_server_that_never_answers_holds_nothing_up(run_so_far, monkeypatch):
    monkeypatch.setattr(tracking, "WAIT_S", 0.1)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv(URI, f"http://127.0.0.1:{silent.getsockname()[1]}")
        pretend(run_so_far, epochs=200)
    (line,) = run_so_far.log.splitlines()
    assert line.startswith("MLflow was not told of this training (no answer within")


def test_without_mlflow_one_line_says_how_to_install_it(run_so_far, monkeypatch):
    monkeypatch.setenv(URI, "http://127.0.0.1:9")
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    pretend(run_so_far)
    assert run_so_far.log == (
        "MLFLOW_TRACKING_URI is set, but MLflow is not installed: pip install mlflow-skinny.\n"
    )
    assert not (run_so_far.folder / "tensorboard").exists()


class Moody:
    """A tracker that fails once, with an error nobody foresaw."""

    name = "Moody"
    told: tuple = ()
    endings: tuple = ()
    failed = False

    def __init__(self, run):
        pass

    def begin(self, asked):
        pass

    def tell(self, rows):
        if not Moody.failed:
            Moody.failed = True
            raise ZeroDivisionError("a slip")
        Moody.told = tuple(row["epoch"] for row in rows)

    def end(self, ending, scores, epoch):
        Moody.endings += ((ending, scores, epoch),)


def test_what_a_tracker_missed_it_hears_when_it_answers_again(run_so_far, monkeypatch):
    monkeypatch.setattr(tracking, "trackers_here", lambda run: [Moody])
    pretend(run_so_far, epochs=1)
    assert "Moody was not told of this training (a slip)" in run_so_far.log
    pretend(run_so_far)
    assert Moody.told == (1, 2)
    for error in (Cancelled, KeyboardInterrupt, ValueError):
        with pytest.raises(error), track(run_so_far):
            raise error
    assert [ending for ending, _, _ in Moody.endings[-3:]] == ["KILLED", "KILLED", "FAILED"]
    assert Moody.endings[-1] == ("FAILED", {}, 2)


def test_a_tracker_that_cannot_write_ends_nothing(run_so_far):
    (run_so_far.folder / "tensorboard").write_text("in the way")
    pretend(run_so_far)
    (line,) = run_so_far.log.splitlines()
    assert line.startswith("TensorBoard was not told of this training (")
