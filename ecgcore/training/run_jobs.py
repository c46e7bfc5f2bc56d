"""Trainings in processes of their own, which outlive the process that starts them."""

import sys

from ecgcore.background import start_detached
from ecgcore.errors import EcgError
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.queue import enqueue
from ecgcore.runs.run import Run, list_runs
from ecgcore.training.device import find_devices
from ecgcore.training.prepare import prepare
from ecgcore.workspace import Workspace


def start(config: TrainConfig, workspace: Workspace) -> Run:
    """Prepare a run and train it in a process of its own; a wrong request is refused at once."""
    run = prepare(config, workspace)
    resume(run, workspace)
    return run


def resume(run: Run, workspace: Workspace) -> None:
    """Queue a prepared or interrupted run and start its process, which writes to log.txt."""
    run.require_idle()
    status, devices = run.status, find_devices(run.config.device)
    command = [sys.executable, "-m", "ecgcore", "runs", "resume", run.id]
    command += ["--home", str(workspace.path)]
    if status.get("devices"):  # else a scheduler assigned the workers' devices
        command += ["--workers", str(status.get("workers", 1))]
    pid = start_detached(command, run.folder / "log.txt")
    enqueue(run, workspace, devices, pid)


def crashed_runs(workspace: Workspace) -> list[Run]:
    """Return the runs whose processes crashed, in their former order in the queue."""
    crashed = [run for run in list_runs(workspace) if run.status["state"] == "crashed"]
    return sorted(crashed, key=lambda run: (run.status.get("queued_at") or 0, run.id))


def resume_all(workspace: Workspace) -> list[Run]:
    """Resume all crashed runs in their former order, each in a process of its own."""
    runs = crashed_runs(workspace)
    for run in runs:
        try:
            resume(run, workspace)
        except EcgError as error:  # does not keep the others from being resumed
            run.update_status(state="failed", message=str(error))
    return runs
