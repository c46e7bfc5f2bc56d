"""Trainings in processes of their own: they outlive whoever started them."""

import subprocess
import sys

from ecgcore.errors import EcgError
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.queue import enter
from ecgcore.runs.run import Run, list_runs
from ecgcore.training.device import find_devices
from ecgcore.training.prepare import prepare
from ecgcore.workspace import Workspace

# Children of this process, kept so that one which ended is collected and not left a zombie.
_children: list[subprocess.Popen] = []


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
    _children[:] = [child for child in _children if child.poll() is None]
    with (run.folder / "log.txt").open("ab") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children.append(child)
    enter(run, workspace, devices, child.pid)


def cut_off(workspace: Workspace) -> list[Run]:
    """Return the runs whose processes died, in the order in which they stood in the queue."""
    dead = [run for run in list_runs(workspace) if run.status["state"] == "died"]
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
