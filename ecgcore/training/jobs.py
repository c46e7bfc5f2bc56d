"""Trainings in processes of their own: they outlive whoever started them."""

import subprocess
import sys

from ecgcore.home import Home
from ecgcore.training.config import TrainConfig
from ecgcore.training.preparing import prepare
from ecgcore.training.run import Run, process_stamp

# Children of this process, kept so that one which ended is collected and not left a zombie.
_children: list[subprocess.Popen] = []


def start(config: TrainConfig, home: Home) -> Run:
    """Prepare a run and let ``ecgcore runs resume`` work on it in a process of its own.

    What is wrong with the request is said at once, and then nothing is written.
    """
    run = prepare(config, home)
    resume(run, home)
    return run


def resume(run: Run, home: Home) -> None:
    """Start the process that works on a prepared or interrupted run; its output is log.txt."""
    command = [sys.executable, "-m", "ecgcore", "runs", "resume", run.id, "--home", str(home.path)]
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
    run.report(state="queued", message="Starting.", **process_stamp(child.pid))
