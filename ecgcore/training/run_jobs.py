"""Trainings in processes of their own: they outlive whoever started them."""

import sys

from ecgcore.background import start_detached
from ecgcore.errors import EcgError
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.queue import enter
from ecgcore.runs.run import Run, list_runs
from ecgcore.training.device import find_devices
from ecgcore.training.prepare import prepare
from ecgcore.workspace import Workspace


def start(config: TrainConfig, workspace: Workspace) -> Run:
    """Prepare a run and let ``ecgcore runs resume`` work on it in a process of its own.

    What is wrong with the request is said at once, and then nothing is written.
    """
    run = prepare(config, workspace)
    resume(run, workspace)
    return run


def resume(run: Run, workspace: Workspace) -> None:
    """Queue a prepared or interrupted run and start its process, whose output is log.txt."""
    run.need_idle()
    status, devices = run.status, find_devices(run.config.device)
    command = [
        sys.executable,
        "-m",
        "ecgcore",
        "runs",
        "resume",
        run.id,
        "--home",
        str(workspace.path),
    ]
    if status.get("devices"):  # else others gave the workers their places
        command += ["--workers", str(status.get("workers", 1))]
    pid = start_detached(command, run.folder / "log.txt")
    enter(run, workspace, devices, pid)


def cut_off(workspace: Workspace) -> list[Run]:
    """Return the runs whose processes crashed, in the order in which they stood in the queue."""
    dead = [run for run in list_runs(workspace) if run.status["state"] == "crashed"]
    return sorted(dead, key=lambda run: (run.status.get("queued_at") or 0, run.id))


def resume_all(workspace: Workspace) -> list[Run]:
    """Queue all that was cut off in its former order, each in a process of its own."""
    runs = cut_off(workspace)
    for run in runs:
        try:
            resume(run, workspace)
        except EcgError as error:  # the others go on
            run.report(state="failed", message=str(error))
    return runs
