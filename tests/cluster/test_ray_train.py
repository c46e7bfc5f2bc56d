"""Training by Ray Train: the results of torchrun's workers, even if killed or cancelled."""

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
# Everything random or stateful: dropout, augmentation, mixing, BatchNorm, a moving average.
CONFIG = TrainConfig(
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
def workspace(examples_home, tmp_path_factory) -> Workspace:
    """Return a workspace of its own with the example cohort."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "cohorts").symlink_to(examples_home.cohorts)
    return Workspace(folder)


@pytest.fixture(scope="module")
def uninterrupted(workspace):
    """Return the results of two uninterrupted workers of torchrun."""
    run = prepare(CONFIG, workspace)
    train_with_workers(2, run, workspace, lambda run, progress: None)
    return results(run)


def results(run: Run) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return evaluation and history of a run, without its name and its duration."""
    assert run.status["state"] == "done"
    return run.evaluation | {"run": ""}, run.history.drop(columns="seconds").to_dict("records")


def workers_of_ray_train() -> list[psutil.Process]:
    """Return the workers of the cluster that this process has started."""
    return _children("RayTrainWorker")


def workers_of_torchrun() -> list[psutil.Process]:
    """Return the workers that this process's torchrun has started."""
    return [child for child in _children("ecgcore.training.worker") if "RANK" in child.environ()]


def _children(word: str) -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if word in " ".join(child.cmdline())]


class Killer:
    """Kills one worker when the third epoch is done."""

    def __init__(self, workers: Callable[[], list[psutil.Process]]) -> None:
        self.workers, self.killed = workers, None

    def __call__(self, run: Run, progress: dict[str, Any]) -> None:
        if self.killed is None and progress["epoch"] >= 3:
            self.killed = self.workers()[-1]
            assert len(run.history) < CONFIG.epochs
            self.killed.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("executor", ["ray", "local"])
def test_a_worker_killed_meanwhile_changes_nothing(ray_here, workspace, uninterrupted, executor):
    run = prepare(CONFIG, workspace)
    if executor == "ray":
        killer = Killer(workers_of_ray_train)
        train_on_ray(2, "ray", run, workspace, killer)
    else:
        killer = Killer(workers_of_torchrun)
        train_with_workers(2, run, workspace, killer)
    assert killer.killed is not None
    assert list(run.history["epoch"]) == list(range(1, 13))  # nothing twice, nothing lost
    assert results(run) == uninterrupted
    assert not (workspace.runs / ".ray").exists()


def test_a_training_cancelled_on_ray_resumes_with_torchrun(ray_here, workspace, uninterrupted):
    run = prepare(CONFIG, workspace)

    def cancel(run: Run, progress: dict[str, Any]) -> None:
        if progress["epoch"] >= 2 and run.status["state"] == "running":
            run.cancel()

    train_on_ray(2, "ray", run, workspace, cancel)
    assert run.status["state"] == "cancelled"
    assert 2 <= len(run.history) < CONFIG.epochs
    train_with_workers(2, run, workspace, lambda run, progress: None)
    assert results(run) == uninterrupted


def test_more_workers_than_there_is_room_for_are_refused(ray_here, workspace):
    run = prepare(replace(CONFIG, batch_size=64), workspace)
    with pytest.raises(RequestError, match=r"^64 workers need a CPU each; the Ray cluster has \d"):
        train_on_ray(64, "ray", run, workspace, lambda run, progress: None)
