"""Training by Ray Train: what torchrun's workers find, whoever is killed or cancelled meanwhile."""

import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psutil
import pytest

from ecgcore.errors import RequestError
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.run import Run
from ecgcore.training.launch import train_with_workers
from ecgcore.training.prepare import prepare
from ecgcore.training.ray_train import train_on_ray
from ecgcore.workspace import Workspace

pytestmark = pytest.mark.cluster
# All that changes in a training: dropout, augmentation, mixing, BatchNorm, a running average.
ASKED = TrainConfig(
    "examples",
    "resnet1d",
    "60",
    "multilabel",
    depth=4,
    width=8,
    epochs=12,
    batch_size=10,
    dropout=0.2,
    augmentation="targeted",
    class_balance="sampling",
    ema_decay=0.9,
    device="cpu",
    precision="float32",
)


@pytest.fixture(scope="module")
def place(examples_home, tmp_path_factory) -> Workspace:
    """Return a home of its own with the example cohort."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "cohorts").symlink_to(examples_home.cohorts)
    return Workspace(folder)


@pytest.fixture(scope="module")
def smooth(place):
    """Return what two workers of torchrun found, undisturbed."""
    run = prepare(ASKED, place)
    train_with_workers(2, run, place, lambda run, now: None)
    return told(run)


def told(run: Run) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what a run found, without its name and the time it took."""
    assert run.status["state"] == "done"
    return run.evaluation | {"run": ""}, run.history.drop(columns="seconds").to_dict("records")


def workers_of_ray_train() -> list[psutil.Process]:
    """Return the processes that train for the cluster that this process has started."""
    return _children("RayTrainWorker")


def workers_of_torchrun() -> list[psutil.Process]:
    """Return the workers that this process's torchrun has started."""
    return [child for child in _children("ecgcore.training.worker") if "RANK" in child.environ()]


def _children(word: str) -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [child for child in found if word in " ".join(child.cmdline())]


class Killer:
    """Kills one of the workers when the third epoch is done, once."""

    def __init__(self, workers: Callable[[], list[psutil.Process]]) -> None:
        self.workers, self.killed = workers, None

    def __call__(self, run: Run, now: dict[str, Any]) -> None:
        if self.killed is None and now["epoch"] >= 3:
            self.killed = self.workers()[-1]
            assert len(run.history) < ASKED.epochs
            self.killed.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("on", ["ray", "local"])
def test_a_worker_killed_meanwhile_changes_nothing(ray_here, place, smooth, on):
    run = prepare(ASKED, place)
    if on == "ray":
        killer = Killer(workers_of_ray_train)
        train_on_ray(2, "ray", run, place, killer)
    else:
        killer = Killer(workers_of_torchrun)
        train_with_workers(2, run, place, killer)
    assert killer.killed is not None
    assert list(run.history["epoch"]) == list(range(1, 13))  # nothing twice, nothing lost
    assert told(run) == smooth
    assert not (place.runs / ".ray").exists()


def test_what_was_cancelled_on_ray_goes_on_with_torchrun(ray_here, place, smooth):
    run = prepare(ASKED, place)

    def cancel(run: Run, now: dict[str, Any]) -> None:
        if now["epoch"] >= 2 and run.status["state"] == "running":
            run.cancel()

    train_on_ray(2, "ray", run, place, cancel)
    assert run.status["state"] == "cancelled"
    assert 2 <= len(run.history) < ASKED.epochs
    train_with_workers(2, run, place, lambda run, now: None)
    assert told(run) == smooth


def test_more_workers_than_there_is_room_for_are_refused(ray_here, place):
    run = prepare(replace(ASKED, batch_size=64), place)
    with pytest.raises(RequestError, match=r"^64 workers want a CPU each; the Ray cluster has \d"):
        train_on_ray(64, "ray", run, place, lambda run, now: None)
