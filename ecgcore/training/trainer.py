"""From a request to a scored run: prepare, wait for the turn, train, score, say how it ended."""

import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import torch

from ecgcore.atomic import clean_temp
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import Split
from ecgcore.errors import EcgError, NotWritten
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.queue import acquire_all, enqueue, skip_queue
from ecgcore.runs.run import ALIVE, CANCELLED, Cancelled, Run, find_run
from ecgcore.training.checkpoint import FILE as RESUME
from ecgcore.training.context import TrainContext
from ecgcore.training.device import find_devices, find_precision, use
from ecgcore.training.distillation import soft_targets
from ecgcore.training.distributed import SINGLE_PROCESS, Team
from ecgcore.training.finetune import load_pretrained
from ecgcore.training.loop import Progress, run_epochs
from ecgcore.training.prepare import make_split, prepare
from ecgcore.training.scoring import score_run
from ecgcore.training.tracking import track
from ecgcore.workspace import Workspace

STOPPED = "Stopped from the terminal; `ecgcore runs resume {id}` goes on."
BROKEN = "An error of the program; see the log."
LOST = "A worker was lost, or an error of the program (see the log); the workers start again."
NOT_WRITTEN = (
    "{why} What was saved before is intact. Make room on the disk and go on: ecgcore runs resume "
    "{id}."
)


def train(config: TrainConfig, workspace: Workspace, on_progress: Progress | None = None) -> Run:
    """Prepare a run and work on it until it is done; return it."""
    return train_run(prepare(config, workspace), workspace, on_progress)


def train_run(run: Run, workspace: Workspace, on_progress: Progress | None = None) -> Run:
    """Train what ``run.json`` asks for, from where it was saved last, and score it."""
    run.require_idle()
    return train_as_worker(SINGLE_PROCESS, run, workspace, on_progress)


def train_as_worker(
    team: Team, run: Run, workspace: Workspace, on_progress: Progress | None = None
) -> Run:
    """Do so as one of a team: all call this, and the first alone writes the run's folder."""
    with _told(run, team) if team.is_rank_zero else suppress(Cancelled):
        devices = find_devices(run.config.device)
        team.check(run.config.batch_size, devices)
        if team.is_rank_zero:
            _begin(team, run, workspace, devices)
        cohort, plan = team.first_first(partial(_plan, run, workspace))
        with (
            _turn(team, run, workspace, devices) as device,
            _tracked(team, run, on_progress) as told,
        ):
            precision = team.on_rank_zero(partial(find_precision, run.config.precision, device))
            _say(team, run, state="running", message="Training.", device=str(device),
                precision=str(precision).removeprefix("torch."), workers=team.size)  # fmt: skip
            lessons = soft_targets(plan, run, workspace, cohort, device, team)
            working = TrainContext(run, run.config, cohort, plan, device, precision, team, lessons)
            _start_afresh(working, workspace)
            best_epoch = run_epochs(working, told)
            _say(team, run, message="Scoring the test records.")
            score_run(working)
        _say(team, run, state="done", eta_s=0, message="Done.", best_epoch=best_epoch)
        if team.is_rank_zero:
            (run.folder / RESUME).unlink(missing_ok=True)
    return run


def _say(team: Team, run: Run, **changes: Any) -> None:
    """Let the first write where the run stands."""
    if team.is_rank_zero:
        run.report(**changes)


def _begin(team: Team, run: Run, workspace: Workspace, devices: list[str]) -> None:
    """Say that the run is being worked on, and queue it where the queue decides."""
    if team.uses_queue:
        enqueue(run, workspace, devices, team.keeper["pid"] if team.keeper else None)
    else:
        skip_queue(run, team.keeper)
    run.report(message="Preparing.", team=team.launch)


def _plan(run: Run, workspace: Workspace) -> tuple[Cohort, Split]:
    """Return the cohort and its records' parts, if they are still those of the preparation."""
    cohort, plan = make_split(run.config, workspace)
    if plan.hash != run.meta["split"]["hash"]:
        raise EcgError(
            f"Cohort '{cohort.name}' has changed since run {run.id} was prepared; train anew."
        )
    return cohort, plan


@contextmanager
def _turn(team: Team, run: Run, workspace: Workspace, devices: list[str]) -> Iterator[torch.device]:
    """Wait for the team's turn, and yield this one's device: on GPUs each has its own."""
    wanted = 1 if devices == ["cpu"] else team.local_size
    with ExitStack() as held:
        if team.uses_queue:
            take = partial(acquire_all, run, workspace, devices, wanted)
            devices = team.on_rank_zero(lambda: held.enter_context(take()))
        yield use(team.device or devices[team.local_rank % len(devices)])


@contextmanager
def _tracked(team: Team, run: Run, on_progress: Progress | None) -> Iterator[Progress]:
    """Let the first tell the trackers, and yield what tells them of the training's progress."""
    if team.is_rank_zero:
        with track(run) as trackers:
            yield trackers.beside(on_progress)
    else:
        yield lambda run, now: None


def _start_afresh(working: TrainContext, workspace: Workspace) -> None:
    """Give the network the weights that the run starts from, unless it goes on."""
    run, init = working.run, working.config.pretrained
    if init and not working.team.on_rank_zero((run.folder / RESUME).exists):
        load_pretrained(working.model, find_run(init, workspace), run.meta)


@contextmanager
def _told(run: Run, team: Team) -> Iterator[None]:
    """Keep status.json true however the work ends."""
    clean_temp(run.folder)
    try:
        yield
    except Cancelled:
        run.report(state="cancelled", eta_s=None, message=CANCELLED.format(id=run.id))
    except (NotWritten, OSError) as error:
        why = error if isinstance(error, NotWritten) else f"{error.strerror or error}."
        message = NOT_WRITTEN.format(why=why, id=run.id)
        run.report(state="failed", eta_s=None, message=message)
        raise NotWritten(message) from error
    except EcgError as error:
        run.report(state="failed", eta_s=None, message=str(error))
        raise
    except KeyboardInterrupt:
        run.report(state="cancelled", eta_s=None, message=STOPPED.format(id=run.id))
        raise
    finally:
        if run.status["state"] in ALIVE:  # an error of ours, or another worker is gone
            failed = {"state": "failed", "message": BROKEN}
            run.report(eta_s=None, **({"message": LOST} if team.size > 1 else failed))
            with (run.folder / "log.txt").open("a", encoding="utf-8") as log:
                log.write(traceback.format_exc())
        if run.status["state"] not in ALIVE:
            run.clear_cancel()
