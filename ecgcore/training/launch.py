"""Starting a team on this machine, and finding the run that a launch works on.

``ecgcore train --workers N`` prepares the run, lets torchrun start N workers on it and reads from
the run's folder how it goes. What torchrun says goes into the run's log.
"""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict

from ecgcore.errors import EcgError
from ecgcore.executors.local import cores
from ecgcore.executors.select import LOCAL
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.run import Run, list_runs
from ecgcore.training.device import find_devices
from ecgcore.training.distributed import Team
from ecgcore.training.loop import Progress
from ecgcore.training.prepare import prepare
from ecgcore.training.trainer import train_as_worker, train_run
from ecgcore.workspace import Workspace

RESTARTS = 3
"""So often may a worker be lost."""
LOOK_EVERY_S = 0.5
MEMBER = "ecgcore.training.worker"
LOST = (
    "Workers of run {id} were lost {restarts} times; its log.txt says what is known. `ecgcore runs "
    "resume {id}` goes on where it was saved last."
)


def find_or_prepare_run(team: Team, config: TrainConfig, workspace: Workspace) -> Run:
    """Return the run that a launch asks for: prepared by its first worker, found by all others.

    Started again after a loss, the first finds the run that it has prepared before.
    """
    if team.launch is None:
        return prepare(config, workspace)
    asked = f"{team.launch} {sorted(asdict(config).items())}"
    launch = hashlib.sha256(asked.encode()).hexdigest()

    def find() -> str:
        found = [run.id for run in list_runs(workspace) if run.status.get("launch") == launch]
        return found[0] if found else prepare(config, workspace, launch).id

    return Run(workspace.runs / team.on_rank_zero(find))


def launch_training(
    workers: int, on: str, team: Team, run: Run, workspace: Workspace, on_progress: Progress
) -> None:
    """Work on a run in the way asked for: as one of a team that torchrun started, else alone,
    with several workers of this machine, or with those of a Ray cluster."""
    if (keeper := team.keeper) is not None:
        if team.on_rank_zero(lambda: _is_left(run, team.launch, keeper["pid"])):
            train_as_worker(team, run, workspace, on_progress)
    elif on != LOCAL:
        from ecgcore.training.ray_train import train_on_ray

        train_on_ray(workers, on, run, workspace, on_progress)
    elif workers > 1:
        train_with_workers(workers, run, workspace, on_progress)
    else:
        train_run(run, workspace, on_progress)


def _is_left(run: Run, launch: str | None, keeper: int) -> bool:
    """Tell whether something of a run is left to do for a team, which may have been lost at the
    very end, and may have its first on another machine than before."""
    status = run.status
    if status["state"] == "done":
        return False
    if status.get("team") != launch:
        run.require_idle(keeper)
    return True


def train_with_workers(workers: int, run: Run, workspace: Workspace, on_progress: Progress) -> None:
    """Let several processes of this machine work on a run until it is done.

    A worker that is lost is started again with the others, where the run was saved last.
    """
    run.require_idle()
    Team(size=workers, local_size=workers).check(
        run.config.batch_size, find_devices(run.config.device)
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(workers), "--max-restarts", str(RESTARTS)]
    command += ["-m", MEMBER, str(run.folder), str(workspace.path)]
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, cores() // workers))
    with (run.folder / "log.txt").open("ab") as log:
        keeper = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": threads},
            start_new_session=True,  # Ctrl-C is for this process: it asks the run to stop
        )
    try:
        follow(run, on_progress, lambda: keeper.poll() is not None)
    finally:
        keeper.terminate()  # nothing where it has ended
        keeper.wait()
    say_how_it_ended(run, RESTARTS)


def follow(run: Run, on_progress: Progress, has_ended: Callable[[], bool]) -> None:
    """Tell from a run's folder how the work of others on it goes, until that has ended."""
    told = int(run.status["epoch"])
    is_over = False
    while not is_over:
        is_over = has_ended()
        status, history = run.status, run.history
        rows = history.to_dict("records") if len(history) else []
        for row in [None, *(row for row in rows if row["epoch"] > told)]:
            if "steps" in status:
                on_progress(run, {k: status[k] for k in ("epoch", "step", "steps")} | {"row": row})
            told = max(told, row["epoch"] if row else 0)
        if not is_over:
            time.sleep(LOOK_EVERY_S)


def say_how_it_ended(run: Run, restarts: int) -> None:
    """Raise what ended a team's work on a run, unless it is done or was cancelled."""
    status = run.status
    if status["state"] == "failed":
        raise EcgError(status["message"])
    if status["state"] not in ("done", "cancelled"):
        message = LOST.format(id=run.id, restarts=restarts)
        run.report(state="failed", eta_s=None, message=message)
        raise EcgError(message)
