"""Launching a training: in this process, with several workers of this machine, or on Ray.

``ecgcore train --workers N`` prepares the run, lets torchrun start N workers (worker.py) and
follows the run's folder. Output of torchrun goes into the run's log.
"""

import hashlib
import os
import subprocess
import sys
from dataclasses import asdict

from ecgcore.executors.local import cores
from ecgcore.executors.select import LOCAL
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.run import Run, list_runs
from ecgcore.training.device import find_devices
from ecgcore.training.distributed import Team
from ecgcore.training.follow import MAX_RESTARTS, follow_run, raise_failure
from ecgcore.training.loop import Progress
from ecgcore.training.prepare import prepare
from ecgcore.training.ray_train import train_on_ray
from ecgcore.training.trainer import train_as_worker, train_run
from ecgcore.workspace import Workspace

WORKER_MODULE = "ecgcore.training.worker"


def find_or_prepare_run(
    team: Team, config: TrainConfig, workspace: Workspace, executor: str = LOCAL
) -> Run:
    """Return the run of a launch: prepared by rank 0, and found again after a restart."""
    if team.launch is None:
        return prepare(config, workspace, is_local=executor == LOCAL)
    request = f"{team.launch} {sorted(asdict(config).items())}"
    launch = hashlib.sha256(request.encode()).hexdigest()

    def find_id() -> str:
        ids = [run.id for run in list_runs(workspace) if run.status.get("launch") == launch]
        return ids[0] if ids else prepare(config, workspace, launch).id

    return Run(workspace.runs / team.on_rank_zero(find_id))


def launch_training(
    workers: int, executor: str, team: Team, run: Run, workspace: Workspace, on_progress: Progress
) -> None:
    """Train a run as one of torchrun's workers, on Ray, with local workers, or in this process."""
    if (launcher := team.launcher) is not None:
        if team.on_rank_zero(lambda: _is_unfinished(run, team.launch, launcher["pid"])):
            train_as_worker(team, run, workspace, on_progress)
    elif executor != LOCAL:
        train_on_ray(workers, executor, run, workspace, on_progress)
    elif workers > 1:
        train_with_workers(workers, run, workspace, on_progress)
    else:
        train_run(run, workspace, on_progress)


def _is_unfinished(run: Run, launch: str | None, launcher_pid: int) -> bool:
    """Tell whether a run is unfinished: workers may have been lost at the very end.

    Rank 0 may be on another machine than before the loss.
    """
    status = run.status
    if status["state"] == "done":
        return False
    if status.get("team") != launch:
        run.require_idle(launcher_pid)
    return True


def train_with_workers(workers: int, run: Run, workspace: Workspace, on_progress: Progress) -> None:
    """Train a run with several processes of this machine until it is done.

    When a worker is lost, all are started again from the last checkpoint.
    """
    run.require_idle()
    team = Team(size=workers, local_size=workers)
    team.check_resources(run.config.batch_size, find_devices(run.config.device))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(workers), "--max-restarts", str(MAX_RESTARTS)]
    command += ["-m", WORKER_MODULE, str(run.folder), str(workspace.path)]
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, cores() // workers))
    with (run.folder / "log.txt").open("ab") as log:
        launcher = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": threads},
            start_new_session=True,  # Ctrl-C reaches this process only, which cancels the run
        )
    try:
        follow_run(run, on_progress, lambda: launcher.poll() is not None)
    finally:
        launcher.terminate()  # has no effect on a process that has ended
        launcher.wait()
    raise_failure(run)
