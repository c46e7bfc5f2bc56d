"""The queue: one training a device, first come, first served; it survives a restart."""

import json
import os
import signal
import time
from collections.abc import Callable
from multiprocessing import get_context

import pytest

from ecgcore.atomic import clean_temp
from ecgcore.background import process_stamp
from ecgcore.errors import RequestError
from ecgcore.runs import queue
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.queue import acquire, enqueue, queued_runs
from ecgcore.runs.run import Cancelled, Run
from ecgcore.training import run_jobs
from ecgcore.training.prepare import prepare
from ecgcore.training.trainer import train, train_run
from ecgcore.workspace import Workspace

SMALL = TrainConfig(
    cohort="examples", model="resnet1d", depth=4, width=4, level="30", target_mode="multilabel",
    epochs=3, device="cpu",
)  # fmt: skip
REAL = get_context("forkserver")  # real processes that need not import torch one by one
REAL.set_forkserver_preload(["ecgcore.training.trainer", "torch._dynamo"])


@pytest.fixture
def workspace(examples_home, tmp_path) -> Workspace:
    """Return a home of its own with the example cohort: nobody else is in its queue."""
    (tmp_path / "cohorts").symlink_to(examples_home.cohorts)
    return Workspace(tmp_path)


def wait_until(reached: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail after ten minutes, which a busy machine may need."""
    deadline = time.monotonic() + 600
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def waits_for(trainings: str, run: Run) -> bool:
    """Tell whether a run reports that it waits for so many trainings."""
    return run.status["message"] == f"Waiting on cpu: {trainings} before this one."


def work_until_killed(run: Run, workspace: Workspace) -> None:
    """Train as ``ecgcore train`` does, but stay in the first epoch."""
    train_run(run, workspace, lambda run, progress: time.sleep(600) if progress["row"] else None)


def results(run: Run) -> tuple[dict, list[dict]]:
    """Return evaluation and history of a run, without its name and its duration."""
    return run.evaluation | {"run": ""}, run.history.drop(columns="seconds").to_dict("records")


def test_trainings_wait_in_order_and_resume_in_order_after_a_reboot(workspace, run):
    first, second, third, fourth = runs = [prepare(SMALL, workspace) for _ in range(4)]
    processes = []
    for one in runs:
        processes.append(REAL.Process(target=work_until_killed, args=(one, workspace)))
        processes[-1].start()
        wait_until(lambda one=one: one in queued_runs(workspace))
    wait_until(lambda: first.status["epoch"] == 1)
    wait_until(lambda: waits_for("1 training", second))
    wait_until(lambda: waits_for("2 trainings", third))
    wait_until(lambda: waits_for("3 trainings", fourth))
    assert queued_runs(workspace) == runs

    assert run("runs", "cancel", third.id, "--home", workspace.path)[0] == 0
    processes[2].join(60)
    assert third.status["state"] == "cancelled"
    wait_until(lambda: waits_for("2 trainings", fourth))
    assert [one.status["state"] for one in runs] == ["running", "queued", "cancelled", "queued"]

    for process in processes:
        process.kill()
        process.join()
    assert process.exitcode == -signal.SIGKILL
    assert json.loads((first.folder / "status.json").read_text())["state"] == "running"
    listed = json.loads(run("runs", "list", "--json", "--home", workspace.path)[1])["runs"]
    states = {row["run"]: row["state"] for row in listed}
    assert [states[one.id] for one in runs] == ["crashed", "crashed", "cancelled", "crashed"]
    assert f"ecgcore runs resume {second.id}" in second.status["message"]
    assert queued_runs(workspace) == []

    code, out, _ = run("runs", "resume", "--all", "--json", "--home", workspace.path)
    resumed = [first, second, fourth]
    assert (code, [row["run"] for row in json.loads(out)["runs"]]) == (0, [r.id for r in resumed])
    assert queued_runs(workspace) == resumed
    wait_until(lambda: not queued_runs(workspace))
    assert [one.status["state"] for one in runs] == ["done", "done", "cancelled", "done"]
    ended = [(one.folder / "evaluation.json").stat().st_mtime_ns for one in resumed]
    assert ended == sorted(ended)
    uninterrupted = results(train(SMALL, workspace))
    assert [results(one) for one in resumed] == [uninterrupted] * 3
    assert not list((workspace.runs / ".queue").iterdir())
    assert run("runs", "resume", "--all", "--home", workspace.path)[1] == "No run has crashed.\n"


def test_any_gpu_is_the_first_that_is_free_and_one_by_number_is_that_one(workspace, monkeypatch):
    """The queue knows devices by name only."""
    any_gpu, runs = ["cuda:0", "cuda:1"], [prepare(SMALL, workspace) for _ in range(4)]
    for run, devices in zip(runs, (["cuda:0"], any_gpu, any_gpu, ["cpu"]), strict=True):
        enqueue(run, workspace, devices)
        time.sleep(0.002)
    with acquire(runs[1], workspace, any_gpu, 1) as second:
        assert second == ["cuda:1"]  # the first run precedes it on the other
        with (
            acquire(runs[0], workspace, ["cuda:0"], 1) as first,
            acquire(runs[3], workspace, ["cpu"], 1) as fourth,
        ):
            assert (first, fourth) == (["cuda:0"], ["cpu"])
            monkeypatch.setattr(queue.time, "sleep", lambda _: runs[2].cancel())
            with pytest.raises(Cancelled), acquire(runs[2], workspace, any_gpu, 1):
                pass
    assert runs[2].status["message"] == ("Waiting on cuda:0, cuda:1: 2 trainings before this one.")


def test_a_run_leaves_the_queue_with_its_process_and_keeps_its_position_otherwise(workspace):
    first, second, third = runs = [prepare(SMALL, workspace) for _ in range(3)]
    for run in (second, first, third):
        enqueue(run, workspace, ["cpu"])
    assert queued_runs(workspace) == [second, first, third]
    enqueue(second, workspace, ["cpu"])  # as the process does that waits for it
    assert queued_runs(workspace) == [second, first, third]
    first.update_status(pid_started=process_stamp()["pid_started"] - 1000)  # the pid was reused
    assert queued_runs(workspace) == [second, third]
    assert run_jobs.crashed_runs(workspace) == [first]
    enqueue(first, workspace, ["cpu"])
    assert queued_runs(workspace) == [second, third, first]
    third.cancel()
    assert queued_runs(workspace) == [second, first]
    for run in runs:
        run.update_status(state="done")
    assert queued_runs(workspace) == []


def test_the_queue_reads_no_run_that_cannot_be_in_it(workspace):
    waiting, old = prepare(SMALL, workspace), prepare(SMALL, workspace)
    enqueue(waiting, workspace, ["cpu"])
    (old.folder / "status.json").write_text("not JSON")
    assert queued_runs(workspace) == [waiting]


def test_a_run_that_was_cancelled_when_its_process_crashed_is_not_resumed_with_all(workspace):
    run = prepare(SMALL, workspace)
    enqueue(run, workspace, ["cpu"])
    run.cancel()
    run.update_status(pid_started=1.0)
    assert run.status["state"] == "cancelled"
    assert run_jobs.crashed_runs(workspace) == []
    enqueue(run, workspace, ["cpu"])  # by name it is resumed
    assert not run.cancel_requested


def test_a_run_of_another_process_is_not_trained_twice(workspace):
    run = prepare(SMALL, workspace)
    enqueue(run, workspace, ["cpu"], os.getppid())
    for function in (train_run, run_jobs.resume):
        with pytest.raises(RequestError, match=f"is queued already, in process {os.getppid()};"):
            function(run, workspace)
    assert run.status["state"] == "queued"


def test_resume_takes_one_run_or_all(workspace, run):
    for arguments in (["some-run", "--all"], []):
        code, _, err = run("runs", "resume", *arguments, "--home", workspace.path)
        assert (code, err) == (
            2, "Name one run (`ecgcore runs list` shows all), or use --all.\n",
        )  # fmt: skip


def test_files_that_a_living_process_is_writing_stay(tmp_path):
    living, gone, older = (
        tmp_path / name
        for name in (f".status.json.ab12.{os.getpid()}", ".run.json.ab12.99999999", ".a.json.ab12")
    )
    for file in (living, gone, older):
        file.touch()
    clean_temp(tmp_path)
    assert list(tmp_path.iterdir()) == [living]
