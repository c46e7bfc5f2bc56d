"""The queue: one training a device, first come, first served, and nothing lost with the machine."""

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
from ecgcore.runs.queue import enqueue, queued_runs, turn
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
REAL.set_forkserver_preload(["ecgcore.training.trainer"])


@pytest.fixture
def workspace(examples_home, tmp_path) -> Workspace:
    """Return a home of its own with the example cohort: nobody else is in its queue."""
    (tmp_path / "cohorts").symlink_to(examples_home.cohorts)
    return Workspace(tmp_path)


def wait_until(reached: Callable[[], bool]) -> None:
    """Return once it is so; fail where it never is."""
    deadline = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def waits_for(trainings: str, run: Run) -> bool:
    """Tell whether that is what a run says it waits for."""
    return run.status["message"] == f"Waiting on cpu: {trainings} before this one."


def work_until_killed(run: Run, workspace: Workspace) -> None:
    """Work as ``ecgcore train`` does, but stay in the first epoch."""
    train_run(run, workspace, lambda run, now: time.sleep(600) if now["row"] else None)


def told(run: Run) -> tuple[dict, list[dict]]:
    """Return what a run found, without its name and the time it took."""
    return run.evaluation | {"run": ""}, run.history.drop(columns="seconds").to_dict("records")


def test_trainings_wait_in_order_and_go_on_in_order_when_the_machine_was_rebooted(workspace, run):
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

    code, said, _ = run("runs", "resume", "--all", "--json", "--home", workspace.path)
    resumed = [first, second, fourth]
    assert (code, [row["run"] for row in json.loads(said)["runs"]]) == (0, [r.id for r in resumed])
    assert queued_runs(workspace) == resumed
    wait_until(lambda: not queued_runs(workspace))
    assert [one.status["state"] for one in runs] == ["done", "done", "cancelled", "done"]
    ended = [(one.folder / "evaluation.json").stat().st_mtime_ns for one in resumed]
    assert ended == sorted(ended)
    uninterrupted = told(train(SMALL, workspace))
    assert [told(one) for one in resumed] == [uninterrupted] * 3
    assert not list((workspace.runs / ".queue").iterdir())
    assert run("runs", "resume", "--all", "--home", workspace.path)[1] == "No run has crashed.\n"


def test_any_gpu_is_the_first_whose_turn_it_is_and_one_by_number_is_that_one(
    workspace, monkeypatch
):
    """What the queue knows of a device is its name."""
    any_gpu, runs = ["cuda:0", "cuda:1"], [prepare(SMALL, workspace) for _ in range(4)]
    for run, devices in zip(runs, (["cuda:0"], any_gpu, any_gpu, ["cpu"]), strict=True):
        enqueue(run, workspace, devices)
        time.sleep(0.002)
    with turn(runs[1], workspace, any_gpu) as second:
        assert second == "cuda:1"  # the first run stands before it on the other
        with (
            turn(runs[0], workspace, ["cuda:0"]) as first,
            turn(runs[3], workspace, ["cpu"]) as fourth,
        ):
            assert (first, fourth) == ("cuda:0", "cpu")
            monkeypatch.setattr(queue.time, "sleep", lambda _: runs[2].cancel())
            with pytest.raises(Cancelled), turn(runs[2], workspace, any_gpu):
                pass
    assert runs[2].status["message"] == ("Waiting on cuda:0, cuda:1: 2 trainings before this one.")


def test_a_place_in_the_queue_goes_with_its_process_and_stays_with_its_run(workspace):
    first, second, third = runs = [prepare(SMALL, workspace) for _ in range(3)]
    for run in (second, first, third):
        enqueue(run, workspace, ["cpu"])
    assert queued_runs(workspace) == [second, first, third]
    enqueue(second, workspace, ["cpu"])  # as the process does that it was queued for
    assert queued_runs(workspace) == [second, first, third]
    first.update_status(
        pid_started=process_stamp()["pid_started"] - 1000
    )  # the number was used again
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
    waits, old = prepare(SMALL, workspace), prepare(SMALL, workspace)
    enqueue(waits, workspace, ["cpu"])
    (old.folder / "status.json").write_text("whoever reads this fails")
    assert queued_runs(workspace) == [waits]


def test_a_run_that_was_to_be_cancelled_when_its_process_died_is_not_resumed(workspace):
    run = prepare(SMALL, workspace)
    enqueue(run, workspace, ["cpu"])
    run.cancel()
    run.update_status(pid_started=1.0)
    assert run.status["state"] == "cancelled"
    assert run_jobs.crashed_runs(workspace) == []
    enqueue(run, workspace, ["cpu"])  # but by name it is
    assert not run.cancel_requested


def test_a_run_at_work_in_another_process_is_not_worked_on_twice(workspace):
    run = prepare(SMALL, workspace)
    enqueue(run, workspace, ["cpu"], os.getppid())
    for again in (train_run, run_jobs.resume):
        with pytest.raises(RequestError, match=f"is queued already, in process {os.getppid()};"):
            again(run, workspace)
    assert run.status["state"] == "queued"


def test_resume_takes_one_run_or_all(workspace, run):
    for arguments in (["some-run", "--all"], []):
        code, _, said = run("runs", "resume", *arguments, "--home", workspace.path)
        assert (code, said) == (
            2, "Name one run (`ecgcore runs list` shows all), or use --all.\n",
        )  # fmt: skip


def test_what_a_living_process_is_writing_stays(tmp_path):
    living, gone, older = (
        tmp_path / name
        for name in (f".status.json.ab12.{os.getpid()}", ".run.json.ab12.99999999", ".a.json.ab12")
    )
    for file in (living, gone, older):
        file.touch()
    clean_temp(tmp_path)
    assert list(tmp_path.iterdir()) == [living]
